"""The columns that are computed of a member's events: each is one aggregate over the events of one span.

| column | definition (times are in minutes, days are the workspace's) |
|---|---|
| days_active, events, minutes, visitors | ``metrics``, in the report's range |
| average_daily_minutes | minutes / the sum, over visitors, of their days active |
| minutes_before | minutes of the period of the same length just before the range |
| usage_trending | the change from minutes_before to minutes, in percent of minutes_before |
| frequency | the band of the days active in the last 30 full days, whatever the range |
| visitors_ever | of accounts: visitors that ever did anything for it, whatever the range and the segment |
| first_visit, last_visit | of accounts: of all its events, whatever the range and the segment |

The minutes of an account are distinct too: two of its visitors in one minute make one. What cannot be said is null: a
change from nothing, or what was before a range without a beginning.
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience import answers, columns, metrics, survey_classes
from arrivals.audience.columns import Answer, Metric, Tally
from arrivals.audience.compiler import Compiler
from arrivals.audience.windows import EVER, Window

Span = tuple[int | None, int]
# Whatever the range and the segment of a report of accounts.
ALWAYS = (*metrics.TIMES, "visitors_ever")
UNKNOWN = "CAST(NULL AS Nullable(Float64))"


@dataclass(frozen=True)
class Measure:
    """``sql``: an aggregate over rows of events with ``ts``, ``person`` and the rest. ``span``: of which times.

    ``kind``: what it is, one of those that ``sorting`` knows. ``none``: the value of a member without an event in the
    span.
    """

    sql: str
    span: Span
    kind: str
    none: Any = None


def of(query: Compiler, column: columns.Column, window: Window) -> Measure | None:
    """The measure that a column is; None for one that is not computed of events."""
    span = window.bounds(query.now)
    match column:
        case Metric(name=name) if name in columns.RATES:
            return _rate(query, name, window)
        case Metric(name="visitors_ever"):
            return Measure(metrics.value("visitors", query.bind), EVER.bounds(query.now), "whole", 0)
        case Metric(name=name) if name in metrics.TIMES:
            return Measure(metrics.value(name, query.bind), EVER.bounds(query.now), "time")
        case Metric(name=name):
            return Measure(metrics.value(name, query.bind), span, "whole", 0)
        case Tally(prop=""):
            return Measure(f"countIf({query.matching(column.kind, column.name, column.where)})", span, "whole", 0)
        case Tally():
            # Decimal, so that money adds up to the cent; six places are more than any currency has.
            value = f"toDecimal128OrNull({query.property(column.prop)}, 6)"
            # if() and not sumIf(): only the events that match are looked into.
            matching = query.matching(column.kind, column.name, column.where)
            return Measure(f"ifNull(sum(if({matching}, {value}, NULL)), 0)", span, "money", 0)
        case Answer(part=part):
            kind = {"at": "time", "reason": "text", "score": "score"}.get(part) or survey_classes.kinds(
                {column.survey}
            )[column.survey]
            return Measure(answers.newest(query, column.survey, part), span, kind)
    return None


def _rate(query: Compiler, name: str, window: Window) -> Measure:
    bind = query.bind
    first, last = window.bounds(query.now)
    before = window.before(query.now)
    minutes = metrics.value("minutes", bind)
    if name == "average_daily_minutes":
        days = f"uniqExact((person, {bind.day('ts')}))"
        return Measure(f"{minutes} / {days}", (first, last), "number")
    if name == "frequency":
        span = metrics.full_days(query.now, bind.zone)
        return Measure(metrics.band(metrics.value("days_active", bind)), span, "band", metrics.NO_BAND)
    if before is None or first is None:
        return Measure(UNKNOWN, (first, last), "number")
    if name == "minutes_before":
        return Measure(minutes, before, "whole", 0)
    start = bind.time(first)
    now = metrics.value_if("minutes", bind, f"ts >= {start}")
    earlier = metrics.value_if("minutes", bind, f"ts < {start}")
    change = f"(toFloat64({now}) - {earlier}) * 100 / {earlier}"
    return Measure(f"if({earlier} = 0, NULL, {change})", (before[0], last), "number")


def times(query: Compiler, span: Span) -> str:
    """The condition that an event is in a span."""
    first, last = span
    upper = f"ts <= {query.bind.time(last)}"
    return upper if first is None else f"ts >= {query.bind.time(first)} AND {upper}"
