"""Spans of time: what each form means at a moment, in the workspace's days, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import keeping, memberships_of, reports, rows, segments, windows
from arrivals.audience.windows import Window
from arrivals.collect.models import Source
from arrivals.errors import Invalid, InvalidReport
from arrivals.warehouse.client import Warehouse
from tests import events

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)  # a Wednesday
SECOND = timedelta(seconds=1)
SPANS: list[tuple[Any, str | None, str]] = [
    ({"within": "36h"}, "2026-03-10T00:00:00.001", "2026-03-11T12:00:00.000"),
    ({"last": "1d"}, "2026-03-10T00:00:00.000", "2026-03-10T23:59:59.999"),
    ({"last": "30d"}, "2026-02-09T00:00:00.000", "2026-03-10T23:59:59.999"),
    ({"period": "today"}, "2026-03-11T00:00:00.000", "2026-03-11T12:00:00.000"),
    ({"period": "yesterday"}, "2026-03-10T00:00:00.000", "2026-03-10T23:59:59.999"),
    ({"period": "this_week"}, "2026-03-09T00:00:00.000", "2026-03-11T12:00:00.000"),
    ({"period": "last_week"}, "2026-03-02T00:00:00.000", "2026-03-08T23:59:59.999"),
    ({"period": "this_month"}, "2026-03-01T00:00:00.000", "2026-03-11T12:00:00.000"),
    ({"period": "last_month"}, "2026-02-01T00:00:00.000", "2026-02-28T23:59:59.999"),
    ({"period": "this_quarter"}, "2026-01-01T00:00:00.000", "2026-03-11T12:00:00.000"),
    ({"period": "last_quarter"}, "2025-10-01T00:00:00.000", "2025-12-31T23:59:59.999"),
    ({"period": "this_year"}, "2026-01-01T00:00:00.000", "2026-03-11T12:00:00.000"),
    ({"period": "last_year"}, "2025-01-01T00:00:00.000", "2025-12-31T23:59:59.999"),
    ({"since": "2026-03-01"}, "2026-03-01T00:00:00.000", "2026-03-11T12:00:00.000"),
    ({"between": ["2026-03-01", "2026-03-02"]}, "2026-03-01T00:00:00.000", "2026-03-02T23:59:59.999"),
    ({"ever": True}, None, "2026-03-11T12:00:00.000"),
]


def read(data: Any) -> Window:
    return windows.parse(data, "range", InvalidReport)


def shown(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return clock.iso(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)).removesuffix("Z")


def span(data: Any, now: datetime = NOON) -> tuple[str | None, str | None]:
    first, last = read(data).bounds(now)
    return shown(first), shown(last)


@pytest.mark.parametrize(("data", "first", "last"), SPANS)
def test_each_form_is_a_span(data: Any, first: str | None, last: str) -> None:
    assert span(data) == (first, last)


def test_periods_are_those_of_the_workspace_also_where_clocks_change() -> None:
    workspace.change(time_zone="America/New_York", week_starts="sunday")
    monday = datetime(2026, 3, 9, 12, tzinfo=UTC)  # clocks went forward on Sunday the 8th
    assert span({"period": "yesterday"}, monday) == ("2026-03-08T05:00:00.000", "2026-03-09T03:59:59.999")
    assert span({"last": "2d"}, monday) == ("2026-03-07T05:00:00.000", "2026-03-09T03:59:59.999")
    assert span({"period": "this_week"}, monday)[0] == "2026-03-08T05:00:00.000"
    assert span({"period": "last_week"}, monday) == ("2026-03-01T05:00:00.000", "2026-03-08T04:59:59.999")


def test_the_period_before_is_as_long() -> None:
    before: list[tuple[Any, tuple[str, str]]] = [
        ({"within": "36h"}, ("2026-03-08T12:00:00.001", "2026-03-10T00:00:00.000")),
        ({"last": "7d"}, ("2026-02-25T00:00:00.000", "2026-03-03T23:59:59.999")),
        ({"period": "last_month"}, ("2026-01-04T00:00:00.000", "2026-01-31T23:59:59.999")),
        ({"between": ["2026-03-02", "2026-03-03"]}, ("2026-02-28T00:00:00.000", "2026-03-01T23:59:59.999")),
    ]
    for data, expected in before:
        found = read(data).before(NOON)
        assert found is not None
        assert (shown(found[0]), shown(found[1])) == expected
    assert read({"ever": True}).before(NOON) is None


def test_before_whole_days_are_whole_days_where_clocks_change() -> None:
    workspace.change(time_zone="America/New_York")
    found = read({"last": "1d"}).before(datetime(2026, 3, 10, 12, tzinfo=UTC))
    assert found is not None
    assert (shown(found[0]), shown(found[1])) == ("2026-03-08T05:00:00.000", "2026-03-09T03:59:59.999")  # 23 hours


WINDOWS = st.one_of(
    st.sampled_from(sorted(windows.PERIODS)).map(lambda one: Window(period=one)),
    st.integers(1, 9).map(lambda days: Window(days=days)),
    st.integers(1, 9).map(lambda days: Window(within=timedelta(days=days))),
    st.just(windows.EVER),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=WINDOWS, other=WINDOWS, minute=st.integers(0, 5_000_000))
def test_a_span_that_is_inside_another_is_so_at_any_moment(one: Window, other: Window, minute: int) -> None:
    at = NOON + minute * timedelta(minutes=1)
    (first, last), (start, end) = one.bounds(at), other.bounds(at)
    if one.inside(other):
        assert start is None or (first is not None and start <= first)
        assert last <= end
    if one.open:
        assert last == windows.EVER.bounds(at)[1]


REFUSED: list[tuple[Any, str, str]] = [
    (None, "range", "one of"),
    ({}, "range", "one of"),
    ({"last": "7d", "within": "7d"}, "range", "one of"),
    ({"last": 7}, "range", "one of"),
    ({"last": "7h"}, "range.last", "full days"),
    ({"last": "0d"}, "range.last", "between 1m and 3660d"),
    ({"last": "-1d"}, "range.last", "not a duration"),
    ({"period": "this_fortnight"}, "range.period", "allowed are today, yesterday"),
    ({"period": ["today"]}, "range.period", "allowed are today, yesterday"),
    ({"period": None}, "range.period", "allowed are"),
    ({"since": "soon"}, "range.since", "Allowed is"),
    ({"between": ["2026-02-02", "2026-02-01"]}, "range.between", "after the second"),
]


@pytest.mark.parametrize(("data", "path", "words"), REFUSED)
def test_a_wrong_span_is_refused_with_its_path(data: Any, path: str, words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read(data)
    assert refusal.value.path == path
    assert words in refusal.value.message


def test_reports_and_rules_list_those_of_the_span(fresh: Warehouse) -> None:
    workspace.change(time_zone="Asia/Tokyo")
    midnight = workspace.midnight(workspace.day(clock.now()))
    events.add(fresh, ("late", "track", "x", midnight - SECOND), ("early", "track", "x", midnight - timedelta(days=7)))
    events.add(fresh, ("old", "track", "x", midnight - timedelta(days=7) - SECOND), ("now", "track", "x", clock.now()))
    said: dict[str, set[str]] = {"yesterday": {"late"}, "today": {"now"}}
    asked: list[tuple[Any, set[str]]] = [({"period": period}, who) for period, who in said.items()]
    asked += [({"last": "7d"}, {"late", "early"}), ({"within": "2d"}, {"late", "now"})]
    for range_, who in asked:
        report = reports.create({"name": "R", "range": range_, "columns": ["visitor.id", "metric.events"]})
        assert {row["visitor.id"] for row in rows.page(report).items} == who, range_
        assert {row["metric.events"] for row in rows.page(report).items} == {1}
        rule = {"kind": "track", "name": "x", "when": range_}
        assert set(segments.preview({"all": [{"any": [rule]}]}).sample) == who, range_


def test_since_when_somebody_is_in_a_segment_of_full_days(fresh: Warehouse) -> None:
    today = workspace.day(clock.now())
    day = today - timedelta(days=2)
    events.add(fresh, ("ann", "track", "x", workspace.midnight(day) + timedelta(hours=9)))
    entered: list[tuple[Any, Any]] = [
        ({"last": "3d"}, day + timedelta(days=1)),  # a day is full when it is over
        ({"period": "yesterday"}, None),
        ({"last": "1d"}, None),
    ]
    for when, since in entered:
        made = segments.create("One", {"all": [{"any": [{"kind": "track", "name": "x", "when": when}]}]})
        [one] = [one for one in memberships_of.of("ann") if one.segment.id == made.id]
        assert (one.inside, one.since) == (since is not None, workspace.midnight(since) if since else None), when
        assert one.exact == (since is not None)


@pytest.mark.parametrize(
    ("range_", "cut"), [({"last": "30d"}, False), ({"last": "60d"}, True), ({"period": "today"}, False)]
)
def test_a_report_says_when_it_looks_further_back_than_events_are_kept(
    fresh: Warehouse, range_: Any, cut: bool
) -> None:
    Source.objects.create(name="Shop", write_key="wk_x", retention_days=40)
    report = reports.create({"name": "R", "range": range_})
    assert (keeping.note(report) is not None) == cut
