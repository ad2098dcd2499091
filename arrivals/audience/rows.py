"""The rows of a report: a page, chosen members, or all as CSV. Blocks.

First the ids, then the columns of only these: a page costs the query of the ids and a look at 50 visitors' events,
which lie together on disk. What kind of report it is, only ``members`` knows.
"""

import csv as spreadsheet
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import orjson
from asgiref.sync import sync_to_async

from arrivals.audience import cursors, members, metadata, remote, reports, sorting
from arrivals.audience.compiler import Compiler
from arrivals.audience.models import Report
from arrivals.errors import Invalid
from arrivals.warehouse import client

MOST = 1000
MOST_AT_ONCE = 16_000
FORMULAS = frozenset("=+-@\t\r\n")  # what a formula may begin with
Piece = TypeVar("Piece", str, bytes)


@dataclass(frozen=True)
class Page:
    """``items``: one dict per member, keys as ``reports.labels``; ``next``: the cursor of the next page or None."""

    items: list[dict[str, Any]]
    next: str | None


def page(report: Report, *, limit: int = 50, cursor: str = "", sort: str = "") -> Page:
    """Rows in the order of ``sort``, a column's name (see ``sorting``); without it in that of the visitor's or account's
    id, responses newest first. Those of a remote report are from its last fetch.

    Raises:
        Invalid: a cursor that is not ours or of another order, no column to sort by, or a limit outside 1..1000.
        CheckTimeout: it takes longer than 30 s.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    if report.origin:
        _unsorted(sort)
        return _remote(report, limit, cursors.read_id(cursor) if cursor else "")
    order = _Order(report, sort)
    found = client.warehouse().query(order.sql(cursor, limit + 1), order.parameters)
    shown = {row[0]: row[1] for row in found[:limit]}
    rows = members.cells_of(report, shown)
    next_ = order.cursor(found[limit - 1]) if len(found) > limit else None
    return Page([rows[member].row for member in shown], next_)


class _Order:
    """The question for the members of a report in an order."""

    def __init__(self, report: Report, sort: str) -> None:
        self.members = members.of(report)
        self.query = Compiler(None, "s_")
        self.by: tuple[sorting.Sort, sorting.Keys] | None = None
        if sort:
            chosen = sorting.parse(report, sort)
            self.by = (chosen, sorting.keys(report, self.query, chosen, self.members.ids.sql))

    @property
    def parameters(self) -> dict[str, Any]:
        return {**self.members.ids.parameters, **self.query.bind.parameters}

    def sql(self, cursor: str = "", limit: int = 0) -> str:
        """A SELECT of each member's key and id, and what its place in the order is made of."""
        on_it = self.members
        names, inside, limited = on_it.names, f"visitor IN ({on_it.ids.sql})", self._limit(limit)
        if self.by:
            sort, keys = self.by
            after = sorting.after(keys, sort, sorting.read_cursor(sort, keys, cursor), self.query) if cursor else "1"
            first, *others = keys.names
            listed = "".join(f", k.{name} AS {name}" for name in others)
            joined = (
                f"SELECT n.visitor AS visitor, n.id AS id, ifNull(k.{first}, {keys.none}) AS {first}{listed} "
                f"FROM (SELECT visitor, id FROM ({names}) WHERE {inside}) AS n LEFT JOIN ({keys.sql}) AS k ON n.visitor = k.owner"
            )
            shown = ", ".join(["visitor", "id", *keys.names])
            by = sorting.order(keys, sort)
            return f"SELECT {shown} FROM ({joined}) WHERE {after} ORDER BY {by}{limited}"
        if on_it.newest_first:
            after = ""
            if cursor:
                at, id_ = cursors.read_moment(cursor)
                after = f" AND (at, id) < ({self.query.bind.time(at)}, {self.query.bind.add(id_, 'String')})"
            return f"SELECT visitor, id, at FROM ({names}) WHERE {inside}{after} ORDER BY at DESC, id DESC{limited}"
        after = f" AND id > {self.query.bind.add(cursors.read_id(cursor), 'String')}" if cursor else ""
        return f"SELECT visitor, id FROM ({names}) WHERE {inside}{after} ORDER BY id{limited}"

    def cursor(self, row: Sequence[Any]) -> str:
        """The cursor of the page after ``row``."""
        if self.by:
            sort, keys = self.by
            return sorting.write_cursor(sort, sorting.place(keys, row[2:], row[1]))
        return cursors.of_moment(row[2], row[1]) if self.members.newest_first else cursors.of_id(row[1])

    def _limit(self, limit: int) -> str:
        return f" LIMIT {self.query.bind.add(limit, 'UInt32')}" if limit else ""


