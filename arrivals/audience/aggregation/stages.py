"""Stages that go over the rows one by one, or choose among them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from arrivals.audience import compiler, segments
from arrivals.audience.aggregation import anonymous, compiled, expressions, fields, limits, values
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.compiled import Scope
from arrivals.audience.aggregation.relations import (
    Hints,
    Key,
    Needed,
    Relation,
    filtered,
    listed,
    part,
    projected,
)
from arrivals.audience.aggregation.values import Column, Value
from arrivals.errors import InvalidPipeline, InvalidRules, NotFound

MOST = 2**53
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def scope(builder: Builder, rows: Relation, path: str) -> Scope:
    return Scope(builder, rows.fields, path)


def texts(value: Any, path: str) -> list[str]:
    """A list of texts; one alone may stand without the list."""
    listed_ = [value] if isinstance(value, str) else value
    if not isinstance(listed_, list) or not all(isinstance(one, str) for one in listed_):
        raise InvalidPipeline("It must be a list of fields, as texts.", path=path)
    if len(listed_) > limits.MOST_FIELDS:
        raise InvalidPipeline(f"There may be {limits.MOST_FIELDS} fields.", path=path)
    return listed_


def mapping(value: Any, path: str) -> Mapping[str, Any]:
    """An object, or a list of objects of one key each."""
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        value = {name: inner for one in value for name, inner in one.items()}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise InvalidPipeline("It must be an object: the name of a field -> what it is.", path=path)
    if len(value) > limits.MOST_FIELDS:
        raise InvalidPipeline(f"There may be {limits.MOST_FIELDS} fields.", path=path)
    return value


def name_of(text: str, path: str) -> Path:
    """The path of a field that is made: dots make objects. A name that is no path stands as it is."""
    try:
        parts = expressions.field(text, path)
    except InvalidPipeline:
        parts = ()
    return parts if parts and all(isinstance(one, str) for one in parts) else (text,)


def put(made: dict[Path, Column], name: Path, column: Column, path: str) -> None:
    """Set a field; what stands in its place or inside it goes."""
    for other in [one for one in made if one[: len(name)] == name]:
        del made[other]
    if any(name[:size] in made for size in range(1, len(name))):
        raise InvalidPipeline(
            f"The field {'.'.join(map(str, name))!r:.80} would be inside of another that is a value.", path=path
        )
    made[name] = column
    if len(made) > limits.MOST_FIELDS:
        raise InvalidPipeline(f"A row may have {limits.MOST_FIELDS} fields.", path=path)


def filter_(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """Keep the rows for which the expression holds."""
    found = compiled.expression(scope(builder, rows, path), value)
    return filtered(rows, values.made(values.truth(found), "bool", found))


def eval_(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """Add fields; each expression sees the row as it was before."""
    made = dict(rows.fields)
    return _computed(builder, rows, made, mapping(value, path), path)


def select(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """Keep and rename fields: name -> expression, or a list of fields."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = {one: one for one in texts(value, path)}
    return _computed(builder, rows, {}, mapping(value, path), path)


def _computed(
    builder: Builder, rows: Relation, made: dict[Path, Column], wanted: Mapping[str, Any], path: str
) -> Relation:
    computed: dict[Column, Value] = {}
    for name, text in wanted.items():
        where = f"{path}.{name:.60}"
        found = compiled.expression(scope(builder, rows, where), text)
        put(made, name_of(name, where), column_of(builder, found, computed), where)
    return projected(rows, made, computed)


def column_of(builder: Builder, value: Value, computed: dict[Column, Value]) -> Column:
    """The column that a value is already, or a new one that is computed."""
    if len(value.uses) == 1:
        [column] = value.uses
        if column.alias == value.sql:
            return column
    column = builder.column(value.kind)
    computed[column] = Value(values.cast(value, value.kind), value.kind, value.uses) if value.kind == "null" else value
    return column


