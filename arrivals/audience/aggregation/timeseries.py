"""The time series of a source: ``{period, first, last}`` or ``{period, first, count}`` -> spans of time.

``...Range`` makes one span, ``hourly`` to ``monthly`` one for each period. A span begins where the period of ``first``
begins and ends where the period of ``last`` ends. A negative ``count`` ends before the period that holds ``first``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arrivals.audience.aggregation import compiled, expressions, limits, moments, values
from arrivals.audience.aggregation.building import Builder
from arrivals.audience.aggregation.compiled import Scope
from arrivals.errors import InvalidPipeline
from arrivals.warehouse import client

# Name -> unit, and whether it makes one result per period.
PERIODS: dict[str, tuple[str, bool]] = {
    "hourRange": ("hour", False),
    "dayRange": ("day", False),
    "weekRange": ("week", False),
    "monthRange": ("month", False),
    "hourly": ("hour", True),
    "daily": ("day", True),
    "weekly": ("week", True),
    "monthly": ("month", True),
}
EARLIEST, LATEST = 0, 4_102_444_800_000  # 1970 to 2100
MOST_COUNT = 100_000
DATE = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+Z?)?")


@dataclass(frozen=True)
class Span:
    """From ``start`` to before ``end``, in milliseconds. ``unit``: what its rows are made for, hour or day."""

    start: int
    end: int
    unit: str


def span(builder: Builder, series: Any, path: str) -> Span:
    """The span to compile for: of a series with one result per period, the present period's.

    Raises:
        InvalidPipeline: with the path of the wrong part.
    """
    if not isinstance(series, dict):
        raise InvalidPipeline("It must be an object with period, first, and last or count.", path=path)
    period = series.get("period")
    if not isinstance(period, str) or period not in PERIODS:
        raise InvalidPipeline(
            f"{str(period)!r:.40} is not a period; allowed are {', '.join(PERIODS)}.", path=f"{path}.period"
        )
    unit, each = PERIODS[period]
    first, end = _bounds(builder, series, unit, path)
    builder.starts.append(first)
    shown = "hour" if unit == "hour" else "day"
    if not each:
        return Span(first, max(first, end), shown)
    starts = _starts(first, end, unit, path)
    builder.iterate(starts, path)
    if not starts:
        return Span(first, first, shown)
    start = starts[builder.period]
    return Span(start, _after(start, unit, 1), shown)


def _bounds(builder: Builder, series: Mapping[str, Any], unit: str, path: str) -> tuple[int, int]:
    """Beginning and end of the whole series."""
    if series.get("first") is None:
        raise InvalidPipeline("Required", path=f"{path}.first")
    if series.get("count") is not None:
        [first] = _moments(builder, {f"{path}.first": series["first"]})
        start, count = _start(first, unit), _count(series["count"], f"{path}.count")
        other = _after(start, unit, count)
        return (start, other) if count > 0 else (other, start)
    if series.get("last") is None:
        raise InvalidPipeline("A time series needs last or count.", path=f"{path}.last")
    first, last = _moments(builder, {f"{path}.first": series["first"], f"{path}.last": series["last"]})
    return _start(first, unit), _after(_start(last, unit), unit, 1)


def _count(value: Any, path: str) -> int:
    try:
        count = int(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0
    except (ValueError, OverflowError):
        count = 0
    if not 0 < abs(count) <= MOST_COUNT:
        raise InvalidPipeline(f"It must be a whole number from -{MOST_COUNT:,} to {MOST_COUNT:,}, not 0.", path=path)
    return count


def _moments(builder: Builder, given: Mapping[str, Any]) -> list[int]:
    """Times given as numbers, numbers in a text, dates, or expressions: the warehouse computes them."""
    own = Builder(builder.now, builder.source_id, builder.linked, builder.sources)
    computed = []
    for path, value in given.items():
        if isinstance(value, str) and DATE.fullmatch(value.strip()):
            node: expressions.Node = expressions.Call("date", (expressions.Literal(value.strip()),))
            found = compiled.compiled(Scope(own, {}, path), node)
        else:
            found = compiled.expression(Scope(own, {}, path), value)
        computed.append(f"toInt64OrNull(toString(floor({values.number(found)})))")
    [row] = client.warehouse().query(f"SELECT {', '.join(computed)} SETTINGS {limits.SETTINGS}", own.bind.parameters)
    for path, moment in zip(given, row, strict=True):
        if moment is None or not EARLIEST <= moment <= LATEST:
            raise InvalidPipeline("It is not a time between 1970 and 2100, in milliseconds.", path=path)
    return list(row)


def _start(moment: int, unit: str) -> int:
    if unit == "month":
        return _ms(datetime.fromtimestamp(moment // 1000, UTC).replace(day=1, hour=0, minute=0, second=0))
    offset = moments.SUNDAY if unit == "week" else 0
    return moment - (moment - offset) % moments.LENGTHS[unit]


def _after(start: int, unit: str, count: int) -> int:
    """The beginning of the period that is ``count`` after the one that begins at ``start``."""
    if unit != "month":
        return start + count * moments.LENGTHS[unit]
    begin = datetime.fromtimestamp(start // 1000, UTC)
    months = min(max(begin.year * 12 + begin.month - 1 + count, 12), 9000 * 12)
    return _ms(begin.replace(year=months // 12, month=months % 12 + 1))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp()) * 1000


def _starts(first: int, end: int, unit: str, path: str) -> list[int]:
    starts = []
    while first < end:
        starts.append(first)
        if len(starts) > limits.MOST_PERIODS:
            raise InvalidPipeline(
                f"There may be {limits.MOST_PERIODS} periods with a result each; ask for a shorter time.", path=path
            )
        first = _after(first, unit, 1)
    return starts
