"""Arrivals become runs, once: whatever is repeated, dies, races or fails between."""

from typing import Any

import pytest

from arrivals.audience import rows
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.errors import CheckTimeout
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Activation, Workflow
from tests import makers


class Died(BaseException):
    """Stands for kill -9."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


def on(fresh: Warehouse, **more: Any) -> Workflow:
    workflow = makers.workflow(makers.report(), **more)
    activation.activate(workflow.id)
    return workflow


def arrive(store: Warehouse, workflow: Workflow, *visitors: str) -> None:
    makers.come(store, *visitors)
    checks.check(workflow.report_id or "")


def test_each_arrival_makes_one_run_with_what_its_templates_need(fresh: Warehouse) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, "ann", "bob")
    assert enqueue.enqueue_all() == 2
    assert enqueue.enqueue_all() == 0
    run = Run.objects.get(member="ann")
    assert (run.state, run.entry, run.step) == ("waiting", 1, 0)
    assert run.input["row"] == {"visitor.id": "ann", "visitor.agent.plan": "pro", "times": 1}
    assert run.input["visitor"] == {"id": "ann", "agent": {"plan": "pro"}}
    assert run.input["arrival"]["entry"] == 1
    assert run.input["workflow"] == {"id": workflow.id, "name": "Tell"}


@pytest.mark.parametrize("place", ["rows.context", "enqueue._insert", "Workflow.save"])
def test_dying_before_the_commit_makes_nothing_and_the_next_pass_makes_all(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, "ann", "bob")
    owner: Any = {"rows": rows, "enqueue": enqueue, "Workflow": Workflow}[place.partition(".")[0]]
    with monkeypatch.context() as patch:
        patch.setattr(owner, place.partition(".")[2], die)
        with pytest.raises(Died):
            enqueue.enqueue_all()
    assert not Run.objects.exists()
    assert enqueue.enqueue_all() == 2


def test_a_pass_that_was_overtaken_makes_no_second_run(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, "ann")
    real = rows.context

    def slow(*arguments: Any) -> Any:
        monkeypatch.setattr(rows, "context", real)
        assert enqueue.enqueue_all() == 1  # another runner's whole pass, between this one's reading and writing
        return real(*arguments)

    monkeypatch.setattr(rows, "context", slow)
    assert enqueue.enqueue_all() == 0
    assert Run.objects.count() == 1


def test_a_workflow_paused_meanwhile_makes_nothing_and_keeps_its_place(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, "ann")
    real = rows.context

    def pausing(*arguments: Any) -> Any:
        activation.pause(workflow.id)
        return real(*arguments)

    monkeypatch.setattr(rows, "context", pausing)
    assert enqueue.enqueue_all() == 0
    monkeypatch.setattr(rows, "context", real)
    activation.resume(workflow.id, "run")
    assert enqueue.enqueue_all() == 1


def test_one_reports_trouble_does_not_stop_the_others(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = on(fresh), makers.workflow(makers.report("Other"))
    activation.activate(quick.id)
    makers.come(fresh, "ann")
    for workflow in (slow, quick):
        checks.check(workflow.report_id or "")
    real = rows.context

    def context(report: Any, ids: Any) -> Any:
        if report.id == slow.report_id:
            raise CheckTimeout
        return real(report, ids)

    monkeypatch.setattr(rows, "context", context)
    assert enqueue.enqueue_all() == 1
    assert Run.objects.get().workflow_id == quick.id
    monkeypatch.setattr(rows, "context", real)
    assert enqueue.enqueue_all() == 1


def test_an_activation_goes_on_where_it_died(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "BATCH", 3)
    report = makers.report()
    makers.come(fresh, *(f"v{number}" for number in range(8)))
    workflow = makers.workflow(report)
    assert activation.activate(workflow.id, "run").will_run == 8
    real, calls = rows.context, []

    def context(report_: Any, ids: Any) -> Any:
        calls.append(list(ids))
        if len(calls) == 2:
            raise Died
        return real(report_, ids)

    with monkeypatch.context() as patch:
        patch.setattr(rows, "context", context)
        with pytest.raises(Died):
            enqueue.enqueue_all()
    assert Run.objects.count() == 3
    activation.pause(workflow.id)
    assert enqueue.enqueue_all() == 0  # the rest waits while it is paused
    activation.resume(workflow.id)
    assert enqueue.enqueue_all() == 5
    assert Run.objects.count() == 8
    assert Activation.objects.filter(done=False).count() == 0


def test_runs_keep_the_version_they_were_made_for(fresh: Warehouse) -> None:
    workflow = on(fresh)
    arrive(fresh, workflow, "ann")
    enqueue.enqueue_all()
    workflows.save_draft(workflow.id, {**makers.definition(workflow.report, makers.post("new"))})  # type: ignore[arg-type]
    workflows.publish(workflow.id)
    arrive(fresh, workflow, "bob")
    enqueue.enqueue_all()
    assert [Run.objects.get(member=member).version.number for member in ("ann", "bob")] == [1, 2]


def test_several_returns_in_one_batch_are_told_apart(fresh: Warehouse) -> None:
    workflow = on(fresh, reentry="each_return")
    for _ in range(3):
        arrive(fresh, workflow, "ann")
        makers.leave(fresh, "ann")
        checks.check(workflow.report_id or "")
    assert enqueue.enqueue_all() == 3
    assert [run.input["arrival"]["entry"] for run in Run.objects.order_by("entry")] == [1, 2, 3]
