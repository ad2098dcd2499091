"""``arrivals import FILE...``: files of events or metadata into a source, over /api/v2."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from arrivals.cli.client import Client
from arrivals.collect import formats
from arrivals.collect.files import LONGEST_EXPORTED, EmptyFile, File
from arrivals.collect.mapping import SYNONYMS as SYNONYMS
from arrivals.collect.sending import Named, Rejected, batches
from arrivals.errors import Invalid, TooMany, Unavailable

BESIDE = {"manifest.json", "_success", "_metadata"}  # what stands beside the rows in folders that products write
OWN = {"events", "visitors", "accounts", "links"}  # files of an export of ours that can come back
TRIES = 40


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--source", required=True, help="The source's id (src_...).")
@click.option("--from", "product", type=click.Choice(list(formats.READERS)), help="The product that exported the file.")
@click.option("--group", default="", help="With --from: which group, or property, is the account; default: found out.")
@click.option("--time-zone", default="", help="With --from: the zone of times that do not say theirs; default UTC.")
@click.option(
    "--map", "maps", multiple=True, metavar="FIELD=COLUMN", help="What a column means, such as visitor=customer_id."
)
@click.option(
    "--set",
    "constants",
    multiple=True,
    metavar="FIELD=TEXT",
    help="A field that is the same in every row, such as event=purchase.",
)
@click.option(
    "--date-format", default="auto", show_default=True, help="auto, iso, s, ms, or a format such as %d/%m/%Y."
)
@click.option("--only-mapped", is_flag=True, help="Drop columns without a place; else they become properties.")
@click.option("--url", help="The server; default ARRIVALS_URL.")
@click.option("--key", help="An integration key with write access; default ARRIVALS_KEY.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
def import_file(
    files: tuple[Path, ...],
    source: str,
    product: str | None,
    group: str,
    time_zone: str,
    maps: tuple[str, ...],
    constants: tuple[str, ...],
    date_format: str,
    only_mapped: bool,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Import files of events or metadata.

    Each FILE is CSV, JSON lines or Parquet, plain, gzip or in a zip; with --from it may be a folder. Run it again to go on
    where it stopped.
    """
    if product and (maps or constants or only_mapped or date_format != "auto"):
        raise click.UsageError("--from says what the columns mean; --map, --set, --date-format and --only-mapped do not go with it.")  # fmt: skip
    if not product and any(one.is_dir() for one in files):
        raise click.UsageError("A folder goes with --from; without it, name the files.")
    if not product and (group or time_zone):
        raise click.UsageError("--group and --time-zone go with --from.")
    listed = list(_files(files, product or ""))
    if not listed:
        raise Invalid("There is no file to import there.")
    client = Client(url, key)
    told, unread = [], []
    for path in listed:
        if product:
            try:
                read = File(path, longest=LONGEST_EXPORTED)
            except Invalid as error:
                if path in files:
                    raise
                if not isinstance(error, EmptyFile):  # an hour without an event is not wrong
                    unread.append(error.message)
                continue
            mapping: dict[str, Any] = {"from": product}
            mapping.update({name: value for name, value in (("group", group), ("time_zone", time_zone)) if value})
        else:
            read = File(path)
            mapping = _mapping(read, maps, constants, date_format, only_mapped)
        done = _import(client, read, mapping, source, quiet=as_json or not sys.stderr.isatty())
        told.append(done)
        if not as_json:
            _report(done, named=len(listed) > 1)
    if as_json:
        click.echo(json.dumps(told[0] if len(files) == 1 and files[0].is_file() else {"files": told}))
    if unread:  # of a folder: said last, so that it is seen, and the others are in
        raise Invalid(" ".join(unread))


def _files(given: tuple[Path, ...], product: str) -> Iterator[Path]:
    """The files themselves, and those below the folders, by name. Of a folder that ``arrivals export`` wrote, only what
    can come back."""
    for path in given:
        if path.is_file():
            yield path
            continue
        for one in sorted(path.rglob("*")):
            shown = not any(part.startswith(".") for part in one.relative_to(path).parts)
            wanted = product != "arrivals" or one.name.split(".")[0].split("-")[0] in OWN
            shown = shown and not one.name.lower().endswith(tuple(BESIDE))
            if one.is_file() and shown and wanted and one.suffix not in {".rejected", ".part"}:
                yield one


def _import(client: Client, read: File, mapping: dict[str, Any], source: str, *, quiet: bool) -> dict[str, Any]:
    begun = client.post(
        "/imports", {"source": source, "filename": read.path.name, "digest": read.digest(), "mapping": mapping}
    )
    if begun["state"] == "done":
        return {**begun, "already_imported": True}
    rejected = Path(f"{read.path}.rejected")
    _send(client, begun, read, rejected, quiet=quiet)
    done = _patiently(client, f"/imports/{begun['id']}/finish")
    return {**done, "rejected": str(rejected) if done["refused"] else None, "already_imported": False}


def _send(client: Client, begun: dict[str, Any], read: File, rejected: Path, *, quiet: bool) -> None:
    """Send the rows that are not settled, batch by batch; the refused ones go to the file of rejected rows."""
    offset, named = begun["offset"], Named(begun["mapping"])
    refused = Rejected(rejected, fresh=offset == 0)
    length = read.path.stat().st_size
    with click.progressbar(length=length, label=f"Importing {read.path.name}", file=sys.stderr, hidden=quiet) as bar:
        for batch in batches(read, lambda at: bar.update(max(0, at - bar.pos))):
            rows = named.rows(batch)
            first = batch[0].number - 1
            if first + len(batch) < offset:
                continue  # the last settled batch is sent again: its refusals may not have been noted
            answer = _patiently(client, f"/imports/{begun['id']}/rows", {"offset": first, "rows": rows})
            offset = answer["offset"]
            refused.note(batch, answer["refused"])
        bar.update(max(0, length - bar.pos))


def _patiently(client: Client, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Post; when the server is overloaded or away, wait and ask again. A repeated batch counts once."""
    for attempt in range(TRIES):
        try:
            answer: dict[str, Any] = client.post(path, body)
            return answer
        except (TooMany, Unavailable) as error:
            if attempt == TRIES - 1:
                raise
            time.sleep(min(error.retry_after or 1, 5))
    raise AssertionError


def _mapping(
    read: File, maps: tuple[str, ...], constants: tuple[str, ...], date_format: str, only_mapped: bool
) -> dict[str, Any]:
    columns, fixed = dict(_pair(one, "--map") for one in maps), dict(_pair(one, "--set") for one in constants)
    if read.segment and not columns and not fixed:
        return {"segment": True}
    for field, column in columns.items():
        if not read.json and column not in read.columns:
            raise click.UsageError(
                f"--map {field}={column}: the file has no column {column!r}; it has {', '.join(read.columns)}."
            )
    return {
        "columns": columns,
        "constants": fixed,
        "date_format": date_format,
        "rest": "drop" if only_mapped else "properties",
    }


def _pair(text: str, option: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not (field and equals and value):
        raise click.UsageError(f"{option} {text!r}: write FIELD=VALUE, such as visitor=customer_id.")
    field = field.strip()
    return SYNONYMS.get(field, field), value.strip()


def _report(done: dict[str, Any], *, named: bool) -> None:
    if done["already_imported"]:
        click.echo(f"Already imported: {done['filename']} changed nothing.")
        return
    head = f"{done['filename']}: " if named else ""
    click.echo(f"{head}{done['kept']:,} rows kept, {done['repeated']:,} repeated, {done['refused']:,} refused.")
    if done.get("rejected"):
        click.echo(f"Refused rows and their reasons are in {done['rejected']}.")
