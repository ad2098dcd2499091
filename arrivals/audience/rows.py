"""The rows of a report: a page, chosen members, or all as CSV. Blocks.

First the ids, then the columns of only these: a page costs the query of the ids and a look at 50 visitors' events,
which lie together on disk. What kind of report it is, only ``members`` knows.
"""

import base64
import binascii
import csv as spreadsheet
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from arrivals.audience import members, metadata, remote, reports, responses
from arrivals.audience.models import Report
from arrivals.errors import Invalid
from arrivals.warehouse import client

MOST = 1000
Piece = TypeVar("Piece", str, bytes)


@dataclass(frozen=True)
class Page:
    """``items``: one dict per member, keys as ``reports.labels``; ``next``: the cursor of the next page or None."""

    items: list[dict[str, Any]]
    next: str | None


def page(report: Report, *, limit: int = 50, cursor: str = "") -> Page:
    """Rows in the order of the visitor's or account's id; responses newest first. Those of a remote report are from its
    last fetch.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000. CheckTimeout: it takes longer than 30 s.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    if report.origin:
        return _remote(report, limit, _decoded(cursor) if cursor else "")
    on_it = members.of(report)
    parameters = {**on_it.ids.parameters, "most": limit + 1}
    place, order, after = "", "id", ""
    if on_it.newest_first:
        place, order = ", at", "at DESC, id DESC"
        if cursor:
            after = "AND (at, id) < (fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {after:String})"
            parameters["at"], parameters["after"] = responses.read_cursor(cursor)
    elif cursor:
        after, parameters["after"] = "AND id > {after:String}", _decoded(cursor)
    found = client.warehouse().query(
        f"SELECT visitor, id{place} FROM ({on_it.names}) WHERE visitor IN ({on_it.ids.sql}) {after} "
        f"ORDER BY {order} LIMIT {{most:UInt32}}",
        parameters,
    )
    shown = {row[0]: row[1] for row in found[:limit]}
    rows = members.cells_of(report, shown)
    next_ = None
    if len(found) > limit:
        last = found[limit - 1]
        next_ = responses.write_cursor(last[2], last[1]) if on_it.newest_first else _encoded(last[1])
    return Page([rows[member].row for member in shown], next_)


def count(report: Report) -> int:
    """How many members are on the report now. Raises CheckTimeout."""
    if report.origin:
        fetch = remote.current(report.id)
        return fetch.members if fetch else 0
    query = members.of(report).ids
    [(number,)] = client.warehouse().query(f"SELECT count() FROM ({query.sql})", query.parameters)
    return int(number)


def context(report: Report, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the templates of a run see, for up to 1,000 members, by their ids.

    Each is ``{"visitor": {"id", "<group>": {"<field>": value}}, "account": {"id", "<group>": {...}}, "row": {...}}``,
    the report's columns computed whether or not the member is (still) on the report. ``visitor`` is empty for an
    account; a response has ``response`` beside. A dotted field name becomes nested objects. Times are ISO 8601 texts.
    """
    if not ids:
        return {}
    if report.origin:
        known_rows = remote.newest(report.id, ids)
        return {id_: remote.context(report.kind, id_, known_rows.get(id_, {})) for id_ in ids}
    found = client.warehouse().query(
        "SELECT cityHash64(id) AS visitor, id FROM (SELECT arrayJoin({ids:Array(String)}) AS id)",
        {"ids": list(ids)},
    )
    known = members.cells_of(report, dict(found))
    told = metadata.of(
        [one.visitor.key for one in known.values() if one.visitor],
        {one.account for one in known.values() if one.account},
    )
    contexts = {}
    for key, id_ in found:
        one = known[key]
        visitor, account = one.visitor, one.account
        contexts[id_] = {
            "visitor": {"id": visitor.id, **told.visitors.get(visitor.key, {})} if visitor else {},
            "account": {"id": account, **told.accounts.get(account or "", {})},
            "row": one.row,
            **one.more,
        }
    return contexts


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


async def streamed(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
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
