"""All that the warehouse holds of events, visitors, accounts, links and ledgers, page by page. Blocks.

A page begins behind the last row of the one before, so that an answer of any length holds neither memory nor a client of
the warehouse for longer than a page takes. What comes in meanwhile may or may not be in it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from arrivals.warehouse import client
from arrivals.warehouse.events import NOT_YET_MS
from arrivals.warehouse.tables import Column

PAGE = 20_000
PEOPLE = 5_000
SECONDS = 600
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_YET = datetime.fromtimestamp(NOT_YET_MS / 1000, UTC)
Rows = Iterator[list[tuple[Any, ...]]]

EVENTS = tuple(
    Column(name, kind)
    for name, kind in (
        ("source_id", "text"), ("message_id", "text"), ("kind", "text"), ("name", "text"), ("visitor_id", "text"),
        ("account_id", "text"), ("ts", "time"), ("received_at", "time"), ("url", "text"), ("properties", "json"),
    )
)  # fmt: skip
KNOWN = (
    Column("first_visit", "time"),
    Column("last_visit", "time"),
    Column("fields", "json"),
    Column("updated_at", "time"),
)
VISITORS = (Column("visitor_id", "text"), *KNOWN)
ACCOUNTS = (Column("account_id", "text"), *KNOWN)
LINKS = (Column("alias_id", "text"), Column("visitor_id", "text"))
MEMBERSHIPS = (
    Column("report_id", "text"),
    Column("member_id", "text"),
    Column("on_report", "flag"),
    Column("entries", "whole"),
    Column("changed_at", "time"),
)


@dataclass(frozen=True)
class Span:
    """Which events: of a source ("": all), that happened from ``since`` on and before ``until``, in milliseconds."""

    source_id: str = ""
    since_ms: int | None = None
    until_ms: int | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """A condition and its parameters."""
        parts, given = ["1"], dict[str, Any]()
        if self.source_id:
            parts.append("source_id = {source:String}")
            given["source"] = self.source_id
        for name, sign, value in (("since", ">=", self.since_ms), ("until", "<", self.until_ms)):
            if value is not None:
                parts.append(f"ts {sign} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
                given[name] = value
        return " AND ".join(parts), given


def months(span: Span) -> list[dict[str, Any]]:
    """The months of events: ``month`` (2026-01) and ``events``, the oldest first."""
    where, given = span.where()
    found = client.warehouse().query(
        f"SELECT toYYYYMM(ts) AS month, count() FROM events WHERE {where} GROUP BY month ORDER BY month",
        given,
        seconds=SECONDS,
    )
    return [{"month": f"{month // 100}-{month % 100:02}", "events": int(number)} for month, number in found]


def counts() -> dict[str, int]:
    """How many visitors, accounts, links and memberships there are, by the ids they came with."""
    return {
        name: int(client.warehouse().query(f"SELECT count() FROM ({sql})", seconds=SECONDS)[0][0])
        for name, sql in (
            ("visitors", "SELECT visitor FROM visitors GROUP BY visitor"),
            (
                "accounts",
                "SELECT account_id FROM account_visitors UNION DISTINCT SELECT account_id FROM account_fields",
            ),
            ("links", "SELECT alias FROM links FINAL"),
            ("memberships", "SELECT member FROM memberships FINAL"),
        )
    }


def events(span: Span) -> Rows:
    """Events as they came (``EVENTS``), in the order of the visitors' hashes and of time."""
    where, given = span.where()
    after, place = "", dict[str, Any]()
    names = ", ".join(column.name for column in EVENTS)
    while True:
        found = client.warehouse().query(
            f"SELECT {names}, visitor, toUnixTimestamp64Milli(ts) FROM events WHERE {where} {after} "
            f"ORDER BY visitor, ts LIMIT {PAGE} WITH TIES",
            {**given, **place},
            seconds=SECONDS,
        )
        if found:
            yield [row[: len(EVENTS)] for row in found]
        if len(found) < PAGE:
            return
        after = "AND (visitor, ts) > ({visitor:UInt64}, fromUnixTimestamp64Milli({at:Int64}, 'UTC'))"
        place = {"visitor": found[-1][-2], "at": found[-1][-1]}


