"""Why a workflow did or did not run for somebody: one sentence for every reason there is."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people
from arrivals.apps import connections
from arrivals.audience import reports
from arrivals.engine import enqueue, starts, why_one
from arrivals.engine.models import Run, StepRun
from arrivals.errors import Invalid, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, triggers, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

Case = Callable[[Warehouse], Workflow]


def on(store: Warehouse, *there: str, existing: Any = "skip", **more: Any) -> Workflow:
    """A workflow that is on, over a report on which these were already; ann is known, and not on it."""
    events.add(store, ("ann", "track", "x", clock.now()))
    makers.come(store, *there)
    workflow = makers.workflow(makers.report(), **more)
    activation.activate(workflow.id, existing)
    return workflow


def came(store: Warehouse, workflow: Workflow, *, run: bool = True) -> Workflow:
    makers.come(store, "ann")
    checks.check(workflow.report_id or "")
    if run:
        enqueue.enqueue_all()
    return workflow


def left(store: Warehouse, workflow: Workflow) -> Workflow:
    makers.leave(store, "ann")
    checks.check(workflow.report_id or "")
    enqueue.enqueue_all()
    return workflow


def off(store: Warehouse) -> Workflow:
    makers.come(store, "ann")
    workflow = makers.workflow(makers.report())
    checks.check(workflow.report_id or "")
    return workflow


def never(store: Warehouse) -> Workflow:
    events.add(store, ("ann", "track", "x", clock.now()))
    return makers.workflow(makers.report())


def before(store: Warehouse) -> Workflow:
    report = makers.report()
    checks.check(report.id)
    makers.come(store, "ann")
    checks.check(report.id)
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    return workflow


def since(store: Warehouse) -> Workflow:
    return on(store, "ann", existing={"since": clock.iso(clock.now() + timedelta(minutes=5))})


def returned(store: Warehouse, reentry: Any, *, there: bool = False) -> Workflow:
    workflow = on(store, *(["ann"] if there else []), reentry=reentry)
    if not there:
        came(store, workflow)
    return came(store, left(store, workflow))


def paused(store: Warehouse, *, resumed: bool = False) -> Workflow:
    workflow = on(store)
    activation.pause(workflow.id)
    came(store, workflow)
    if resumed:
        activation.resume(workflow.id, "skip")
    return workflow


def departures(store: Warehouse) -> Workflow:
    makers.come(store, "ann")
    trigger = {"kind": "visitor_left_report", "report": makers.report().id}
    workflow = workflows.create({"name": "W", "trigger": trigger, "steps": [makers.post()]})
    activation.activate(workflow.id)
    return workflow


def unreported(kind: str, *starts_: starts.Start, state: str = "on", **trigger: Any) -> Case:
    def made(store: Warehouse) -> Workflow:
        events.add(store, ("ann", "track", "x", clock.now()))
        workflow = workflows.create({"name": "W", "trigger": {"kind": kind, **trigger}, "steps": [makers.post()]})
        if state != "off":
            activation.activate(workflow.id)
        starts.insert(workflows.get(workflow.id), starts_)
        if state == "paused":
            activation.pause(workflow.id)
        return workflow

    return made


def event(name: str, *, state: str = "on", then: str = "") -> Case:
    def made(store: Warehouse) -> Workflow:
        workflow = unreported("event", state=state, event={"kind": "track", "name": name})(store)
        if then:
            events.add(store, ("ann", "track", then, clock.now()))
        return workflow

    return made


def account(store: Warehouse) -> Workflow:
    events.add(store, ("ann", "track", "x", clock.now(), {}, "acme"))
    report = reports.create({"name": "A", "kind": "account", "range": {"ever": True}})
    trigger = {"kind": "account_in_report", "report": report.id}
    workflow = workflows.create({"name": "W", "trigger": trigger, "steps": [makers.post()]})
    activation.activate(workflow.id)
    return workflow


def answers(*, answered: bool) -> Case:
    def made(store: Warehouse) -> Workflow:
        events.add(store, ("ann", "track", "x", clock.now()))
        trigger = {"kind": "survey_response", "survey": "nps"}
        workflow = workflows.create({"name": "W", "trigger": trigger, "steps": [makers.post()]})
        activation.activate(workflow.id)
        if answered:
            events.add(store, ("ann", "survey_answered", "nps", clock.now(), {"score": 3}))
            checks.check(workflow.report_id or "")
            enqueue.enqueue_all()
            Run.objects.update(state="filtered")
        return workflow

    return made


REFUSED = {"message": "They refused."}
ABOUT_ANN = starts.Start("man", "choice-1", {"visitor": {"id": "ann"}})
TABLE: dict[str, tuple[Case, str]] = {
    "off": (off, r"^It is off\.$"),
    "never looked at": (never, r"^It is off\.$"),
    "not entered": (on, r"^This one has not entered the report since it is watched\.$"),
    "snapshot": (lambda store: on(store, "ann"), r"^This one was on the report when it was first looked at, and the"),
    "since a later time": (since, r"^This one was on the report before 2.*, and it was turned on for those since then"),
    "chosen": (lambda store: on(store, "ann", existing="run"), r"^It is about to run, by the choice"),
    "before it was on": (before, r"before the workflow was turned on, and it started from then on\.$"),
    "about to run": (lambda store: came(store, on(store), run=False), r"^It is about to run\.$"),
    "waits for its turn": (lambda store: came(store, on(store)), r"^It ran: .* Its run is about to begin\.$"),
    "policy never": (lambda store: returned(store, "never"), r"^It ran for this visitor before\.$"),
    "policy never, snapshot": (
        lambda store: returned(store, "never", there=True),
        r"^The visitor was on the report when the workflow was turned on",
    ),
    "policy days": (
        lambda store: returned(store, {"every_days": 3}),
        r"^It ran for this visitor less than 3 days ago\.$",
    ),
    "paused": (paused, r"^It is paused; whether it runs is asked when it is resumed\.$"),
    "resumed without": (
        lambda store: paused(store, resumed=True),
        r"while the workflow was paused or on another report\.$",
    ),
    "departures": (departures, r"^It runs for those who leave the report, and this one is on it\.$"),
    "an account": (account, r"^It runs for accounts; of acme: This one was on the report when it was first looked at"),
    "no account": (
        lambda store: (account(store), events.add(store, ("zoe", "track", "x", clock.now())))[0],
        r"^zoe: It runs for accounts, and no event of this visitor names one\.$",
    ),
    "no answer": (answers(answered=False), r"^It runs for answers to the survey nps, and this visitor gave none\.$"),
    "an answer": (answers(answered=True), r"^It ran for its answer\. Its run ended: the conditions of that filter"),
    "manual, chosen": (
        unreported("manual", ABOUT_ANN),
        r"^It ran for this visitor, at 2.* UTC\. Its run is about to begin\.$",
    ),
    "manual": (unreported("manual"), r"^It runs for visitors whom somebody chooses, and nobody chose this one\.$"),
    "manual, paused": (unreported("manual", state="paused"), r"nobody chose this one\. It is paused now\.$"),
    "manual, off": (unreported("manual", state="off"), r"^It is off\.$"),
    "webhook": (unreported("webhook"), r"^It runs for what is sent to its address, and nothing that was sent named"),
    "schedule": (
        unreported("schedule", every="day"),
        r"^It runs at the times of its schedule, and not for a visitor\.$",
    ),
    "called": (unreported("called"), r"^It runs when another workflow calls it, and none did for this visitor\.$"),
    "run failed": (unreported("run_failed"), r"^It runs when a run fails, and none failed for this visitor\.$"),
    "no event": (event("buy"), r"^No event of this visitor matches its trigger\.$"),
    "event before": (event("x"), r"matches its trigger happened at 2.* UTC, before the workflow was turned on\.$"),
    "event, paused": (event("buy", state="paused", then="buy"), r"while it was paused, and started no run\.$"),
    "event, no run": (event("buy", then="buy"), r"it came while the workflow was paused, or its re-entry policy"),
}


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds of triggers without a report, as far as this question knows them."""
    for one, direction in (
        ("event", "evt"),
        ("schedule", "sch"),
        ("webhook", "web"),
        ("called", "sub"),
        ("run_failed", "err"),
    ):
        if one not in triggers.KINDS:
            kind = triggers.Kind(one, "", direction, one, lambda kind, data: data)
            monkeypatch.setitem(triggers.KINDS, one, kind)


