"""``arrivals report``: rows, csv, check."""

import sys
from urllib.parse import urlencode

import click

from arrivals.cli import client

SORT = click.option("--sort", default="", help="A column to sort by; with - before it, from the greatest down.")


@click.group()
def report() -> None:
    """Read a report of a running server, or look at it now."""


@report.command()
@click.argument("report_id", metavar="REPORT")
@click.option("--limit", type=click.IntRange(1), help="At most so many rows; default all.")
@SORT
@client.options
def rows(report_id: str, limit: int | None, sort: str, url: str | None, key: str | None, as_json: bool) -> None:
    """Print the rows of REPORT (rep_...)."""
    found = list(client.Client(url, key).items(f"/reports/{report_id}/rows", most=limit, sort=sort))
    if as_json:
        client.show(found)
    elif found:
        heads = list(found[0])
        client.table([[row[head] for head in heads] for row in found], heads)
    else:
        click.echo("Nobody is on this report now.")


@report.command("csv")
@click.argument("report_id", metavar="REPORT")
@SORT
@client.options
def csv_(report_id: str, sort: str, url: str | None, key: str | None, as_json: bool) -> None:
    """Print REPORT as CSV, as it comes."""
    if as_json:
        raise click.UsageError("csv prints CSV; for JSON there is `arrivals report rows --json`.")
    for piece in client.Client(url, key).pieces(f"/reports/{report_id}/rows.csv?{urlencode({'sort': sort})}"):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@report.command()
@click.argument("report_id", metavar="REPORT")
@client.options
def check(report_id: str, url: str | None, key: str | None, as_json: bool) -> None:
    """Look at REPORT now, for arrivals and departures."""
    found = client.Client(url, key).post(f"/reports/{report_id}/check")
    if as_json:
        client.show(found)
    else:
        click.echo(
            f"{found['on_report']:,} on the report, {found['entered']:,} entered, {found['left']:,} left ({found['ms']} ms)."
        )
