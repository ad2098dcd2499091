"""The rows of reports of a remote subscription, as they were fetched last. Blocks.

A fetch is staged under a number of its own and counts only when it was accepted; rows that a crash left behind are in no
answer and go with the next fetch. Of those who left, the last row is kept for 90 days, since their runs may come later.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from arrivals import clock
from arrivals.audience.compiler import Query
from arrivals.audience.models import Report
from arrivals.errors import InvalidReport
from arrivals.warehouse import client

FIELD = re.compile(r"(visitor|account)_([A-Za-z0-9]+)_(.+)", re.DOTALL)  # a column of metadata: visitor_agent_email
IDS = {
    "visitor": ("visitorId", "visitor_id", "visitorid", "visitor_auto_id", "id"),
    "account": ("accountId", "account_id", "accountid", "account_auto_id", "id"),
}
ACCOUNT_OF_VISITOR = (*IDS["account"][:-1], "visitor_auto_accountid")
LONGEST_ID = 512
MOST_COLUMNS = 500
OF_FETCH = "FROM remote_rows WHERE report_id = {{{prefix}remote:String}} AND fetch = {{{prefix}fetch:UInt64}}"


@dataclass(frozen=True)
class Fetch:
    """One complete answer. ``number`` grows from fetch to fetch; ``columns`` are the keys of its rows."""

    report_id: str
    number: int
    members: int = 0
    columns: tuple[str, ...] = ()
    at: datetime | None = None


def current(report_id: str) -> Fetch | None:
    """The fetch that counts now, or None before the first."""
    found = client.warehouse().query(
        "SELECT fetch, members, columns, at FROM remote_fetches FINAL WHERE report_id = {report:String}",
        {"report": report_id},
    )
    return Fetch(report_id, found[0][0], found[0][1], tuple(found[0][2]), found[0][3]) if found else None


def stage(report: Report, blocks: Iterable[Sequence[bytes]]) -> Fetch:
    """Put the rows of an answer (JSON objects as text, in blocks) into the warehouse, without making them count.

    Memory holds one block at a time. What an earlier fetch left behind is removed first. When the blocks end with an
    error, the staged rows are removed and the error goes on.

    Raises:
        InvalidReport: the rows have no column with the id of their visitor or account, or an id that cannot be kept.
    """
    tidy(report.id)
    last = current(report.id)
    number = max(round(clock.now().timestamp() * 1000), last.number + 1 if last else 0)
    reader = Reader(report.kind)
    try:
        for block in blocks:
            ids, rows = reader.read(block)
            columns: dict[str, list[Any]] = {
                "report_id": [report.id] * len(ids),
                "fetch": [number] * len(ids),
                "member_id": ids,
                "row": rows,
            }
            client.warehouse().insert_columns("remote_rows", columns)
        reader.ended()
    except BaseException as error:
        if isinstance(error, Exception):  # anything else is the end of the process, which tidies up nothing
            drop(report.id, number)
        raise
    found = Fetch(report.id, number, columns=tuple(reader.columns))
    [(members,)] = client.warehouse().query(f"SELECT uniqExact(member) {_of(found)}", _named(found))
    return Fetch(report.id, number, int(members), found.columns)


def accept(fetch: Fetch) -> None:
    """Make a staged fetch the one that counts, then drop the one before. Killed between the two, ``tidy`` drops it."""
    client.warehouse().insert_columns(
        "remote_fetches",
        {
            "report_id": [fetch.report_id],
            "fetch": [fetch.number],
            "members": [fetch.members],
            "columns": [list(fetch.columns)],
            "at": [round(clock.now().timestamp() * 1000)],
        },
    )
    tidy(fetch.report_id)


def tidy(report_id: str) -> None:
    """Drop every fetch but the one that counts. Of an earlier one the rows of those who left are kept first."""
    fetch = current(report_id)
    number = fetch.number if fetch else 0
    store, named = client.warehouse(), {"report": report_id, "fetch": number}
    others = store.query(
        "SELECT DISTINCT fetch FROM remote_rows WHERE report_id = {report:String} AND fetch != {fetch:UInt64}", named
    )
    for (other,) in others:
        if other < number:
            store.command(
                "INSERT INTO remote_left (report_id, member_id, row, fetch, at) "
                "SELECT report_id, member_id, row, fetch, now() FROM remote_rows "
                "WHERE report_id = {report:String} AND fetch = {other:UInt64} AND member_id NOT IN "
                "(SELECT member_id FROM remote_rows WHERE report_id = {report:String} AND fetch = {fetch:UInt64})",
                {**named, "other": other},
            )
        drop(report_id, other)


def drop(report_id: str, number: int) -> None:
    """Remove the rows of one fetch."""
    client.warehouse().command(
        "ALTER TABLE remote_rows DROP PARTITION ({report:String}, {fetch:UInt64})",
        {"report": report_id, "fetch": number},
    )


def forget(report_id: str) -> None:
    """Remove everything that was fetched for a report."""
    store, named = client.warehouse(), {"report": report_id}
    for (number,) in store.query("SELECT DISTINCT fetch FROM remote_rows WHERE report_id = {report:String}", named):
        drop(report_id, number)
    for table in ("remote_fetches", "remote_left"):
        store.command(f"DELETE FROM {table} WHERE report_id = {{report:String}}", named)


def ids(fetch: Fetch, prefix: str) -> Query:
    """A SELECT of one column ``visitor``: the members of a fetch."""
    return Query(f"SELECT DISTINCT member AS visitor {_of(fetch, prefix)}", _named(fetch, prefix))


def names(fetch: Fetch, prefix: str) -> str:
    """A SELECT of ``visitor`` and ``id``, with the parameters of ``ids``."""
    return f"SELECT member AS visitor, any(member_id) AS id {_of(fetch, prefix)} GROUP BY visitor"


def page(fetch: Fetch, *, after: str, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """Member id and row (a value for every column) of up to ``limit`` members, in the order of the id, after ``after``."""
    found = client.warehouse().query(
        f"SELECT member_id, row {_of(fetch)} AND member_id > {{after:String}} "
        "ORDER BY member_id LIMIT 1 BY member_id LIMIT {limit:UInt32}",
        {**_named(fetch), "after": after, "limit": limit},
    )
    rows = [(member, orjson.loads(row)) for member, row in found]
    return [(member, {name: row.get(name) for name in fetch.columns}) for member, row in rows]


def newest(report_id: str, members: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The row of each of ``members``: of the fetch that counts, else the last that there was."""
    fetch = current(report_id) or Fetch(report_id, 0)
    found = client.warehouse().query(
        f"SELECT member_id, argMax(row, fetch) FROM (SELECT member_id, row, fetch {_of(fetch)} "
        "AND member_id IN {members:Array(String)} UNION ALL SELECT member_id, row, fetch FROM remote_left "
        "WHERE report_id = {r_remote:String} AND member_id IN {members:Array(String)}) GROUP BY member_id",
        {**_named(fetch), "members": list(members)},
    )
    return {member: orjson.loads(row) for member, row in found}