@pytest.mark.parametrize("case", TABLE)
def test_every_reason_is_one_sentence(fresh: Warehouse, kinds: None, case: str) -> None:
    make, expected = TABLE[case]
    workflow = make(fresh)
    visitor, pattern = ("zoe", expected.replace("zoe: ", "")) if "zoe: " in expected else ("ann", expected)
    found = why_one.of(workflow.id, visitor)
    assert re.search(pattern, found["why"]), found["why"]
    assert found["ran"] == bool(found["runs"]) == Run.objects.filter(workflow=workflow).exists()


Said = tuple[dict[str, Any], dict[str, Any], str]
LATER = clock.parse("2030-01-01")
RUNS: list[Said] = [
    ({"state": "running"}, {}, r"Its run is under way\.$"),
    ({"state": "succeeded"}, {}, r"^It ran: this one entered the report at 2\d{3}-\d\d-\d\d \d\d:\d\d UTC\.$"),
    ({"state": "delayed", "due": LATER}, {"status": "delayed"}, r"waits at step tell until 2030-01-01 00:00 UTC\.$"),
    (
        {"state": "scheduled", "due": LATER},
        {"status": "scheduled", "error": REFUSED},
        r"Its run failed at step tell: They refused; it is tried again at 2030-01-01 00:00 UTC\.$",
    ),
    (
        {"state": "held", "held_for": "connection", "connection_id": "Team"},
        {"status": "held"},
        r"held at step tell: the connection “Team” is no longer accepted, and must be reconnected\.$",
    ),
    ({"state": "held", "held_for": "tasks"}, {}, r"Its run is held: the tasks of this month are used up\.$"),
    ({"state": "held", "held_for": "flood"}, {}, r"Its run is held: more came at once than run without"),
    (
        {"state": "filtered"},
        {"status": "filtered"},
        r"ended at step tell: the conditions of that filter did not hold\.$",
    ),
    ({"state": "halted"}, {"status": "halted", "error": REFUSED}, r"was stopped at step tell: They refused\.$"),
    ({"state": "failed", "error": REFUSED}, {"status": "failed"}, r"Its run failed at step tell: They refused\.$"),
    ({"state": "cancelled"}, {}, r"Its run was cancelled by somebody\.$"),
]


