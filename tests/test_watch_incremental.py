"""Looking only at those of whom something is new finds exactly what looking at everybody finds."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.audience import lists, reports, segments
from arrivals.audience.models import Report
from arrivals.warehouse import links
from arrivals.warehouse.client import Warehouse
from arrivals.watch import batches, checks, marks
from arrivals.watch.models import Arrival, Check, Watch
from tests import events

EXAMPLES = int(os.environ.get("WATCH_EXAMPLES", "6"))
EMPTIED = ("events", "visitors", "account_visitors", "visitor_fields", "links", "memberships", "list_members")
START = datetime(2026, 11, 10, 21, 30, tzinfo=UTC)
PEOPLE = ("ann", "bob", "cid", "dan", "anon-1", "anon-2", "anon-3")
SPANS = (
    {"within": "30m"},
    {"within": "1h"},
    {"within": "1d"},
    {"within": "3d"},
    {"ever": True},
    {"last": "1d"},
    {"last": "2d"},
)
PERIODS = ({"period": "today"}, {"period": "yesterday"}, {"period": "last_week"}, {"period": "this_month"})
FIXED = ({"since": "2026-11-10T20:00:00Z"}, {"between": ["2026-11-09", "2026-11-10"]}, {"since": "2026-11-11"})

spans = st.sampled_from(SPANS + FIXED + PERIODS)
people = st.sampled_from(PEOPLE)


def rule(**parts: Any) -> dict[str, Any]:
    return parts


event_rules = st.builds(
    lambda kind, name, when, did, times, where: {
        "kind": kind,
        **({} if name is None and kind == "event" else {"survey" if kind == "survey" else "name": name or "x"}),
        "when": when,
        "did": did,
        **({"times": times} if times else {}),
        **({"where": where} if where else {}),
    },
    st.sampled_from(("track", "page", "event", "survey")),
    st.sampled_from((None, "x", "y")),
    spans,
    st.sampled_from((True, True, False)),
    st.sampled_from((None, None, {"at_least": 2}, {"at_most": 2}, {"exactly": 1})),
    st.sampled_from(([], [], [{"property": "n", "op": "gte", "value": 2}])),
)
field_rules = st.sampled_from(
    (
        rule(kind="visitor", field="agent.plan", op="is", value="pro"),
        rule(kind="visitor", field="agent.plan", op="is_not_set"),
        rule(kind="visitor", field="agent.ends", op="between", value=["today", "today+1d"]),
        rule(kind="visitor", field="agent.ends", op="lt", value="now"),
        rule(kind="visitor", field="visitor.id", op="starts_with", value="a"),
        rule(kind="visitor", field="metric.events", op="gte", value=3),
        rule(kind="visitor", field="metric.days_active", op="gte", value=2),
        rule(kind="visitor", field="metric.first_visit", op="gte", value="now-1d"),
        rule(kind="visitor", field="metric.last_visit", op="lt", value="now-1h"),
        rule(kind="visitor", field="metric.last_visit", op="lt", value="today"),
    )
)
inner = st.lists(st.lists(event_rules | field_rules, min_size=1, max_size=2), min_size=1, max_size=2)
kinds = st.sampled_from(("rule", "rule", "rule", "list", "segment"))
groups = st.lists(st.lists(st.tuples(kinds, event_rules | field_rules, inner), min_size=1, max_size=2), max_size=3)

happened = st.builds(
    lambda who, kind, name, late, n: ("event", who, kind, name, late, n),
    people,
    st.sampled_from(("track", "track", "page", "survey_answered")),
    st.sampled_from(("x", "x", "y")),
    st.sampled_from((0, 0, 0, 1, 20, 45, 90, 1500, 4000, -10)),  # minutes ago; one is from a clock that is ahead
    st.integers(0, 3),
)
told = st.builds(
    lambda who, field, value, late: ("field", who, field, value, late),
    people,
    st.sampled_from(("plan", "plan", "other")),
    st.sampled_from(("pro", "free", None)),
    st.sampled_from((0, 0, 30)),
) | st.builds(lambda who, days: ("field", who, "ends", days, 0), people, st.integers(-1, 3))
linked = st.builds(
    lambda alias, who, overrides: ("link", alias, who, overrides),
    st.sampled_from(("anon-1", "anon-2", "anon-3", "dan")),
    st.sampled_from(("ann", "bob", "dan")),
    st.booleans(),
)
moved = st.builds(lambda minutes: ("time", minutes), st.sampled_from((1, 5, 29, 31, 60, 180, 1440, 4320)))
relisted = st.builds(lambda who: ("list", who), st.sets(people, max_size=3))
checked = st.just(("check",))
usual = st.one_of(happened, happened, told, moved, checked, checked)
steps = st.lists(st.one_of(usual, usual, usual, usual, linked, linked, relisted), min_size=5, max_size=30)


class World:
    """Pairs of reports that say the same: one is looked at as a whole each time, the other only where it may differ."""

    def __init__(self, store: Warehouse, chosen: Any) -> None:
        for table in EMPTIED:
            store.command(f"TRUNCATE TABLE {table}")
        self.store, self.now, self.links = store, START, links.Links()
        self.told = timedelta(0)
        self.list = lists.create("L", ["ann", "anon-2"])
        self.pairs = []
        for parts, range_ in chosen:
            segment = segments.create("S", {"all": [{"any": [self.rule(*one) for one in group]} for group in parts]})
            definition = {"name": "R", "segment": segment.id, "range": range_}
            self.pairs.append((reports.create(definition), reports.create(definition)))
        self.ways: Counter[str] = Counter()

    def rule(self, kind: str, plain: Any, nested: Any) -> Any:
        if kind == "list":
            return {"kind": "list", "list": self.list.id, "did": plain.get("did", True)}
        if kind == "segment":
            within = segments.create("N", {"all": [{"any": group} for group in nested]})
            return {"kind": "segment", "segment": within.id, "did": plain.get("did", True)}
        return plain

    def step(self, kind: str, *given_: Any) -> None:
        if kind == "event":
            who, event_kind, name, late, n = given_
            at = self.now - timedelta(minutes=late)
            events.add(self.store, (who, event_kind, name, at, {"n": n}))
        elif kind == "field":
            who, field, value, late = given_
            if field == "ends":
                value = (self.now + timedelta(days=value)).date().isoformat()
            # No two at the same moment: of two ids of one person it is left open which counts then.
            self.told += timedelta(milliseconds=1)
            events.metadata(self.store, who, self.now - timedelta(minutes=late) + self.told, **{field: value})
        elif kind == "link":
            self.links.note([given_])  # type: ignore[list-item]
        elif kind == "time":
            self.now += timedelta(minutes=given_[0])
        elif kind == "list":
            lists.replace(self.list.id, sorted(given_[0]))
        else:
            self.check()

    def check(self) -> None:
        near = [one.id for one, _ in self.pairs]
        with clock.standing(self.now):
            for id_ in near:
                Watch.objects.get_or_create(report_id=id_)
            for id_, why in batches.check(near).items():
                checks.check(id_, why=why)
            for _, full in self.pairs:
                checks.check(full.id)
        for one, full in self.pairs:
            last = Check.objects.filter(report=one).latest("id")
            self.ways[last.why or ("near" if last.candidates else "quiet")] += 1
            assert last.missed == 0
            assert stored(one) == stored(full)
            assert ledger_of(self.store, one) == ledger_of(self.store, full)
            assert on_report(one) == on_report(full)


def stored(report: Report) -> Counter[tuple[str, str, int]]:
    return Counter(Arrival.objects.filter(report=report).values_list("member", "kind", "entry"))


def ledger_of(store: Warehouse, report: Report) -> Any:
    sql = "SELECT member_id, version FROM memberships FINAL WHERE report_id = {id:String} ORDER BY member_id"
    return store.query(sql, {"id": report.id})


def on_report(report: Report) -> int:
    return Watch.objects.get(report=report).on_report


@settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink takes minutes; the course is short as it is
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(st.tuples(groups, spans), min_size=2, max_size=4), steps)
def test_both_ways_find_the_same_whatever_comes_in_and_however_late(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, chosen: Any, course: Any
) -> None:
    monkeypatch.setattr(marks, "PROVED_EVERY", timedelta(days=90))
    monkeypatch.setattr(marks, "PROVED_AT_LEAST", timedelta(days=90))
    world = World(fresh, chosen)
    world.check()
    for one in [*course, ("check",), ("time", 45), ("check",)]:
        world.step(*one)
    for way in world.ways.elements():
        event(way)
