"""Rows in the making: a tree of subselects that is written down only when it is known which columns are needed.

Each stage makes a ``Relation``. It knows its fields (by path; ``metadata.auto.id`` is the path of three parts), the
order of its rows and what tells one row from another. Its SQL is made last, from the outside in, with the columns
that are asked for: what nobody asks for is never computed. Names of fields never stand in SQL, only our aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from arrivals.audience.aggregation import values
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.values import Column, Kind, Value

Needed = set[Column]


@dataclass(frozen=True)
class Hints:
    """What a source may know to do less. ``only``: a SELECT of the keys of the rows that will be left. Of a source that
    counts (``Count``): its rows may stand split or put together, as long as the same values come and what is counted
    adds up to the same; ``events``: nothing but the number of events is added up."""

    only: str = ""
    sums: bool = False
    events: bool = False


NO_HINTS = Hints()
Render = Callable[[Needed, Hints], str]


@dataclass(frozen=True)
class Key:
    """One key of an order."""

    column: Column
    descending: bool = False


@dataclass(frozen=True)
class Window:
    """Where a relation is a part of another's rows: after ``skip`` rows, at most ``limit``."""

    inner: Relation
    skip: int = 0
    limit: int | None = None


@dataclass(frozen=True)
class Count:
    """Rows that count events: ``number`` of events and ``minutes`` add up; ``others`` are right for whole rows only. A
    column of ``stand_ins`` is as good as another for telling values apart, and cheaper."""

    number: Column
    minutes: Column
    others: frozenset[Column]
    stand_ins: Mapping[Column, Column]


def counted(count: Count) -> frozenset[Column]:
    """All columns that depend on what was counted."""
    return count.others | {count.number, count.minutes}


@dataclass(frozen=True)
class Relation:
    """``render`` makes a SELECT of the columns that it is given, by their aliases.

    ``unique``: columns that tell each row from all others (empty: not known). No path of ``fields`` begins with
    another. ``key``: a column whose values may be given as the hint ``only``: the source then leaves out all other rows
    before it looks up what is costly. A page of visitors is made in these two steps. ``count``: where the source
    counted events.
    """

    fields: Mapping[Path, Column]
    render: Render
    order: tuple[Key, ...] = ()
    unique: tuple[Column, ...] = ()
    key: Column | None = None
    count: Count | None = None
    window: Window | None = field(default=None, compare=False)

    def sql(self, needed: Iterable[Column], hints: Hints = NO_HINTS) -> str:
        return self.render(set(needed), hints)

    def total(self) -> tuple[Key, ...]:
        """The order, made total: by what is unique, else by all fields."""
        last = self.unique or tuple(self.fields.values())
        taken = {key.column for key in self.order}
        return (*self.order, *(Key(column) for column in last if column not in taken))


def listed(columns: Iterable[Column], more: Iterable[str] = ()) -> str:
    """What stands behind SELECT; something, even when nothing is needed."""
    names = sorted((column.alias for column in columns), key=lambda alias: int(alias[1:]))
    return ", ".join([*names, *more]) or "1 AS nothing"


def order_by(keys: Sequence[Key]) -> str:
    """An ORDER BY that puts what is missing last. JSON: numbers by value, then texts by code point."""
    parts = []
    for key in keys:
        way = "DESC" if key.descending else "ASC"
        value = values.of(key.column)
        if key.column.kind == "json":
            parts.append(f"{values.number(value)} {way} NULLS LAST")
        parts.append(f"{values.text(value) if key.column.kind == 'json' else value.sql} {way} NULLS LAST")
    return f" ORDER BY {', '.join(parts)}" if parts else ""


def columns_of(keys: Iterable[Key]) -> Needed:
    return {key.column for key in keys}


