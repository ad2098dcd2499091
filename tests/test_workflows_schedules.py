"""Schedules: which are allowed, and their moments, also where clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals.errors import InvalidDefinition
from arrivals.workflows import schedules, triggers

BERLIN = ZoneInfo("Europe/Berlin")  # forward on 29 March 2026 at 2:00, back on 25 October at 3:00

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "trigger", "either every or cron"),
    ({"every": "day", "cron": "* * * * *"}, "trigger", "either every or cron"),
    ({"every": "year"}, "trigger.every", "5m, 10m, 15m"),
    ({"every": "15m", "at": "09:00"}, "trigger.at", "not known"),
    ({"every": "hour", "at": "09:00"}, "trigger.at", ":15"),
    ({"every": "day", "at": "9"}, "trigger.at", "09:00"),
    ({"every": "day", "at": "24:00"}, "trigger.at", "09:00"),
    ({"every": "day", "on": "mon"}, "trigger.on", "not known"),
    ({"every": "week", "on": "monday"}, "trigger.on", "mon, tue"),
    ({"every": "week", "on": []}, "trigger.on", "mon, tue"),
    ({"every": "month", "on": 32}, "trigger.on", "1 to 31"),
    ({"every": "month", "on": True}, "trigger.on", "1 to 31"),
    ({"cron": 5}, "trigger.cron", "five fields"),
    ({"cron": "* * * *"}, "trigger.cron", "five fields"),
    ({"cron": "60 * * * *"}, "trigger.cron", "minute is from 0 to 59"),
    ({"cron": "5-1 * * * *"}, "trigger.cron", "names no minute"),
    ({"cron": "*/0 * * * *"}, "trigger.cron", "names no minute"),
    ({"cron": "* * * * lun"}, "trigger.cron", "day of the week"),
    ({"cron": "0 0 31 2,4 *"}, "trigger.cron", "No month"),
    ({"cron": "0 0 1 1 e;"}, "trigger.cron", "day of the week"),
]


@pytest.mark.parametrize(("data", "path", "sentence"), REFUSED)
def test_a_wrong_schedule_is_refused_by_its_path(data: dict[str, Any], path: str, sentence: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        triggers.parse({"kind": "schedule", **data})
    assert (refusal.value.path, sentence in refusal.value.message) == (path, True), refusal.value


MOMENTS: list[tuple[dict[str, Any], str, list[str]]] = [
    # the hour from 2 to 3 is not there on the 29th: the first minute that is
    ({"every": "day", "at": "02:30"}, "2026-03-28T00:00Z", ["03-28 02:30", "03-29 03:00", "03-30 02:30"]),
    # and is there twice on 25 October: once
    ({"every": "day", "at": "02:30"}, "2026-10-24T12:00Z", ["10-25 02:30", "10-26 02:30"]),
    # two that do not exist are one moment
    ({"cron": "15,45 2 29 3 *"}, "2026-03-28T00:00Z", ["03-29 03:00"]),
    ({"every": "hour"}, "2026-10-24T23:30Z", ["10-25 02:00", "10-25 02:00", "10-25 03:00"]),
    ({"every": "30m"}, "2026-03-29T00:15Z", ["03-29 01:30", "03-29 03:00", "03-29 03:30"]),
    ({"every": "hour", "at": ":45"}, "2026-06-01T10:45Z", ["06-01 13:45", "06-01 14:45"]),
    ({"every": "week", "on": ["mon", "fri"], "at": "09:00"}, "2026-06-01T07:00Z", ["06-05 09:00", "06-08 09:00"]),
    ({"every": "month", "on": 31}, "2026-04-02T00:00Z", ["04-30 09:00", "05-31 09:00", "06-30 09:00"]),
    ({"every": "month", "on": "last"}, "2026-02-01T00:00Z", ["02-28 09:00", "03-31 09:00"]),
    ({"cron": "*/20 9 * * 1-5"}, "2026-06-05T07:10Z", ["06-05 09:20", "06-05 09:40", "06-08 09:00"]),
    ({"cron": "0 12 13 * FRI"}, "2026-06-10T00:00Z", ["06-12 12:00", "06-13 12:00", "06-19 12:00"]),
    ({"cron": "0 0 * jan,jul 7"}, "2026-06-10T00:00Z", ["07-05 00:00", "07-12 00:00"]),
    ({"cron": "0 0 29 2 *"}, "2026-06-10T00:00Z", ["02-29 00:00"]),
]


@pytest.mark.parametrize(("data", "since", "expected"), MOMENTS)
def test_the_moments_of_a_schedule(data: dict[str, Any], since: str, expected: list[str]) -> None:
    schedule = triggers.parse({"kind": "schedule", **data})
    found = islice(schedules.moments(schedule, datetime.fromisoformat(since), BERLIN), len(expected))
    assert [f"{moment.astimezone(BERLIN):%m-%d %H:%M}" for moment in found] == expected


SAID: list[tuple[dict[str, Any], str]] = [
    ({"every": "15m"}, "Every 15 minutes"),
    ({"every": "hour", "at": ":05"}, "Every hour, at minute 5"),
    ({"every": "day"}, "Every day at 09:00"),
    ({"every": "week", "on": ["wed", "mon"]}, "Every Monday and Wednesday at 09:00"),
    ({"every": "month", "on": "last"}, "On the last day of every month at 09:00"),
    ({"cron": "0  9 * * 1"}, "At the times of 0 9 * * 1"),
]


@pytest.mark.parametrize(("data", "words"), SAID)
def test_a_schedule_is_said_in_words(data: dict[str, Any], words: str) -> None:
    assert triggers.said(triggers.parse({"kind": "schedule", **data})) == words


@given(
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]),
    st.integers(0, 3 * 365 * 24 * 60),
    st.integers(0, 59),
    st.integers(0, 23),
)
@settings(max_examples=60, deadline=None)
def test_a_daily_moment_comes_once_a_day_whatever_clocks_do(name: str, minutes: int, minute: int, hour: int) -> None:
    zone, since = ZoneInfo(name), datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    schedule = triggers.parse({"kind": "schedule", "cron": f"{minute} {hour} * * *"})
    found = list(islice(schedules.moments(schedule, since, zone), 4))
    days = [moment.astimezone(zone).date() for moment in found]
    assert since < found[0]
    assert all(one < two for one, two in pairwise(found))
    assert [(two - one).days for one, two in pairwise(days)] == [1, 1, 1]
    for moment in found:
        local = moment.astimezone(zone)
        if (local.hour, local.minute) != (hour, minute):  # it did not exist, and nor did the minute before this one
            before = (moment - timedelta(minutes=1)).astimezone(zone)
            assert (before.hour, before.minute) < (hour, minute) < (local.hour, local.minute)
