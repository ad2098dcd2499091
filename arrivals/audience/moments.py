"""Times relative to the moment of asking, as data: ``now``, ``now-12h``, ``today``, ``today+3d``."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from arrivals import clock
from arrivals.accounts import workspace

FORM = re.compile(r"(now|today)(?:([+-])(\d{1,8}[mhd]))?")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Moment:
    """``offset`` from the moment of asking; with ``day`` from the start of that day in the workspace's zone, or with
    ``last`` too from its end: the way a bare date means a whole day. Whole days from a day are days of the calendar."""

    offset: timedelta
    day: bool = False
    last: bool = False

    def at(self, now: datetime) -> datetime:
        """The time that it is when it is ``now``."""
        if not self.day:
            return now + self.offset
        today = workspace.day(now)
        if self.offset % DAY:
            return workspace.midnight(today) + self.offset
        day = today + self.offset
        return workspace.midnight(day + DAY) - timedelta(milliseconds=1) if self.last else workspace.midnight(day)


def parse(text: str, *, last: bool = False) -> Moment | None:
    """Read a relative time; None when it is anything else. ``last``: the end of a day that it names.

    Raises:
        ValueError: it has the form, and its duration is not allowed.
    """
    found = FORM.fullmatch(text.strip())
    if found is None:
        return None
    word, sign, length = found.groups()
    offset = clock.duration(length) if length else timedelta(0)
    # "today+12h" is no whole day, so its end is no other moment.
    whole = last and word == "today" and offset % DAY == timedelta(0)
    return Moment(-offset if sign == "-" else offset, day=word == "today", last=whole)
