"""``group`` and ``reduce``: rows put together by what they have in common, or all of them.

A function names a field (an expression); what is missing is left out by all of them but ``{"count": null}``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience.aggregation import compiled, expressions, fields, stages, values
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.relations import (
    NO_HINTS,
    Count,
    Hints,
    Needed,
    Relation,
    counted,
    listed,
    projected,
    ranked,
)
from arrivals.audience.aggregation.values import Column, Kind, Value
from arrivals.errors import InvalidPipeline


@dataclass(frozen=True)
class Made:
    """A result: its kind and SQL, with ``{rank}`` for the place of a row where the order matters (``ordered``).

    ``sets``: it depends on which values there are, not on how often. ``adds``: it is the sum of a column."""

    kind: Kind
    sql: str
    uses: frozenset[Column] = frozenset()
    ordered: bool = False
    sets: bool = False
    adds: bool = False


def _sum(value: Value) -> Made:
    kind: Kind = "int" if value.kind == "int" else "float"
    plain = len(value.uses) == 1 and value.sql in {column.alias for column in value.uses}
    return Made(kind, f"ifNull(sum({values.number(value)}), 0)", value.uses, adds=plain)


def _count(value: Value) -> Made:
    """How many different values there are."""
    return Made(
        "int",
        f"toInt64(uniqExact({values.cast(value, 'null') if value.kind == 'null' else value.sql}))",
        value.uses,
        sets=True,
    )


def _most(aggregate: str) -> Callable[[Value], Made]:
    def make(value: Value) -> Made:
        if value.kind != "json":
            return Made(value.kind, f"{aggregate}OrNull({values.cast(value, value.kind)})", value.uses, sets=True)
        # Numbers come before texts, as in an order.
        number, text = values.number(value), values.text(value)
        place = f"(isNull({number}), ifNull({number}, 0), ifNull({text}, ''))"
        return Made("json", f"arg{aggregate.title()}OrNull({value.sql}, {place})", value.uses, sets=True)

    return make


def _avg(value: Value) -> Made:
    return Made("float", f"avgOrNull({values.number(value)})", value.uses)


def _end(aggregate: str) -> Callable[[Value], Made]:
    def make(value: Value) -> Made:
        sql = f"{aggregate}OrNull({values.cast(value, value.kind)}, {{rank}})"
        return Made(value.kind, sql, value.uses, ordered=True)

    return make


def _list(value: Value) -> Made:
    pairs = f"arraySort(groupArrayIf(({{rank}}, assumeNotNull({values.raw(value)})), isNotNull({values.raw(value)})))"
    return Made(
        "json", f"concat('[', arrayStringConcat(arrayMap(x -> x.2, {pairs}), ','), ']')", value.uses, ordered=True
    )


FUNCTIONS: dict[str, Callable[[Value], Made]] = {
    "sum": _sum,
    "count": _count,
    "max": _most("max"),
    "min": _most("min"),
    "first": _end("argMin"),
    "last": _end("argMax"),
    "list": _list,
    "avg": _avg,
}
# As their names without "If", over the rows for which the expression in "if" holds.
CONDITIONAL = ("countIf", "sumIf")


def group(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """``{"group": [fields], "fields": {name: {function: field}}}``; without ``fields`` the distinct values."""
    if not isinstance(value, dict):
        raise InvalidPipeline("It must be an object with group and fields.", path=path)
    names = stages.texts(value["group"], f"{path}.group") if value.get("group") is not None else []
    wanted = stages.mapping(value["fields"], f"{path}.fields") if value.get("fields") is not None else {}
    if not names and not wanted:
        raise InvalidPipeline("Required", path=f"{path}.group")
    return _grouped(builder, rows, names, wanted, path)


def reduce(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """All rows become one; its fields as those of ``group``."""
    if isinstance(value, dict) and isinstance(value.get("fields"), dict | list) and len(value) == 1:
        inner = value["fields"]
        if isinstance(inner, list) or not set(inner) & {*FUNCTIONS, *CONDITIONAL}:
            value, path = inner, f"{path}.fields"
    wanted = stages.mapping(value, path)
    if not wanted:
        raise InvalidPipeline("It must name at least one field.", path=path)
    return _grouped(builder, rows, [], wanted, path)


def _grouped(builder: Builder, rows: Relation, names: list[str], wanted: Mapping[str, Any], path: str) -> Relation:
    made: dict[Path, Column] = {}
    computed: dict[Column, Value] = {}
    keys: dict[Column, Column] = {}  # as it is shown -> as it comes
    for number, name in enumerate(names):
        where = f"{path}.group[{number}]"
        found = fields.at(builder, rows.fields, expressions.field(name, where))
        column = stages.column_of(builder, found, computed)
        shown = builder.column(column.kind)
        stages.put(made, stages.name_of(name, where), shown, where)
        keys[shown] = column
    prepared = projected(rows, rows.fields, computed) if computed else rows
    ranks, rank = ranked(builder, prepared)
    results: dict[Column, Made] = {}
    for name, function in wanted.items():
        where = f"{path}.{name:.60}"
        result = _function(builder, prepared, function, where)
        column = builder.column(result.kind)
        results[column] = result
        stages.put(made, stages.name_of(name, where), column, where)
    count = prepared.count
    stand_ins = count.stand_ins if count is not None else {}
    hints = _hints(count, keys.values(), results.values()) if count is not None else NO_HINTS

    def render(needed: Needed, _hints: Hints) -> str:
        ours = {column: result for column, result in results.items() if column in needed}
        shown = {column: inner for column, inner in keys.items() if column in needed}
        by = dict.fromkeys(stand_ins.get(inner, inner) for inner in keys.values())
        inner = {*by, *shown.values()}.union(*(result.uses for result in ours.values()))
        ordered = any(result.ordered for result in ours.values())
        source = ranks.sql({*inner, rank}) if ordered else prepared.sql(inner, hints)
        more = [
            f"{column.alias} AS {name.alias}" if column in by else f"any({column.alias}) AS {name.alias}"
            for name, column in shown.items()
        ]
        more += [f"{result.sql.replace('{rank}', rank.alias)} AS {column.alias}" for column, result in ours.items()]
        if not keys and not more:
            more = ["count() AS nothing"]  # one row, whatever is asked of it
        grouped = f" GROUP BY {', '.join(column.alias for column in by)}" if keys else ""
        return f"SELECT {listed([], more)} FROM ({source}){grouped}"

    return Relation(made, render, unique=tuple(keys))


def _hints(count: Count, keys: Iterable[Column], results: Iterable[Made]) -> Hints:
    """What the source may do less, where rows that were split or put together give the same: sums of what was counted,
    and which values there are."""
    adding = {count.number, count.minutes}
    same = all(
        len(result.uses) == 1 and result.uses <= adding
        if result.adds
        else result.sets and not result.uses & counted(count)
        for result in results
    )
    if not same or counted(count).intersection(keys):
        return NO_HINTS
    return Hints(sums=True, events=not any(count.minutes in result.uses for result in results))


def _function(builder: Builder, rows: Relation, function: Any, path: str) -> Made:
    allowed = (*FUNCTIONS, *CONDITIONAL)
    if not isinstance(function, dict) or len(function) != 1:
        raise InvalidPipeline(f"It must be an object with one of {', '.join(allowed)}.", path=path)
    [(name, argument)] = function.items()
    if name not in allowed:
        raise InvalidPipeline(f"There is no function {name!r:.60}; allowed are {', '.join(allowed)}.", path=path)
    where = f"{path}.{name}"
    scope = compiled.Scope(builder, rows.fields, where)
    if name in FUNCTIONS:
        if name == "count" and argument is None:
            return Made("int", "toInt64(count())")
        value = compiled.expression(scope, _field(argument, where))
        if name == "count" and rows.count is not None and value.uses <= rows.count.stand_ins.keys():
            # How many different ones there are, told by what stands in for them.
            plain = [rows.count.stand_ins[column] for column in value.uses if column.alias == value.sql]
            value = values.of(plain[0]) if plain else value
        return FUNCTIONS[name](value)
    base = name.removesuffix("If")
    if not isinstance(argument, dict) or "if" not in argument:
        raise InvalidPipeline("Required", path=f"{where}.if")
    test = compiled.expression(scope, argument["if"])
    holds = values.truth(test)
    if base == "count" and argument.get("count") is None:
        return Made("int", f"toInt64(countIf({holds}))", test.uses)
    value = compiled.expression(scope, _field(argument.get(base), f"{where}.{base}"))
    kind = value.kind
    chosen = Value(
        f"if({holds}, {values.cast(value, kind)}, CAST(NULL AS {values.TYPES[kind]}))", kind, value.uses | test.uses
    )
    return FUNCTIONS[base](chosen)


def _field(argument: Any, path: str) -> Any:
    if argument is None:
        raise InvalidPipeline("It must be the name of a field.", path=path)
    return argument
