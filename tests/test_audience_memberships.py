"""Which segments one visitor is in, since when, and why."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import explaining, lists, memberships_of, segments
from arrivals.errors import NotFound
from arrivals.warehouse.client import Warehouse
from tests import evaluator, events
from tests import test_audience_proof as proof
from tests.evaluator import World
from tests.test_audience_segments import ago, rules

EXPORT = {"kind": "track", "name": "export"}
ground = proof.ground


def found(visitor: str, **options: Any) -> dict[str, Any]:
    return {one.segment.name: memberships_of.as_dict(one) for one in memberships_of.of(visitor, **options)}


def since(visitor: str, data: Any) -> tuple[datetime | None, bool]:
    made = segments.create("One", data)
    [one] = [one for one in memberships_of.of(visitor) if one.segment.id == made.id]
    assert one.inside
    return one.since, one.exact


def test_it_lists_every_segment_whether_the_visitor_is_in_it(fresh: Warehouse) -> None:
    events.add(fresh, ("anon", "track", "export", ago(hours=3)), ("ann", "page", "Home", ago(days=2)))
    events.add(fresh, ("bob", "track", "import", ago(days=2)))
    events.link(fresh, "anon", "ann")
    segments.create("Exporters", rules(EXPORT))
    segments.create("Importers", rules({"kind": "track", "name": "import"}))
    for id_ in ("ann", "anon"):
        told = found(id_)
        assert [(name, one["in"]) for name, one in told.items()] == [("Exporters", True), ("Importers", False)]
        assert told["Exporters"]["since"] == clock.iso(ago(hours=3))
        assert told["Exporters"]["exact"] is True
        assert told["Importers"]["since"] is None
    assert found("ann", since=False)["Exporters"]["since"] is None
    with pytest.raises(NotFound, match="no visitor 'nobody'"):
        memberships_of.of("nobody")


def test_since_is_the_event_that_made_the_count_full(fresh: Warehouse) -> None:
    events.add(fresh, *[("ann", "track", "export", ago(days=one)) for one in (2, 5, 9, 40)])
    assert since("ann", rules({**EXPORT, "times": {"at_least": 3}})) == (ago(days=5), True)
    # Within 6 days there were two from the last one on, and not before: the one of 9 days ago was too old at day 5.
    assert since("ann", rules({**EXPORT, "times": {"at_least": 2}, "when": {"within": "6d"}})) == (ago(days=2), True)


def test_since_is_the_moment_at_which_an_event_became_too_old(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "track", "export", ago(days=10)), ("ann", "page", "Home", ago(days=1)))
    quiet = rules({**EXPORT, "did": False, "when": {"within": "7d"}})
    assert since("ann", quiet) == (ago(days=3), True)


def test_with_metadata_it_is_since_the_rest_holds_and_not_exact(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "track", "export", ago(days=2)), ("ann", "page", "Home", ago(days=9)))
    events.metadata(fresh, "ann", ago(hours=1), plan="pro")
    pro = {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}
    assert since("ann", rules(EXPORT, pro)) == (ago(days=2), False)


def test_of_a_visitor_of_whom_only_metadata_is_known_there_is_no_since(fresh: Warehouse) -> None:
    events.visitors(
        fresh, ["ann", datetime(2200, 1, 1, tzinfo=ago().tzinfo), datetime(1970, 1, 1, tzinfo=ago().tzinfo)]
    )
    events.metadata(fresh, "ann", ago(hours=1), plan="pro")
    assert since("ann", rules({"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"})) == (None, False)


def test_events_that_no_rule_is_about_change_nothing(fresh: Warehouse) -> None:
    events.add(fresh, *[("ann", "page", "Home", ago(hours=one)) for one in range(400)])
    events.add(fresh, ("ann", "track", "export", ago(hours=300.5)))
    assert since("ann", rules(EXPORT)) == (ago(hours=300.5), True)


def test_of_what_the_visitor_did_it_is_exact_however_far_back(fresh: Warehouse) -> None:
    events.add(fresh, *[("ann", "track", "export", ago(hours=one)) for one in range(400)])
    assert since("ann", rules({**EXPORT, "times": {"at_least": 100}})) == (ago(hours=300), True)


def test_of_the_account_it_is_found_by_halving_when_it_is_far_back(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memberships_of, "WALKED", 8)
    events.add(fresh, *[("ann", "track", "export", ago(hours=one), {}, "acme") for one in range(400)])
    events.add(fresh, *[("bob", "track", "export", ago(hours=one), {}, "acme") for one in range(200, 400)])
    busy = {"kind": "account", "field": "metric.events", "op": "gte", "value": 301}
    assert since("ann", rules(EXPORT, busy)) == (ago(hours=249), False)


def test_it_tells_the_same_in_some_statements_however_many_segments(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.add(fresh, *[("ann", "track", "export", ago(hours=one)) for one in range(60)])
    events.metadata(fresh, "ann", ago(days=1), plan="pro")
    pro = {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}
    for number in range(1, 31):
        segments.create(f"{number:02}", rules({**EXPORT, "times": {"at_least": number}}, pro))
    asked = []
    for way in ("query", "numbers"):
        real: Any = getattr(Warehouse, way)
        monkeypatch.setattr(Warehouse, way, lambda *a, real=real, **b: asked.append(a) or real(*a, **b))
    told = [(one.inside, one.since) for one in memberships_of.of("ann")]
    assert told == [(True, ago(hours=60 - number)) for number in range(1, 31)]
    assert len(asked) < 10


def test_since_is_left_out_where_it_would_take_too_long(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "track", "export", ago(hours=1)))
    segments.create("Exporters", rules(EXPORT))
    [told] = memberships_of.of("ann", seconds=0)
    assert (told.inside, told.since, told.exact) == (True, None, False)


def test_a_segment_whose_rules_are_no_longer_allowed_says_so(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "page", "Home", ago(hours=1)))
    chosen = lists.create("Chosen", ["ann"])
    segments.create("On the list", rules({"kind": "list", "list": chosen.id}))
    lists.VisitorList.objects.all().delete()
    told = found("ann")["On the list"]
    assert told["in"] is False
    assert "There is no list" in told["problem"]


def test_a_reason_is_told_rule_by_rule(fresh: Warehouse) -> None:
    events.add(
        fresh,
        *[("ann", "track", "export", ago(days=one), {}, "acme") for one in (1, 2)],
        ("bob", "page", "Home", ago(days=20), {}, "acme"),
    )
    events.metadata(fresh, "ann", ago(days=1), plan="pro")
    inner = segments.create("Exporters", rules({**EXPORT, "times": {"at_least": 2}}))
    metric = {"kind": "visitor", "field": "metric.days_active", "op": "gte", "value": 5, "when": {"within": "30d"}}
    asked = rules(
        [{**EXPORT, "times": {"at_least": 3}}, {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}],
        metric,
        {"kind": "segment", "segment": inner.id},
        {"kind": "account", "field": "metric.visitors", "op": "is", "value": 2},
        {"kind": "account", "field": "account.id", "op": "is_not", "value": "acme"},
        {"kind": "visitor", "field": "metric.frequency", "op": "is", "value": "low"},
    )
    told = explaining.explain(asked, "ann")
    assert (told["visitor"], told["in"]) == ("ann", False)
    shown = [[(one["holds"], one["value"]) for one in group["rules"]] for group in told["groups"]]
    assert shown == [
        [(False, 2), (True, "pro")],
        [(False, 2)],
        [(True, None)],
        [(True, 2)],
        [(False, "acme")],
        [(True, "low")],
    ]
    assert [group["holds"] for group in told["groups"]] == [True, False, True, True, False, True]
    first = told["groups"][0]["rules"][0]
    assert (first["path"], first["text"]) == ("rules.all[0].any[0]", "did export at least 3 times")
    [[nested]] = [one["rules"] for one in told["groups"][2]["rules"][0]["groups"]]
    assert (nested["path"], nested["value"]) == ("rules.all[2].any[0].segment.rules.all[0].any[0]", 2)


# --- proof --------------------------------------------------------------------------------------------------------

OFFSETS = [timedelta(0), timedelta(hours=6), timedelta(days=3)]
of_events = proof.grouped(st.one_of(proof.tracks, proof.anything, proof.metrics, proof.frequency))


def began(world: World, data: Any, visitor: str) -> datetime | None:
    """Since when, by asking at every moment around which something may change."""
    times = [one.at + offset for one in world.events for offset in OFFSETS]
    midnights = [proof.MIDNIGHT - timedelta(days=one) for one in range(100)]
    times += [one + timedelta(hours=hour) for one in midnights for hour in (0, 1)]
    hours = [timedelta(0), timedelta(hours=6), -timedelta(hours=6)]
    times += [one + offset for one in times for offset in hours]
    near = sorted({one + tick for one in times for tick in (-proof.TICK, 0 * proof.TICK, proof.TICK)}, reverse=True)
    last: datetime | None = None
    for moment in [proof.NOW, *(one for one in near if one < proof.NOW)]:
        if not evaluator.one(world, visitor, data, moment):
            return last
        last = moment
    return last


@settings(proof.thorough, max_examples=6 * proof.TIMES_AS_MANY)
@given(
    world=proof.worlds(),
    asked=st.lists(of_events, min_size=4, max_size=4),
    everything=st.lists(proof.grouped(proof.leaves), min_size=3, max_size=3),
)
def test_one_visitor_is_in_the_segments_that_have_it_since_it_came_in(
    ground: Warehouse, world: World, asked: list[Any], everything: list[Any]
) -> None:
    proof.put(ground, world)
    segments.Segment.objects.all().delete()
    visitor = world.events[0].visitor
    person = world.person(visitor)
    made = {segments.create("S", one).id: one for one in (*asked, *everything)}
    told = memberships_of.of(visitor)
    assert len(told) == len(made)
    for one in told:
        data = made[one.segment.id]
        assert one.inside == (person in evaluator.who(world, data, proof.NOW)), json.dumps(data)
        assert one.inside == explaining.explain(data, visitor)["in"]
        if one.exact:
            assert one.since == began(world, data, person), json.dumps(data)
        if data in asked and one.inside and "where" not in json.dumps(data):
            assert one.exact


def test_the_zone_of_the_proof_is_the_workspaces(ground: Warehouse) -> None:
    assert workspace.time_zone() == proof.ZONE