def every(report: Report, sort: str = "") -> Iterator[dict[str, Any]]:
    """All rows, in the order of ``page``, with memory for some thousands of them however many there are.

    Who is on the report is asked once, at the begin, and kept in a file; the columns are looked up piece by piece.
    Raises as ``page`` does.
    """
    for piece in _pieces(report, sort):
        yield from piece


def _pieces(report: Report, sort: str) -> Iterator[list[dict[str, Any]]]:
    if report.origin:
        _unsorted(sort)
        cursor: str | None = ""
        while cursor is not None:
            found = page(report, limit=MOST, cursor=cursor)
            yield found.items
            cursor = found.next
        return
    order = _Order(report, sort)
    sql = order.sql()
    with tempfile.TemporaryFile() as kept:
        # Into a file first: whoever reads slowly must not keep one of the warehouse's few clients for so long.
        for block in client.warehouse().blocks(sql, order.parameters):
            kept.writelines(orjson.dumps(row[:2], option=orjson.OPT_APPEND_NEWLINE) for row in block)
        kept.seek(0)
        size = MOST
        while chosen := dict(map(orjson.loads, islice(kept, size))):
            rows = members.cells_of(report, chosen)
            yield [rows[member].row for member in chosen]
            # The first rows soon; then many at once, since each piece reads parts of the same blocks of events.
            size = min(size * 2, MOST_AT_ONCE)


def count(report: Report) -> int:
    """How many members are on the report now. Raises CheckTimeout."""
    if report.origin:
        fetch = remote.current(report.id)
        return fetch.members if fetch else 0
    query = members.of(report).ids
    [(number,)] = client.warehouse().query(f"SELECT count() FROM ({query.sql})", query.parameters)
    return int(number)


def some(report: Report, *, limit: int = 1) -> list[str]:
    """The ids of some members that are on the report now: the newest responses, or the first in the order of their ids."""
    if report.origin:
        fetch = remote.current(report.id)
        return [id_ for id_, _ in remote.page(fetch, after="", limit=limit)] if fetch else []
    on_it = members.of(report)
    order = "at DESC, id DESC" if on_it.newest_first else "id"
    found = client.warehouse().query(
        f"SELECT id FROM ({on_it.names}) WHERE visitor IN ({on_it.ids.sql}) ORDER BY {order} LIMIT {int(limit)}",
        on_it.ids.parameters,
    )
    return [id_ for (id_,) in found]


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


def csv(report: Report, sort: str = "") -> Iterator[str]:
    """The whole report as CSV text (RFC 4180), piece by piece, header first, in the order of ``page``.

    A text that a spreadsheet would take for a formula gets an apostrophe in front. Raises as ``page`` does.
    """
    labels = reports.labels(report)
    yield _lines([labels])
    for piece in _pieces(report, sort):
        for start in range(0, len(piece), MOST):
            yield _lines([row.get(label) for label in labels] for row in piece[start : start + MOST])


async def streamed(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    """The same pieces for an event loop, each made in a thread."""
    more = sync_to_async(lambda: next(pieces, None))
    while (piece := await more()) is not None:
        yield piece


def guarded(value: Any) -> Any:
    """A cell as a spreadsheet may safely read it. Source of the rule: OWASP, CSV Injection."""
    if value is None:
        return ""
    if isinstance(value, str) and value[:1] in FORMULAS:
        return f"'{value}"
    return value


def _remote(report: Report, limit: int, after: str) -> Page:
    fetch = remote.current(report.id)
    if fetch is None:
        return Page([], None)
    found = remote.page(fetch, after=after, limit=limit + 1)
    next_ = cursors.of_id(found[limit - 1][0]) if len(found) > limit else None
    return Page([row for _, row in found[:limit]], next_)


def _unsorted(sort: str) -> None:
    if sort:
        raise Invalid("The rows of a report of a real Pendo are in the order of the id only.", path="sort")


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    spreadsheet.writer(text, lineterminator="\r\n").writerows(
        [f"'{one}" if one.__class__ is str and one[:1] in FORMULAS else one for one in row] for row in rows
    )
    return text.getvalue()
