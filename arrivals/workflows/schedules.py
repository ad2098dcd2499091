"""Schedules: what is allowed in one, and its moments. Pure.

Moments are in the workspace's time zone. One that does not exist there, since clocks are put forward, is the first minute that
does; one that exists twice is the first of the two. What is of every hour goes on through every hour that there is.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from arrivals import clock
from arrivals.audience import shapes
from arrivals.errors import InvalidDefinition
from arrivals.workflows import cron

EVERY = ("5m", "10m", "15m", "30m", "hour", "day", "week", "month")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
MINUTE = re.compile(r":[0-5][0-9]")
FURTHEST = 366 * 9  # days: from one 29th of February to the next there are at most eight years


def parse(data: dict[str, Any], path: str = "trigger") -> dict[str, Any]:
    """Return ``every`` with ``at`` and ``on``, or ``cron``, with defaults filled in.

    Raises:
        InvalidDefinition: with the path of the wrong part and what is allowed.
    """
    if ("every" in data) == ("cron" in data):
        raise InvalidDefinition("A schedule has either every or cron.", path=path)
    if "cron" in data:
        shapes.known(data, ("kind", "cron"), InvalidDefinition, path)
        if not isinstance(data["cron"], str):
            raise InvalidDefinition("It must be a text of five fields.", path=f"{path}.cron")
        cron.parse(data["cron"], f"{path}.cron")
        return {"cron": " ".join(data["cron"].split())}
    every = data["every"]
    if every not in EVERY:
        raise InvalidDefinition(f"It must be one of {', '.join(EVERY)}.", path=f"{path}.every")
    if every.endswith("m"):
        shapes.known(data, ("kind", "every"), InvalidDefinition, path)
        return {"every": every}
    if every == "hour":
        shapes.known(data, ("kind", "every", "at"), InvalidDefinition, path)
        at = data.get("at", ":00")
        if not isinstance(at, str) or not MINUTE.fullmatch(at):
            raise InvalidDefinition('It must be a minute such as ":15".', path=f"{path}.at")
        return {"every": every, "at": at}
    shapes.known(data, ("kind", "every", "at", *(() if every == "day" else ("on",))), InvalidDefinition, path)
    at = data.get("at", "09:00")
    if not isinstance(at, str) or not TIME.fullmatch(at):
        raise InvalidDefinition('It must be a time such as "09:00".', path=f"{path}.at")
    if every == "day":
        return {"every": every, "at": at}
    return {"every": every, "at": at, "on": _on(every, data, path)}


def _on(every: str, data: dict[str, Any], path: str) -> Any:
    if every == "week":
        chosen = data.get("on", "mon")
        listed = chosen if isinstance(chosen, list) else [chosen]
        if not listed or any(one not in DAYS for one in listed):
            raise InvalidDefinition(f"It must be one of {', '.join(DAYS)}, or a list of these.", path=f"{path}.on")
        return [day for day in DAYS if day in listed] if isinstance(chosen, list) else chosen
    day = data.get("on", 1)
    if day != "last" and (isinstance(day, bool) or not isinstance(day, int) or not 1 <= day <= 31):
        raise InvalidDefinition('It must be a day from 1 to 31, or "last".', path=f"{path}.on")
    return day


def after(schedule: Mapping[str, Any], moment: datetime, zone: tzinfo) -> datetime:
    """The first moment of a checked schedule after ``moment``, in UTC."""
    return next(moments(schedule, moment, zone))


def moments(schedule: Mapping[str, Any], since: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The moments of a checked schedule after ``since``, in UTC, each once, without end."""
    last = clock.utc(since)
    while True:
        day, before = last.astimezone(zone).date(), last
        for number in range(-1, FURTHEST):
            for found in _of_day(schedule, day + timedelta(days=number), zone, last):
                if found > last:
                    last = found
                    yield found
        if last == before:
            raise ValueError("The schedule has no moment.")


def existing(day: date, at: time, zone: tzinfo) -> datetime:
    """A local time as a moment in UTC: the first minute that exists from it on, and of two that exist the first."""
    local = datetime.combine(day, at)
    for minutes in range(24 * 60):
        tried = local + timedelta(minutes=minutes)
        moment = tried.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == tried:
            return moment
    raise ValueError(f"{zone} skips {day}.")


def _of_day(schedule: Mapping[str, Any], day: date, zone: tzinfo, last: datetime) -> Iterator[datetime]:
    """The moments of a local day, in their order; of one of each hour at least those after ``last``."""
    if "cron" in schedule:
        read = cron.parse(schedule["cron"], "cron")
        if not read.on(day):
            return
        if len(read.hours) == 24:
            yield from _hourly(day, frozenset(read.minutes), zone, last)
        else:
            yield from (existing(day, time(hour, minute), zone) for hour in read.hours for minute in read.minutes)
        return
    every = schedule["every"]
    if every.endswith("m"):
        yield from _hourly(day, frozenset(range(0, 60, int(every[:-1]))), zone, last)
    elif every == "hour":
        yield from _hourly(day, frozenset([int(schedule["at"][1:])]), zone, last)
    elif every == "day" or (every == "week" and DAYS[day.weekday()] in _days(schedule)) or _of_month(schedule, day):
        yield existing(day, time.fromisoformat(schedule["at"]), zone)


def _hourly(day: date, minutes: frozenset[int], zone: tzinfo, last: datetime) -> Iterator[datetime]:
    """The moments with such minutes on a local day that has 23, 24 or 25 hours: an hour that comes twice counts twice."""
    moment = max(existing(day, time(), zone), last.replace(second=0, microsecond=0))
    end = existing(day + timedelta(days=1), time(), zone)
    while moment < end:
        if moment.astimezone(zone).minute in minutes:
            yield moment
        moment += timedelta(minutes=1)


def _of_month(schedule: Mapping[str, Any], day: date) -> bool:
    """Whether it is the day of the month; in a shorter month it is the last one."""
    if schedule["every"] != "month":
        return False
    ends = (day + timedelta(days=1)).month != day.month
    return ends if schedule["on"] == "last" else day.day == schedule["on"] or (ends and day.day < schedule["on"])


def _days(schedule: Mapping[str, Any]) -> list[str]:
    chosen = schedule["on"]
    return chosen if isinstance(chosen, list) else [chosen]


def said(schedule: Mapping[str, Any]) -> str:
    """A checked schedule in words: "Every Monday at 09:00"."""
    if "cron" in schedule:
        return f"At the times of {schedule['cron']}"
    every, at = schedule["every"], schedule.get("at", "")
    if every.endswith("m"):
        return f"Every {every[:-1]} minutes"
    if every == "hour":
        return "Every hour" if at == ":00" else f"Every hour, at minute {int(at[1:])}"
    if every == "day":
        return f"Every day at {at}"
    if every == "week":
        names = [NAMES[DAYS.index(day)] for day in _days(schedule)]
        return f"Every {_listed(names)} at {at}"
    return (
        f"On the last day of every month at {at}"
        if schedule["on"] == "last"
        else f"Every month on day {schedule['on']} at {at}"
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
