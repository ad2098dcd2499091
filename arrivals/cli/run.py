"""``arrivals run``: show, replay."""

from typing import Any

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
        for line in step["log"][:-1]:
            click.echo(f"     {line['at']}: {line['message']}")
        error = f": {step['error'].get('message', '')}" if step["error"] else ""
        tries = f", {step['tries']} tries" if step["tries"] > 1 else ""
        click.echo(f"  {step['number']}. {step['id']}: {step['status']}{tries}{error}")


@run.command()
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option(
    "--from",
    "start",
    type=click.Choice(["failed", "start"]),
    default="failed",
    show_default=True,
    help="The failed step, or the start (a new run).",
)
@click.option(
    "--version",
    type=click.Choice(["same", "newest"]),
    default="same",
    show_default=True,
    help="The version each had, or the one that runs now.",
)
@click.option("--workflow", metavar="WORKFLOW", help="Many runs of this workflow, in the background.")
@click.option("--state", default="failed", show_default=True, help="With --workflow: those in this state.")
@click.option("--since", metavar="TIME", help="With --workflow: those that ended since then.")
@click.option("--until", metavar="TIME", help="With --workflow: those that ended before.")
@click.option("--error", default="", help="With --workflow: those with this code, or part of a message.")
@click.option("--preview", is_flag=True, help="With --workflow: only tell what would be sent again.")
@client.options
def replay(
    run_ids: tuple[str, ...],
    start: str,
    version: str,
    workflow: str | None,
    state: str,
    since: str | None,
    until: str | None,
    error: str,
    preview: bool,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Run one or several RUNs again, or many of a --workflow."""
    if bool(run_ids) == bool(workflow):
        raise click.UsageError("Name runs, or a workflow with --workflow.")
    server = client.Client(url, key)
    if not workflow:
        done = [server.post(f"/runs/{one}/replay", {"from": start, "version": version}) for one in run_ids]
        if as_json:
            client.show(done[0] if len(done) == 1 else done)
        for one in done if not as_json else ():
            click.echo(f"{one['id']} will be executed.")
        return
    which = {"state": state, "since": since, "until": until, "error": error}
    told = server.post(
        f"/workflows/{workflow}/replay", {**which, "from": start, "version": version, "preview": preview}
    )
    if as_json:
        client.show(told)
    elif preview:
        _preview(told)
    else:
        click.echo(f"{told['id']}: {told['total']:,} runs will be replayed, in the background.")


def _preview(told: dict[str, Any]) -> None:
    click.echo(f"{told['will_replay']:,} of {told['runs']:,} runs will be replayed.")
    for one in told["refused"]:
        click.echo(f"  {one['runs']:,} not: {one['reason']}")
    for one in told["steps"]:
        again = f"; {one['again']:,} of them succeeded before" if one["again"] else ""
        click.echo(f"  {one['id']}: up to {one['runs']:,} times{again}")
    for one in told["errors"]:
        click.echo(f"  {one['runs']:,} with: {one['message'] or 'no error'}")