def from_table(
    builder: Builder, columns: Mapping[Path, tuple[Kind, str]], table: str, unique: Iterable[Path] = ()
) -> Relation:
    """Rows of ``table`` (what stands behind FROM, with its WHERE): each field is computed by its SQL."""
    fields = builder.columns({path: kind for path, (kind, _) in columns.items()})
    computed = {fields[path]: sql for path, (_, sql) in columns.items()}

    def render(needed: Needed, hints: Hints) -> str:
        more = [f"{sql} AS {column.alias}" for column, sql in computed.items() if column in needed]
        return f"SELECT {listed([], more)} FROM {table}"

    return Relation(fields, render, unique=tuple(fields[path] for path in unique))


def filtered(rows: Relation, condition: Value) -> Relation:
    def render(needed: Needed, hints: Hints) -> str:
        return f"SELECT {listed(needed)} FROM ({rows.sql(needed | condition.uses, hints)}) WHERE {condition.sql}"

    count = rows.count
    if count is not None and condition.uses & counted(count):
        count = None  # a row is now chosen by what it counted
    return replace(rows, render=render, count=count, window=None)


def projected(rows: Relation, fields: Mapping[Path, Column], computed: Mapping[Column, Value]) -> Relation:
    """The same rows with other fields, some of them ``computed``. All columns of ``rows`` can still be asked for."""

    def render(needed: Needed, hints: Hints) -> str:
        ours = [column for column in computed if column in needed]
        inner = needed.difference(ours).union(*(computed[column].uses for column in ours))
        if not ours:
            return rows.sql(inner, hints)
        more = [f"{computed[column].sql} AS {column.alias}" for column in ours]
        return f"SELECT {listed(needed.difference(ours), more)} FROM ({rows.sql(inner, hints)})"

    count = rows.count
    if count is not None:
        made = {column for column, value in computed.items() if value.uses & counted(count)}
        count = replace(count, others=count.others | made)
    return replace(rows, fields=fields, render=render, count=count, window=None)


def ranked(builder: Builder, rows: Relation) -> tuple[Relation, Column]:
    """The same rows with a column that counts them in their order, from 1."""
    keys = rows.total()
    rank = builder.column("int")

    def render(needed: Needed, hints: Hints) -> str:
        if rank not in needed:
            return rows.sql(needed)
        rest = needed - {rank}
        counted = f"toInt64(row_number() OVER ({order_by(keys).strip()})) AS {rank.alias}"
        return f"SELECT {listed(rest, [counted])} FROM ({rows.sql(rest | columns_of(keys))})"

    return replace(rows, render=render, count=None, window=None, key=None), rank


def part(builder: Builder, rows: Relation, *, skip: int = 0, limit: int | None = None) -> Relation:
    """Some of the rows, in their order. Parts of parts become one."""
    window = rows.window or Window(rows)
    left = None if window.limit is None else max(window.limit - skip, 0)
    limit = left if limit is None else limit if left is None else min(limit, left)
    window = Window(window.inner, window.skip + skip, limit)
    inner, keys = window.inner, window.inner.total()
    # Bound once: a relation can be written down several times.
    most = f" LIMIT {builder.bind.add(2**63 - 1 if limit is None else limit, 'UInt64')}"
    after = f" OFFSET {builder.bind.add(window.skip, 'UInt64')}" if window.skip else ""

    def render(needed: Needed, hints: Hints) -> str:
        wanted = needed | columns_of(keys)
        if inner.key is not None and limit is not None and not wanted <= columns_of(keys) | {inner.key}:
            first = inner.sql({inner.key, *columns_of(keys)})
            chosen = f"SELECT {inner.key.alias} FROM ({first}){order_by(keys)}{most}{after}"
            return f"SELECT {listed(needed)} FROM ({inner.sql(wanted, Hints(only=chosen))}){order_by(keys)}"
        return f"SELECT {listed(needed)} FROM ({inner.sql(wanted)}){order_by(keys)}{most}{after}"

    # A source that left out rows here would move the window.
    return replace(rows, render=render, count=None, key=None, window=window)
