"""Triggers: which are allowed on which report, and departures: once for each, never for the snapshot."""

from typing import Any

import pytest

from arrivals.audience import reports, rows
from arrivals.engine import enqueue, replay
from arrivals.engine.models import Run
from arrivals.errors import Invalid, InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, triggers, workflows
from arrivals.workflows.models import Activation, Workflow
from tests import makers


def made(report: Any, kind: str = "visitor_left_report", **more: Any) -> Workflow:
    trigger = {"kind": kind, "report": report.id}
    return workflows.create({**makers.definition(report, **more), "trigger": trigger})


def look(workflow: Workflow) -> list[tuple[str, str, int]]:
    checks.check(workflow.report_id or "")
    enqueue.enqueue_all()
    return sorted(Run.objects.filter(workflow=workflow).values_list("member", "kind", "entry"))


REFUSED: list[tuple[Any, str, str]] = [
    ({}, "trigger.kind", "missing"),
    ({"kind": "visitor"}, "trigger.kind", "visitor_in_report, visitor_left_report, account_in_report"),
    ({"kind": []}, "trigger.kind", "survey_response"),
    ({"kind": "visitor_left_report"}, "trigger.report", "missing"),
    ({"kind": "visitor_left_report", "report": "rep_none"}, "trigger.report", "no report"),
    ({"kind": "visitor_left_report", "report": ["x"]}, "trigger.report", "no report"),
    ({"kind": "visitor_left_report", "report": "account"}, "trigger.report", "account_in_report, account_left_report"),
    ({"kind": "account_in_report", "report": "visitor"}, "trigger.report", "lists visitors"),
    ({"kind": "account_left_report", "report": "response"}, "trigger.report", "survey_response"),
    ({"kind": "visitor_in_report", "report": "visitor", "survey": "nps"}, "trigger.survey", "not known here"),
    ({"kind": "survey_response"}, "trigger.survey", "missing"),
    ({"kind": "survey_response", "survey": ""}, "trigger.survey", "1 to 255"),
    ({"kind": "survey_response", "survey": 5}, "trigger.survey", "1 to 255"),
    ({"kind": "survey_response", "survey": "nps", "segment": "seg_none"}, "trigger.segment", "no segment"),
    ({"kind": "survey_response", "survey": "nps", "segment": 5}, "trigger.segment", "no segment"),
    ({"kind": "survey_response", "survey": "nps", "report": "response"}, "trigger.report", "not known here"),
]


@pytest.mark.parametrize(("trigger", "path", "sentence"), REFUSED)
def test_a_wrong_trigger_is_refused_by_its_path_and_nothing_is_stored(
    fresh: Warehouse, trigger: dict[str, Any], path: str, sentence: str
) -> None:
    known = {
        "visitor": reports.create({"name": "V"}),
        "account": reports.create({"name": "A", "kind": "account"}),
        "response": reports.create({"name": "R", "kind": "response", "survey": "nps"}),
    }
    given = {**trigger}
    if isinstance(given.get("report"), str) and given["report"] in known:
        given["report"] = known[given["report"]].id
    with pytest.raises(InvalidDefinition) as refusal:
        workflows.create({"name": "T", "trigger": given, "steps": [makers.post()]})
    assert refusal.value.path == path
    assert sentence in refusal.value.message
    assert not Workflow.objects.exists()
    assert len(reports.all_reports()) == 3


def test_a_wrong_definition_on_a_survey_makes_no_report(fresh: Warehouse) -> None:
    trigger = {"kind": "survey_response", "survey": "nps"}
    with pytest.raises(InvalidDefinition):
        workflows.create({"name": "T", "trigger": trigger, "steps": []})
    assert reports.all_reports() == []
    workflow = workflows.create({"name": "T", "trigger": trigger, "steps": [makers.post()]})
    assert workflows.as_dict(workflow)["definition"]["trigger"] == trigger
    assert triggers.report(trigger) == workflow.report_id


