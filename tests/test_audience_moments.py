"""Relative times: what they mean at a moment, in segments and in filters, and what is no such time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import moments, segments
from arrivals.errors import InvalidRules
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import conditions
from tests import events

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
MEANT: list[tuple[str, bool, str]] = [
    ("now", False, "2026-03-10T12:30:00.000Z"),
    ("now", True, "2026-03-10T12:30:00.000Z"),
    ("now+3d", False, "2026-03-13T12:30:00.000Z"),
    ("now-90m", True, "2026-03-10T11:00:00.000Z"),
    ("today", False, "2026-03-10T00:00:00.000Z"),
    ("today", True, "2026-03-10T23:59:59.999Z"),
    ("today+3d", False, "2026-03-13T00:00:00.000Z"),
    ("today+3d", True, "2026-03-13T23:59:59.999Z"),
    ("today-1d", True, "2026-03-09T23:59:59.999Z"),
    ("today+12h", True, "2026-03-10T12:00:00.000Z"),
]


@pytest.mark.parametrize(("text", "last", "expected"), MEANT)
def test_a_relative_time_counts_from_the_moment_of_asking(text: str, last: bool, expected: str) -> None:
    moment = moments.parse(text, last=last)
    assert moment is not None
    assert clock.iso(moment.at(NOON)) == expected


@pytest.mark.parametrize("text", ["", "2026-03-10", "tomorrow", "now +3d", "now+3", "now+3w", "today3d", "nowadays"])
def test_other_texts_are_no_relative_times(text: str) -> None:
    assert moments.parse(text) is None


@pytest.fixture
def trials(fresh: Warehouse) -> Warehouse:
    now = clock.now()
    for visitor, days in (("past", -1), ("today", 0), ("third", 3), ("fourth", 4)):
        day = (now + timedelta(days=days)).date().isoformat()
        events.add(fresh, *[(visitor, "track", "x", now - timedelta(days=one)) for one in (days + 2, 30)])
        events.metadata(fresh, visitor, now, trial_ends=day)
    events.add(fresh, ("none", "track", "x", now - timedelta(days=30)))
    return fresh


def who(field: str, op: str, value: Any, **options: Any) -> list[str]:
    rule = {"kind": "visitor", "field": field, "op": op, "value": value}
    return sorted(segments.preview({"all": [{"any": [rule]}]}, **options).sample)


def test_a_segment_says_within_the_next_days(trials: Warehouse) -> None:
    assert who("agent.trial_ends", "between", ["today", "today+3d"]) == ["third", "today"]
    assert who("agent.trial_ends", "lt", "today") == ["past"]
    assert who("agent.trial_ends", "gte", "today+4d") == ["fourth"]
    assert who("agent.trial_ends", "lt", "now") == ["past", "today"]
    assert who("metric.last_visit", "gte", "now-49h") == ["past", "today"]


def test_a_segment_of_the_past_counts_from_that_moment(trials: Warehouse) -> None:
    earlier = clock.now() - timedelta(days=4)
    assert who("agent.trial_ends", "between", ["today", "today+3d"], now=earlier) == ["past"]


REFUSED = [("gt", "now+"), ("gt", "now+0d"), ("gt", "today+99999999d"), ("between", ["today", 3])]


@pytest.mark.parametrize(("op", "value"), REFUSED)
def test_a_wrong_relative_time_is_refused_with_its_path(fresh: Warehouse, op: str, value: Any) -> None:
    with pytest.raises(InvalidRules) as refusal:
        who("agent.trial_ends", op, value)
    assert refusal.value.path == "rules.all[0].any[0].value"


def test_a_filter_knows_relative_times() -> None:
    def passes(op: str, value: Any) -> bool:
        context = {"visitor": {"agent": {"trial_ends": clock.iso(clock.now() + timedelta(hours=30))}}}
        return conditions.passes(
            [{"any": [{"left": "{{ visitor.agent.trial_ends }}", "op": op, "value": value}]}], context
        )

    assert passes("between", ["now", "now+31h"])
    assert not passes("between", ["now", "now+29h"])
    assert passes("gt", "now+1d")
    assert not passes("lt", "today")
