"""Segments: the rules mean what they say, and wrong ones are refused by their path."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.audience import lists, segments
from arrivals.audience.models import Segment
from arrivals.errors import Conflict, Invalid, InvalidRules
from arrivals.warehouse.client import Warehouse
from tests import events

NOW = clock.now().replace(microsecond=0)


def ago(**span: float) -> Any:
    return NOW - timedelta(**span)


def rules(*groups: Any) -> dict[str, Any]:
    return {"all": [{"any": group if isinstance(group, list) else [group]} for group in groups]}


def who(data: Any, **options: Any) -> list[str]:
    found = segments.preview(data, sample=1000, **options)
    assert found.count == len(found.sample)
    return sorted(found.sample)


@pytest.fixture
def people(fresh: Warehouse) -> Warehouse:
    events.add(
        fresh,
        ("ann", "track", "export", ago(days=1), {"n": 5, "plan": {"tier": "gold"}}, "acme"),
        ("ann", "track", "export", ago(days=2), {"n": 50}),
        ("ann", "survey_answered", "nps", ago(hours=2), {"score": 9, "reason": "Fast"}),
        ("bob", "track", "export", ago(days=40), {"n": "7"}),
        ("bob", "page", "Home", ago(days=3)),
        ("cid", "track", "import", ago(minutes=5)),
        ("dot", "identify", "", ago(days=100)),
    )
    events.metadata(fresh, "ann", ago(days=1), plan="pro", seats=10, city="Zürich")
    events.metadata(fresh, "bob", ago(days=1), plan="free", seats=2)
    events.metadata(fresh, "cid", ago(days=2), plan="pro")
    events.metadata(fresh, "cid", ago(days=1), plan=None)
    return fresh


EXPORT = {"kind": "track", "name": "export"}
CASES: list[tuple[Any, list[str]]] = [
    (rules(), ["ann", "bob", "cid", "dot"]),
    (rules(EXPORT), ["ann", "bob"]),
    (rules({**EXPORT, "did": False}), ["cid", "dot"]),
    (rules({**EXPORT, "when": {"within": "30d"}}), ["ann"]),
    (rules({**EXPORT, "when": {"since": clock.iso(ago(days=1, hours=1))}, "times": {"exactly": 1}}), ["ann"]),
    (rules({**EXPORT, "when": {"between": [clock.iso(ago(days=50)), clock.iso(ago(days=30))]}}), ["bob"]),
    (rules({**EXPORT, "times": {"at_least": 2}}), ["ann"]),
    (rules({**EXPORT, "times": {"at_most": 1}}), ["bob"]),
    (rules({**EXPORT, "times": {"exactly": 0}}), ["cid", "dot"]),
    (rules({**EXPORT, "times": {"at_least": 2}, "did": False}), ["bob", "cid", "dot"]),
    (rules({**EXPORT, "where": [{"property": "n", "op": "gt", "value": 6}]}), ["ann", "bob"]),
    (rules({**EXPORT, "where": [{"property": "plan.tier", "op": "is", "value": "gold"}]}), ["ann"]),
    (rules({**EXPORT, "where": [{"property": "account.id", "op": "is_not_set"}]}), ["ann", "bob"]),
    (rules({"kind": "page", "name": "Home"}), ["bob"]),
    (rules({"kind": "event"}), ["ann", "bob", "cid", "dot"]),
    (rules({"kind": "event", "when": {"within": "30m"}}), ["cid"]),
    (rules({"kind": "survey", "survey": "nps", "part": "score", "op": "gte", "value": 9}), ["ann"]),
    (rules({"kind": "survey", "survey": "nps", "did": False}), ["bob", "cid", "dot"]),
    (rules({"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}), ["ann"]),
    (rules({"kind": "visitor", "field": "agent.plan", "op": "is_not", "value": "pro"}), ["bob", "cid", "dot"]),
    (rules({"kind": "visitor", "field": "agent.plan", "op": "is_set"}), ["ann", "bob"]),
    (rules({"kind": "visitor", "field": "agent.plan", "op": "is_not_set"}), ["cid", "dot"]),
    (rules({"kind": "visitor", "field": "agent.plan", "op": "in", "value": ["pro", "free"]}), ["ann", "bob"]),
    (rules({"kind": "visitor", "field": "agent.plan", "op": "not_in", "value": ["pro"]}), ["bob", "cid", "dot"]),
    (rules({"kind": "visitor", "field": "agent.city", "op": "contains", "value": "ÜRI"}), ["ann"]),
    (
        rules({"kind": "visitor", "field": "agent.city", "op": "not_contains", "value": "x"}),
        ["ann", "bob", "cid", "dot"],
    ),
    (rules({"kind": "visitor", "field": "agent.city", "op": "starts_with", "value": "zü"}), ["ann"]),
    (rules({"kind": "visitor", "field": "agent.seats", "op": "gt", "value": 2}), ["ann"]),
    (rules({"kind": "visitor", "field": "agent.seats", "op": "lte", "value": 2}), ["bob"]),
    (rules({"kind": "visitor", "field": "agent.seats", "op": "between", "value": [2, 10]}), ["ann", "bob"]),
    (rules({"kind": "visitor", "field": "visitor.id", "op": "starts_with", "value": "b"}), ["bob"]),
    (rules({"kind": "visitor", "field": "metric.first_visit", "op": "lt", "value": clock.iso(ago(days=50))}), ["dot"]),
    (rules({"kind": "visitor", "field": "metric.days_active", "op": "gte", "value": 2}), ["ann", "bob"]),
    (rules({"kind": "visitor", "field": "metric.events", "op": "is", "value": 3}), ["ann"]),
    (
        rules([EXPORT, {"kind": "track", "name": "import"}], {"kind": "event", "when": {"within": "7d"}}),
        ["ann", "bob", "cid"],
    ),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_a_rule_selects_whom_it_names(people: Warehouse, data: Any, expected: list[str]) -> None:
    assert who(data) == expected


def test_nested_segments_and_lists_select_their_members(people: Warehouse) -> None:
    inner = segments.create("Exporters", rules(EXPORT))
    chosen = lists.create("Chosen", ["ann", "cid", " cid "])
    assert chosen.size == 2
    assert who(rules({"kind": "segment", "segment": inner.id})) == ["ann", "bob"]
    assert who(rules({"kind": "segment", "segment": inner.id, "did": False})) == ["cid", "dot"]
    assert who(rules({"kind": "list", "list": chosen.id})) == ["ann", "cid"]
    lists.replace(chosen.id, ["dot"])
    assert who(rules({"kind": "list", "list": chosen.id})) == ["dot"]


def test_the_past_is_answered_without_later_events(people: Warehouse) -> None:
    assert who(rules(EXPORT), now=ago(days=10)) == ["bob"]
    assert who(rules({**EXPORT, "times": {"at_least": 2}}), now=ago(days=1, hours=12)) == []


def test_history_follows_a_linked_identity(people: Warehouse) -> None:
    events.add(people, ("anon-1", "track", "export", ago(hours=1)))
    assert who(rules({**EXPORT, "times": {"at_least": 3}})) == []
    events.link(people, "anon-1", "ann")
    assert who(rules({**EXPORT, "times": {"at_least": 3}})) == ["ann"]
    assert who(rules()) == ["ann", "bob", "cid", "dot"]


REFUSED: list[tuple[Any, str, str]] = [
    (None, "rules", "It must be an object"),
    ({}, "rules.all", "It is missing."),
    ({"all": {}}, "rules.all", "list of at most 50 groups"),
    ({"all": [], "any": []}, "rules.any", "not known here"),
    ({"all": [{"any": []}]}, "rules.all[0].any", "at least one rule"),
    (rules({}), "rules.all[0].any[0].kind", "needs a kind, one of track"),
    (rules({"kind": "track"}), "rules.all[0].any[0].name", "missing"),
    (rules({"kind": "track", "name": ""}), "rules.all[0].any[0].name", "text of 1 to 255"),
    (rules({**EXPORT, "wen": {}}), "rules.all[0].any[0].wen", "not known here"),
    (rules({**EXPORT, "when": {"within": "30"}}), "rules.all[0].any[0].when.within", "not a duration"),
    (rules({**EXPORT, "when": {"within": "30d", "since": "x"}}), "rules.all[0].any[0].when", "one of"),
    (rules({**EXPORT, "when": {"since": "yesterday"}}), "rules.all[0].any[0].when.since", "Invalid isoformat"),
    (
        rules({**EXPORT, "when": {"between": ["2026-02-01", "2026-01-01"]}}),
        "rules.all[0].any[0].when.between",
        "after the second",
    ),
    (rules({**EXPORT, "times": {"at_least": 0}}), "rules.all[0].any[0].times.at_least", "from 1 to"),
    (rules({**EXPORT, "times": {"at_least": True}}), "rules.all[0].any[0].times.at_least", "whole number"),
    (rules({**EXPORT, "times": {"at_least": 3, "at_most": 2}}), "rules.all[0].any[0].times", "less than at_least"),
    (rules({**EXPORT, "did": "yes"}), "rules.all[0].any[0].did", "true or false"),
    (
        rules(EXPORT, [EXPORT, {**EXPORT, "where": [{"property": "a", "op": "like", "value": 1}]}]),
        "rules.all[1].any[1].where[0].op",
        "not an operator",
    ),
    (rules({"kind": "visitor", "field": "plan", "op": "is", "value": "x"}), "rules.all[0].any[0].field", "not a field"),
    (
        rules({"kind": "visitor", "field": "metric.money", "op": "is", "value": 1}),
        "rules.all[0].any[0].field",
        "not a field",
    ),
    (rules({"kind": "visitor", "field": "agent.a", "op": "is"}), "rules.all[0].any[0].value", "needs a value"),
    (
        rules({"kind": "visitor", "field": "agent.a", "op": "is_set", "value": 1}),
        "rules.all[0].any[0].value",
        "takes no value",
    ),
    (
        rules({"kind": "visitor", "field": "agent.a", "op": "gt", "value": "many"}),
        "rules.all[0].any[0].value",
        "a number, a date such as 2026-01-31, or a relative one",
    ),
    (
        rules({"kind": "visitor", "field": "agent.a", "op": "between", "value": [1, "2026-01-01"]}),
        "rules.all[0].any[0].value",
        "not one of each",
    ),
    (
        rules({"kind": "visitor", "field": "agent.a", "op": "in", "value": []}),
        "rules.all[0].any[0].value",
        "list of 1 to",
    ),
    (rules({"kind": "segment", "segment": "seg_none"}), "rules.all[0].any[0].segment", "There is no segment"),
    (rules({"kind": "list", "list": "lst_none"}), "rules.all[0].any[0].list", "There is no list"),
]


@pytest.mark.parametrize(("data", "path", "sentence"), REFUSED)
def test_wrong_rules_are_refused_by_their_path_and_nothing_is_stored(
    fresh: Warehouse, data: Any, path: str, sentence: str
) -> None:
    with pytest.raises(InvalidRules) as refusal:
        segments.create("Wrong", data)
    assert refusal.value.path == path
    assert sentence in refusal.value.message
    assert not Segment.objects.exists()


def test_a_segment_cannot_come_to_contain_itself(fresh: Warehouse) -> None:
    first = segments.create("First", rules(EXPORT))
    second = segments.create("Second", rules({"kind": "segment", "segment": first.id}))
    with pytest.raises(InvalidRules, match="contains itself"):
        segments.change(first.id, rules=rules({"kind": "segment", "segment": second.id}))
    assert segments.get(first.id).rules == rules(EXPORT)
    with pytest.raises(Conflict, match="'Second' uses it"):
        segments.delete(first.id)


@pytest.mark.parametrize("ids", [[""], ["x" * 513], [3]])
def test_a_wrong_id_in_a_list_is_refused(fresh: Warehouse, ids: Any) -> None:
    with pytest.raises(Invalid, match=r"ids\[0\]"):
        lists.create("List", ids)


# --- any segment equals a plain evaluator over the same events --------------------------------------------------

VISITORS = ["v0", "v1", "v2", "v3"]
ALIASES = {"a0": "v0", "a1": "v1"}
TIMES = [ago(minutes=1), ago(hours=5), ago(days=1), ago(days=1), ago(days=9), ago(days=45)]
one_event = st.tuples(
    st.sampled_from([*VISITORS, *ALIASES]),
    st.sampled_from(["track", "page"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(TIMES),
    st.sampled_from([{}, {"n": 1}, {"n": 7}, {"n": "seven"}]),
)
one_rule = st.fixed_dictionaries(
    {"kind": st.sampled_from(["track", "page"]), "name": st.sampled_from(["x", "y"]), "did": st.booleans()},
    optional={
        "times": st.sampled_from(
            [{"at_least": 2}, {"at_most": 1}, {"exactly": 2}, {"exactly": 0}, {"at_least": 1, "at_most": 3}]
        ),
        "when": st.sampled_from(
            [{"within": "6h"}, {"within": "10d"}, {"since": clock.iso(ago(days=2))}, {"ever": True}]
        ),
        "where": st.sampled_from(
            [[{"property": "n", "op": "gt", "value": 3}], [{"property": "n", "op": "is_not", "value": 1}]]
        ),
    },
)
some_rules = st.lists(st.lists(one_rule, min_size=1, max_size=2), max_size=3)


def evaluated(happened: list[tuple[Any, ...]], groups: list[list[Any]], linked: bool) -> list[str]:
    def owner(visitor: str) -> str:
        return ALIASES.get(visitor, visitor) if linked else visitor

    def holds(rule: Any, visitor: str) -> bool:
        count = 0
        for who_, kind, name, at, properties in happened:
            when = rule.get("when", {})
            first = (
                NOW - clock.duration(when["within"])
                if "within" in when
                else clock.parse(when["since"])
                if "since" in when
                else None
            )
            inside = first is None or (at > first if "within" in when else at >= first)
            n = properties.get("n")
            where = rule.get("where", [{"op": "any"}])[0]["op"]
            fits = {"any": True, "gt": isinstance(n, int) and n > 3, "is_not": n != 1}[where]
            count += owner(who_) == visitor and kind == rule["kind"] and name == rule["name"] and inside and fits
        times = rule.get("times", {"at_least": 1})
        low, high = times.get("exactly", times.get("at_least", 1)), times.get("exactly", times.get("at_most", 10**9))
        return (low <= count <= high) == rule["did"]

    everybody = {owner(one[0]) for one in happened}
    return sorted(v for v in everybody if all(any(holds(rule, v) for rule in group) for group in groups))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=st.lists(one_event, min_size=1, max_size=14), groups=some_rules, linked=st.booleans())
def test_any_segment_equals_a_plain_evaluator(fresh: Warehouse, happened: Any, groups: Any, linked: bool) -> None:
    for table in ("events", "visitors", "links"):
        fresh.command(f"TRUNCATE TABLE {table}")
    events.add(fresh, *happened)
    if linked:
        for alias, visitor in ALIASES.items():
            events.link(fresh, alias, visitor)
            events.visitors(fresh, [visitor, NOW, NOW]) if any(one[0] == alias for one in happened) else None
    data = {"all": [{"any": group} for group in groups]}
    assert who(data, now=NOW) == evaluated(happened, groups, linked)