def visitors() -> Rows:
    """Every id that sent something or of which something is known (``VISITORS``), and its metadata as an object of groups."""
    for found in _pages(
        "SELECT any(visitor_id), min(first), max(last), visitor FROM visitors WHERE visitor > {last:UInt64} "
        f"GROUP BY visitor ORDER BY visitor LIMIT {PEOPLE}",
        last=0,
    ):
        known = _fields("visitor_fields", "visitor", "Array(UInt64)", [row[-1] for row in found])
        yield [(id_, *_times(first, latest), *known[key]) for id_, first, latest, key in found]


def accounts() -> Rows:
    """Every account that an event named or of which something is known (``ACCOUNTS``)."""
    for found in _pages(
        # Of those with metadata only there are no times: the extremes that visitors have as well.
        "SELECT min(first), max(last), account_id FROM (SELECT account_id, first, last FROM account_visitors "
        "WHERE account_id > {last:String} UNION ALL SELECT account_id, "
        "fromUnixTimestamp64Milli({never:Int64}, 'UTC') AS first, fromUnixTimestamp64Milli(0, 'UTC') AS last "
        "FROM account_fields WHERE account_id > {last:String}) "
        f"GROUP BY account_id ORDER BY account_id LIMIT {PEOPLE}",
        last="",
        never=NOT_YET_MS,
    ):
        known = _fields("account_fields", "account_id", "Array(String)", [row[-1] for row in found])
        yield [(id_, *_times(first, latest), *known[id_]) for first, latest, id_ in found]


def links() -> Rows:
    """Anonymous or former ids and whose they are (``LINKS``)."""
    for found in _pages(
        f"SELECT alias_id, visitor_id, alias FROM links FINAL WHERE alias > {{last:UInt64}} ORDER BY alias LIMIT {PAGE}",
        last=0,
    ):
        yield [row[:2] for row in found]


def memberships() -> Rows:
    """Who is and was on which report (``MEMBERSHIPS``), by the ids they were there with."""
    after, place = "", dict[str, Any]()
    while True:
        found = client.warehouse().query(
            "SELECT report_id, member_id, version % 2 = 1, intDiv(version + 1, 2), at, member FROM memberships FINAL "
            f"WHERE 1 {after} ORDER BY report_id, member LIMIT {PAGE}",
            place,
            seconds=SECONDS,
        )
        if not found:
            return
        yield [(report, member, bool(on), int(entries), at) for report, member, on, entries, at, _key in found]
        after = "AND (report_id, member) > ({report:String}, {member:UInt64})"
        place = {"report": found[-1][0], "member": found[-1][-1]}


def _pages(sql: str, *, last: Any, **given: Any) -> Rows:
    """The pages of a SELECT whose last column is what the next page begins behind, there ``last``."""
    while found := client.warehouse().query(sql, {**given, "last": last}, seconds=SECONDS):
        yield found
        last = found[-1][-1]


def _times(first: datetime, last: datetime) -> tuple[datetime | None, datetime | None]:
    """Nobody's for those of whom only metadata is known."""
    return (None if first >= NOT_YET else first), (None if last <= EPOCH else last)


def _fields(table: str, owner: str, kind: str, keys: Sequence[Any]) -> dict[Any, tuple[str, datetime | None]]:
    """Metadata as JSON ({"group": {"field": value}}), and when the newest value was set, by owner."""
    groups: dict[Any, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    newest: dict[Any, datetime] = {}
    for key, group, name, value, type_, at in client.warehouse().query(
        f"SELECT {owner}, grp, field, value, type, at FROM {table} FINAL WHERE {owner} IN {{keys:{kind}}} "
        "AND value IS NOT NULL ORDER BY grp, field",
        {"keys": list(keys)},
        seconds=SECONDS,
    ):
        groups[key][group][name] = _value(value, type_)
        newest[key] = max(newest.get(key, at), at)
    return {key: (orjson.dumps(groups.get(key, {})).decode(), newest.get(key)) for key in keys}


def _value(text: str, type_: str) -> Any:
    if type_ not in {"number", "boolean", "json"}:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
