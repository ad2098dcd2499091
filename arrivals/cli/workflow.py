"""``arrivals workflow``: list, apply, export, activate, pause, resume, runs."""

from typing import Any

import click

from arrivals.cli import client, workflow_files


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
        click.echo("There are no workflows yet; `arrivals workflow apply FILE` makes one.")


workflow.add_command(workflow_files.apply)
workflow.add_command(workflow_files.export)


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
