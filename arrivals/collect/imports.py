"""Imports: the server's side of ``arrivals import``. Blocks, but for ``add``, which waits for the writer."""

import asyncio
import hashlib
import time
from typing import Any

import msgspec
import orjson
from django.db import close_old_connections

from arrivals import clock
from arrivals.collect import calls, formats, mapping, sources
from arrivals.collect.event import Event, Field
from arrivals.collect.models import Import
from arrivals.collect.writer import Writer
from arrivals.errors import Conflict, Invalid, InvalidEvent, NotFound

MOST_ROWS = 5_000
SEGMENT = {"segment": True}  # the map of a file whose rows are calls of the tracking API


def begin(source_id: str, *, filename: str, digest: str, mapping: Any) -> tuple[Import, bool]:
    """Find or make the import of this file with this map; return it and whether it is new.

    ``digest`` is the SHA-256 of the file's bytes in hex. Another map makes another import of the same file.

    Raises:
        NotFound: no such source. Invalid: the map or the digest.
    """
    source = sources.get(source_id)
    if not (isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
        raise Invalid("The digest must be the SHA-256 of the file in 64 hexadecimal digits.", path="digest")
    _map(mapping)
    key = hashlib.sha256(digest.encode() + orjson.dumps(mapping, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Import.objects.get_or_create(
        source=source, digest=key, defaults={"filename": str(filename)[-300:] or "file", "mapping": mapping}
    )


async def add(import_id: str, *, offset: int, rows: Any, writer: Writer) -> dict[str, Any]:
    """Take rows from ``offset`` (data rows before them) on and keep them durably.

    1. Rows below the import's own offset were settled before: they are only told again if they were refused, for a
       sender that died before it noted the answer.
    2. The others become events, or are refused with a reason; the events are written and are on disk.
    3. The import's offset and counts move on. Killed between 2 and 3, the rows come again and count as repeated.

    Returns ``{"offset", "kept", "repeated", "refused": [{"row", "reason"}]}``; ``row`` counts data rows from 1.

    Raises:
        NotFound; Conflict: ``offset`` leaves a gap, or the import is done. Invalid: the rows.
        TooMany, Unavailable: as the writer's; nothing moved on.
    """
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_ROWS:
        raise Invalid(f"It must be a list of 1 to {MOST_ROWS:,} rows.", path="rows")
    found = await asyncio.to_thread(db, _open, import_id)
    if offset > found.offset or offset < 0:
        raise Conflict(f"The import is at row {found.offset}; send the rows from there on.")
    settled = found.offset - offset
    received_at = int(time.time() * 1000)
    events: list[Event] = []
    refused: list[dict[str, Any]] = []
    refused_now = 0
    for number, row in enumerate(rows):
        try:
            event = _event(found, row, received_at)
            if number >= settled:
                events.append(event)
        except InvalidEvent as error:
            refused.append({"row": offset + number + 1, "reason": str(error)})
            refused_now += number >= settled
    past = [msgspec.structs.replace(event, history=True) for event in thinned(events)]
    new = await writer.write(past, history=True)
    counts = {"kept": sum(new), "repeated": len(new) - sum(new), "refused": refused_now}
    moved = await asyncio.to_thread(db, _advance, found, max(0, len(rows) - settled), counts)
    return {"offset": moved, "kept": counts["kept"], "repeated": counts["repeated"], "refused": refused}


def thinned(events: list[Event]) -> list[Event]:
    """The same events, each value of metadata only with the newest of those that set it.

    Exports repeat what was known of somebody with every event; of all of these only the newest would be shown.
    """
    newest: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for number, event in enumerate(events):
        for owner, id_, fields in _owned(event):
            for field in fields:
                key = (owner, id_, field.group, field.name)
                newest[key] = max(newest.get(key, (event.ts, number)), (event.ts, number))
    kept = []
    for number, event in enumerate(events):
        if event.visitor_fields or event.account_fields:
            visitor, account = (
                tuple(one for one in fields if newest[owner, id_, one.group, one.name] == (event.ts, number))
                for owner, id_, fields in _owned(event)
            )
            event = msgspec.structs.replace(event, visitor_fields=visitor, account_fields=account)
        kept.append(event)
    return kept


def _owned(event: Event) -> tuple[tuple[str, str, tuple[Field, ...]], tuple[str, str, tuple[Field, ...]]]:
    return ("visitor", event.visitor_id, event.visitor_fields), ("account", event.account_id, event.account_fields)


def finish(import_id: str) -> Import:
    """Say that the file is at its end. Raises NotFound."""
    Import.objects.filter(pk=import_id, state=Import.State.RUNNING).update(
        state=Import.State.DONE, finished_at=clock.now()
    )
    return get(import_id)


def get(import_id: str) -> Import:
    """Raises NotFound."""
    found = Import.objects.filter(pk=import_id).first()
    if found is None:
        raise NotFound(f"There is no import {import_id!r:.60}.")
    return found


def of_source(source_id: str) -> list[Import]:
    """The newest hundred imports into a source, the newest first."""
    return list(Import.objects.filter(source=source_id).order_by("-id")[:100])


def as_dict(found: Import) -> dict[str, Any]:
    """id, source, filename, digest, mapping, state, offset, kept, repeated, refused, error, uploaded, size, read,
    created_at, finished_at."""
    return {
        "id": found.id,
        "source": found.source_id,
        "filename": found.filename,
        "digest": found.digest,
        "mapping": found.mapping,
        "state": found.state,
        "offset": found.offset,
        "kept": found.kept,
        "repeated": found.repeated,
        "refused": found.refused,
        "error": found.error,
        "uploaded": found.uploaded,
        "size": found.size,
        "read": found.read,
        "created_at": clock.iso(found.created_at),
        "finished_at": clock.iso(found.finished_at) if found.finished_at else None,
    }


def _map(data: Any) -> None:
    """Raises Invalid."""
    if isinstance(data, dict) and "from" in data:
        formats.parse(data)
    elif data != SEGMENT:
        mapping.parse(data)


def _open(import_id: str) -> Import:
    found = get(import_id)
    if found.state != Import.State.RUNNING:
        raise Conflict(f"The import is {found.state}; rows are taken while it is running.")
    return found


def _event(found: Import, row: Any, received_at: int) -> Event:
    """A row is ``{"id": message id made of its content, "row": {...}}``."""
    if not isinstance(row, dict) or not isinstance(row.get("row"), dict) or not isinstance(row.get("id"), str):
        raise InvalidEvent("A row must be an object with id and row.")
    if not 0 < len(row["id"]) <= calls.LONGEST_ID:
        raise InvalidEvent(f"A row's id must have 1 to {calls.LONGEST_ID} characters.")
    try:
        orjson.dumps(row)
    except TypeError as error:  # half a character, or a number that no column holds
        raise InvalidEvent(f"The row cannot be kept: {error}.") from error
    product = {"from": "segment"} if found.mapping == SEGMENT else found.mapping
    if "from" in product:
        told = {"row_id": row["id"], "received_at": received_at, "table": found.filename}
        return formats.event(product, found.source_id, row["row"], **told)
    map_ = mapping.parse(found.mapping)  # a small object: reading it again costs less than keeping it
    return mapping.event(map_, found.source_id, row["row"], message_id=row["id"], received_at=received_at)


def _advance(found: Import, rows: int, counts: dict[str, int]) -> int:
    if not rows:
        return found.offset
    moved = Import.objects.filter(pk=found.pk, offset=found.offset).update(
        offset=found.offset + rows,
        kept=found.kept + counts["kept"],
        repeated=found.repeated + counts["repeated"],
        refused=found.refused + counts["refused"],
    )
    if not moved:
        raise Conflict("The same import is being sent twice at the same time; let one of them end.")
    return found.offset + rows


def db(function: Any, *arguments: Any) -> Any:
    """Call something that asks the control database, in a thread of an event loop."""
    close_old_connections()
    try:
        return function(*arguments)
    finally:
        close_old_connections()
