"""Metrics: what is counted of one visitor's or account's events in a span. The one place with their definitions.

| metric | definition |
|---|---|
| first_visit, last_visit | time of the first and of the last event |
| days_active | days, in a time zone, with at least one event |
| events | number of events |
| minutes | distinct minutes with at least one event: at 0:50, 1:30 and 2:01 they make 3 |
| visitors | distinct visitors with at least one event; of accounts only |

Each is an aggregate over rows of events. Where ids are linked, rows are first aggregated by the id they came with, as
``state``, and the states of one person are then ``merged``: days and minutes that two ids share count once.

``frequency`` is a band of the days active in the last 30 full days, in the time zone: low 1-4, medium 5-12, high 13 or
more, else none. A full day is over, so today is not one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from arrivals.audience.binder import Binder
from arrivals.audience.windows import EVER, Window

TIMES = ("first_visit", "last_visit")
VISITOR = (*TIMES, "days_active", "events", "minutes")
ACCOUNT = (*VISITOR, "visitors")
FREQUENCY = "frequency"
FREQUENCY_DAYS = 30
# From how many days on; the first that is reached counts.
BANDS: Sequence[tuple[str, int]] = (("high", 13), ("medium", 5), ("low", 1))
NO_BAND = "none"
WORDS = (NO_BAND, *(name for name, _ in reversed(BANDS)))


@dataclass(frozen=True)
class Aggregate:
    """How a metric is aggregated: ``function`` over ``over``; ``merge`` combines what ``state`` gives."""

    function: str
    over: str
    state: str
    merge: str


def value(metric: str, bind: Binder, *, ts: str = "ts", person: str = "person") -> str:
    """The aggregate over rows of events that is the metric. ``ts`` and ``person`` are expressions over such a row.

    Of no rows it is 0, or the zero of time for a first or last visit: rows of a member that is not there are none.
    """
    one = _aggregate(metric, bind, ts, person)
    return f"{one.function}({one.over})"


def value_if(metric: str, bind: Binder, condition: str, *, ts: str = "ts", person: str = "person") -> str:
    """As ``value``, of the rows where ``condition`` holds; of none it is 0, and NULL for a first or last visit."""
    one = _aggregate(metric, bind, ts, person)
    function = f"{one.function}OrNull" if metric in TIMES else one.function
    return f"{function}If({', '.join(filter(None, (one.over, condition)))})"


def state(metric: str, bind: Binder, *, ts: str = "ts", person: str = "person") -> str:
    """The aggregate over rows of events that can be ``merged`` with that of other rows."""
    one = _aggregate(metric, bind, ts, person)
    return f"{one.state}({one.over})"


def merged(metric: str, column: str, bind: Binder) -> str:
    """The metric, of several rows whose ``column`` is a ``state``."""
    return f"{_aggregate(metric, bind, 'ts', 'person').merge}({column})"


def _aggregate(metric: str, bind: Binder, ts: str, person: str) -> Aggregate:
    match metric:
        case "first_visit":
            return Aggregate("min", ts, "min", "min")
        case "last_visit":
            return Aggregate("max", ts, "max", "max")
        case "events":
            return Aggregate("count", "", "count", "sum")
        case "days_active":
            return _distinct(bind.day(ts))
        case "minutes":
            return _distinct(f"toInt32(intDiv(toUnixTimestamp64Milli({ts}), 60000))")
        case "visitors":
            return _distinct(person)
    raise ValueError(f"{metric!r} is not a metric.")


def _distinct(over: str) -> Aggregate:
    return Aggregate("uniqExact", over, "uniqExactState", "uniqExactMerge")


def aggregated(metric: str, window: Window, now: datetime, zone: str) -> tuple[str, Window]:
    """What of which span has to be aggregated for a metric of ``window``: frequency is a band of days in its own."""
    if metric != FREQUENCY:
        return metric, window
    first, last = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=one) for one in full_days(now, zone))
    return "days_active", Window(since=first, until=last)


def kept(metric: str, window: Window) -> bool:
    """Whether the metric of a visitor is kept beside the events: then it is the column ``first`` of visitors."""
    return metric == "first_visit" and window == EVER


def full_days(now: datetime, zone: str, days: int = FREQUENCY_DAYS) -> tuple[int, int]:
    """First and last millisecond since 1970, both inclusive, of the last full days before ``now`` in the time zone."""
    local = ZoneInfo(zone)
    today = now.astimezone(local).date()
    first, end = (datetime(day.year, day.month, day.day, tzinfo=local) for day in (today - timedelta(days=days), today))
    return round(first.timestamp() * 1000), round(end.timestamp() * 1000) - 1


def band(days: str) -> str:
    """The frequency, as text, of a number of days active (an SQL expression) in ``full_days``."""
    tests = ", ".join(f"{days} >= {least}, '{name}'" for name, least in BANDS)
    return f"multiIf({tests}, '{NO_BAND}')"


def frequency(days: int) -> str:
    """The same of a number."""
    return next((name for name, least in BANDS if days >= least), NO_BAND)
