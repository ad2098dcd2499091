"""``arrivals run``: show, replay."""

import click

from arrivals.cli import client


@click.group()
def run() -> None:
    """Look at a run of a running server, or run it again."""


@run.command()
@click.argument("run_id", metavar="RUN")
@client.options
def show(run_id: str, url: str | None, key: str | None, as_json: bool) -> None:
    """Show RUN (run_...) with its steps."""
    found = client.Client(url, key).get(f"/runs/{run_id}")
    if as_json:
        client.show(found)
        return
    click.echo(f"{found['id']}: {found['state']}, {found['member']}, entry {found['entry']}, {found['created_at']}")
    for step in found["steps"]:
        error = f": {step['error'].get('message', '')}" if step["error"] else ""
        tries = f", {step['tries']} tries" if step["tries"] > 1 else ""
        click.echo(f"  {step['number']}. {step['id']}: {step['status']}{tries}{error}")


@run.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--from",
    "start",
    type=click.Choice(["failed", "start"]),
    default="failed",
    show_default=True,
    help="The failed step, or the start (a new run).",
)
@client.options
def replay(run_id: str, start: str, url: str | None, key: str | None, as_json: bool) -> None:
    """Run RUN again."""
    started = client.Client(url, key).post(f"/runs/{run_id}/replay", {"from": start})
    if as_json:
        client.show(started)
    else:
        click.echo(f"{started['id']} will be executed.")
