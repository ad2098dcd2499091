"""``arrivals list``: create, replace, show. Files of visitor or account ids, one per line."""

from typing import Any, BinaryIO

import click

from arrivals.cli import client


@click.group("list")
def list_() -> None:
    """Upload files of ids for segments, one per line."""


@list_.command()
@click.argument("name")
@click.argument("file", type=click.File("rb"))
@client.options
def create(name: str, file: BinaryIO, url: str | None, key: str | None, as_json: bool) -> None:
    """Make the list NAME of FILE (- reads what comes in)."""
    _told(client.Client(url, key).send("POST", "/lists/file", file, name=name), as_json)


@list_.command()
@click.argument("list_id", metavar="LIST")
@click.argument("file", type=click.File("rb"))
@client.options
def replace(list_id: str, file: BinaryIO, url: str | None, key: str | None, as_json: bool) -> None:
    """Put the ids of FILE in the place of those of LIST (lst_...), all at once."""
    _told(client.Client(url, key).send("PUT", f"/lists/{list_id}/file", file), as_json)


@list_.command()
@client.options
def show(url: str | None, key: str | None, as_json: bool) -> None:
    """Print the lists that there are."""
    found = list(client.Client(url, key).items("/lists"))
    if as_json:
        client.show(found)
    elif found:
        client.table([[one["id"], one["name"], f"{one['size']:,}"] for one in found], ["id", "name", "ids"])
    else:
        click.echo("There is no list yet.")


def _told(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        client.show(done)
        return
    click.echo(f"{done['id']}: {done['size']:,} ids of {done['lines']:,} lines, {done['duplicates']:,} more than once.")
    for one in done["bad"]:
        click.echo(f"line {one['line']}: {one['reason']}", err=True)
    if done["refused"] > len(done["bad"]):
        click.echo(f"and {done['refused'] - len(done['bad']):,} more lines that are no ids", err=True)
