"""The rows of a report: a page, chosen visitors, or all as CSV. Blocks.

First the ids, then the columns of only these: a page costs the query of the ids and a look at 50 visitors' events,
which lie together on disk.
"""

import base64
import binascii
import csv as spreadsheet
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async

from arrivals.audience import cells, compiler, remote, reports
from arrivals.audience.models import Report
from arrivals.errors import Invalid
from arrivals.warehouse import client

MOST = 1000


@dataclass(frozen=True)
class Page:
    """``items``: one dict per visitor, keys as ``reports.labels``; ``next``: the cursor of the next page or None."""

    items: list[dict[str, Any]]
    next: str | None


def page(report: Report, *, limit: int = 50, cursor: str = "") -> Page:
    """Rows in the order of the visitor id. Those of a remote report are from its last fetch.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000. CheckTimeout: it takes longer than 30 s.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    if report.origin:
        return _remote(report, limit, _decoded(cursor) if cursor else "")
    query = compiler.report_ids(report)
    after = "AND visitor_id > {after:String}" if cursor else ""
    found = client.warehouse().query(
        f"SELECT visitor, any(visitor_id) AS id FROM visitors WHERE visitor IN ({query.sql}) {after} "
        "GROUP BY visitor ORDER BY id LIMIT {most:UInt32}",
        {**query.parameters, "after": _decoded(cursor), "most": limit + 1},
    )
    shown = dict(found[:limit])
    rows = cells.of(report, shown)
    next_ = _encoded(found[limit - 1][1]) if len(found) > limit else None
    return Page([rows[visitor].row for visitor in shown], next_)


def count(report: Report) -> int:
    """How many visitors are on the report now. Raises CheckTimeout."""
    if report.origin:
        fetch = remote.current(report.id)
        return fetch.members if fetch else 0
    query = compiler.report_ids(report)
    [(number,)] = client.warehouse().query(f"SELECT count() FROM ({query.sql})", query.parameters)
    return int(number)


def context(report: Report, visitor_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the templates of a run see, for up to 1,000 visitors, by visitor id.

    Each is ``{"visitor": {"id", "<group>": {"<field>": value}}, "account": {"id", "<group>": {...}}, "row": {...}}``,
    the report's columns computed whether or not the visitor is (still) on the report. A dotted field name becomes
    nested objects. Times are ISO 8601 texts.
    """
    if not visitor_ids:
        return {}
    if report.origin:
        known_rows = remote.newest(report.id, visitor_ids)
        return {id_: remote.context(report.kind, id_, known_rows.get(id_, {})) for id_ in visitor_ids}
    found = client.warehouse().query(
        "SELECT cityHash64(id) AS visitor, id FROM (SELECT arrayJoin({ids:Array(String)}) AS id)",
        {"ids": list(visitor_ids)},
    )
    known = cells.of(report, dict(found))
    metadata = cells.metadata(dict(found), {one.account for one in known.values() if one.account})
    return {
        id_: {
            "visitor": {"id": id_, **metadata.visitors.get(key, {})},
            "account": {"id": known[key].account, **metadata.accounts.get(known[key].account or "", {})},
            "row": known[key].row,
        }
        for key, id_ in found
    }


def csv(report: Report) -> Iterator[str]:
    """The whole report as CSV text (RFC 4180), piece by piece, header first.

    A text that a spreadsheet would take for a formula gets an apostrophe in front. Raises CheckTimeout.
    """
    labels = reports.labels(report)
    yield _line(labels)
    cursor: str | None = ""
    while cursor is not None:
        found = page(report, limit=MOST, cursor=cursor)
        yield "".join(_line([row.get(label) for label in labels]) for row in found.items)
        cursor = found.next


async def streamed(pieces: Iterator[str]) -> AsyncIterator[str]:
    """The same pieces for an event loop, each made in a thread."""
    more = sync_to_async(lambda: next(pieces, None))
    while (piece := await more()) is not None:
        yield piece


def guarded(value: Any) -> Any:
    """A cell as a spreadsheet may safely read it. Source of the rule: OWASP, CSV Injection."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value


def _remote(report: Report, limit: int, after: str) -> Page:
    fetch = remote.current(report.id)
    if fetch is None:
        return Page([], None)
    found = remote.page(fetch, after=after, limit=limit + 1)
    next_ = _encoded(found[limit - 1][0]) if len(found) > limit else None
    return Page([row for _, row in found[:limit]], next_)


def _line(values: Sequence[Any]) -> str:
    text = io.StringIO()
    spreadsheet.writer(text, lineterminator="\r\n").writerow([guarded(value) for value in values])
    return text.getvalue()


def _encoded(visitor_id: str) -> str:
    return base64.urlsafe_b64encode(visitor_id.encode()).decode().rstrip("=") or "="


def _decoded(cursor: str) -> str:
    try:
        padded = (cursor + "=" * (-len(cursor) % 4)).encode("ascii")
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise Invalid(
            "It is not a cursor of this list; take it from next of the page before.", path="cursor"
        ) from error
