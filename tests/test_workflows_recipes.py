"""Recipes: what each makes of its answers, what it refuses, and that it makes all or nothing."""

from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.apps import connections
from arrivals.audience import segments
from arrivals.audience.models import Report, Segment
from arrivals.errors import ArrivalsError, CheckTimeout, Invalid, InvalidDefinition, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.watch.models import Watch
from arrivals.workflows import recipes
from arrivals.workflows.models import Workflow
from tests import events

LEAST: dict[str, dict[str, Any]] = {
    "nps_responses": {},
    "each_response": {},
    "trial_ending": {},
    "power_user": {"event": "export"},
    "account_quiet": {},
    "new_visitor": {"accounts": ["acme"]},
}


def stored() -> tuple[int, int, int, int]:
    return Segment.objects.count(), Report.objects.count(), Workflow.objects.count(), Watch.objects.count()


def ago(**span: float) -> Any:
    return clock.now() - timedelta(**span)


@pytest.fixture
def people(fresh: Warehouse) -> Warehouse:
    """One visitor for each recipe, and one who fits none."""
    answer = {"score": 3, "reason": "<!channel> too slow & dear"}
    soon = (clock.now() + timedelta(days=2)).date().isoformat()
    events.add(
        fresh,
        ("nps", "survey_answered", "nps", ago(hours=2), answer, "acme"),
        ("nps", "track", "x", ago(days=90), {}, "acme"),
        ("trial", "track", "x", ago(days=10), {}, "globex"),
        ("busy", "track", "x", ago(days=20), {}, "initech"),
        ("busy", "track", "x", ago(days=90), {}, "initech"),
        *[("power", "track", "export", ago(hours=number), {}, "hooli") for number in range(1, 11)],
        ("power", "track", "x", ago(days=90)),
        ("new", "page", "Home", ago(hours=1), {}, "stark"),
    )
    events.metadata(fresh, "nps", ago(hours=2), name="Ada", email="ada@acme.example")
    events.metadata(fresh, "trial", ago(days=10), trial_ends=soon, plan="trial")
    events.metadata(fresh, "busy", ago(days=20), trial_ends="2020-01-01", plan="trial")
    return fresh


SEEN: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("nps_responses", {}, "nps", ["NPS: Ada scored 3", "a detractor", "ada@acme.example", "nps", "acme", "too slow"]),
    ("trial_ending", {"plan": "trial"}, "trial", ["Trial about to end", "trial", "globex", "Last visit"]),
    ("power_user", {"event": "export"}, "power", ["Power user of export: power", "export: 10 times in 30 days"]),
    ("new_visitor", {"accounts": ["stark", "wayne"]}, "new", ["New visitor of stark: new", "First visit"]),
]


@pytest.mark.parametrize(("recipe", "params", "who", "words"), SEEN, ids=[one[0] for one in SEEN])
def test_a_preview_shows_numbers_and_the_message_and_stores_nothing(
    people: Warehouse, recipe: str, params: dict[str, Any], who: str, words: list[str]
) -> None:
    found = recipes.preview(recipe, params)
    assert (found["in_segment"], found["on_report"], found["shown_for"]) == (1, 1, who)
    said = f"{found['message']['title']}\n{found['message']['text']}"
    assert [word for word in words if word not in said] == []
    assert "/runs/run_" in said
    assert stored() == (0, 0, 0, 0)


def test_a_preview_of_each_response_shows_the_newest_one(people: Warehouse) -> None:
    events.add(people, ("nps", "survey_answered", "nps", ago(hours=1), {"score": 10, "reason": "Better now"}, "acme"))
    found = recipes.preview("each_response", {})
    assert (found["in_segment"], found["on_report"], found["direction"]) == (None, 2, "in")
    assert found["message"]["title"] == "NPS: Ada scored 10"
    assert "Reason: Better now\nVisitor: Ada · ada@acme.example · nps\nAccount: acme" in found["message"]["text"]


def test_a_preview_of_a_departure_says_that_those_who_leave_start_it(people: Warehouse) -> None:
    found = recipes.preview("account_quiet", {"days": 1})
    assert (found["in_segment"], found["on_report"], found["direction"]) == (None, 3, "out")
    assert found["message"]["title"] == "Account gone quiet: acme"
    assert "Nobody of acme was here within a day.\nLast visit: 20" in found["message"]["text"]


