"""Metrics are what their definitions say, also of linked ids, in any time zone."""

from datetime import UTC, datetime
from typing import Any

import pytest

from arrivals.audience import compiler, metrics
from arrivals.audience.binder import Binder
from arrivals.warehouse import links
from arrivals.warehouse.client import Warehouse
from tests import events


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=UTC)


@pytest.fixture
def visits(fresh: Warehouse) -> Warehouse:
    times = ["10T10:00:50", "10T10:01:30", "10T10:02:01", "10T23:30:00", "12T00:00:00"]
    events.add(fresh, *[("ann", "track", "x", at(one)) for one in times])
    # The same minute and day as one of ann's, and another day.
    events.add(fresh, *[("anon", "track", "x", at(one)) for one in ("10T10:01:59.999", "13T10:00:00")])
    return fresh


def of(store: Warehouse, metric: str, zone: str = "UTC") -> Any:
    bind = Binder("m_", zone=zone)
    value = metrics.value(metric, bind, person="visitor_id")
    [(found,)] = store.query(f"SELECT {value} FROM events WHERE visitor_id = 'ann'", bind.parameters)
    return found


def together(store: Warehouse, metric: str, zone: str = "UTC") -> Any:
    bind = Binder("m_", zone=zone)
    state, merged = metrics.state(metric, bind, person="visitor_id"), metrics.merged(metric, "m", bind)
    each = f"SELECT visitor, {state} AS m FROM events GROUP BY visitor"
    [(found,)] = store.query(f"SELECT {merged} FROM ({each})", bind.parameters)
    return found


def test_each_metric_of_one_visitor(visits: Warehouse) -> None:
    assert of(visits, "first_visit") == at("10T10:00:50")
    assert of(visits, "last_visit") == at("12T00:00:00")
    assert of(visits, "events") == 5
    assert of(visits, "days_active") == 2
    assert of(visits, "minutes") == 5
    assert of(visits, "visitors") == 1


def test_three_events_in_three_minutes_are_three_minutes_and_two_in_one_are_one(fresh: Warehouse) -> None:
    events.add(fresh, *[("ann", "track", "x", at(f"10T00:{one}")) for one in ("00:50", "01:30", "02:01")])
    assert of(fresh, "minutes") == 3
    events.add(fresh, ("ann", "track", "x", at("10T00:02:59.999")))
    assert of(fresh, "minutes") == 3


def test_the_days_are_those_of_the_time_zone(visits: Warehouse) -> None:
    assert of(visits, "days_active", "Europe/Vienna") == 3  # 23:30 is the next day there
    assert of(visits, "days_active", "America/Los_Angeles") == 2
    assert together(visits, "days_active", "Europe/Vienna") == 4
    assert together(visits, "days_active", "Pacific/Kiritimati") == 3


def test_what_linked_ids_share_counts_once(visits: Warehouse) -> None:
    assert together(visits, "first_visit") == at("10T10:00:50")
    assert together(visits, "last_visit") == at("13T10:00:00")
    assert together(visits, "events") == 7
    assert together(visits, "days_active") == 3
    assert together(visits, "minutes") == 6
    assert together(visits, "visitors") == 2


def test_a_metric_of_a_part_of_the_rows(visits: Warehouse) -> None:
    bind = Binder("m_")
    late = "ts >= toDateTime64('2026-03-12 00:00:00', 3, 'UTC')"
    listed = ", ".join(
        metrics.value_if(one, bind, late, person="visitor_id") for one in ("events", "days_active", "minutes")
    )
    assert visits.query(f"SELECT {listed} FROM events WHERE visitor_id = 'ann'", bind.parameters) == [(1, 1, 1)]
    first = metrics.value_if("first_visit", bind, "ts > now() + INTERVAL 9 YEAR")
    assert visits.query(f"SELECT {first} FROM events", bind.parameters) == [(None,)]


@pytest.mark.parametrize(
    ("days", "band"),
    [(0, "none"), (1, "low"), (4, "low"), (5, "medium"), (12, "medium"), (13, "high"), (30, "high")],
)
def test_the_bands_of_frequency(fresh: Warehouse, days: int, band: str) -> None:
    assert fresh.query(f"SELECT {metrics.band(str(days))}") == [(band,)]


def test_full_days_end_where_today_begins_in_the_time_zone_also_over_a_change_of_the_clock() -> None:
    def span(zone: str) -> tuple[datetime, ...]:
        return tuple(datetime.fromtimestamp(one / 1000, tz=UTC) for one in metrics.full_days(at("31T23:00:00"), zone))

    assert span("UTC") == (at("01T00:00:00"), at("30T23:59:59.999"))
    # The 1st of April there; summer time began on the 29th of March.
    assert span("Europe/Vienna") == (at("01T23:00:00"), at("31T21:59:59.999"))


def first_seen(store: Warehouse, now: datetime) -> set[str]:
    """Who had a first visit until 11 March, as was known at ``now``."""
    rule = {"kind": "visitor", "field": "metric.first_visit", "op": "lt", "value": "2026-03-11"}
    query = compiler.segment_ids({"all": [{"any": [rule]}]}, now=now)
    names = f"SELECT visitor_id FROM visitors WHERE visitor IN ({query.sql}) GROUP BY visitor_id"
    return {str(id_) for (id_,) in store.query(names, query.parameters)}


def test_a_rule_on_the_first_visit_knows_who_did_nothing_yet_and_whose_other_id_came_before(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "track", "x", at("10T10:00:00")), ("bob", "track", "x", at("12T10:00:00")))
    events.add(fresh, ("late", "track", "x", at("20T10:00:00")), ("anon", "track", "x", at("09T10:00:00")))
    events.metadata(fresh, "known", at("01T10:00:00"), plan="pro")
    assert first_seen(fresh, at("15T00:00:00")) == {"ann", "anon"}
    assert first_seen(fresh, at("10T00:00:00")) == {"anon"}
    links.Links().note([("anon", "bob", False)])
    assert first_seen(fresh, at("15T00:00:00")) == {"ann", "bob"}
    events.add(fresh, ("late", "track", "x", at("10T10:00:00")))
    assert first_seen(fresh, at("15T00:00:00")) == {"ann", "bob", "late"}