def test_every_state_of_a_run_is_one_sentence(fresh: Warehouse) -> None:
    workflow, team = came(fresh, on(fresh)), connections.create("slack", "Team", {"bot_token": "xoxb-1234567890"})
    run, now = Run.objects.get(), clock.now()
    assert {one["state"] for one, _, _ in RUNS} | {"waiting"} == set(Run.State.values)
    for state, step, expected in RUNS:
        given = {"due": None, "held_for": "", "connection_id": "", "error": None, "started_at": now, **state}
        if given["connection_id"]:
            given["connection_id"] = team.id
        Run.objects.filter(pk=run.pk).update(**given)
        StepRun.objects.all().delete()
        if step:
            StepRun.objects.create(run=run, number=0, step="tell", started_at=now, ended_at=now, **step)
        found = why_one.of(workflow.id, "ann")
        assert re.search(expected, found["why"]), found["why"]


def test_nobody_and_nothing_are_refused_in_one_sentence(fresh: Warehouse) -> None:
    workflow = on(fresh)
    for visitor, error in (("nobody", NotFound), ("", Invalid), ("x" * 513, Invalid)):
        with pytest.raises(error):
            why_one.of(workflow.id, visitor)
    manual = workflows.create({"name": "M", "trigger": {"kind": "manual"}, "steps": [makers.post()]})
    with pytest.raises(NotFound, match="There is no visitor"):
        why_one.of(manual.id, "nobody")


def test_the_page_and_the_api_answer_the_same(fresh: Warehouse) -> None:
    workflow = came(fresh, on(fresh))
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="member"))
    told = client.get(f"/api/v2/workflows/{workflow.id}/why?visitor=ann").json()
    assert told["ran"]
    assert told["why"] in client.get(f"/workflows/{workflow.id}/why?visitor=ann").content.decode()
    assert client.get(f"/api/v2/workflows/{workflow.id}/why?visitor=nobody").status_code == 404
    assert "There is no visitor" in client.get(f"/workflows/{workflow.id}/why?visitor=nobody").content.decode()
