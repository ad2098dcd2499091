"""``arrivals workflow apply`` and ``export``: workflows as files, for use with Git."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from arrivals.cli import client
from arrivals.errors import Invalid, InvalidDefinition

ENDS = (".yaml", ".yml", ".json")
SIGNS = {"make": "+", "change": "~", "leave": "="}


@click.command(short_help="Make and change what files (YAML or JSON) say.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--plan", "--dry-run", "plan", is_flag=True, help="Only print what would be made and changed.")
@click.option("--yes", is_flag=True, help="Do not ask before it is done.")
@click.option("--note", default="", help="What to say of the versions that are published.")
@client.options
def apply(
    paths: tuple[Path, ...], plan: bool, yes: bool, note: str, url: str | None, key: str | None, as_json: bool
) -> None:
    """Make and change the segments, reports and workflows that files (or all of a folder) describe.

    Prints the plan first, and asks on a terminal. What is the same stays as it is; what is in no file stays too.
    """
    files = [{"name": str(path), "text": _text(path)} for path in _files(paths)]
    server = client.Client(url, key)
    body = {"files": files, "note": note}
    # With --json nobody is asked, so that the plan alone need not be known first.
    done = server.post("/workflows/import", {**body, "plan": plan or not as_json})
    if as_json:
        client.show(done)
        return
    for line in _lines(done["changes"]):
        click.echo(line)
    todo = [one for one in done["changes"] if one["action"] != "leave" or one["turn"]]
    if plan or not todo:
        return
    if _terminal() and not yes and not click.confirm("Do this?"):
        raise Invalid("Nothing was changed.")
    finished = server.post("/workflows/import", {**body, "plan": False})
    for one in finished["changes"]:
        if one["kind"] == "workflow" and one["action"] == "make":
            click.echo(f"Made {one['id']} ({one['name']}).")
    click.echo("Done.")


@click.command(short_help="Write WORKFLOW (wf_...), or all, as YAML.")
@click.argument("workflow_id", metavar="[WORKFLOW]", required=False)
@click.option(
    "--all", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="All, a file each."
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Not to stdout.")
@client.options
def export(
    workflow_id: str | None, folder: Path | None, output: Path | None, url: str | None, key: str | None, as_json: bool
) -> None:
    """Write WORKFLOW (wf_...) as YAML, with the segments and reports that it needs."""
    if bool(workflow_id) == bool(folder) or (folder and output):
        raise click.UsageError("Name a workflow (and perhaps -o FILE), or --all DIR.")
    server = client.Client(url, key)
    if workflow_id:
        text = server.text(f"/workflows/{workflow_id}/export")
        if output:
            output.write_text(text, encoding="utf-8")
        if as_json:
            client.show({"file": str(output) if output else None, "text": text})
        elif not output:
            click.echo(text, nl=False)
        return
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in server.items("/workflows"):
        if one["version"] is None:  # only a draft yet
            continue
        text = server.text(f"/workflows/{one['id']}/export")
        file = folder / f"{_key(text) or one['id']}.yaml"
        file.write_text(text, encoding="utf-8")
        written.append(str(file))
    if as_json:
        client.show(written)
    else:
        click.echo(f"Wrote {len(written)} {'file' if len(written) == 1 else 'files'} into {folder}.")


def _terminal() -> bool:
    """Whether somebody is there who can answer."""
    return sys.stdin.isatty()


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files themselves, and those of YAML and JSON in folders, in order. Raises InvalidDefinition: a folder has none."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(one for one in path.rglob("*") if one.suffix in ENDS and one.is_file())
        if not found:
            raise InvalidDefinition(f"{path} has no files that end in {', '.join(ENDS)}.")
        yield from found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDefinition("It is not text in UTF-8.", path=str(path)) from error


def _key(text: str) -> str:
    """The key of an exported workflow, which is the name of its file: small letters, digits and hyphens."""
    lines = [line.removeprefix("key: ").strip("'\"") for line in text.splitlines() if line.startswith("key: ")]
    return lines[-1] if lines else ""


def _lines(changes: list[dict[str, Any]]) -> Iterator[str]:
    """The plan for people: a line for each thing, those of what changes in it, and who will run."""
    for one in changes:
        key = f" [{one['key']}]" if one["key"] else ""
        yield f"{SIGNS[one['action']]} {one['kind']} {one['name']}{key}: {_WORDS[one['action']]}"
        yield from (f"    {text}" for text in one["text"])
        turn = one["turn"]
        if turn:
            state = turn["to"] if turn["to"] == turn["from"] else f"{turn['from']} -> {turn['to']}"
            asked = "" if turn["to"] == "paused" and turn["from"] == "on" else _asked(turn)
            yield f"    state: {state}{asked}"
    counted = {action: sum(one["action"] == action for one in changes) for action in SIGNS}
    yield f"{counted['make']} to make, {counted['change']} to change, {counted['leave']} to leave."


_WORDS = {"make": "is made", "change": "is changed", "leave": "stays as it is"}


def _asked(turn: dict[str, Any]) -> str:
    return f"; {turn['on_report']:,} on the report, {turn['will_run']:,} run now"
