"""``arrivals workflow``: list, apply, activate, pause, resume, runs."""

import json
from pathlib import Path
from typing import Any

import click

from arrivals.cli import client
from arrivals.errors import Conflict, InvalidDefinition


@click.group()
def workflow() -> None:
    """Read and change the workflows of a running server."""


@workflow.command("list")
@client.options
def list_(url: str | None, key: str | None, as_json: bool) -> None:
    """List the workflows, newest first."""
    found = list(client.Client(url, key).items("/workflows"))
    if as_json:
        client.show(found)
    elif found:
        client.table(
            [[one["id"], one["state"], one["version"], one["name"]] for one in found],
            ["id", "state", "version", "name"],
        )
    else:
        click.echo("There are no workflows yet; `arrivals workflow apply FILE.json` makes one.")


@workflow.command(short_help="Make or change the workflow in FILE (JSON).")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@client.options
def apply(file: Path, url: str | None, key: str | None, as_json: bool) -> None:
    """Make the workflow that FILE (JSON) describes, or, when there is one of its name, change and publish that."""
    try:
        definition = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidDefinition(f"{file} is not JSON: {error}.") from error
    if not isinstance(definition, dict) or not isinstance(definition.get("name"), str):
        raise InvalidDefinition(f"{file} must hold one object with a name.", path="name")
    server = client.Client(url, key)
    same = [one for one in server.items("/workflows") if one["name"] == definition["name"].strip()]
    if len(same) > 1:
        raise Conflict(f"{len(same)} workflows are named {definition['name']!r}; give them names of their own first.")
    done = server.put(f"/workflows/{same[0]['id']}", definition) if same else server.post("/workflows", definition)
    if as_json:
        client.show(done)
    else:
        click.echo(f"{'Changed' if same else 'Made'} {done['id']} ({done['name']}); it is {done['state']}.")


@workflow.command()
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option(
    "--existing",
    type=click.Choice(["skip", "run"]),
    default="skip",
    show_default=True,
    help="Whether those on the report now run.",
)
@click.option("--since", metavar="TIME", help="Run for those on the report since TIME (ISO 8601).")
@client.options
def activate(
    workflow_id: str, existing: str, since: str | None, url: str | None, key: str | None, as_json: bool
) -> None:
    """Turn WORKFLOW (wf_...) on."""
    _turn_on("activate", workflow_id, existing, since, url, key, as_json)


@workflow.command()
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option(
    "--existing",
    type=click.Choice(["skip", "run"]),
    default="skip",
    show_default=True,
    help="Whether those run who entered while it was paused.",
)
@click.option("--since", metavar="TIME", help="Run for those who entered since TIME (ISO 8601).")
@client.options
def resume(workflow_id: str, existing: str, since: str | None, url: str | None, key: str | None, as_json: bool) -> None:
    """Turn WORKFLOW on again after a pause."""
    _turn_on("resume", workflow_id, existing, since, url, key, as_json)


@workflow.command()
@click.argument("workflow_id", metavar="WORKFLOW")
@client.options
def pause(workflow_id: str, url: str | None, key: str | None, as_json: bool) -> None:
    """Turn WORKFLOW off for a while; its runs under way go on."""
    paused = client.Client(url, key).post(f"/workflows/{workflow_id}/pause")
    if as_json:
        client.show(paused)
    else:
        click.echo(f"{paused['name']} is paused.")


@workflow.command()
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option("--state", default="", help="Only runs of this state.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@client.options
def runs(workflow_id: str, state: str, limit: int, url: str | None, key: str | None, as_json: bool) -> None:
    """List the runs of WORKFLOW, newest first."""
    found = list(client.Client(url, key).items(f"/workflows/{workflow_id}/runs", most=limit, state=state))
    if as_json:
        client.show(found)
    else:
        rows = [[one["id"], one["state"], one["member"], one["entry"], one["created_at"]] for one in found]
        client.table(rows, ["id", "state", "member", "entry", "created"])


def _turn_on(
    action: str, workflow_id: str, existing: str, since: str | None, url: str | None, key: str | None, as_json: bool
) -> None:
    choice: Any = {"since": since} if since else existing
    done = client.Client(url, key).post(f"/workflows/{workflow_id}/{action}", {"existing": choice})
    if as_json:
        client.show(done)
    else:
        click.echo(f"It is on: {done['on_report']:,} on the report, {done['will_run']:,} of them will run.")
