"""Spans of time as data. They mean the same in a rule's "when", in a report's range and for the watcher.

| data | the span |
|---|---|
| {"within": "30d"} | the last 30 times 24 hours up to now; m, h or d |
| {"last": "7d"} | the last 7 full days: up to the end of yesterday |
| {"period": "this_month"} | one of ``PERIODS``; "this" ones up to now |
| {"since": "2026-01-31"} | from then up to now |
| {"between": ["2026-01-01", "2026-01-31"]} | fixed, both inclusive |
| {"ever": true} | all of time up to now |

Days, weeks and dates are those of the workspace (``workspace``): a day is from midnight to midnight there.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.errors import Invalid

# Name -> the unit, and how many of it lie between the one that is now and this one.
PERIODS = {
    "today": ("day", 0),
    "yesterday": ("day", -1),
    **{f"this_{unit}": (unit, 0) for unit in ("week", "month", "quarter", "year")},
    **{f"last_{unit}": (unit, -1) for unit in ("week", "month", "quarter", "year")},
}
KINDS = ("within", "last", "period", "since", "between", "ever")
ALLOWED = (
    '{"within":"30d"}, {"last":"7d"}, {"period":"this_month"}, {"since":"2026-01-31"}, '
    '{"between":["2026-01-01","2026-01-31"]} or {"ever":true}'
)
# What a period is always part of, besides itself.
PARTS = {
    "today": ("this_week", "this_month", "this_quarter", "this_year"),
    "this_month": ("this_quarter", "this_year"),
    "this_quarter": ("this_year",),
}
DAY, MILLISECOND = timedelta(days=1), timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """A span. ``within`` reaches back from the moment of asking, ``days`` and ``period`` are counted from its day;
    ``since`` and ``until`` are fixed and inclusive. At most one of them is set, or the last two."""

    within: timedelta | None = None
    since: datetime | None = None
    until: datetime | None = None
    days: int = 0
    period: str = ""

    @property
    def open(self) -> bool:
        """Whether it always reaches up to the moment of asking."""
        return self.until is None and not self.days and PERIODS.get(self.period, ("", 0))[1] == 0

    def bounds(self, now: datetime) -> tuple[int | None, int]:
        """First and last millisecond since 1970 that lie inside, both inclusive; None: no beginning."""
        if self.within is not None:
            return _ms(now - self.within) + 1, _ms(now)
        if self.days or self.period:
            first, end = self._days(now)
            return _ms(workspace.midnight(first)), min(_ms(now), _ms(workspace.midnight(end)) - 1)
        last = _ms(now) if self.until is None else min(_ms(now), _ms(self.until))
        return (None if self.since is None else _ms(self.since)), last

    def before(self, now: datetime) -> tuple[int, int] | None:
        """The bounds of the period of the same length just before; None where this one has no beginning.

        Before whole days it is the same number of whole days, also where one of them has 23 or 25 hours.
        """
        first, last = self.bounds(now)
        if first is None:
            return None
        start, end = workspace.day(_time(first)), workspace.day(_time(last + 1))
        if _ms(workspace.midnight(start)) == first and _ms(workspace.midnight(end)) == last + 1:
            return _ms(workspace.midnight(start - (end - start))), first - 1
        return first - (last + 1 - first), first - 1

    def inside(self, other: "Window") -> bool:
        """Whether everything in this span is in ``other`` too, whenever it is asked. False where that is not sure."""
        if other == Window() or self == other:
            return True
        if other.period:
            return other.period in PARTS.get(self.period, ())
        if other.days:
            return 0 < self.days <= other.days or (self.period == "yesterday")
        if other.within is not None:
            return self.within is not None and self.within <= other.within
        if self.since is None or other.since is None or self.since < other.since:
            return False
        return other.until is None or (self.until is not None and self.until <= other.until)

    def _days(self, now: datetime) -> tuple[date, date]:
        """The first day, and the first after the last."""
        today = workspace.day(now)
        if self.days:
            return today - timedelta(days=self.days), today
        unit, offset = PERIODS[self.period]
        first = workspace.moved(unit, workspace.first_day(unit, today), offset)
        return first, workspace.moved(unit, first, 1)


EVER = Window()


def parse(data: Any, path: str, error: type[Invalid]) -> Window:
    """Read a span as data.

    Raises:
        Invalid: of the class ``error``, with ``path``, when it is anything but one of the forms.
    """
    if data == "ever":
        return EVER
    if not isinstance(data, dict) or len(data) != 1:
        raise error(f"It must be one of {ALLOWED}.", path=path)
    kind, value = next(iter(data.items()))
    if kind == "period" and not (isinstance(value, str) and value in PERIODS):
        raise error(f"{value!r:.60} is not a period; allowed are {', '.join(PERIODS)}.", path=f"{path}.period")
    try:
        if kind == "ever" and value is True:
            return EVER
        if kind == "period":
            return Window(period=value)
        if kind == "last" and isinstance(value, str):
            return Window(days=_full_days(value))
        if kind == "within" and isinstance(value, str):
            return Window(within=clock.duration(value))
        if kind == "since" and isinstance(value, str):
            return Window(since=workspace.parse(value))
        if kind == "between" and isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
            window = Window(since=workspace.parse(value[0]), until=end(value[1]))
            if window.since and window.until and window.since > window.until:
                raise ValueError("The first date is after the second.")
            return window
    except (ValueError, OverflowError) as problem:
        raise error(f"{str(problem).rstrip('.')}. Allowed is {ALLOWED}.", path=f"{path}.{kind}") from problem
    raise error(f"It must be one of {ALLOWED}.", path=path)


def words(data: Any) -> str:
    """A span in words, to follow "active": "within 30d", "in the last 7 full days", "this month"."""
    given: dict[str, Any] = data if isinstance(data, dict) and data else {"ever": True}
    kind, value = next(iter(given.items()))
    match kind:
        case "within":
            return f"within {value}"
        case "last":
            days = str(value).removesuffix("d")
            return "in the last full day" if days == "1" else f"in the last {days} full days"
        case "period":
            return str(value).replace("_", " ")
        case "since":
            return f"since {value}"
        case "between":
            return f"between {value[0]} and {value[1]}"
        case _:
            return "ever"


def end(text: str) -> datetime:
    """The last moment that ``text`` names: a bare date means to the end of that day."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return workspace.parse(text)
    return workspace.midnight(day + DAY) - MILLISECOND


def _full_days(text: str) -> int:
    length = clock.duration(text)
    if not text.endswith("d"):
        raise ValueError(f"{text!r} is not a number of full days such as 7d")
    return length // DAY


def _ms(value: datetime) -> int:
    return (value - EPOCH) // MILLISECOND


def _time(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * MILLISECOND
