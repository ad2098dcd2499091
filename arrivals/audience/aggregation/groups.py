"""``group`` and ``reduce``: rows put together by what they have in common, or all of them.

A function names a field (an expression); what is missing is left out by all of them but ``{"count": null}``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience.aggregation import compiled, expressions, fields, stages, values
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.relations import Needed, Relation, listed, projected, ranked
from arrivals.audience.aggregation.values import Column, Kind, Value
from arrivals.errors import InvalidPipeline


@dataclass(frozen=True)
class Made:
    """A result: its kind and SQL, with ``{rank}`` for the place of a row where the order matters."""

    kind: Kind
    sql: str
    ordered: bool = False


def _sum(value: Value) -> Made:
    kind: Kind = "int" if value.kind == "int" else "float"
    return Made(kind, f"ifNull(sum({values.number(value)}), 0)")


def _count(value: Value) -> Made:
    """How many different values there are."""
    return Made("int", f"toInt64(uniqExact({values.raw(value) if value.kind == 'null' else value.sql}))")


def _most(aggregate: str) -> Callable[[Value], Made]:
    def make(value: Value) -> Made:
        if value.kind != "json":
            return Made(value.kind, f"{aggregate}OrNull({values.cast(value, value.kind)})")
        # Numbers come before texts, as in an order.
        number, text = values.number(value), values.text(value)
        place = f"(isNull({number}), ifNull({number}, 0), ifNull({text}, ''))"
        return Made("json", f"arg{aggregate.title()}OrNull({value.sql}, {place})")

    return make


def _avg(value: Value) -> Made:
    return Made("float", f"avgOrNull({values.number(value)})")


def _end(aggregate: str) -> Callable[[Value], Made]:
    def make(value: Value) -> Made:
        return Made(value.kind, f"{aggregate}OrNull({values.cast(value, value.kind)}, {{rank}})", ordered=True)

    return make


def _list(value: Value) -> Made:
    pairs = f"arraySort(groupArrayIf(({{rank}}, assumeNotNull({values.raw(value)})), isNotNull({values.raw(value)})))"
    return Made("json", f"concat('[', arrayStringConcat(arrayMap(x -> x.2, {pairs}), ','), ']')", ordered=True)


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
    keys: list[Column] = []
    for number, name in enumerate(names):
        where = f"{path}.group[{number}]"
        parts = expressions.field(name, where)
        found = fields.at(builder, rows.fields, parts)
        column = stages.column_of(builder, found, computed)
        stages.put(made, stages.name_of(name, where), column, where)
        keys.append(column)
    prepared = projected(rows, rows.fields, computed) if computed else rows
    ranks, rank = ranked(builder, prepared)
    results: dict[Column, tuple[Made, frozenset[Column]]] = {}
    for name, function in wanted.items():
        where = f"{path}.{name:.60}"
        result, uses = _function(builder, prepared, function, where)
        column = builder.column(result.kind)
        results[column] = (result, uses)
        stages.put(made, stages.name_of(name, where), column, where)

    def render(needed: Needed, only: str) -> str:
        ours = {column: result for column, result in results.items() if column in needed}
        inner = {*keys}.union(*(uses for _, uses in ours.values()))
        ordered = any(result.ordered for result, _ in ours.values())
        source = ranks.sql({*inner, rank}) if ordered else prepared.sql(inner)
        more = [f"{result.sql.replace('{rank}', rank.alias)} AS {column.alias}" for column, (result, _) in ours.items()]
        by = f" GROUP BY {', '.join(dict.fromkeys(key.alias for key in keys))}" if keys else ""
        if not keys and not more:
            more = ["count() AS nothing"]  # one row, whatever is asked of it
        return f"SELECT {listed(needed.intersection(keys), more)} FROM ({source}){by}"

    return Relation(made, render, unique=tuple(dict.fromkeys(keys)))


def _function(builder: Builder, rows: Relation, function: Any, path: str) -> tuple[Made, frozenset[Column]]:
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
            return Made("int", "toInt64(count())"), frozenset()
        value = compiled.expression(scope, _field(argument, where))
        return FUNCTIONS[name](value), value.uses
    base = name.removesuffix("If")
    if not isinstance(argument, dict) or "if" not in argument:
        raise InvalidPipeline("Required", path=f"{where}.if")
    test = compiled.expression(scope, argument["if"])
    holds = values.truth(test)
    if base == "count" and argument.get("count") is None:
        return Made("int", f"toInt64(countIf({holds}))"), test.uses
    value = compiled.expression(scope, _field(argument.get(base), f"{where}.{base}"))
    kind = value.kind
    chosen = Value(f"if({holds}, {values.cast(value, kind)}, CAST(NULL AS {values.TYPES[kind]}))", kind)
    return FUNCTIONS[base](chosen), value.uses | test.uses


def _field(argument: Any, path: str) -> Any:
    if argument is None:
        raise InvalidPipeline("It must be the name of a field.", path=path)
    return argument