def context(kind: str, member: str, row: dict[str, Any]) -> dict[str, Any]:
    """What the templates of a run see of a row: ``visitor`` and ``account`` with their groups, and ``row`` as it is."""
    seen: dict[str, Any] = {"visitor": {"id": None}, "account": {"id": None}, "row": row}
    seen[kind]["id"] = member
    if kind == "visitor":
        seen["account"]["id"] = next((str(row[name]) for name in ACCOUNT_OF_VISITOR if row.get(name)), None)
    for name, value in row.items():
        if (found := FIELD.fullmatch(name)) and found[2] != "id":
            seen[found[1]].setdefault(found[2], {})[found[3]] = value
    return seen


class Reader:
    """Reads the rows of one answer: finds the column of the id, and keeps the columns' names in their order."""

    def __init__(self, kind: str) -> None:
        self.columns: dict[str, None] = {}
        self._kind = kind
        self._id = ""
        self._rows = self._members = 0

    def read(self, rows: Sequence[bytes]) -> tuple[list[str], list[str]]:
        """The members' ids and the rows as text. A row whose id is null (nobody known) is left out."""
        ids: list[str] = []
        texts: list[str] = []
        for text in rows:
            row = orjson.loads(text)
            if not self._rows:
                self._id = self._column(row)
            self._rows += 1
            if len(self.columns) < MOST_COLUMNS:
                self.columns.update(dict.fromkeys(row))
            member = self._member(row.get(self._id))
            if member:
                ids.append(member)
                texts.append(text.decode())
        self._members += len(ids)
        return ids, texts

    def ended(self) -> None:
        """Raises InvalidReport when there were rows but nobody on them."""
        if self._rows and not self._members:
            raise InvalidReport(f"The column {self._id} is empty in every one of the report's {self._rows:,} rows.")

    def _column(self, row: dict[str, Any]) -> str:
        found = next((name for name in IDS[self._kind] if name in row), "")
        if not found:
            wanted = IDS[self._kind][0]
            raise InvalidReport(
                f"The report's rows have no column {wanted}; add the column {self._kind.title()} ID to it in Pendo."
            )
        return found

    def _member(self, value: Any) -> str:
        if value is None or value == "":
            return ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(int(value) if float(value).is_integer() else value)
        if not isinstance(value, str) or len(value) > LONGEST_ID or "\x00" in value:
            raise InvalidReport(
                f"Row {self._rows:,} has a {self._id} that is not a text of at most {LONGEST_ID} characters."
            )
        return value


def labels(report_id: str) -> list[str]:
    """The keys of the rows of the fetch that counts."""
    fetch = current(report_id)
    return list(fetch.columns) if fetch else []


def _of(_fetch: Fetch, prefix: str = "r_") -> str:
    return OF_FETCH.format(prefix=prefix)


def _named(fetch: Fetch, prefix: str = "r_") -> dict[str, Any]:
    return {f"{prefix}remote": fetch.report_id, f"{prefix}fetch": fetch.number}
