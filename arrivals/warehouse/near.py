"""A small copy of the warehouse, of chosen people only. Blocks.

Temporary tables of a session of its own go by the names of the tables they are copied from, so the same questions that
are asked of the warehouse can be asked of the copy: within ``client.instead(copy.store)``. It answers right about the
people it holds, and about nobody else. Tables that are not copied are the warehouse's own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from arrivals.warehouse import client
from arrivals.warehouse.client import Session

COLUMNS = {
    "events": "visitor UInt64, ts DateTime64(3, 'UTC'), kind LowCardinality(String), name LowCardinality(String)",
    "visitors": "visitor UInt64, visitor_id String, first DateTime64(3, 'UTC'), last DateTime64(3, 'UTC')",
    "visitor_fields": "grp LowCardinality(String), field LowCardinality(String), visitor UInt64, visitor_id String, "
    "value Nullable(String), type LowCardinality(String), at DateTime64(3, 'UTC')",
    "account_visitors": "account UInt64, account_id String, visitor UInt64, first DateTime64(3, 'UTC'), last DateTime64(3, 'UTC')",
    "links": "alias UInt64, alias_id String, visitor UInt64, visitor_id String, rank UInt64",
    "list_members": "list_id String, version UInt32, visitor UInt64, visitor_id String",
}
ENGINES = {
    "events": "MergeTree ORDER BY (kind, name, visitor, ts)",
    "visitors": "MergeTree ORDER BY visitor",
    "visitor_fields": "ReplacingMergeTree(at) ORDER BY (grp, field, visitor)",
    "account_visitors": "MergeTree ORDER BY visitor",
    "links": "ReplacingMergeTree(rank) ORDER BY alias",
    "list_members": "ReplacingMergeTree ORDER BY (list_id, version, visitor)",
}
ORIGIN = ", source_id LowCardinality(String), account_id String"
CONTENT = ", url String, properties String"


@dataclass(frozen=True)
class Reading:
    """Events of one kind and name ("": any) from a time on, in milliseconds since 1970 (None: from the first)."""

    kind: str
    name: str
    since: int | None


@dataclass(frozen=True)
class Wanted:
    """What the questions will read of each person. ``content``: also the addresses and properties of events."""

    events: frozenset[Reading] = frozenset()
    content: bool = False
    fields: frozenset[tuple[str, str]] = frozenset()
    accounts: bool = False
    lists: frozenset[tuple[str, int]] = frozenset()


class Copy:
    """Who is to be copied is told by ``add``; then ``fill`` copies."""

    def __init__(self, store: Session) -> None:
        self.store = store
        self.main = f"`{store.database}`"
        self.links = 0  # rows of links
        store.temporarily("people", "visitor UInt64", "MergeTree ORDER BY visitor")

    def add(self, select: str, parameters: dict[str, object]) -> None:
        """Add the people of a SELECT of one column, their keys; {main} in it stands for the warehouse."""
        self.store.command(f"INSERT INTO people {select.replace('{main}', self.main)}", parameters)

    def close_over_links(self) -> int:
        """Add all ids of everyone who is among the people, and copy their links; returns how many ids there are.

        The links are read once: what is linked meanwhile is not in the copy, as if it came later.
        """
        self._make("links")
        for which in (
            "alias IN (SELECT visitor FROM people) OR visitor IN (SELECT visitor FROM people)",
            "visitor IN (SELECT visitor FROM links)",
        ):
            columns = "alias, alias_id, visitor, visitor_id, rank"
            self.store.command(f"INSERT INTO links SELECT {columns} FROM {self.main}.links WHERE {which}")
        self.store.command("INSERT INTO people SELECT arrayJoin([alias, visitor]) FROM links")
        [(size, self.links)] = self.store.query(
            "SELECT (SELECT uniqExact(visitor) FROM people), (SELECT count() FROM links)"
        )
        return int(size)

    def fill(self, wanted: Wanted) -> None:
        """Copy the rows of all ids among the people."""
        theirs = "visitor IN (SELECT visitor FROM people)"
        main = self.main
        columns, types = "visitor, ts, kind, name", ""
        if wanted.content or wanted.accounts:
            columns, types = f"{columns}, source_id, account_id", ORIGIN
        if wanted.content:
            columns, types = f"{columns}, url, properties", types + CONTENT
        self._make("events", types)
        where, given = _events(wanted.events)
        if where:
            self.store.command(
                f"INSERT INTO events SELECT {columns} FROM {main}.events WHERE {theirs} AND ({where})", given
            )
        self._make("visitors")
        self.store.command(
            f"INSERT INTO visitors SELECT visitor, any(visitor_id), min(first), max(last) FROM {main}.visitors "
            f"WHERE {theirs} GROUP BY visitor"
        )
        self._make("visitor_fields")
        if wanted.fields:
            self.store.command(
                "INSERT INTO visitor_fields SELECT grp, field, visitor, visitor_id, value, type, at "
                # Of two values of the same moment the one that counts there must be the one that counts here.
                f"FROM {main}.visitor_fields FINAL WHERE (grp, field) IN {{fields:Array(Tuple(String, String))}} AND {theirs}",
                {"fields": sorted(wanted.fields)},
            )
        self._make("list_members")
        if wanted.lists:
            self.store.command(
                "INSERT INTO list_members SELECT list_id, version, visitor, visitor_id "
                f"FROM {main}.list_members WHERE (list_id, version) IN {{lists:Array(Tuple(String, UInt32))}} AND {theirs}",
                {"lists": sorted(wanted.lists)},
            )
        if wanted.accounts:
            self._make("account_visitors")
            self.store.command(
                "INSERT INTO account_visitors SELECT account, any(account_id), visitor, min(first), max(last) "
                f"FROM {main}.account_visitors WHERE {theirs} GROUP BY account, visitor"
            )

    def outside(self, ids: Sequence[str]) -> list[str]:
        """Those of these ids whose people are not in the copy."""
        rows = self.store.query(
            "SELECT id FROM (SELECT arrayJoin({ids:Array(String)}) AS id) "
            "WHERE cityHash64(id) NOT IN (SELECT visitor FROM people)",
            {"ids": list(ids)},
        )
        return [str(one) for (one,) in rows]

    def _make(self, table: str, more: str = "") -> None:
        self.store.temporarily(table, COLUMNS[table] + more, ENGINES[table])


@contextmanager
def copy() -> Iterator[Copy]:
    """An empty copy, which ends with the block."""
    with client.warehouse().session() as store:
        yield Copy(store)


def _events(readings: frozenset[Reading]) -> tuple[str, dict[str, object]]:
    """The condition on events that any of the readings needs them, and its parameters; empty for none."""
    spans: dict[int | None, set[tuple[str, str]]] = {}
    for one in readings:
        spans.setdefault(one.since, set()).add((one.kind, one.name))
    parts: list[str] = []
    given: dict[str, object] = {}
    for number, (since, pairs) in enumerate(sorted(spans.items(), key=lambda item: (item[0] is None, item[0] or 0))):
        condition, own = matching(pairs, f"e{number}_")
        given |= own
        if since is not None:
            given[f"e{number}_since"] = since
            condition = f"ts >= fromUnixTimestamp64Milli({{e{number}_since:Int64}}, 'UTC') AND {condition}"
        parts.append(f"({condition})")
    return " OR ".join(parts), given


def matching(pairs: set[tuple[str, str]], prefix: str) -> tuple[str, dict[str, object]]:
    """The condition on rows with ``kind`` and ``name`` that they are one of ``pairs`` ("" in a pair: any), and its
    parameters."""
    if ("", "") in pairs:
        return "1", {}
    both = sorted(one for one in pairs if one[0] and one[1])
    kinds = sorted(kind for kind, name in pairs if not name)
    names = sorted(name for kind, name in pairs if not kind)
    parts: list[str] = []
    given: dict[str, object] = {}
    if both:
        parts.append(f"(kind, name) IN {{{prefix}both:Array(Tuple(String, String))}}")
        given[f"{prefix}both"] = both
    if kinds:
        parts.append(f"kind IN {{{prefix}kinds:Array(String)}}")
        given[f"{prefix}kinds"] = kinds
    if names:
        parts.append(f"name IN {{{prefix}names:Array(String)}}")
        given[f"{prefix}names"] = names
    return f"({' OR '.join(parts)})" if parts else "0", given
