"""A value in SQL and its kind: what may be done with it whatever a row holds.

Rows of Pendo's language have fields of any type; a column of the warehouse has one. So a value has a *kind*:

    int, float, text, bool     a column of that type, perhaps NULL
    json                       any JSON value, kept as its text; JSON's null is NULL
    null                       the value of a field that no row has

``number``, ``text``, ``truth`` and ``raw`` read a value of any kind as one of a type, NULL where that has no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal as OneOf

from arrivals.audience.aggregation import limits
from arrivals.errors import InvalidPipeline

Kind = OneOf["int", "float", "text", "bool", "json", "null"]
TYPES: dict[Kind, str] = {
    "int": "Nullable(Int64)",
    "float": "Nullable(Float64)",
    "text": "Nullable(String)",
    "bool": "Nullable(Bool)",
    "json": "Nullable(String)",
    "null": "Nullable(String)",
}
NUMERIC = ("int", "float")


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a subselect. ``alias`` is ours and is used once in a query, whatever the field is called."""

    alias: str
    kind: Kind


@dataclass(frozen=True)
class Value:
    """SQL that computes something of ``kind`` from the columns that it ``uses``. It holds no text of the body.

    ``given``: the text that a literal stands for."""

    sql: str
    kind: Kind
    uses: frozenset[Column] = field(default_factory=frozenset)
    literal: bool = False
    given: str | None = None

    def __post_init__(self) -> None:
        if len(self.sql) > limits.LONGEST_SQL // 2:
            raise InvalidPipeline("An expression is too large; split it over several eval stages.", path="pipeline")


def of(column: Column) -> Value:
    return Value(column.alias, column.kind, frozenset([column]))


def made(sql: str, kind: Kind, *parts: Value) -> Value:
    """A value made from other values."""
    return Value(sql, kind, frozenset().union(*(part.uses for part in parts)))


NULL = Value("NULL", "null", literal=True)


def number(value: Value) -> str:
    """A Float64 or Int64; a text or JSON text that reads as a number counts as one."""
    match value.kind:
        case "int" | "float":
            return value.sql
        case "bool":
            return f"toFloat64({value.sql})"
        case "null":
            return "CAST(NULL AS Nullable(Float64))"
    return f"toFloat64OrNull({text(value)})"


def text(value: Value) -> str:
    """A String: of JSON the text that it holds, or its JSON where it holds none."""
    match value.kind:
        case "text":
            return value.sql
        case "json":
            return f"JSONExtract(assumeNotNull(ifNull({value.sql}, 'null')), 'Nullable(String)')"
        case "null":
            return "CAST(NULL AS Nullable(String))"
    return f"toString({_typed(value)})"


def _typed(value: Value) -> str:
    """A condition is a UInt8 until it is said to be a Bool."""
    return f"CAST({value.sql} AS Nullable(Bool))" if value.kind == "bool" else value.sql


def truth(value: Value) -> str:
    """A Bool that is never NULL: false, 0, the empty text and what is missing do not hold."""
    match value.kind:
        case "bool":
            return f"ifNull({value.sql}, false)"
        case "int" | "float":
            return f"ifNull({value.sql} != 0, false)"
        case "text":
            return f"ifNull({value.sql} != '', false)"
        case "json":
            return f"""ifNull({value.sql} NOT IN ('false', '0', '""'), false)"""
    return "false"


def raw(value: Value) -> str:
    """The JSON of a value as text; NULL for null."""
    if value.kind == "json":
        return value.sql
    if value.kind == "null":
        return "CAST(NULL AS Nullable(String))"
    return f"nullIf(toJSONString({_typed(value)}), 'null')"


def shown(value: Value) -> str:
    """The JSON of a value as text, for an answer: ``null`` for null."""
    if value.kind == "null":
        return "'null'"
    return f"ifNull({value.sql if value.kind == 'json' else f'toJSONString({_typed(value)})'}, 'null')"


def missing(value: Value) -> str:
    return "true" if value.kind == "null" else f"isNull({value.sql})"


def common(*kinds: Kind) -> Kind:
    """The kind that can hold values of all of these."""
    found = {kind for kind in kinds if kind != "null"}
    if not found:
        return "null"
    if len(found) == 1:
        return found.pop()
    return "float" if found <= set(NUMERIC) else "json"


def cast(value: Value, kind: Kind) -> str:
    """The value as ``kind``, which is one that ``common`` gave for it and others; always of the type of that kind."""
    sql = {"json": raw, "float": number}.get(kind, lambda one: one.sql)(value)
    return f"CAST({sql} AS {TYPES[kind]})"


def equal(left: Value, right: Value) -> str:
    """A Bool that is never NULL; null equals null only."""
    if "null" in (left.kind, right.kind):
        return missing(left if right.kind == "null" else right)
    kinds = {left.kind, right.kind}
    if kinds == {"json"}:
        numbers = f"{number(left)} = {number(right)}"
        return f"coalesce({numbers}, {text(left)} <=> {text(right)})"
    if kinds & set(NUMERIC):
        first, second = number(left), number(right)
    else:
        first, second = text(left), text(right)
    if left.literal or right.literal:
        return f"ifNull({first} = {second}, false)"
    return f"({first} <=> {second})"


def ordered(op: str, left: Value, right: Value) -> str:
    """``left op right`` for < <= > >=, a Bool that is never NULL; texts compare by code point."""
    if "null" in (left.kind, right.kind):
        return "false"
    kinds = {left.kind, right.kind}
    if kinds == {"json"}:
        return f"coalesce({number(left)} {op} {number(right)}, {text(left)} {op} {text(right)}, false)"
    if kinds & set(NUMERIC):
        return f"ifNull({number(left)} {op} {number(right)}, false)"
    return f"ifNull({text(left)} {op} {text(right)}, false)"
