"""Every metric of visitors and accounts equals its definition in plain Python, in any range and time zone."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import columns, reports, rows, windows
from arrivals.errors import InvalidReport
from arrivals.warehouse.client import Warehouse
from tests import events

METRICS = [f"metric.{one}" for one in columns.METRICS["visitor"]]
OF_ACCOUNTS = [f"metric.{one}" for one in columns.METRICS["account"]]
RANGES: list[Any] = [
    {"within": "10d"},
    {"last": "7d"},
    {"period": "last_week"},
    {"period": "this_month"},
    {"between": ["2026-01-20", "2026-02-10"]},
    {"ever": True},
]
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu"]


class Event:
    def __init__(self, visitor: str, at: datetime, account: str) -> None:
        self.visitor, self.at, self.account = visitor, at, account


def ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def minutes(happened: list[Event]) -> int:
    return len({ms(one.at) // 60_000 for one in happened})


def days(happened: list[Event], zone: str) -> set[Any]:
    return {one.at.astimezone(ZoneInfo(zone)).date() for one in happened}


def expected(happened: list[Event], range_: Any, zone: str, now: datetime) -> dict[str, Any]:
    """The definitions, over the events of one visitor or account."""
    window = windows.parse(range_, "range", InvalidReport)

    def of(bounds: tuple[int | None, int]) -> list[Event]:
        first, last = bounds
        return [one for one in happened if (first is None or first <= ms(one.at)) and ms(one.at) <= last]

    inside, earlier = of(window.bounds(now)), window.before(now)
    person_days = sum(
        len(days([one for one in inside if one.visitor == who], zone)) for who in {e.visitor for e in inside}
    )
    today = now.astimezone(ZoneInfo(zone)).date()
    full = [day for day in days(happened, zone) if today - timedelta(days=30) <= day < today]
    before = minutes(of(earlier)) if earlier else None
    band = "none" if not full else "low" if len(full) < 5 else "medium" if len(full) < 13 else "high"
    return {
        "metric.first_visit": clock.iso(min(one.at for one in happened)),
        "metric.last_visit": clock.iso(max(one.at for one in happened)),
        "metric.days_active": len(days(inside, zone)),
        "metric.events": len(inside),
        "metric.minutes": minutes(inside),
        "metric.average_daily_minutes": round(minutes(inside) / person_days, 2),
        "metric.minutes_before": before,
        "metric.usage_trending": round((minutes(inside) - before) * 100 / before, 2) if before else None,
        "metric.frequency": band,
        "metric.visitors": len({one.visitor for one in inside}),
        "metric.visitors_ever": len({one.visitor for one in happened}),
    }


@pytest.fixture
def happened(fresh: Warehouse) -> list[Event]:
    """80 days of 12 visitors: clusters within minutes, each visitor in one account; two were known by another id before."""
    chance, found = random.Random(7), []
    now = clock.now().replace(microsecond=0)
    for number in range(12):
        who = f"v{number:02}"
        for _ in range(chance.randint(1, 40)):
            start = now - timedelta(days=chance.random() ** 2 * 80, seconds=60)
            for _ in range(chance.randint(1, 4)):
                start += timedelta(milliseconds=chance.randint(0, 90_000))
                found.append(
                    Event(
                        who,
                        min(start, now - timedelta(seconds=1)).replace(microsecond=start.microsecond // 1000 * 1000),
                        f"a{number % 3}",
                    )
                )
    stored = []
    for index, one in enumerate(found):
        raw = f"anon-{one.visitor}" if one.visitor in ("v01", "v02") and index % 2 else one.visitor
        stored.append((raw, "track", "x", one.at, {}, one.account))
    events.add(fresh, *stored)
    fresh.command(
        "INSERT INTO account_visitors (account, account_id, visitor, first, last) SELECT cityHash64(account_id), "
        "account_id, visitor, min(ts), max(ts) FROM events GROUP BY account_id, visitor"
    )
    for who in ("v01", "v02"):
        events.link(fresh, f"anon-{who}", who)
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_every_metric_is_its_definition(happened: list[Event], zone: str) -> None:
    workspace.change(time_zone=zone)
    seen = 0
    for kind, names in (("visitor", METRICS), ("account", OF_ACCOUNTS)):
        for range_ in RANGES:
            chosen = [f"{kind}.id", *names]
            report = reports.create({"name": "R", "kind": kind, "range": range_, "columns": chosen})
            now = clock.now()
            for row in rows.page(report).items:
                its = [one for one in happened if getattr(one, kind) == row[f"{kind}.id"]]
                definition = expected(its, range_, zone, now)
                assert {name: row[name] for name in names} == {name: definition[name] for name in names}, (row, range_)
                seen += 1
    assert seen > 60


def test_the_facts_of_one_visitor(fresh: Warehouse) -> None:
    noon = workspace.midnight(workspace.day(clock.now())) - timedelta(hours=12)
    week = timedelta(days=7)
    now = [noon + timedelta(seconds=one) for one in (50, 90, 121)]  # 0:50, 1:30 and 2:01 make 3 minutes
    events.add(
        fresh, *[("ann", "track", "x", at) for at in [*now, noon - timedelta(days=1), noon - week, noon - week * 2]]
    )
    chosen = ["visitor.id", *METRICS]
    report = reports.create({"name": "R", "range": {"last": "7d"}, "columns": chosen})
    [row] = rows.page(report).items
    assert {name: row[f"metric.{name}"] for name in ("days_active", "minutes", "events", "minutes_before")} == {
        "days_active": 2, "minutes": 4, "events": 4, "minutes_before": 1,
    }  # fmt: skip
    assert (row["metric.average_daily_minutes"], row["metric.usage_trending"]) == (2, 300)
    assert row["metric.frequency"] == "low"


@pytest.mark.parametrize(("number", "band"), [(4, "low"), (5, "medium"), (12, "medium"), (13, "high"), (30, "high")])
def test_the_frequency_is_by_the_last_30_full_days(fresh: Warehouse, number: int, band: str) -> None:
    noon = workspace.midnight(workspace.day(clock.now())) - timedelta(hours=12)
    active = [noon - timedelta(days=day) for day in range(number)]
    # Neither today nor the 31st day back is one of them.
    active += [clock.now(), noon - timedelta(days=30)]
    events.add(fresh, *[("ann", "track", "x", at) for at in active])
    report = reports.create({"name": "R", "range": {"within": "1d"}, "columns": ["visitor.id", "metric.frequency"]})
    assert rows.page(report).items == [{"visitor.id": "ann", "metric.frequency": band}]
