"""Workflows on a report in a remote Pendo: activation, departure, return, pause and resume as on one of our own."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from arrivals import clock
from arrivals.apps.pendo import client
from arrivals.apps.pendo.origin import Origin
from arrivals.audience import origins
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.errors import CheckTimeout, Conflict, Invalid, ReportReplaced
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, watches
from arrivals.watch.models import Watch
from arrivals.workflows import activation, workflows
from tests import makers
from tests import remote as make
from tests.fake_pendo import FakePendo, slow


@pytest.fixture
def pendo(fresh: Warehouse) -> Iterator[FakePendo]:
    origins.install(Origin())
    with FakePendo() as fake:
        yield fake


def runs() -> list[tuple[str, int]]:
    enqueue.enqueue_all()
    return list(Run.objects.order_by("created_at", "id").values_list("member", "entry"))


def test_the_snapshot_starts_nothing_and_a_later_visitor_runs_once(pendo: FakePendo) -> None:
    report = make.report(pendo)
    workflow = makers.workflow(report)
    pendo.visitors("ann", "bob", score=2)
    assert activation.numbers(workflow.id) == {"on_report": 2, "will_run": {"skip": 0, "run": 2, "since": None}}
    made = activation.activate(workflow.id)
    assert (made.on_report, made.will_run, runs()) == (2, 0, [])
    pendo.visitors("ann", "bob", "cid", score=9, visitor_agent_email="c@acme.example")
    for _ in range(2):
        checks.check(report.id)
    assert runs() == [("cid", 1)]
    seen = Run.objects.get().input
    assert seen["row"]["score"] == 9
    assert seen["visitor"] == {"id": "cid", "agent": {"email": "c@acme.example"}}
    assert seen["account"]["id"] == "acme"
    pendo.visitors("ann", "bob")
    checks.check(report.id)
    pendo.visitors("ann", "bob", "cid")
    checks.check(report.id)
    assert runs() == [("cid", 1)]


def test_all_or_those_since_a_time_run_at_activation(pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", "bob")
    checks.check(report.id)
    first = Watch.objects.get().baseline_at
    assert first is not None
    pendo.visitors("ann", "bob", "cid")
    checks.check(report.id)
    workflow = makers.workflow(report)
    with pytest.raises(Invalid, match="cannot be asked who was on a report in the past"):
        activation.numbers(workflow.id, since=clock.iso(first - timedelta(hours=1)))
    with pytest.raises(Invalid, match="cannot be asked"):
        activation.activate(workflow.id, {"since": clock.iso(first - timedelta(hours=1))})
    later = clock.iso(first + timedelta(milliseconds=2))
    assert activation.numbers(workflow.id, since=later)["will_run"] == {"skip": 0, "run": 3, "since": 1}
    assert activation.activate(workflow.id, {"since": later}).will_run == 1
    assert runs() == [("cid", 1)]
    other = makers.workflow(report)
    assert activation.activate(other.id, "run").will_run == 3
    assert sorted(runs()) == [("ann", 1), ("bob", 1), ("cid", 1), ("cid", 1)]


def test_who_came_while_it_was_paused_is_asked_about_at_resume(pendo: FakePendo) -> None:
    report = make.report(pendo)
    workflow = makers.workflow(report)
    pendo.visitors("ann")
    activation.activate(workflow.id)
    activation.pause(workflow.id)
    pendo.visitors("ann", "bob")
    checks.check(report.id)
    pendo.visitors("ann", "bob", "cid")
    checks.check(report.id)
    pendo.visitors("ann", "cid")
    numbers = activation.numbers(workflow.id)
    assert numbers["will_run"]["run"] == 2
    assert activation.resume(workflow.id, "run").will_run == 2
    assert sorted(runs()) == [("bob", 1), ("cid", 1)]
    assert {run.member: run.input["row"]["accountId"] for run in Run.objects.all()} == {"bob": "acme", "cid": "acme"}


def test_a_changed_id_format_starts_no_run_and_a_new_snapshot_goes_on_from_there(pendo: FakePendo) -> None:
    report = make.report(pendo)
    workflow = makers.workflow(report)
    pendo.visitors(*(f"v{number}" for number in range(50)))
    activation.activate(workflow.id)
    pendo.visitors(*(f"acme:v{number}" for number in range(50)))
    with pytest.raises(ReportReplaced):
        checks.check(report.id)
    assert runs() == []
    checks.check(report.id, accept="snapshot")
    assert runs() == []
    pendo.visitors(*(f"acme:v{number}" for number in range(51)))
    checks.check(report.id)
    assert runs() == [("acme:v50", 1)]


def test_activation_takes_a_replaced_report_as_it_is_when_nobody_waits_for_its_arrivals(pendo: FakePendo) -> None:
    report = make.report(pendo)
    first, second = makers.workflow(report), makers.workflow(report)
    pendo.visitors(*(f"v{number}" for number in range(50)))
    checks.check(report.id)
    pendo.visitors(*(f"w{number}" for number in range(50)))
    with pytest.raises(ReportReplaced):
        checks.check(report.id)
    made = activation.activate(first.id)
    assert (made.on_report, runs()) == (50, [])
    pendo.visitors(*(f"x{number}" for number in range(50)))
    with pytest.raises(ReportReplaced):
        activation.activate(second.id)
    assert workflows.get(second.id).state == "off"


def test_only_timeouts_in_a_row_for_an_hour_turn_the_workflow_off(
    pendo: FakePendo, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make.report(pendo)
    workflow = makers.workflow(report)
    pendo.visitors("ann")
    activation.activate(workflow.id)
    pendo.wrong["results.json"] = slow
    monkeypatch.setattr(client, "SECONDS", 0.1)

    def timed_out(errors: int, since: timedelta) -> str:
        Watch.objects.update(errors=errors - 1, checked_at=clock.now() - since)
        with pytest.raises(CheckTimeout):
            checks.check(report.id)
        return workflows.get(workflow.id).state

    assert timed_out(1, timedelta(hours=5)) == "on"
    assert timed_out(11, timedelta(hours=5)) == "on"
    assert timed_out(12, timedelta(minutes=59)) == "on"
    assert timed_out(12, timedelta(minutes=61)) == "paused"
    assert "make the report's date range shorter in Pendo" in workflows.get(workflow.id).reason
    assert watches.as_dict(report.id)["on_report"] == 1
    pendo.wrong.clear()
    monkeypatch.setattr(client, "SECONDS", 5.0)
    pendo.visitors("ann", "bob")
    assert activation.resume(workflow.id, "run").will_run == 1
    assert runs() == [("bob", 1)]


def test_a_workflow_that_somebody_pauses_at_the_same_moment_keeps_their_pause(pendo: FakePendo) -> None:
    report = make.report(pendo)
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    activation.pause(workflow.id)
    activation.give_up(report.id, "It takes too long.")
    assert workflows.get(workflow.id).reason == ""
    with pytest.raises(Conflict):
        activation.pause(workflow.id)
