"""A value compared with an operator: what is allowed, and its condition in SQL.

A stored value is text. A given number compares as numbers, a given date (in gt, gte, lt, lte, between) as times, all
else as text: is and in exactly, contains and starts_with whatever the case. A date may be relative: see ``moments``. The operators with "not" are the exact
opposites, so they hold for those without a value too.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import moments
from arrivals.audience.moments import Moment
from arrivals.audience.windows import end
from arrivals.errors import Invalid

OPERATORS = (
    "is", "is_not", "contains", "not_contains", "starts_with", "gt", "gte", "lt", "lte", "between", "is_set",
    "is_not_set", "in", "not_in",
)  # fmt: skip
NEGATIVE = {"is_not": "is", "not_contains": "contains", "is_not_set": "is_set", "not_in": "in"}
SYMBOLS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
LONGEST = 4096
MOST = 10_000


@dataclass(frozen=True)
class Comparison:
    """``subject`` is what is compared: a field or a property. ``op`` is never a negative one: see ``negated``."""

    subject: str
    op: str
    value: Any
    negated: bool = False


class Binder:
    """Collects the values of a query under unique names, so that none of them ever stands in the SQL.

    ``now`` is the moment that relative times count from (default: the present).
    """

    def __init__(self, prefix: str, now: datetime | None = None) -> None:
        self.prefix = prefix
        self.now = now or clock.now()
        self.parameters: dict[str, Any] = {}

    def add(self, value: Any, kind: str) -> str:
        """Bind ``value``; return its placeholder for a ClickHouse type such as String or Array(Float64)."""
        name = f"{self.prefix}{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def time(self, milliseconds: int) -> str:
        """Bind milliseconds since 1970 as a time."""
        return f"fromUnixTimestamp64Milli({self.add(milliseconds, 'Int64')}, 'UTC')"


def parse(subject: str, op: Any, value: Any, *, given: bool, path: str, error: type[Invalid]) -> Comparison:
    """Check one comparison; ``given`` says whether there was a value at all.

    Raises:
        Invalid: of the class ``error``, with the path of the wrong part.
    """
    if op not in OPERATORS:
        raise error(f"{op!r} is not an operator; allowed are {', '.join(OPERATORS)}.", path=f"{path}.op")
    plain = NEGATIVE.get(op, op)
    where = f"{path}.value"
    if plain == "is_set":
        if given and value is not None:
            raise error(f"The operator {op} takes no value.", path=where)
        return Comparison(subject, plain, None, op in NEGATIVE)
    if not given:
        raise error(f"The operator {op} needs a value.", path=where)
    if plain == "in":
        if not isinstance(value, list) or not value or len(value) > MOST or not all(map(_scalar, value)):
            raise error(f"The operator {op} needs a list of 1 to {MOST:,} texts or numbers.", path=where)
        return Comparison(subject, plain, tuple(value), op in NEGATIVE)
    if plain == "between":
        if not isinstance(value, list) or len(value) != 2:
            raise error("The operator between needs a list of two numbers or two dates.", path=where)
        first, second = _bound(value[0], where, error, op), _bound(value[1], where, error, op, last=True)
        if isinstance(first, float) != isinstance(second, float):
            raise error("The operator between needs two numbers or two dates, not one of each.", path=where)
        return Comparison(subject, plain, (first, second))
    if plain in SYMBOLS:
        return Comparison(subject, plain, _bound(value, where, error, op))
    if not _scalar(value) or (plain != "is" and not isinstance(value, str)):
        raise error(f"The operator {op} needs a text{' or a number' if plain == 'is' else ''}.", path=where)
    if plain != "is" and not value:
        raise error(f"The operator {op} needs a text that is not empty.", path=where)
    return Comparison(subject, plain, value, op in NEGATIVE)


def sql(comparison: Comparison, text: str, bind: Binder) -> str:
    """The condition, without its negation, on ``text``: an SQL expression of type Nullable(String). May be NULL."""
    comparison = resolved(comparison, bind.now)
    op, value = comparison.op, comparison.value
    if op == "is_set":
        return f"({text} IS NOT NULL AND {text} != '')"
    if op == "in":
        numbers = [float(one) for one in value if _number(one)]
        texts = [_as_text(one) for one in value if not _number(one)]
        parts = [f"has({bind.add(texts, 'Array(String)')}, {text})"] if texts else []
        parts += [f"has({bind.add(numbers, 'Array(Float64)')}, toFloat64OrNull({text}))"] if numbers else []
        return f"({' OR '.join(parts)})"
    if op == "between":
        number, bounds = _comparable(value[0], text, bind), [_placeholder(one, bind) for one in value]
        return f"({number} >= {bounds[0]} AND {number} <= {bounds[1]})"
    if op in SYMBOLS:
        return f"({_comparable(value, text, bind)} {SYMBOLS[op]} {_placeholder(value, bind)})"
    if op == "is" and _number(value):
        return f"(toFloat64OrNull({text}) = {bind.add(float(value), 'Float64')})"
    placeholder = bind.add(_as_text(value), "String")
    if op == "is":
        return f"({text} = {placeholder})"
    if op == "contains":
        return f"(positionCaseInsensitiveUTF8({text}, {placeholder}) > 0)"
    return f"startsWith(lowerUTF8({text}), lowerUTF8({placeholder}))"


def resolved(comparison: Comparison, now: datetime) -> Comparison:
    """The same with every relative time in the place of the time that it is at ``now``."""
    value = comparison.value
    if isinstance(value, Moment):
        return replace(comparison, value=value.at(now))
    if comparison.op == "between":
        return replace(comparison, value=tuple(one.at(now) if isinstance(one, Moment) else one for one in value))
    return comparison


def _bound(value: Any, path: str, error: type[Invalid], op: str, *, last: bool = False) -> float | datetime | Moment:
    if _number(value):
        return float(value)
    if isinstance(value, str) and len(value) < 64:
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return moments.parse(value, last=last) or (end(value) if last else workspace.parse(value))
        except (ValueError, OverflowError):
            pass
    raise error(
        f"The operator {op} needs a number, a date such as 2026-01-31, or a relative one such as today+3d; got {value!r:.60}.",
        path=path,
    )


def _comparable(value: Any, text: str, bind: Binder) -> str:
    if isinstance(value, datetime):  # a stored time without a zone is in the workspace's, as a given one is
        return f"parseDateTime64BestEffortOrNull({text}, 3, {bind.add(workspace.time_zone(), 'String')})"
    return f"toFloat64OrNull({text})"


def _placeholder(value: float | datetime, bind: Binder) -> str:
    if isinstance(value, datetime):
        return bind.time(round(value.timestamp() * 1000))
    return bind.add(value, "Float64")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scalar(value: Any) -> bool:
    return isinstance(value, bool) or _number(value) or (isinstance(value, str) and len(value) <= LONGEST)


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
