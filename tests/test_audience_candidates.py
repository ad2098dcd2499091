"""Which rows a report's membership depends on, and what is not understood."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arrivals.audience import candidates, lists, reports, rules, segments
from arrivals.audience.candidates import ANY, Plan
from arrivals.audience.models import Report, Segment
from arrivals.audience.rules import EventRule
from arrivals.warehouse.client import Warehouse

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PRO = {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}
EXPORT = {"kind": "track", "name": "export", "times": {"at_least": 3}, "when": {"within": "30d"}}


def report(*chosen: Any, range_: Any = None, **more: Any) -> Report:
    segment = segments.create("S", {"all": [{"any": [one]} for one in chosen]})
    return reports.create({"name": "R", "segment": segment.id, "range": range_ or {"within": "30d"}, **more})


def plan(*chosen: Any, range_: Any = None, **more: Any) -> Plan:
    return candidates.plan(report(*chosen, range_=range_, **more))


def test_every_field_of_every_rule_is_understood() -> None:
    """With a new field a rule may mean something else: see what ``candidates`` has to know of it, then name it there."""
    for class_, known in candidates.KNOWN.items():
        assert {one.name for one in fields(class_)} <= known, class_.__name__


def test_a_rule_that_is_not_understood_makes_everybody_be_looked_at(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Newer(EventRule):
        sequence: str = "before"

    found = report(EXPORT)
    parsed = rules.parse(found.segment.rules if found.segment else {})
    newer = Newer(**{one.name: getattr(parsed.groups[0][0], one.name) for one in fields(EventRule)})
    walk = candidates._Walk()
    walk.rule(newer)
    assert walk.why == "rules"
    walk = candidates._Walk()
    monkeypatch.setitem(candidates.KNOWN, EventRule, {"kind", "name"})
    walk.rule(parsed.groups[0][0])
    assert walk.why == "rules"


def test_a_rule_on_an_event_alone_needs_no_other_events(fresh: Warehouse) -> None:
    assert plan(EXPORT).events == {("track", "export")}, "who exported in the range was active in it"
    assert plan(EXPORT, range_={"within": "7d"}).events == {("track", "export"), ANY}
    assert plan(PRO).events == {ANY}
    assert plan({"kind": "page", "name": "Home", "when": {"within": "30d"}}).events == {ANY}
    assert plan({**EXPORT, "where": [{"property": "format", "op": "is", "value": "csv"}]}).content


def test_fields_lists_and_nested_segments_are_seen(fresh: Warehouse) -> None:
    inner = segments.create("Inner", {"all": [{"any": [PRO]}]})
    made = lists.create("L", ["ann"])
    found = plan({"kind": "segment", "segment": inner.id}, {"kind": "list", "list": made.id, "did": False})
    assert (found.fields, found.lists, found.why) == ({("agent", "plan")}, {(made.id, 1)}, "")


CHANGES: list[tuple[str, Any]] = [
    ("the nested segment", lambda inner, _made, _report: segments.change(inner.id, rules={"all": [{"any": [EXPORT]}]})),
    ("the list", lambda _inner, made, _report: lists.replace(made.id, ["bob"])),
    ("the range", lambda _inner, _made, report_: Report.objects.filter(pk=report_.id).update(range={"within": "1d"})),
    ("the segment of the report", lambda _inner, _made, report_: Segment.objects.filter(pk=report_.segment_id).update(rules={"all": [{"any": [PRO]}]})),
]  # fmt: skip


@pytest.mark.parametrize(("_name", "change"), CHANGES, ids=[name for name, _ in CHANGES])
def test_the_meaning_changes_with_anything_it_stands_for_and_with_nothing_else(
    fresh: Warehouse, _name: str, change: Any
) -> None:
    inner, made = segments.create("Inner", {"all": [{"any": [PRO]}]}), lists.create("L", ["ann"])
    found = report({"kind": "segment", "segment": inner.id}, {"kind": "list", "list": made.id})
    meaning = candidates.plan(found).meaning
    segments.change(inner.id, name="Other name")
    assert candidates.plan(Report.objects.get(pk=found.id)).meaning == meaning
    change(inner, made, found)
    assert candidates.plan(Report.objects.get(pk=found.id)).meaning != meaning


def test_time_moves_over_both_ends_of_a_span(fresh: Warehouse) -> None:
    before, now = NOW - timedelta(minutes=5), NOW
    ms = round(NOW.timestamp() * 1000)
    day, five = 86_400_000, 300_000
    crossed = set(plan(EXPORT).crossed(before, now))
    assert crossed == {
        (("track", "export"), ms - 30 * day - five + 1, ms - 30 * day),
        (("track", "export"), ms - five + 1, ms),
    }
    ended = plan({**EXPORT, "when": {"between": ["2026-11-01", "2026-11-02"]}}, range_={"within": "7d"})
    assert {pair for pair, _, _ in ended.crossed(before, now)} == {ANY}, "only the range has no end"


def test_dates_that_move_are_told_from_those_that_stand(fresh: Warehouse) -> None:
    ends = {"kind": "visitor", "field": "agent.ends", "op": "lt", "value": "today"}
    assert plan(ends).steady(NOW - timedelta(hours=11), NOW)
    assert not plan(ends).steady(NOW - timedelta(hours=13), NOW)
    assert not plan({**ends, "value": "now"}).steady(NOW - timedelta(seconds=1), NOW)
    assert plan({**ends, "value": "2026-11-25"}).steady(NOW - timedelta(days=400), NOW)
    first = plan({"kind": "visitor", "field": "metric.first_visit", "op": "gte", "value": "now-1d"})
    assert first.steady(NOW - timedelta(hours=13), NOW), "a visit is an event, and lies in the order of time"
    assert (ANY, 1, 2) not in set(first.crossed(NOW - timedelta(minutes=1), NOW))
    assert len(set(first.crossed(NOW - timedelta(minutes=1), NOW))) >= 2


def test_accounts_and_responses_are_looked_at_as_a_whole(fresh: Warehouse) -> None:
    assert plan(PRO, kind="account").why == "kind"
    responses = candidates.plan(reports.responses_to("nps"))
    assert (responses.why, responses.events) == ("kind", {("survey_answered", "nps")})
