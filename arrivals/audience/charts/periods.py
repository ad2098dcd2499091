"""Hours, days, weeks and months of a time zone, numbered one after the other: the same in SQL and in Python.

Weeks begin on the day that the workspace says. A period's key is what people and programs call it: ``2026-01-31`` for a day and for the week that
begins on it, ``2026-01`` for a month, ``2026-01-31T13:00+01:00`` for an hour.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from arrivals.accounts import workspace
from arrivals.audience.binder import Binder

UNITS = ("hour", "day", "week", "month")
THURSDAY = 3
EPOCH = date(1970, 1, 1)
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Periods:
    """The periods of one unit in one zone. ``weekday``: on which weeks begin, 0 is Monday."""

    unit: str
    zone: str
    weekday: int = 0

    def sql(self, bind: Binder, ts: str = "ts") -> str:
        """The number of the period in which a time lies, as an SQL expression of an unsigned number."""
        zone = bind.add(self.zone, "String")
        if self.unit == "hour":
            return f"intDiv(toUnixTimestamp(toStartOfHour({ts}, {zone})), 3600)"
        if self.unit == "month":
            return f"toRelativeMonthNum({ts}, {zone})"
        day = f"toUInt32(toDate({ts}, {zone}))"
        return day if self.unit == "day" else f"intDiv({day} + {self._shift}, 7)"

    def number(self, milliseconds: int) -> int:
        """The number of the period in which a time lies (milliseconds since 1970)."""
        at = self._local(milliseconds)
        if self.unit == "hour":
            return round(at.replace(minute=0, second=0, microsecond=0).timestamp()) // 3600
        if self.unit == "month":
            return at.year * 12 + at.month
        day = (at.date() - EPOCH).days
        return day if self.unit == "day" else (day + self._shift) // 7

    def start(self, number: int) -> int:
        """The first millisecond of a period."""
        if self.unit == "hour":
            # Where the zone is off by half an hour, the hour begins within the one of UTC.
            at = self._local(number * HOUR_MS + HOUR_MS - 1)
            return round(at.replace(minute=0, second=0, microsecond=0).timestamp()) * 1000
        day = self._day(number)
        return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)).timestamp()) * 1000

    def end(self, number: int) -> int:
        """The last millisecond of a period."""
        return self.start(number + 1) - 1

    def key(self, number: int) -> str:
        """What the period is called."""
        if self.unit == "hour":
            return self._local(self.start(number)).isoformat(timespec="minutes")
        text = self._day(number).isoformat()
        return text[:7] if self.unit == "month" else text

    def read(self, key: str) -> int:
        """The number of the period that is called so. Raises ValueError."""
        if self.unit == "hour":
            at = datetime.fromisoformat(key)
            at = at.replace(tzinfo=ZoneInfo(self.zone)) if at.tzinfo is None else at
        else:
            day = date.fromisoformat(f"{key}-01" if self.unit == "month" and len(key) == 7 else key)
            at = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone))
        return self.number(round(at.timestamp()) * 1000)

    @property
    def _shift(self) -> int:
        return (THURSDAY - self.weekday) % 7  # the day 0 is a Thursday

    def _day(self, number: int) -> date:
        if self.unit == "month":
            return date((number - 1) // 12, (number - 1) % 12 + 1, 1)
        return EPOCH + timedelta(days=number if self.unit == "day" else number * 7 - self._shift)

    def _local(self, milliseconds: int) -> datetime:
        return datetime.fromtimestamp(milliseconds // 1000, tz=UTC).astimezone(ZoneInfo(self.zone))


def of(unit: str) -> Periods:
    """Those of the workspace."""
    now = workspace.settings()
    return Periods(unit, now.time_zone, workspace.WEEK_STARTS[now.week_starts])
