"""Activation: who is in the snapshot, who runs, and what a crash or a second press changes (nothing)."""

import threading
import time
from typing import Any

import pytest
from django.db import connections as databases

from arrivals import clock
from arrivals.audience import members
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, ledger, watches
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Activation, Workflow
from tests import makers


def ran() -> list[tuple[str, int]]:
    enqueue.enqueue_all()
    return sorted(Run.objects.values_list("member", "entry"))


def test_start_from_now_runs_nobody_of_the_snapshot(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    workflow = makers.workflow(report)
    made = activation.activate(workflow.id, "skip")
    assert (made.on_report, made.will_run, made.done) == (2, 0, True)
    assert watches.as_dict(report.id)["active"]
    assert ran() == []
    makers.come(fresh, "cid")
    checks.check(report.id)
    assert ran() == [("cid", 1)]


def test_run_for_all_runs_each_of_them_once(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, *(f"v{number}" for number in range(7)))
    workflow = makers.workflow(report)
    made = activation.activate(workflow.id, "run")
    assert (made.on_report, made.will_run) == (7, 7)
    assert ran() == [(f"v{number}", 1) for number in range(7)]
    checks.check(report.id)
    assert len(ran()) == 7
    assert Run.objects.first().input["arrival"]["existing"] is True  # type: ignore[union-attr]
    assert Activation.objects.get().done


def test_run_since_runs_those_who_were_not_there_then(fresh: Warehouse) -> None:
    from arrivals.audience import reports, segments

    rules = {"all": [{"any": [{"kind": "track", "name": "x", "times": {"at_least": 2}}]}]}
    report = reports.create({"name": "Twice", "segment": segments.create("Twice", rules).id, "range": {"ever": True}})
    from tests import events

    events.add(fresh, *[("old", "track", "x", clock.now())] * 2, ("new", "track", "x", clock.now()))
    time.sleep(0.02)
    moment = clock.iso(clock.now())
    time.sleep(0.02)
    events.add(fresh, ("new", "track", "x", clock.now()))
    workflow = makers.workflow(report)
    assert activation.numbers(workflow.id, since=moment) == {
        "on_report": 2,
        "will_run": {"skip": 0, "run": 2, "since": 1},
    }
    made = activation.activate(workflow.id, {"since": moment})
    assert (made.on_report, made.will_run) == (2, 1)
    assert ran() == [("new", 1)]


def test_an_arrival_that_another_workflow_has_seen_is_still_in_the_snapshot(fresh: Warehouse) -> None:
    report = makers.report()
    first = makers.workflow(report)
    activation.activate(first.id)
    makers.come(fresh, "ann")
    second = makers.workflow(report)
    assert activation.activate(second.id, "skip").on_report == 1
    assert ran() == [("ann", 1)]
    assert Run.objects.get().workflow_id == first.id


def test_a_visitor_of_the_snapshot_who_returns_does_not_run_but_one_who_had_left_does(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "gone", "there")
    checks.check(report.id)
    makers.leave(fresh, "gone")
    checks.check(report.id)
    workflow = makers.workflow(report)
    each = makers.workflow(report, reentry="each_return")
    activation.activate(workflow.id)
    activation.activate(each.id)
    for _ in range(2):
        makers.leave(fresh, "there", "gone")
        checks.check(report.id)
        makers.come(fresh, "there", "gone")
        checks.check(report.id)
    ran()
    assert sorted(Run.objects.filter(workflow=workflow).values_list("member", "entry")) == [("gone", 2)]
    assert sorted(Run.objects.filter(workflow=each).values_list("member", "entry")) == [
        ("gone", 2),
        ("gone", 3),
        ("there", 2),
        ("there", 3),
    ]


RESUMED: list[tuple[Any, list[str]]] = [("skip", []), ("run", ["late", "soon"]), ("since", ["late"])]


@pytest.mark.parametrize(("existing", "expected"), RESUMED)
def test_resume_asks_again_about_those_who_came_meanwhile(fresh: Warehouse, existing: Any, expected: list[str]) -> None:
    report = makers.report()
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    activation.pause(workflow.id)
    makers.come(fresh, "soon")
    checks.check(report.id)
    time.sleep(0.02)
    moment = clock.iso(clock.now())
    makers.come(fresh, "late")
    assert ran() == []
    checks.check(report.id)
    numbers = activation.numbers(workflow.id, since=moment)
    assert numbers == {"on_report": 2, "will_run": {"skip": 0, "run": 2, "since": 1}}
    made = activation.resume(workflow.id, {"since": moment} if existing == "since" else existing)
    assert made.will_run == len(expected)
    assert [member for member, _ in ran()] == expected
    makers.come(fresh, "after")
    checks.check(report.id)
    assert [member for member, _ in ran()] == sorted([*expected, "after"])


def test_publishing_another_report_asks_for_that_report(fresh: Warehouse) -> None:
    from arrivals.audience import reports

    first, second = makers.report(), reports.create({"name": "All", "range": {"ever": True}})
    workflow = makers.workflow(first)
    activation.activate(workflow.id)
    makers.come(fresh, "ann")
    workflows.save_draft(workflow.id, makers.definition(second))
    moved = workflows.publish(workflow.id, existing="run")
    assert (moved.report_id, moved.state) == (second.id, "on")
    assert ran() == [("ann", 1)]
    assert not watches.as_dict(first.id)["active"]
    assert watches.as_dict(second.id)["active"]


class Died(BaseException):
    """Stands for kill -9."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


@pytest.mark.parametrize(
    "place", ["arrivals.watch.checks.look", "arrivals.watch.ledger.choose", "arrivals.watch.arrivals.last_seq"]
)
def test_an_activation_that_dies_has_not_happened_and_can_be_pressed_again(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    workflow = makers.workflow(report)
    with monkeypatch.context() as patch:
        patch.setattr(place, die)
        with pytest.raises(Died):
            activation.activate(workflow.id, "run")
    assert (Workflow.objects.get().state, Activation.objects.count(), ran()) == ("off", 0, [])
    assert activation.activate(workflow.id, "run").will_run == 2
    assert ran() == [("ann", 1), ("bob", 1)]


def test_two_presses_at_once_activate_once(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    workflow = makers.workflow(report)
    outcomes: list[str] = []

    def press() -> None:
        try:
            activation.activate(workflow.id, "run")
            outcomes.append("on")
        except Conflict:
            outcomes.append("refused")
        finally:
            databases.close_all()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["on", "refused", "refused"]
    assert ran() == [("ann", 1)]


def test_what_is_not_possible_is_refused(fresh: Warehouse) -> None:
    report = makers.report()
    workflow = makers.workflow(report)
    with pytest.raises(NotFound):
        activation.activate("wf_none")
    for wrong in ("all", {"since": "soon"}, {"since": 5}, {}, None, {"since": "2026-01-01", "x": 1}):
        with pytest.raises(Invalid) as refusal:
            activation.activate(workflow.id, wrong)
        assert refusal.value.path.startswith("existing")
    with pytest.raises(Conflict, match="not on"):
        activation.pause(workflow.id)
    with pytest.raises(Conflict, match="not paused"):
        activation.resume(workflow.id)
    assert Workflow.objects.get().state == "off"
    activation.activate(workflow.id)
    with pytest.raises(Conflict, match="on already"):
        activation.activate(workflow.id)
    with pytest.raises(Conflict, match="pause it first"):
        workflows.delete(workflow.id)
    activation.pause(workflow.id)
    with pytest.raises(Conflict, match="resume it"):
        activation.activate(workflow.id)
    workflows.delete(workflow.id)
    assert not watches.as_dict(report.id)["active"]


def test_a_workflow_with_runs_can_be_deleted(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    workflow = makers.workflow(report)
    activation.activate(workflow.id, "run")
    assert ran() == [("ann", 1)]
    activation.pause(workflow.id)
    workflows.delete(workflow.id)
    assert not Run.objects.exists()
    assert ledger.present(report.id, members.of(report)) == 1
