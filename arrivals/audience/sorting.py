"""Rows sorted by a column: its value for all members in one question, and the place of a row in that order.

The order is total: first the column's key (or keys), members without a value last in either direction, then the id.
Texts are sorted whatever the case; of metadata the numbers come first, in their order. A key travels in a cursor so
that it compares equal again: times as milliseconds, decimals as text, other numbers by their bits.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from arrivals.audience import accounts, columns, cursors, measures, metrics, responses, survey_classes, windows
from arrivals.audience.columns import Column, Metric, Part, Plain
from arrivals.audience.compiler import LINKS, NEVER, Compiler
from arrivals.audience.measures import Measure
from arrivals.audience.models import Report
from arrivals.errors import Invalid, InvalidReport

META = (("toFloat64OrNull(v)", "float"), ("if(toFloat64OrNull(v) IS NULL, lowerUTF8(v), NULL)", "text"))
BANDS = ", ".join(f"'{name}'" for name in (metrics.NO_BAND, *(name for name, _ in reversed(metrics.BANDS))))
# What a kind of value is sorted by: expressions over it as "v", each with the type it has.
KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "whole": (("toInt64(v)", "int"),),
    "number": (("toFloat64(v)", "float"),),
    "money": (("toDecimal128(v, 6)", "money"),),
    "time": (("toUnixTimestamp64Milli(v)", "int"),),
    "band": ((f"toInt64(indexOf([{BANDS}], v))", "int"),),
    # The class of a score, by the kind of its survey.
    **{kind: ((survey_classes.sql(kind, "v"), "text"),) for kind in survey_classes.CLASSES},
    "score": META,
    "meta": META,
    "text": (("lowerUTF8(v)", "text"),),
    "id": (("v", "text"),),
}
# The key of those whose value is not null though there is no event to make it of.
NONE = {"whole": "toInt64(0)", "money": "toDecimal128(0, 6)", "band": "toInt64(1)"}
TYPES = {"int": "Int64", "float": "UInt64", "money": "String", "text": "String"}
BACK = {"int": "{}", "float": "reinterpretAsFloat64({})", "money": "toDecimal128({}, 6)", "text": "{}"}


@dataclass(frozen=True)
class Sort:
    """By which column, from the greatest down if ``descending``."""

    column: Column
    descending: bool

    @property
    def text(self) -> str:
        return f"{'-' if self.descending else ''}{self.column.label}"


@dataclass(frozen=True)
class Place:
    """Where a page ended: the keys of its last row, and its id."""

    keys: tuple[Any, ...]
    id: str


@dataclass(frozen=True)
class Keys:
    """``sql``: a SELECT of ``owner`` and ``k0``, ``k1``... for members that have a value; ``types``: of the keys;
    ``none``: the first key of the others."""

    sql: str
    types: tuple[str, ...]
    none: str = "NULL"

    @property
    def names(self) -> list[str]:
        return [f"k{number}" for number in range(len(self.types))]


def parse(report: Report, text: str) -> Sort:
    """Read ``metric.days_active`` or ``-metric.days_active``: the name of one of the report's columns, as in its rows.

    Raises:
        Invalid: with path "sort", when it is none of them or one that rows cannot be sorted by.
    """
    descending, label = text.startswith("-"), text.removeprefix("-")
    known = {column.label: column for column in columns.parse(report.columns, report.kind)}
    if label not in known:
        raise Invalid(
            f"{label!r:.80} is not a column of this report; allowed are {', '.join(known)}, each with - for descending.",
            path="sort",
        )
    return Sort(known[label], descending)


def keys(report: Report, query: Compiler, sort: Sort, ids: str) -> Keys:
    """The keys of all members. ``ids``: a SELECT of their hashes; of visitors only the events of these are read. Raises InvalidReport: the segment has rules that are no longer allowed."""
    window = windows.parse(report.range, "range", InvalidReport)
    column = sort.column
    if report.kind == "response":
        return _keys(*_of_response(report, query, column, window))
    if isinstance(column, Plain):
        kind = "meta" if column.group else "id"
        if report.kind == "account":
            return _keys(
                _account_field(query, column)
                if column.group
                else f"SELECT visitor AS owner, id AS v FROM ({accounts.NAMES})",
                kind,
            )
        return _keys(_of_visitor(query, column, window), kind)
    if isinstance(column, Metric) and column.name in metrics.TIMES and report.kind == "visitor":
        extreme = "min(first)" if column.name == "first_visit" else "max(last)"
        seen = _persons(query, f"SELECT * FROM visitors WHERE last > {NEVER}")
        return _keys(f"SELECT person AS owner, {extreme} AS v FROM ({seen}) GROUP BY person", "time")
    measure = measures.of(query, column, window)
    assert measure is not None
    if report.kind == "account":
        always = isinstance(column, Metric) and column.name in measures.ALWAYS
        return _measured(measure, accounts.events(report, query, measure.span, always=always), "cityHash64(account)")
    theirs = f"visitor IN ({ids})"
    if query.linked:
        theirs = f"({theirs} OR visitor IN (SELECT alias FROM links WHERE {theirs}))"
    seen = _persons(query, f"SELECT *, visitor FROM events WHERE {theirs} AND {measures.times(query, measure.span)}")
    return _measured(measure, seen, "person")


def after(found: Keys, sort: Sort, place: Place, query: Compiler) -> str:
    """The condition that a row comes after ``place``."""
    beyond = "<" if sort.descending else ">"
    rest = f"id > {query.bind.add(place.id, 'String')}"
    for name, type_, value in reversed(list(zip(found.names, found.types, place.keys, strict=True))):
        if value is None:
            rest = f"({name} IS NULL AND {rest})"
        else:
            bound = BACK[type_].format(query.bind.add(value, TYPES[type_]))
            rest = f"({name} {beyond} {bound} OR {name} IS NULL OR ({name} = {bound} AND {rest}))"
    return f"ifNull({rest}, 0)"


def order(found: Keys, sort: Sort) -> str:
    """The ORDER BY."""
    way = "DESC" if sort.descending else "ASC"
    return ", ".join([*(f"{name} {way} NULLS LAST" for name in found.names), "id ASC"])


def place(found: Keys, values: Sequence[Any], id_: str) -> Place:
    """The place of a row with these values of the keys."""
    read = []
    for value, type_ in zip(values, found.types, strict=True):
        if value is not None and type_ == "float":
            value = struct.unpack("<Q", struct.pack("<d", value))[0]
        read.append(str(value) if value is not None and type_ == "money" else value)
    return Place(tuple(read), id_)


def write_cursor(sort: Sort, at: Place) -> str:
    return cursors.encoded(orjson.dumps([sort.text, list(at.keys), at.id]))


def read_cursor(sort: Sort, found: Keys, cursor: str) -> Place:
    """Raises Invalid: it is not a cursor of ours, or belongs to another order."""
    try:
        text, values, id_ = orjson.loads(cursors.decoded(cursor))
        fit = isinstance(id_, str) and isinstance(values, list) and len(values) == len(found.types)
        if text == sort.text and fit and all(map(_fits, values, found.types)):
            return Place(tuple(values), id_)
    except (ValueError, TypeError):
        pass
    raise Invalid("It is not a cursor of this list in this order; take it from next of the page before.", path="cursor")


def _fits(value: Any, type_: str) -> bool:
    if value is None:
        return True
    if type_ in ("int", "float"):
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and -(2**63) <= value < 2**64
            and (type_ == "int" or value >= 0)
        )
    return isinstance(value, str) and (type_ == "text" or _is_decimal(value))


def _is_decimal(text: str) -> bool:
    return (
        len(text) <= 40
        and text.removeprefix("-").replace(".", "", 1).isascii()
        and text.removeprefix("-").replace(".", "", 1).isdigit()
    )


def _keys(values: str, kind: str, none: str = "NULL") -> Keys:
    """From a SELECT of ``owner`` and ``v``."""
    made = KEYS[kind]
    listed = ", ".join(f"{expression} AS k{number}" for number, (expression, _type) in enumerate(made))
    return Keys(f"SELECT owner, {listed} FROM ({values}) WHERE v IS NOT NULL", tuple(type_ for _, type_ in made), none)


def _measured(measure: Measure, events: str, owner: str) -> Keys:
    values = f"SELECT {owner} AS owner, {measure.sql} AS v FROM ({events}) GROUP BY owner"
    return _keys(values, measure.kind, "NULL" if measure.none is None else NONE[measure.kind])


def _persons(query: Compiler, rows: str) -> str:
    """``rows`` (a SELECT with visitor) with ``person``, the visitor that they belong to."""
    if not query.linked:
        return f"SELECT *, visitor AS person FROM ({rows})"
    return f"SELECT s.*, coalesce(l.visitor, s.visitor) AS person FROM ({rows}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"


def _of_visitor(query: Compiler, column: Plain, window: windows.Window) -> str:
    """A SELECT of ``owner`` and ``v`` of visitors."""
    if column.owner == "visitor" and not column.group:
        return "SELECT visitor AS owner, any(visitor_id) AS v FROM visitors GROUP BY visitor"
    if column.owner == "visitor":
        return _visitor_field(query, column)
    newest = f"SELECT owner, newest AS v FROM ({accounts.newest(query)}) WHERE newest != ''"
    if not window.open:
        # That of the newest event in the span goes before the newest of all.
        inside = _persons(query, f"SELECT *, visitor FROM events WHERE account_id != '' AND {query.times(window)}")
        its = f"SELECT person AS owner, argMax(account_id, ts) AS v FROM ({inside}) GROUP BY person"
        newest = f"SELECT n.owner AS owner, coalesce(i.v, n.v) AS v FROM ({newest}) AS n LEFT JOIN ({its}) AS i ON n.owner = i.owner"
    if not column.group:
        return newest
    return f"SELECT o.owner AS owner, a.value AS v FROM ({newest}) AS o INNER JOIN ({_account_values(query, column)}) AS a ON o.v = a.account_id"


def _visitor_field(query: Compiler, column: Plain) -> str:
    where = f"grp = {query.bind.add(column.group, 'String')} AND field = {query.bind.add(column.field, 'String')}"
    values = f"SELECT visitor, value, at FROM visitor_fields FINAL WHERE {where}"
    if not query.linked:
        return f"SELECT visitor AS owner, value AS v FROM ({values})"
    return f"SELECT person AS owner, argMax(tuple(value), at).1 AS v FROM ({_persons(query, values)}) GROUP BY person"


def _account_values(query: Compiler, column: Plain) -> str:
    where = f"grp = {query.bind.add(column.group, 'String')} AND field = {query.bind.add(column.field, 'String')}"
    return f"SELECT account_id, value FROM account_fields FINAL WHERE {where}"


def _account_field(query: Compiler, column: Plain) -> str:
    return f"SELECT cityHash64(account_id) AS owner, value AS v FROM ({_account_values(query, column)})"


def _of_response(report: Report, query: Compiler, column: Column, window: windows.Window) -> tuple[str, str]:
    """Of responses: a SELECT of ``owner`` and ``v``, and its kind."""
    found = responses.rows(report, query, window)
    if isinstance(column, Part):
        match column.name:
            case "id":
                return f"SELECT owner, message_id AS v FROM ({found})", "id"
            case "at":
                return f"SELECT owner, ts AS v FROM ({found})", "time"
            case "score":
                return f"SELECT owner, score AS v FROM ({found})", "score"
            case "class":
                return f"SELECT owner, score AS v FROM ({found})", survey_classes.kinds({report.survey})[report.survey]
            case _:
                return responses.reasons(report, query, window, found), "text"
    assert isinstance(column, Plain)
    if column.owner == "visitor" and not column.group:
        return f"SELECT owner, named AS v FROM ({found})", "id"
    if column.owner == "visitor":
        return (
            f"SELECT r.owner AS owner, f.v AS v FROM ({found}) AS r INNER JOIN ({_visitor_field(query, column)}) AS f ON r.person = f.owner",
            "meta",
        )
    newest = f"SELECT owner, newest FROM ({accounts.newest(query)})"
    account = f"SELECT r.owner AS owner, if(r.account_id != '', r.account_id, ifNull(n.newest, '')) AS account FROM ({found}) AS r LEFT JOIN ({newest}) AS n ON r.person = n.owner"
    if not column.group:
        return f"SELECT owner, nullIf(account, '') AS v FROM ({account})", "id"
    return (
        f"SELECT o.owner AS owner, a.value AS v FROM ({account}) AS o INNER JOIN ({_account_values(query, column)}) AS a ON o.account = a.account_id",
        "meta",
    )
