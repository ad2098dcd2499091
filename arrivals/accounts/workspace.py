"""What holds for everybody who works here: the time zone that days are counted in, and the day that a week starts with.

A day is from midnight to midnight in the zone, so it has 23 or 25 hours where clocks change. Blocks: asks the control
database, at most every few seconds. A process that did not make a change sees it after ``FRESH`` seconds.
"""

import time
from asyncio import _get_running_loop as get_running_loop
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from arrivals import clock
from arrivals.accounts.models import Workspace
from arrivals.errors import Invalid

DEFAULT_ZONE = "UTC"
WEEK_STARTS = {"monday": 0, "sunday": 6}  # as date.weekday() counts
PERIODS = ("day", "week", "month", "quarter", "year")
FRESH = 5.0
NO_PLACES = ("posix/", "right/", "posixrules", "localtime", "Factory")
_held: list[tuple[float, "Settings"]] = []


@dataclass(frozen=True)
class Settings:
    """``time_zone``: a name of the IANA database, such as Europe/Berlin. ``week_starts``: one of ``WEEK_STARTS``."""

    time_zone: str = DEFAULT_ZONE
    week_starts: str = "monday"


def settings() -> Settings:
    """The settings as they are now. On an event loop, where nothing may block, those that were last read: whoever needs them
    there looks at ``stale`` first, and asks in a thread."""
    if not _held or (stale() and get_running_loop() is None):
        found = Workspace.objects.filter(pk=Workspace.ONLY).first()
        _held[:] = [(time.monotonic(), Settings(found.time_zone, found.week_starts) if found else Settings())]
    return _held[0][1]


def change(*, time_zone: str | None = None, week_starts: str | None = None) -> Settings:
    """Set another time zone, start of the week, or both; what is left out stays.

    Raises:
        Invalid: with path "time_zone" or "week_starts".
    """
    forget()
    now = settings()
    wanted = Settings(time_zone or now.time_zone, week_starts or now.week_starts)
    if wanted.time_zone not in time_zones():
        raise Invalid(
            f"{wanted.time_zone!r:.60} is not a time zone; write a name of the IANA database such as Europe/Berlin.",
            path="time_zone",
        )
    if wanted.week_starts not in WEEK_STARTS:
        raise Invalid(f"It must be one of {', '.join(WEEK_STARTS)}.", path="week_starts")
    values = {"time_zone": wanted.time_zone, "week_starts": wanted.week_starts, "changed_at": clock.now()}
    Workspace.objects.update_or_create(pk=Workspace.ONLY, defaults=values)
    forget()
    return wanted


def stale() -> bool:
    """Whether the next question asks the database."""
    return not _held or time.monotonic() - _held[0][0] > FRESH


def forget() -> None:
    """Ask the database at the next question."""
    _held[:] = [(float("-inf"), held) for _, held in _held]


def time_zone() -> str:
    """The name of the zone, to be bound in SQL: ``toDate(ts, {zone:String})``."""
    return settings().time_zone


def zone() -> tzinfo:
    """The zone, for datetimes."""
    return _zone(time_zone())


@cache
def time_zones() -> tuple[str, ...]:
    """The names that may be chosen, sorted."""
    found = {DEFAULT_ZONE, *available_timezones()}
    return tuple(sorted(name for name in found if not name.startswith(NO_PLACES)))


def parse(text: str) -> datetime:
    """Read a date or time in ISO 8601 that a person wrote: without a zone of its own it is in the workspace's.

    Raises:
        ValueError: ``text`` is not a date or time in ISO 8601.
    """
    value = datetime.fromisoformat(text.strip())
    return (value.replace(tzinfo=zone()) if value.tzinfo is None else value).astimezone(UTC)


def day(moment: datetime) -> date:
    """The date that it is in the zone at a moment."""
    return clock.utc(moment).astimezone(zone()).date()


def midnight(day: date) -> datetime:
    """The first moment of a day, in UTC. Where clocks skip midnight it is the moment at which they do."""
    return datetime(day.year, day.month, day.day, tzinfo=zone()).astimezone(UTC)


def first_day(period: str, day: date) -> date:
    """The first day of the day, week, month, quarter or year that ``day`` is in."""
    match period:
        case "day":
            return day
        case "week":
            return day - timedelta(days=(day.weekday() - WEEK_STARTS[settings().week_starts]) % 7)
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, day.month - (day.month - 1) % 3, 1)
        case "year":
            return date(day.year, 1, 1)
    raise ValueError(f"{period!r} is not one of {', '.join(PERIODS)}.")


def moved(period: str, first: date, count: int) -> date:
    """The first day of the period that is ``count`` later (earlier, if negative) than the one that begins at ``first``."""
    if period in ("day", "week"):
        return first + timedelta(days=count * (7 if period == "week" else 1))
    months = first.year * 12 + first.month - 1 + count * {"month": 1, "quarter": 3, "year": 12}[period]
    return date(months // 12, months % 12 + 1, 1)


@cache
def _zone(name: str) -> tzinfo:
    # UTC is there without a database of time zones as well.
    return UTC if name == DEFAULT_ZONE else ZoneInfo(name)
