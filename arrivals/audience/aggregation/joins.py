"""Stages over several streams of rows: ``spawn`` and ``fork`` make them, ``join`` and ``cat`` end them.

A pipeline is a list of streams, mostly of one; every other stage goes over each stream for itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals.audience.aggregation import expressions, fields, stages, values
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.people import of_accounts, of_visitors
from arrivals.audience.aggregation.relations import Hints, Key, Needed, Relation, listed, projected, ranked
from arrivals.audience.aggregation.values import Column, Value
from arrivals.errors import InvalidPipeline

KINDS = {"account": (of_accounts, ("accountId",)), "visitor": (of_visitors, ("visitorId",))}


def together(builder: Builder, streams: Sequence[Relation]) -> Relation:
    """The rows of all streams, one stream after the other, with the fields of all."""
    if len(streams) == 1:
        return streams[0]
    united = _united(builder, streams)
    numbered = [ranked(builder, stream) for stream in united]
    first = united[0]
    stream_number, place = builder.column("int"), builder.column("int")

    def render(needed: Needed, hints: Hints) -> str:
        rest = sorted(needed - {stream_number, place}, key=lambda column: int(column.alias[1:]))
        selects = []
        for number, (stream, (ranks, rank)) in enumerate(zip(united, numbered, strict=True)):
            own = dict(stream.fields)
            pairs = [(own[path], column) for path, column in first.fields.items() if column in rest]
            more = [
                f"{column.alias} AS {shown.alias}" if column is not shown else shown.alias for column, shown in pairs
            ]
            if stream_number in needed:
                more.append(f"toInt64({number}) AS {stream_number.alias}")
            source = stream.sql({column for column, _ in pairs})
            if place in needed:
                more.append(f"{rank.alias} AS {place.alias}")
                source = ranks.sql({rank, *(column for column, _ in pairs)})
            selects.append(f"SELECT {listed([], more)} FROM ({source})")
        return " UNION ALL ".join(selects)

    order = (Key(stream_number), Key(place))
    return Relation(first.fields, render, order=order, unique=(stream_number, place))


def _united(builder: Builder, streams: Sequence[Relation]) -> list[Relation]:
    """The streams with the same fields, each of the same kind in all of them."""
    every = dict.fromkeys(path for stream in streams for path in stream.fields)
    paths = [path for path in every if not any(path[:size] in every for size in range(1, len(path)))]
    found = [{path: fields.at(builder, stream.fields, path) for path in paths} for stream in streams]
    kinds = {path: values.common(*(own[path].kind for own in found)) for path in paths}
    made = []
    for stream, own in zip(streams, found, strict=True):
        computed = {}
        shown = {}
        for path in paths:
            column = builder.column(kinds[path])
            computed[column] = Value(values.cast(own[path], kinds[path]), kinds[path], own[path].uses)
            shown[path] = column
        made.append(projected(stream, shown, computed))
    return made


def join(builder: Builder, streams: Sequence[Relation], value: Any, path: str) -> list[Relation]:
    """Rows of ``width`` neighbouring streams with the same ``fields`` become one row, which has the fields of all.

    One row per key stays of each stream, the last; of a field that several have, the last stream that has it counts.
    A key that is in one stream only stays too.
    """
    data = value if isinstance(value, dict) else {"fields": value}
    names = stages.texts(data.get("fields"), f"{path}.fields")
    width = data.get("width", len(streams))
    if not names:
        raise InvalidPipeline("Required", path=f"{path}.fields")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1 or len(streams) % width:
        raise InvalidPipeline(f"It must divide the number of streams, {len(streams)}.", path=f"{path}.width")
    keys = [expressions.field(name, f"{path}.fields") for name in names]
    return [_joined(builder, streams[at : at + width], keys, path) for at in range(0, len(streams), width)]


def _joined(builder: Builder, streams: Sequence[Relation], keys: list[Path], path: str) -> Relation:
    united = together(builder, streams) if len(streams) > 1 else streams[0]
    found = [fields.at(builder, united.fields, key) for key in keys]
    computed: dict[Column, Value] = {}
    by = [stages.column_of(builder, one, computed) for one in found]
    source = projected(united, united.fields, computed) if computed else united
    if len(streams) > 1:
        number, place = (key.column for key in united.order)
        ranks = source
    else:
        ranks, place = ranked(builder, source)
        number = None
    has = [
        {own for own in united.fields if fields.at(builder, stream.fields, own).kind != "null"} for stream in streams
    ]
    made: dict[Path, Column] = {}
    merged: dict[Column, tuple[str, Column]] = {}
    for key, column in zip(keys, by, strict=True):
        stages.put(made, key, column, path)
    for own, column in united.fields.items():
        if column in by or any(own[: len(key)] == key or key[: len(own)] == own for key in keys):
            continue
        picks = []
        for index in reversed(range(len(streams))):
            if own in has[index]:
                condition = f", {number.alias} = {index}" if number is not None else ""
                picks.append(f"argMax{'If' if condition else ''}(tuple({column.alias}), {place.alias}{condition}).1")
        picks = picks or [f"any({column.alias})"]  # missing in all of them
        result = builder.column(column.kind)
        merged[result] = (f"coalesce({', '.join(picks)})" if len(picks) > 1 else picks[0], column)
        made[own] = result

    def render(needed: Needed, hints: Hints) -> str:
        ours = {column: pair for column, pair in merged.items() if column in needed}
        wanted = {*by, place, *(column for _, column in ours.values())} | ({number} if number is not None else set())
        more = [f"{sql} AS {column.alias}" for column, (sql, _) in ours.items()]
        names = ", ".join(dict.fromkeys(column.alias for column in by))
        return f"SELECT {listed(needed.intersection(by), more)} FROM ({ranks.sql(wanted)}) GROUP BY {names}"

    return Relation(made, render, unique=tuple(dict.fromkeys(by)))


def merge(builder: Builder, rows: Relation, other: Relation, value: Mapping[str, Any], path: str) -> Relation:
    """Each row gets fields of the row of ``other`` that has the same ``fields``; ``mappings``: name here -> there."""
    names = stages.texts(value.get("fields"), f"{path}.fields")
    if not names:
        raise InvalidPipeline("Required", path=f"{path}.fields")
    keys = [expressions.field(name, f"{path}.fields") for name in names]
    other = _joined(builder, [other], keys, path)
    if value.get("mappings") is not None:
        wanted = {
            stages.name_of(name, path): _source(there, f"{path}.mappings")
            for name, there in stages.mapping(value["mappings"], f"{path}.mappings").items()
        }
    else:
        wanted = {own: own for own in other.fields if own not in keys}
    pairs = [(fields.at(builder, rows.fields, key), fields.at(builder, other.fields, key)) for key in keys]
    brought = {name: fields.at(builder, other.fields, there) for name, there in wanted.items()}
    return _looked_up(builder, rows, other, pairs, brought, path)


def _source(there: Any, path: str) -> Path:
    if not isinstance(there, str):
        raise InvalidPipeline("It must be the name of a field.", path=path)
    return expressions.field(there, path)


def bulk_expand(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """``{"account": {"account": "accountId"}}``: look up the account of an id and put it under a name."""
    for kind, wanted in stages.mapping(value, path).items():
        if kind not in KINDS:
            raise InvalidPipeline(f"{kind!r:.40} cannot be looked up; allowed are {', '.join(KINDS)}.", path=path)
        make, id_ = KINDS[kind]
        for name, field in stages.mapping(wanted, f"{path}.{kind}").items():
            where = f"{path}.{kind}.{name:.60}"
            other = make(builder)
            pair = (fields.at(builder, rows.fields, _source(field, where)), values.of(other.fields[id_]))
            under = stages.name_of(name, where)
            brought = {(*under, *own): values.of(column) for own, column in other.fields.items()}
            rows = _looked_up(builder, rows, other, [pair], brought, where)
    return rows


def _looked_up(
    builder: Builder,
    rows: Relation,
    other: Relation,
    pairs: Sequence[tuple[Value, Value]],
    brought: Mapping[Path, Value],
    path: str,
) -> Relation:
    """``rows`` with values of the one row of ``other`` that matches; null where none does."""
    ours = [(builder.column("text"), Value(values.text(left), "text", left.uses)) for left, _ in pairs]
    theirs = [(builder.column("text"), Value(values.text(right), "text", right.uses)) for _, right in pairs]
    left = projected(rows, rows.fields, dict(ours))
    computed = dict(theirs)
    made = dict(rows.fields)
    columns: dict[Column, Column] = {}
    for name, value in brought.items():
        column = builder.column(value.kind)
        computed[column] = Value(values.cast(value, value.kind), value.kind, value.uses)
        columns[column] = column
        stages.put(made, name, column, path)
    right = projected(other, {}, computed)
    condition = " AND ".join(f"l.{a.alias} = r.{b.alias}" for (a, _), (b, _) in zip(ours, theirs, strict=True))

    def render(needed: Needed, hints: Hints) -> str:
        fetched = needed.intersection(columns)
        if not fetched:
            return rows.sql(needed, hints)
        kept = needed - fetched
        inner = left.sql({*kept, *(column for column, _ in ours)}, hints)
        looked = right.sql({*fetched, *(column for column, _ in theirs)})
        shown = [f"l.{column.alias} AS {column.alias}" for column in kept]
        shown += [f"r.{column.alias} AS {column.alias}" for column in fetched]
        return f"SELECT {', '.join(sorted(shown))} FROM ({inner}) AS l LEFT ANY JOIN ({looked}) AS r ON {condition}"

    return Relation(made, render, order=rows.order, unique=rows.unique, key=rows.key)
