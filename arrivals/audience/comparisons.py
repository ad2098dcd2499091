"""A value compared with an operator: what is allowed, and its condition in SQL.

A stored value is text. A given number compares as numbers, a given date (in gt, gte, lt, lte, between) as times, all
else as text: is and in exactly, contains and starts_with whatever the case. A date may be relative: see ``moments``. The
operators with "not" are the exact opposites, so they hold for those without a value too.

A text is a number when it is written as one (7, -7.5, 1e3), and a time when it starts with a date such as 2026-01-31 or
is 10 or 13 digits: seconds or milliseconds since 1970. All else is neither, and no order holds for it.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from arrivals.accounts import workspace
from arrivals.audience import moments
from arrivals.audience.binder import Binder
from arrivals.audience.moments import Moment
from arrivals.audience.windows import end
from arrivals.errors import Invalid

OPERATORS = (
    "is", "is_not", "contains", "not_contains", "starts_with", "gt", "gte", "lt", "lte", "between", "is_set",
    "is_not_set", "in", "not_in",
)  # fmt: skip
NEGATIVE = {"is_not": "is", "not_contains": "contains", "is_not_set": "is_set", "not_in": "in"}
SYMBOLS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
# Which of them say something of a number that is always there, of a time, and of one of a few words.
OF_NUMBERS = ("is", "is_not", "gt", "gte", "lt", "lte", "between", "in", "not_in")
OF_TIMES = ("gt", "gte", "lt", "lte", "between", "is_set", "is_not_set")
OF_WORDS = ("is", "is_not", "in", "not_in")
TIME = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{10}([0-9]{3})?$)"
LONGEST = 4096
MOST = 10_000


@dataclass(frozen=True)
class Comparison:
    """``subject`` is what is compared: a field or a property. ``op`` is never a negative one: see ``negated``."""

    subject: str
    op: str
    value: Any
    negated: bool = False


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


def numeric(comparison: Comparison, path: str, error: type[Invalid]) -> Comparison:
    """The same for a subject that is always a number.

    Raises:
        Invalid: of the class ``error``, when it has an operator or a value for something else.
    """
    _one_of(comparison, OF_NUMBERS, path, error)
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    try:
        if any(isinstance(one, bool | datetime | Moment) for one in values):
            raise ValueError
        read = tuple(float(one) for one in values)
    except ValueError:
        raise error(f"{comparison.subject} is a number; compare it with one.", path=f"{path}.value") from None
    return replace(comparison, value=read if isinstance(comparison.value, tuple) else read[0])


def temporal(comparison: Comparison, path: str, error: type[Invalid]) -> Comparison:
    """The same for a subject that is always a time. Raises as ``numeric``."""
    _one_of(comparison, OF_TIMES, path, error)
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    if any(isinstance(one, float) for one in values):
        sentence = "is a time; compare it with a date such as 2026-01-31, or a relative one such as today-30d."
        raise error(f"{comparison.subject} {sentence}", path=f"{path}.value")
    return comparison


def worded(comparison: Comparison, words: Sequence[str], path: str, error: type[Invalid]) -> Comparison:
    """The same for a subject that is always one of ``words``. Raises as ``numeric``."""
    _one_of(comparison, OF_WORDS, path, error)
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    if any(one not in words for one in values):
        raise error(f"{comparison.subject} is one of {', '.join(words)}.", path=f"{path}.value")
    return comparison


def holds(comparison: Comparison, value: float | str) -> bool:
    """Whether a ``numeric`` or ``worded`` comparison, without its negation, holds for a value."""
    match comparison.op:
        case "is":
            return bool(value == comparison.value)
        case "in":
            return value in comparison.value
        case "between":
            return bool(comparison.value[0] <= value <= comparison.value[1])
        case op:
            return bool(_ORDERS[op](value, comparison.value))


_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip


def _one_of(comparison: Comparison, allowed: Sequence[str], path: str, error: type[Invalid]) -> None:
    op = comparison.op
    if op not in allowed:
        shown = next((one for one, plain in NEGATIVE.items() if plain == op and comparison.negated), op)
        raise error(
            f"{comparison.subject} cannot be compared with {shown}; allowed are {', '.join(allowed)}.",
            path=f"{path}.op",
        )


def sql(comparison: Comparison, text: str, bind: Binder, *, number: str = "", time: str = "") -> str:
    """The condition, without its negation, on ``text``: an SQL expression of type Nullable(String). May be NULL.

    ``number`` and ``time``: expressions of the same as a number or a time, where it is one already.
    """
    comparison = resolved(comparison, bind.now)
    op, value = comparison.op, comparison.value
    number = number or f"toFloat64OrNull({text})"
    if op == "is_set":
        return f"({text} IS NOT NULL AND {text} != '')"
    if op == "in":
        numbers = [float(one) for one in value if _number(one)]
        texts = [_as_text(one) for one in value if not _number(one)]
        parts = [f"has({bind.add(texts, 'Array(String)')}, {text})"] if texts else []
        parts += [f"has({bind.add(numbers, 'Array(Float64)')}, {number})"] if numbers else []
        return f"({' OR '.join(parts)})"
    if op == "between" or op in SYMBOLS:
        bounds = value if op == "between" else (value,)
        left = number
        if isinstance(bounds[0], datetime):
            left = time or _time(text, bind)
        placed = [_placeholder(one, bind) for one in bounds]
        if op == "between":
            return f"({left} >= {placed[0]} AND {left} <= {placed[1]})"
        return f"({left} {SYMBOLS[op]} {placed[0]})"
    if op == "is" and _number(value):
        return f"({number} = {bind.add(float(value), 'Float64')})"
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


def _time(text: str, bind: Binder) -> str:
    # A stored time without a zone is in the workspace's, as a given one is. A number such as 12 is none, though it can
    # be read as the 12th of this month.
    parsed = f"parseDateTime64BestEffortOrNull({text}, 3, {bind.add(bind.zone, 'String')})"
    return f"if(match(ifNull({text}, ''), {bind.add(TIME, 'String')}), {parsed}, NULL)"


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
