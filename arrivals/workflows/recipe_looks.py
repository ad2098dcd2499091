"""A live look at a remote report, before anything is made of it: its columns, how many are on it, and one of its rows.

Blocks. What was seen is kept for a minute, so that the questions of one form ask the other product once.
"""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from arrivals.audience import origins, remote
from arrivals.audience.models import Report

SECONDS = 60.0
MOST = 100

_seen: dict[tuple[str, str], tuple[float, "Look"]] = {}


@dataclass(frozen=True)
class Look:
    """``fields``: of the report to be made. ``member`` and ``row``: somebody on it, or None and nothing."""

    fields: dict[str, Any]
    columns: tuple[str, ...]
    count: int
    member: str | None
    row: dict[str, Any]


def listed(connection_id: str) -> list[origins.Listed]:
    """The visitor reports of a subscription that can be chosen. Raises Invalid and AppErrors."""
    found = origins.origin().reports(connection_id)
    return [one for one in found if one.kind == "visitor" and not one.problem]


def of(connection_id: str, report_id: str) -> Look:
    """Look at a report now.

    Raises:
        InvalidReport: there is no such report, or its rows have no ids. CheckTimeout; AppError: it cannot be fetched.
    """
    key = (connection_id, report_id)
    known = _seen.get(key)
    if known and time.monotonic() - known[0] < SECONDS:
        return known[1]
    look = _look({"kind": "visitor", "origin": {"connection": connection_id, "report": report_id}})
    if len(_seen) >= MOST:
        _seen.clear()
    _seen[key] = (time.monotonic(), look)
    return look


def _look(definition: dict[str, Any]) -> Look:
    fields = origins.checked(definition)
    reader = remote.Reader(fields["kind"])
    count, member, text = 0, None, "{}"
    for block in origins.origin().rows(Report(**fields)):
        ids, rows = reader.read(block)
        count += len(ids)
        if member is None and ids:
            member, text = ids[0], rows[0]
    reader.ended()
    return Look(fields, tuple(reader.columns), count, member, orjson.loads(text))
