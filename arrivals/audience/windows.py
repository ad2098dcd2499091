"""Spans of time as data: within, since, between, ever. They mean the same in a rule's "when" and in a report's range."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.errors import Invalid

ALLOWED = '{"within":"30d"}, {"since":"2026-01-31"}, {"between":["2026-01-01","2026-01-31"]} or {"ever":true}'


@dataclass(frozen=True)
class Window:
    """A span. ``within`` reaches back from the moment of asking; ``since`` and ``until`` are fixed and inclusive."""

    within: timedelta | None = None
    since: datetime | None = None
    until: datetime | None = None

    def bounds(self, now: datetime) -> tuple[int | None, int]:
        """First and last millisecond since 1970 that lie inside, both inclusive; None: no beginning."""
        last = _ms(now)
        if self.within is not None:
            return _ms(now - self.within) + 1, last
        if self.until is not None:
            last = min(last, _ms(self.until))
        return (None if self.since is None else _ms(self.since)), last

    def inside(self, other: "Window") -> bool:
        """Whether everything in this span is in ``other`` too, whenever it is asked."""
        if other == Window():
            return True
        if other.within is not None:
            return self.within is not None and self.within <= other.within
        if self.since is None or other.since is None or self.since < other.since:
            return False
        return other.until is None or (self.until is not None and self.until <= other.until)


EVER = Window()


def parse(data: Any, path: str, error: type[Invalid]) -> Window:
    """Read a span as data.

    Raises:
        Invalid: of the class ``error``, with ``path``, when it is anything but the four forms.
    """
    if data == "ever":
        return EVER
    if not isinstance(data, dict) or len(data) != 1:
        raise error(f"It must be one of {ALLOWED}.", path=path)
    kind, value = next(iter(data.items()))
    try:
        if kind == "ever" and value is True:
            return EVER
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


def end(text: str) -> datetime:
    """The last moment that ``text`` names: a bare date means to the end of that day."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return workspace.parse(text)
    return workspace.midnight(day + timedelta(days=1)) - timedelta(milliseconds=1)


def _ms(value: datetime) -> int:
    return int((value - datetime(1970, 1, 1, tzinfo=value.tzinfo)) / timedelta(milliseconds=1))
