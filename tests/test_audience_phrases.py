"""Rules in words."""

from typing import Any

import pytest

from arrivals.audience import lists, phrases, segments
from arrivals.audience.models import Feature, Page
from arrivals.warehouse.client import Warehouse
from tests.test_audience_segments import rules

SAID: list[tuple[Any, str]] = [
    ({"kind": "track", "name": "export"}, "did export"),
    ({"kind": "track", "name": "export", "did": False, "when": {"within": "1d"}}, "did not do export in the last day"),
    (
        {"kind": "track", "name": "export", "times": {"at_least": 3}, "when": {"within": "30d"}},
        "did export at least 3 times in the last 30 days",
    ),
    ({"kind": "page", "name": "Home", "times": {"exactly": 1}}, "saw the page Home exactly once"),
    ({"kind": "page", "name": "Home", "times": {"at_most": 4}}, "saw the page Home 1 to 4 times"),
    ({"kind": "event", "times": {"at_least": 2, "at_most": 5}}, "did anything 2 to 5 times"),
    ({"kind": "event", "did": False, "when": {"since": "2026-01-31"}}, "did not do anything at all since 2026-01-31"),
    (
        {"kind": "survey", "survey": "nps", "part": "score", "op": "gte", "value": 9},
        "answered the survey nps with a score that is at least 9",
    ),
    (
        {
            "kind": "track",
            "name": "buy",
            "when": {"between": ["2026-01-01", "2026-01-31"]},
            "where": [{"property": "n", "op": "gt", "value": 5.0}, {"property": "p", "op": "is_set"}],
        },
        "did buy from 2026-01-01 to 2026-01-31 where n is above 5 and p is set",
    ),
    ({"kind": "visitor", "field": "agent.plan", "op": "is_not", "value": "pro"}, "agent.plan is not pro"),
    (
        {"kind": "visitor", "field": "agent.ends", "op": "between", "value": ["today", "today+3d"]},
        "agent.ends is between today and today+3d",
    ),
    (
        {"kind": "visitor", "field": "metric.first_visit", "op": "gte", "value": "2026-01-01"},
        "first visit is on or after 2026-01-01",
    ),
    (
        {"kind": "visitor", "field": "metric.days_active", "op": "gte", "value": 5, "when": {"within": "30d"}},
        "days active in the last 30 days is at least 5",
    ),
    (
        {"kind": "account", "field": "agent.plan", "op": "in", "value": ["a", "b"]},
        "its account's agent.plan is one of a, b",
    ),
    ({"kind": "account", "field": "account.id", "op": "is", "value": "acme"}, "its account's id is acme"),
    ({"kind": "track", "name": "a", "when": {"last": "7d"}}, "did a in the last 7 full days"),
    ({"kind": "track", "name": "a", "when": {"period": "this_month"}}, "did a this month"),
    ({"kind": "chart", "chart": {}, "cell": {}}, "is behind a number of a chart"),
    ({"kind": "page", "page": "pag_gone"}, "saw the page pag_gone"),
    ({"kind": "later", "x": 1}, '{"kind":"later","x":1}'),
    ("no rule", '"no rule"'),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("rule", "words"), SAID)
def test_a_rule_is_said_in_words(rule: Any, words: str) -> None:
    assert phrases.rule(rule) == words


def test_segments_and_lists_are_called_by_their_names(fresh: Warehouse) -> None:
    inner = segments.create("Pros", rules())
    chosen = lists.create("Beta", ["a"])
    assert (
        phrases.sentence(rules({"kind": "segment", "segment": inner.id, "did": False})) == "is not in the segment Pros"
    )
    assert phrases.sentence(rules({"kind": "list", "list": chosen.id})) == "is on the list Beta"
    accounts = {"kind": "list", "list": chosen.id, "of": "account"}
    assert phrases.sentence(rules(accounts)) == "its account is on the list Beta"
    assert phrases.sentence(rules({"kind": "list", "list": "lst_gone"})) == "is on the list lst_gone"


def test_pages_and_features_are_called_by_their_names(fresh: Warehouse) -> None:
    page, feature = Page.objects.create(name="Prices"), Feature.objects.create(name="Save")
    assert phrases.rule({"kind": "page", "page": page.id, "did": False}) == "did not see the page Prices"
    assert phrases.rule({"kind": "feature", "feature": feature.id}) == "used the feature Save"


def test_groups_are_joined_so_that_they_cannot_be_mixed_up(fresh: Warehouse) -> None:
    one, two, three = ({"kind": "track", "name": name} for name in "abc")
    assert phrases.sentence(rules()) == "everybody"
    assert phrases.sentence(rules([one, two])) == "did a or did b"
    assert phrases.sentence(rules([one, two], three)) == "(did a or did b), and did c"


@pytest.mark.parametrize("data", [None, [], {"all": 3}, {"all": [3, {"any": 4}, {"any": [None]}]}])
def test_data_that_is_no_rules_is_shown_and_never_refused(fresh: Warehouse, data: Any) -> None:
    assert isinstance(phrases.sentence(data), str)