def test_a_departure_runs_once_and_those_who_stay_or_enter_start_nothing(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    workflow = made(report)
    activated = activation.activate(workflow.id)
    assert (activated.on_report, activated.will_run) == (2, 0)
    makers.come(fresh, "cid")
    assert look(workflow) == []
    makers.leave(fresh, "ann")
    assert look(workflow) == look(workflow) == [("ann", "out", 1)]
    run = Run.objects.get()
    assert run.input["row"] == {"visitor.id": "ann", "visitor.agent.plan": "free", "times": 1}
    assert (run.input["arrival"]["kind"], run.input["arrival"]["existing"]) == ("out", False)


RETURNS: list[tuple[Any, list[int]]] = [("never", [1]), ("each_return", [1, 2, 3]), ({"every_days": 3}, [1])]


@pytest.mark.parametrize(("policy", "expected"), RETURNS)
def test_who_leaves_again_runs_as_the_policy_says(fresh: Warehouse, policy: Any, expected: list[int]) -> None:
    report = makers.report()
    workflow = made(report, reentry=policy)
    activation.activate(workflow.id)
    for _ in range(3):
        makers.come(fresh, "ann")
        look(workflow)
        makers.leave(fresh, "ann")
        look(workflow)
    assert look(workflow) == [("ann", "out", entry) for entry in expected]


def test_who_left_before_and_leaves_again_runs_once(fresh: Warehouse) -> None:
    report = makers.report()
    checks.check(report.id)
    makers.come(fresh, "ann")
    checks.check(report.id)
    makers.leave(fresh, "ann")
    checks.check(report.id)
    workflow = made(report)
    activation.activate(workflow.id)
    makers.come(fresh, "ann")
    look(workflow)
    makers.leave(fresh, "ann")
    assert look(workflow) == [("ann", "out", 2)]


def test_nobody_of_the_snapshot_can_be_run_as_a_departure(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    workflow = made(report)
    for existing in ("run", {"since": "2026-01-01"}):
        with pytest.raises(Invalid, match="nobody on the report has left it") as refusal:
            activation.activate(workflow.id, existing)
        assert refusal.value.path == "existing"
    assert (Workflow.objects.get().state, Activation.objects.count()) == ("off", 0)
    numbers = activation.numbers(workflow.id, since="2026-01-01")
    assert numbers == {"on_report": 1, "will_run": {"skip": 0, "run": 0, "since": 0}}


def test_resume_asks_about_those_who_left_meanwhile(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    workflow = made(report)
    activation.activate(workflow.id)
    activation.pause(workflow.id)
    makers.leave(fresh, "ann")
    makers.come(fresh, "cid")
    assert look(workflow) == []
    assert activation.numbers(workflow.id) == {"on_report": 2, "will_run": {"skip": 0, "run": 1, "since": None}}
    assert activation.resume(workflow.id, "run").will_run == 1
    assert look(workflow) == [("ann", "out", 1)]


class Died(BaseException):
    """Stands for kill -9."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


PLACES: list[tuple[Any, str]] = [(checks, "_move_on"), (rows, "context"), (enqueue, "_insert"), (Workflow, "save")]


@pytest.mark.parametrize("place", PLACES, ids=[name for _, name in PLACES])
def test_dying_anywhere_neither_loses_nor_repeats_a_departure(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    workflow = made(report)
    activation.activate(workflow.id)
    makers.leave(fresh, "ann", "bob")
    with monkeypatch.context() as patch:
        patch.setattr(*place, die)
        with pytest.raises(Died):
            look(workflow)
    assert look(workflow) == [("ann", "out", 1), ("bob", "out", 1)]


def test_a_workflow_that_turns_from_arrivals_to_departures_runs_for_both(fresh: Warehouse) -> None:
    report = makers.report()
    workflow = made(report, "visitor_in_report")
    activation.activate(workflow.id)
    makers.come(fresh, "ann", "bob")
    assert look(workflow) == [("ann", "in", 1), ("bob", "in", 1)]
    left = {"kind": "visitor_left_report", "report": report.id}
    workflows.save_draft(workflow.id, {**makers.definition(report), "trigger": left})
    with pytest.raises(Invalid, match="has left it"):
        workflows.publish(workflow.id, existing="run")
    workflows.publish(workflow.id)
    makers.leave(fresh, "ann")
    assert look(workflow) == [("ann", "in", 1), ("ann", "out", 1), ("bob", "in", 1)]


def test_what_was_still_to_run_ends_with_its_trigger(fresh: Warehouse) -> None:
    report, accounts = makers.report(), reports.create({"name": "A", "kind": "account"})
    makers.come(fresh, "ann")
    workflow = made(report, "visitor_in_report")
    assert activation.activate(workflow.id, "run").will_run == 1
    other = {"kind": "account_in_report", "report": accounts.id}
    workflows.save_draft(workflow.id, {**makers.definition(report), "trigger": other})
    workflows.publish(workflow.id)
    assert look(workflows.get(workflow.id)) == []


def test_a_departure_is_replayed_as_one(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    workflow = made(report)
    activation.activate(workflow.id)
    makers.leave(fresh, "ann")
    look(workflow)
    Run.objects.update(state=Run.State.SUCCEEDED)
    again = Run.objects.get(pk=replay.replay(Run.objects.get().id, "start"))
    assert (again.kind, again.entry, again.replay) == ("out", 1, 1)
