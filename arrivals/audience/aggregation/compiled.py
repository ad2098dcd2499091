"""An expression and the fields of a row -> a value in SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from arrivals.audience.aggregation import expressions, fields, moments, values
from arrivals.audience.aggregation.building import Builder
from arrivals.audience.aggregation.expressions import Binary, Call, Literal, Node, Path, Unary
from arrivals.audience.aggregation.values import Column, Value
from arrivals.collect import sources
from arrivals.errors import InvalidPipeline

OPERATORS = ("==", "!=", ">", ">=", "<", "<=", "&&", "||", "!", "+", "-", "*", "/")


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: the row's fields, and the path in the body for errors."""

    builder: Builder
    fields: Mapping[tuple[expressions.Part, ...], Column]
    path: str

    def refused(self, message: str) -> InvalidPipeline:
        return InvalidPipeline(message, path=self.path)


def expression(scope: Scope, text: Any) -> Value:
    """Compile an expression; a number, true, false or null stands for itself.

    Raises:
        InvalidPipeline: it cannot be read, or names an unknown function.
    """
    if isinstance(text, str):
        return compiled(scope, expressions.parse(text, scope.path))
    if text is None or isinstance(text, bool | int | float):
        return literal(scope.builder, text)
    raise scope.refused("It must be an expression, a text.")


def compiled(scope: Scope, node: Node) -> Value:
    match node:
        case Literal(given):
            return literal(scope.builder, given)
        case Path(parts):
            return fields.at(scope.builder, scope.fields, parts)
        case Unary("!", operand):
            value = compiled(scope, operand)
            return values.made(f"NOT {values.truth(value)}", "bool", value)
        case Unary(_, operand):
            value = compiled(scope, operand)
            return values.made(f"negate({values.number(value)})", _numeric(value), value)
        case Binary(op, left, right):
            return _binary(op, compiled(scope, left), compiled(scope, right))
        case Call(name, arguments):
            return _called(scope, name, arguments)
    raise scope.refused("It cannot be read.")


def literal(builder: Builder, value: str | float | bool | None) -> Value:
    if value is None:
        return values.NULL
    if isinstance(value, bool):
        return Value("true" if value else "false", "bool", literal=True)
    if isinstance(value, int) and abs(value) <= expressions.MOST_INT:
        return Value(builder.bind.add(value, "Int64"), "int", literal=True)
    if isinstance(value, int | float):
        return Value(builder.bind.add(float(value), "Float64"), "float", literal=True)
    return Value(builder.text(value), "text", literal=True, given=value)


def _binary(op: str, left: Value, right: Value) -> Value:
    if op == "&&":
        return values.made(f"({values.truth(left)} AND {values.truth(right)})", "bool", left, right)
    if op == "||":
        return values.made(f"({values.truth(left)} OR {values.truth(right)})", "bool", left, right)
    if op in {"==", "!="}:
        same = values.equal(left, right)
        return values.made(same if op == "==" else f"NOT {same}", "bool", left, right)
    if op in {"<", "<=", ">", ">="}:
        return values.made(values.ordered(op, left, right), "bool", left, right)
    if op == "+" and "text" in (left.kind, right.kind):
        return values.made(f"concat({values.text(left)}, {values.text(right)})", "text", left, right)
    first, second = values.number(left), values.number(right)
    if op == "/":
        return values.made(f"({first} / nullIf({second}, 0))", "float", left, right)
    kind = "int" if _numeric(left) == _numeric(right) == "int" else "float"
    return values.made(f"({first} {op} {second})", kind, left, right)  # type: ignore[arg-type]


def _numeric(value: Value) -> values.Kind:
    return "int" if value.kind == "int" else "float"


# ---- functions -------------------------------------------------------------------------------------------------


def _now(scope: Scope) -> Value:
    return literal(scope.builder, scope.builder.now_ms)


def _hash(scope: Scope, value: Value) -> Value:
    """A whole number below 2**53, the same for the same text; null of null."""
    return values.made(hash_of(values.text(value)), "int", value)


def hash_of(sql: str) -> str:
    """The number that stands for a text: ``hash(x)`` and ``metadata.auto.idhash``."""
    return f"CAST(cityHash64({sql}) % 9007199254740991 AS Nullable(Int64))"


def _contains(scope: Scope, value: Value, part: Value) -> Value:
    """Whether a list has an element, or a text has another in it."""
    sought = values.text(part)
    found = f"position({values.text(value)}, {sought}) > 0"
    if value.kind == "json":
        elements = f"JSONExtract(ifNull({value.sql}, ''), 'Array(Nullable(String))')"
        found = f"if(startsWith({value.sql}, '['), has({elements}, {sought}), {found})"
    return values.made(f"ifNull({found}, false)", "bool", value, part)


def _is_null(scope: Scope, value: Value) -> Value:
    return values.made(values.missing(value), "bool", value)


def _if(scope: Scope, condition: Value, yes: Value, no: Value) -> Value:
    kind = values.common(yes.kind, no.kind)
    chosen = f"if({values.truth(condition)}, {values.cast(yes, kind)}, {values.cast(no, kind)})"
    return values.made(chosen, kind, condition, yes, no)


def _expand_app_ids(scope: Scope, which: Value) -> Value:
    """The numbers of all apps, as a list. Which ones are asked for is not looked at: "*" is all there is."""
    numbers = [sources.app_id(one.id) for one in scope.builder.sources]
    return Value(scope.builder.text(orjson.dumps(numbers).decode()), "json", literal=True)


def _date(scope: Scope, *parts: Value) -> Value:
    return moments.date(scope.builder, *parts)


def _date_add(scope: Scope, moment: Value, count: Value, unit: Value) -> Value:
    return moments.add(scope.builder, moment, count, _constant(scope, unit, moments.UNITS, "unit"))


def _start_of_period(scope: Scope, period: Value, moment: Value) -> Value:
    return moments.start(scope.builder, moment, _constant(scope, period, moments.PERIODS, "period"))


def _constant(scope: Scope, value: Value, allowed: Mapping[str, str], what: str) -> str:
    """What a text in quotes stands for."""
    if value.given is None or value.given not in allowed:
        raise scope.refused(f"{value.given or ''!r:.40} is not a {what}; allowed are {', '.join(allowed)}.")
    return allowed[value.given]


# Name -> what makes it, the least and the most of its arguments.
FUNCTIONS: dict[str, tuple[Callable[..., Value], int, int]] = {
    "now": (_now, 0, 0),
    "date": (_date, 1, 6),
    "dateAdd": (_date_add, 3, 3),
    "startOfPeriod": (_start_of_period, 2, 2),
    "hash": (_hash, 1, 1),
    "contains": (_contains, 2, 2),
    "isNull": (_is_null, 1, 1),
    "isNil": (_is_null, 1, 1),
    "if": (_if, 3, 3),
    "expandAppIds": (_expand_app_ids, 1, 1),
}


def _called(scope: Scope, name: str, arguments: tuple[Node, ...]) -> Value:
    if name not in FUNCTIONS:
        raise scope.refused(f"There is no function {name!r:.60}; allowed are {', '.join(FUNCTIONS)}.")
    function, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        many = str(least) if least == most else f"{least} to {most}"
        raise scope.refused(f"{name} takes {many} arguments, not {len(arguments)}.")
    return function(scope, *(compiled(scope, one) for one in arguments))