def identified(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """Drop the anonymous; with "!" before the field keep only them."""
    text = "visitorId" if value is None else value
    if not isinstance(text, str):
        raise InvalidPipeline("It must be the name of a field, such as visitorId.", path=path)
    name = expressions.field(text.strip().removeprefix("!"), path)
    found = anonymous.test(fields.at(builder, rows.fields, name))
    if text.strip().startswith("!"):
        found = values.made(f"NOT {found.sql}", "bool", found)
    return filtered(rows, found)


def sort(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """Order the rows by fields, "-field" downwards. What is missing comes last."""
    order, computed = [], dict[Column, Value]()
    for number, text in enumerate(texts(value, path)):
        where = f"{path}[{number}]"
        name = expressions.field(text.strip().lstrip("-+"), where)
        found = fields.at(builder, rows.fields, name)
        if found.kind != "null":
            order.append(Key(column_of(builder, found, computed), text.strip().startswith("-")))
    rows = projected(rows, rows.fields, computed) if computed else rows
    return replace(rows, order=tuple(order), window=None)


def limit(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    return part(builder, rows, limit=_whole(value, path))


def skip(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    return part(builder, rows, skip=_whole(value, path))


def _whole(value: Any, path: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MOST:
        raise InvalidPipeline("It must be a whole number, 0 or more.", path=path)
    return value


def unwind(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """One row per element of a list, in its place; with ``keepEmpty`` a row stays where the list is empty."""
    data = {"field": value} if isinstance(value, str) else value
    if not isinstance(data, dict) or not isinstance(data.get("field"), str):
        raise InvalidPipeline("Required", path=f"{path}.field")
    name = expressions.field(data["field"], f"{path}.field")
    found = fields.at(builder, rows.fields, name)
    json = f"ifNull({values.raw(found)}, '')"
    elements = f"if(startsWith({json}, '['), JSONExtractArrayRaw({json}), arrayFilter(x -> x != '', [{json}]))"
    if data.get("keepEmpty"):
        elements = f"if(empty({elements}), ['null'], {elements})"
    element, place = builder.column("json"), builder.column("int")
    made = dict(rows.fields)
    put(made, name_of(data["field"], path), element, path)

    def render(needed: Needed, hints: Hints) -> str:
        rest = needed - {element, place}
        more = [f"nullIf(x.1, 'null') AS {element.alias}"] if element in needed else []
        more += [f"toInt64(x.2) AS {place.alias}"] if place in needed else []
        pairs = f"arrayJoin(arrayMap((v, i) -> (CAST(v AS Nullable(String)), i), {elements}, arrayEnumerate({elements}))) AS x"
        return f"SELECT {listed(rest, more)} FROM (SELECT {listed(rest, [pairs])} FROM ({rows.sql(rest | found.uses)}))"

    order = (*rows.order, Key(place)) if rows.order else ()
    return Relation(made, render, order=order, unique=(*rows.unique, place) if rows.unique else ())


def segment(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """Keep the members of one of our segments, by its id."""
    id_ = value.get("id") if isinstance(value, dict) else value
    if not isinstance(id_, str):
        raise InvalidPipeline("Required", path=f"{path}.id")
    try:
        rules = segments.get(id_).rules
        found = compiler.segment_ids(rules, now=None, prefix=f"s{len(builder.bind.parameters)}_")
    except (NotFound, InvalidRules) as error:
        raise InvalidPipeline(error.message, path=f"{path}.id") from error
    builder.bind.parameters.update(found.parameters)
    visitor = fields.at(builder, rows.fields, ("visitorId",))
    if visitor.kind == "null":
        raise InvalidPipeline("The rows have no visitorId, which a segment needs.", path=path)
    member = f"cityHash64(ifNull({values.text(visitor)}, '')) IN ({found.sql})"
    return filtered(rows, values.made(member, "bool", visitor))


def switch(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """``{"class": {"score": [{"value": "low", "<": 7}, ...]}}``: the first case whose comparisons all hold."""
    made, computed = dict(rows.fields), dict[Column, Value]()
    for name, cases in mapping(value, path).items():
        where = f"{path}.{name:.60}"
        if not isinstance(cases, dict) or len(cases) != 1:
            raise InvalidPipeline("It must be an object with one field and its cases.", path=where)
        [(field, listed_)] = cases.items()
        subject = fields.at(builder, rows.fields, expressions.field(field, where))
        if not isinstance(listed_, list) or not 0 < len(listed_) <= limits.MOST_FIELDS:
            raise InvalidPipeline("It must be a list of cases.", path=where)
        chosen = [_case(builder, subject, case, f"{where}[{number}]") for number, case in enumerate(listed_)]
        kind = values.common(*(result.kind for _, result in chosen))
        branches = ", ".join(f"{condition}, {values.cast(result, kind)}" for condition, result in chosen)
        found = f"multiIf({branches}, CAST(NULL AS {values.TYPES[kind]}))"
        column = builder.column(kind)
        computed[column] = values.made(found, kind, subject)
        put(made, name_of(name, where), column, where)
    return projected(rows, made, computed)


def _case(builder: Builder, subject: Value, case: Any, path: str) -> tuple[str, Value]:
    if not isinstance(case, dict) or "value" not in case:
        raise InvalidPipeline("Required", path=f"{path}.value")
    tests = []
    for op, operand in case.items():
        if op == "value":
            continue
        if op not in COMPARISONS:
            raise InvalidPipeline(f"{op!r:.40} is not a comparison; allowed are {', '.join(COMPARISONS)}.", path=path)
        other = _plain(builder, operand, f"{path}.{op}")
        if op in {"==", "!="}:
            tests.append(("" if op == "==" else "NOT ") + values.equal(subject, other))
        else:
            tests.append(values.ordered(op, subject, other))
    return " AND ".join(tests) or "true", _plain(builder, case["value"], f"{path}.value")


def _plain(builder: Builder, value: Any, path: str) -> Value:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise InvalidPipeline("It must be a text, a number, true, false or null.", path=path)
    return compiled.literal(builder, value)


def unmarshal(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """``{"name": "field"}``: read the JSON that a field holds as text; null where it is none."""
    made, computed = dict(rows.fields), dict[Column, Value]()
    for name, field in mapping(value, path).items():
        where = f"{path}.{name:.60}"
        if not isinstance(field, str):
            raise InvalidPipeline("It must be the name of a field.", path=where)
        found = fields.at(builder, rows.fields, expressions.field(field, where))
        text = f"ifNull({values.text(found)}, '')"
        column = builder.column("json")
        parsed = f"nullIf(nullIf(if(isValidJSON({text}), JSONExtractRaw({text}), ''), ''), 'null')"
        computed[column] = values.made(parsed, "json", found)
        put(made, name_of(name, where), column, where)
    return projected(rows, made, computed)


def count(builder: Builder, rows: Relation, value: Any, path: str) -> Relation:
    """One row: ``{"count": N}``."""
    total = builder.column("int")

    def render(needed: Needed, hints: Hints) -> str:
        more = [f"toInt64(count()) AS {total.alias}"]
        return f"SELECT {listed([], more)} FROM ({rows.sql(set())})"

    return Relation({("count",): total}, render, unique=(total,))
