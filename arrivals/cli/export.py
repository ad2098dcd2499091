"""``arrivals export FOLDER``: everything that a running server keeps, as files, over /api/v2."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from arrivals import clock
from arrivals.cli import client
from arrivals.cli.client import Client
from arrivals.errors import ArrivalsError, Invalid
from arrivals.warehouse import tables
from arrivals.warehouse.tables import Column

WHAT = ("events", "visitors", "accounts", "links", "responses", "memberships", "reports")
KINDS = {"integer": "number", "number": "number"}
MANIFEST = "export.json"


@click.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(list(tables.FORMATS)), default="parquet", show_default=True)
@click.option("--what", default=",".join(WHAT), show_default=True, help="Which of them, set apart by commas.")
@click.option("--since", default="", metavar="TIME", help="Only events and responses from this time on (ISO 8601).")
@click.option("--until", default="", metavar="TIME", help="Only events before this time (ISO 8601).")
@click.option("--source", default="", help="Only events of this source (src_...).")
@client.options
def export(
    folder: Path,
    format_: str,
    what: str,
    since: str,
    until: str,
    source: str,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Write all that the server keeps into FOLDER.

    Run it again to go on where it stopped; months that are there and have no new events are left as they are.
    """
    chosen = [one.strip() for one in what.split(",") if one.strip()]
    for one in chosen:
        if one not in WHAT:
            raise click.UsageError(f"--what {one!r}: it must be of {', '.join(WHAT)}.")
    job = Export(Client(url, key), folder, format_, _given(since=since, until=until, source=source))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in job.files(chosen):
        written.append(name)
        if not as_json:
            click.echo(f"{name['file']}: {name['note']}")
    if as_json:
        client.show({"folder": str(folder), "files": written})


class Export:
    """One run of the command. ``given``: since, until, source, where given."""

    def __init__(self, server: Client, folder: Path, format_: str, given: dict[str, str]) -> None:
        self.server, self.folder, self.format, self.given = server, folder, format_, given
        self.manifest: dict[str, Any] = {}
        try:
            self.manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError):
            pass  # nothing is known of files that may be there: they are written again

    def files(self, chosen: list[str]) -> Iterator[dict[str, Any]]:
        """Write file after file; tell each with a note."""
        for what in chosen:
            if what == "events":
                yield from self._months()
            elif what == "reports":
                yield from self._reports()
            else:
                given = {"since": self.given["since"]} if what == "responses" and "since" in self.given else {}
                yield self._write(what, self._pieces(what, given))

    def _months(self) -> Iterator[dict[str, Any]]:
        """A file a month. One that is there is left when the server still has as many events of that month."""
        for month in self.server.get("/exports", **self.given)["months"]:
            name = f"events-{month['month']}.{self.format}"
            known = {"events": month["events"], **self.given}
            if self.manifest.get(name) == known and (self.folder / name).exists():
                yield {"file": name, "note": "nothing new"}
                continue
            yield self._write(f"events-{month['month']}", self._pieces("events", self._within(month["month"])))
            self._note(name, known)

    def _within(self, month: str) -> dict[str, str]:
        """The part of a month that was asked for."""
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        since = max(first, _moment(self.given["since"], "since")) if "since" in self.given else first
        until = min(following, _moment(self.given["until"], "until")) if "until" in self.given else following
        return {**self.given, "since": clock.iso(since), "until": clock.iso(until)}

    def _reports(self) -> Iterator[dict[str, Any]]:
        """The definitions of all reports as one file, and the rows of each as another."""
        reports = list(self.server.items("/reports"))
        text = json.dumps(reports, ensure_ascii=False, indent=2)
        yield self._write("reports", iter([text.encode()]), suffix="json")
        for report in reports:
            yield self._write(f"report-{report['id']}", self._rows(report["id"]))

    def _rows(self, report: str) -> Iterator[bytes]:
        fields = self.server.get(f"/reports/{report}/fields")
        kinds = {name: KINDS.get(one["type"], "text") for one in fields for name in (one["key"], one["label"])}
        items = self.server.items(f"/reports/{report}/rows")
        first = next(items, None)
        names = list(first) if first else [one["label"] for one in fields]
        columns = [Column(name, kinds.get(name, "text")) for name in names]
        return tables.pieces(self.format, columns, _blocks(first, items, columns))

    def _pieces(self, what: str, given: dict[str, str]) -> Iterator[bytes]:
        return self.server.pieces(f"/exports/{what}.{self.format}" + (f"?{urlencode(given)}" if given else ""))

    def _write(self, name: str, pieces: Iterator[bytes], *, suffix: str = "") -> dict[str, Any]:
        """Write a file under another name first: a file with its own name is whole."""
        path = self.folder / f"{name}.{suffix or self.format}"
        draft = path.with_name(f"{path.name}.part")
        length = 0
        try:
            with draft.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                    length += len(piece)
                    _tell(path.name, length)
            draft.replace(path)
        except OSError as error:
            raise ArrivalsError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            draft.unlink(missing_ok=True)
        return {"file": path.name, "note": f"{length:,} bytes"}

    def _note(self, name: str, known: dict[str, Any]) -> None:
        self.manifest[name] = known
        path = self.folder / MANIFEST
        draft = path.with_name(f"{MANIFEST}.part")
        draft.write_text(json.dumps({"files": self.manifest}, indent=2), encoding="utf-8")
        draft.replace(path)


def _blocks(
    first: dict[str, Any] | None, items: Iterator[dict[str, Any]], columns: list[Column]
) -> Iterator[list[tuple[Any, ...]]]:
    row = first
    while row is not None:
        yield [tuple(_cell(row.get(column.name), column.kind) for column in columns)]
        row = next(items, None)


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "number":
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tell(name: str, length: int) -> None:
    """How far it is, for people."""
    if sys.stderr.isatty():
        click.echo(f"\r{name}: {length / 1e6:,.1f} MB ", err=True, nl=False)


def _given(**values: str) -> dict[str, str]:
    for name in ("since", "until"):
        if values[name]:
            values[name] = clock.iso(_moment(values[name], name))
    return {name: value for name, value in values.items() if value}


def _moment(text: str, name: str) -> datetime:
    try:
        return clock.parse(text)
    except ValueError as error:
        raise Invalid(f"--{name} {text!r:.40} is not a time in ISO 8601.") from error