def test_the_report_of_each_response_is_shared_and_stays_when_it_was_there_before(
    people: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> None:
        raise CheckTimeout

    with monkeypatch.context() as patched:
        patched.setattr(checks, "look", late)
        with pytest.raises(CheckTimeout):
            recipes.make("each_response", {}, activate=True)
    assert stored()[:3] == (0, 0, 0)
    first, second = (recipes.make("each_response", {}, activate=True) for _ in range(2))
    assert (first.segment, first.report) == (None, second.report)
    assert second.workflow.name == "Each NPS response to the inbox 2"
    with monkeypatch.context() as patched:
        patched.setattr(checks, "look", late)
        with pytest.raises(CheckTimeout):
            recipes.make("each_response", {}, activate=True)
    assert stored()[:3] == (0, 1, 2)


@pytest.mark.parametrize("recipe", LEAST)
def test_with_nobody_on_the_report_the_message_shows_a_made_up_visitor(fresh: Warehouse, recipe: str) -> None:
    found = recipes.preview(recipe, LEAST[recipe])
    assert (found["in_segment"] or 0, found["on_report"], found["shown_for"]) == (0, 0, None)
    assert "Acme" in found["message"]["title"] or "Ada Lopez" in found["message"]["title"]
    assert "none known" not in found["message"]["text"]
    assert ": \n" not in found["message"]["text"]


@pytest.mark.parametrize("recipe", LEAST)
def test_what_is_made_is_what_the_preview_said(people: Warehouse, recipe: str) -> None:
    said = recipes.preview(recipe, LEAST[recipe])["makes"]
    made = recipes.make(recipe, LEAST[recipe], by="ada@example.com")
    segment = made.segment and {"name": made.segment.name, "rules": made.segment.rules}
    assert segment == said["segment"]
    assert (made.report.name, made.report.segment) == (said["report"]["name"], made.segment)
    assert made.workflow.name == said["workflow"]["name"]
    assert made.workflow.version is not None
    trigger = made.workflow.version.definition["trigger"]
    assert trigger == {**said["workflow"]["trigger"], **({"report": made.report.id} if "survey" not in trigger else {})}
    assert made.workflow.report == made.report
    assert (made.workflow.state, made.activation) == ("off", None)


def test_made_and_activated_those_on_the_report_are_the_snapshot(people: Warehouse) -> None:
    made = recipes.make("nps_responses", {}, activate=True)
    assert made.workflow.state == "on"
    assert made.activation is not None
    assert (made.activation.on_report, made.activation.will_run) == (1, 0)
    assert checks.check(made.report.id).entered == 0


def test_made_twice_the_second_has_a_number_in_all_three_names(fresh: Warehouse) -> None:
    segments.create("NPS Responders 2", {"all": []})
    made = [recipes.make("nps_responses", {}) for _ in range(2)]
    assert [one.segment and one.segment.name for one in made] == ["NPS Responders", "NPS Responders 3"]
    assert [one.report.name for one in made] == ["NPS Responses", "NPS Responses 3"]
    assert [one.workflow.name for one in made] == ["NPS responses to the inbox", "NPS responses to the inbox 3"]


WRONG: list[tuple[str, dict[str, Any], type[ArrivalsError], str]] = [
    ("none", {}, NotFound, ""),
    ("nps_responses", {"survey": 3}, Invalid, "survey"),
    ("nps_responses", {"survey": "x" * 201}, Invalid, "survey"),
    ("nps_responses", {"survey": "a\nb"}, Invalid, "survey"),
    ("nps_responses", {"days": 0}, Invalid, "days"),
    ("nps_responses", {"days": "1"}, Invalid, "days"),
    ("nps_responses", {"days": True}, Invalid, "days"),
    ("nps_responses", {"days": 31}, Invalid, "days"),
    ("nps_responses", {"event": "x"}, Invalid, "event"),
    ("nps_responses", {"app": "fax"}, Invalid, "app"),
    ("nps_responses", {"app": ["inbox"]}, Invalid, "app"),
    ("nps_responses", {"app": "slack"}, Invalid, "connection"),
    ("nps_responses", {"app": "slack", "connection": "con_x"}, Invalid, "connection"),
    ("nps_responses", {"app": "email"}, Invalid, "to"),
    ("nps_responses", {"app": "webhook"}, Invalid, "url"),
    ("nps_responses", {"app": "inbox", "to": "a@example.com"}, Invalid, "to"),
    ("trial_ending", {"field": "trial_ends"}, Invalid, "field"),
    ("trial_ending", {"field": 'agent.x"]}}'}, Invalid, "field"),
    ("trial_ending", {"field": "metric.events"}, Invalid, "field"),
    ("trial_ending", {"days": -1}, Invalid, "days"),
    ("power_user", {}, Invalid, "event"),
    ("power_user", {"event": "  "}, Invalid, "event"),
    ("power_user", {"event": "x", "times": 0}, Invalid, "times"),
    ("new_visitor", {}, Invalid, "accounts"),
    ("new_visitor", {"accounts": "acme"}, Invalid, "accounts"),
    ("new_visitor", {"accounts": ["acme", ""]}, Invalid, "accounts[1]"),
    ("new_visitor", {"accounts": ["a"] * 1001}, Invalid, "accounts"),
    # Refused by the workflow's definition, when the segment and the report are made already.
    ("nps_responses", {"channel": "{{ nope"}, InvalidDefinition, "steps[0].inputs.channel"),
    ("nps_responses", {"name": "n" * 200, "survey": "x", "app": "inbox", "channel": "{% x %}"}, InvalidDefinition, "steps[0].inputs.channel"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "params", "error", "path"), WRONG)
def test_wrong_answers_are_refused_by_their_name_and_nothing_is_made(
    fresh: Warehouse, recipe: str, params: dict[str, Any], error: type[ArrivalsError], path: str
) -> None:
    with pytest.raises(error) as refusal:
        recipes.make(recipe, params, activate=True)
    assert refusal.value.path == path
    assert stored() == (0, 0, 0, 0)


def test_a_report_that_takes_too_long_to_activate_leaves_nothing(
    people: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> None:
        raise CheckTimeout

    monkeypatch.setattr(checks, "look", late)
    with pytest.raises(CheckTimeout):
        recipes.make("nps_responses", {}, activate=True)
    assert stored()[:3] == (0, 0, 0)
    monkeypatch.undo()
    assert recipes.make("nps_responses", {}, activate=True).workflow.name == "NPS responses to the inbox"


def test_a_preview_without_a_connection_says_so_and_still_counts(people: Warehouse) -> None:
    hook = connections.create("slack", "Team", {"webhook_url": "https://hooks.example/x"})
    mail = connections.create("email", "Mail", {"host": "smtp.example.com", "from": "a@example.com"})
    found = recipes.preview("nps_responses", {"app": "slack", "connection": hook.id})
    assert (found["problem"], found["on_report"]) == (None, 1)
    assert found["message"]["text"].startswith("*NPS: Ada scored 3*\n")
    assert "&lt;!channel&gt; too slow &amp; dear" in found["message"]["text"]
    assert "channel" not in found["message"]
    other = recipes.preview("nps_responses", {"app": "slack", "connection": mail.id})
    assert "is of email" in other["problem"]
    assert other["on_report"] == 1
    assert recipes.preview("nps_responses", {"app": "slack"})["problem"] == "Connection is missing."
    assert recipes.preview("nps_responses", {"app": "email"})["problem"] == "To is missing."


def test_a_name_of_two_lines_makes_a_subject_of_one(people: Warehouse) -> None:
    events.metadata(people, "nps", clock.now(), name="Ada\nBcc: all")
    found = recipes.preview("nps_responses", {"app": "email", "to": "team@example.com"})
    assert found["message"]["subject"] == "NPS: AdaBcc: all scored 3"


def test_names_that_look_like_templates_are_only_names(people: Warehouse) -> None:
    events.add(people, *[("odd", "track", "{{ visitor.id }}", ago(hours=1))] * 2)
    found = recipes.preview("power_user", {"event": "{{ visitor.id }}", "times": 2})
    assert found["message"]["title"] == "Power user of {{ visitor.id }}: odd"


def test_every_recipe_describes_itself(fresh: Warehouse) -> None:
    found = [recipes.as_dict(one) for one in recipes.all_recipes()]
    assert {one["id"] for one in found} == {*LEAST, "nps_pendo"}
    for one in found:
        assert set(one["targets"]) == {"inbox", "slack", "email", "webhook"}
        assert one["sentence"].endswith(".")
        assert one["note"].endswith(".")
        names = [parameter["name"] for parameter in one["parameters"]]
        assert names[-2:] == ["name", "app"]
        assert all(parameter["required"] == (parameter["default"] is None) for parameter in one["parameters"])
