"""Watching accounts: an account arrives with its first event by a visitor of the segment, and leaves when it goes quiet."""

from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import reports
from arrivals.audience.models import Report
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, ledger
from arrivals.watch.models import Arrival
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers


def make_report(within: str = "30d") -> Report:
    return reports.create({"name": "Active", "kind": "account", "range": {"within": within}})


def seen(store: Warehouse, visitor: str, account: str, **ago: float) -> None:
    events.add(store, (visitor, "page", "Home", clock.now() - timedelta(**ago), {}, account))


def stored() -> list[tuple[str, str, int]]:
    return list(Arrival.objects.order_by("id").values_list("member", "kind", "entry"))


def on(report: Report, kind: str = "account_in_report", **more: Any) -> Workflow:
    definition = makers.definition(report, makers.post("{{ account.id }}{{ visitor.id }}"), **more)
    return workflows.create({**definition, "trigger": {"kind": kind, "report": report.id}})


def ran() -> list[tuple[str, int]]:
    enqueue.enqueue_all()
    return sorted(Run.objects.values_list("member", "entry"))


def test_an_account_arrives_once_however_many_visitors_it_has(fresh: Warehouse) -> None:
    report = make_report()
    seen(fresh, "ann", "acme")
    checks.check(report.id)
    seen(fresh, "bob", "acme")
    seen(fresh, "cid", "globex")
    seen(fresh, "dan", "globex")
    result = checks.check(report.id)
    assert (result.on_report, result.entered, result.left) == (2, 1, 0)
    assert checks.check(report.id).entered == 0
    assert stored() == [("globex", "in", 1)]


def test_a_link_of_visitors_changes_nothing_for_accounts(fresh: Warehouse) -> None:
    report = make_report()
    seen(fresh, "anon", "acme")
    checks.check(report.id)
    # Even where an account has the id of a visitor who was linked.
    seen(fresh, "x", "anon")
    checks.check(report.id)
    events.link(fresh, "anon", "ann")
    result = checks.check(report.id)
    assert (result.on_report, result.entered, result.left) == (2, 0, 0)


class Died(BaseException):
    """Stands for kill -9."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


@pytest.mark.parametrize("place", [(checks, "_own"), (checks, "_move_on"), (ledger, "append")])
def test_a_check_that_dies_is_made_good_by_the_next(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    report = make_report()
    checks.check(report.id)
    seen(fresh, "ann", "acme")
    with monkeypatch.context() as patch:
        patch.setattr(*place, die)
        with pytest.raises(Died):
            checks.check(report.id)
    checks.check(report.id)
    checks.check(report.id)
    assert stored() == [("acme", "in", 1)]


def test_a_new_account_starts_its_workflow_once(fresh: Warehouse) -> None:
    report = make_report()
    seen(fresh, "ann", "acme")
    workflow = on(report)
    assert activation.numbers(workflow.id)["will_run"] == {"skip": 0, "run": 1, "since": None}
    activation.activate(workflow.id)
    seen(fresh, "bob", "globex")
    seen(fresh, "cid", "acme")
    checks.check(report.id)
    assert ran() == [("globex", 1)]
    run = Run.objects.get()
    assert (run.kind, run.input["visitor"], run.input["account"]) == ("in", {}, {"id": "globex"})
    assert run.input["row"]["metric.visitors"] == 1
    assert run.input["arrival"]["member"] == "globex"


def test_run_since_runs_the_accounts_that_were_not_there_then(fresh: Warehouse) -> None:
    report = make_report()
    seen(fresh, "ann", "acme", days=5)
    seen(fresh, "bob", "acme", hours=1)
    seen(fresh, "cid", "globex", hours=1)
    workflow = on(report)
    then = clock.iso(clock.now() - timedelta(days=1))
    assert activation.numbers(workflow.id, since=then) == {
        "on_report": 2,
        "will_run": {"skip": 0, "run": 2, "since": 1},
    }
    assert activation.activate(workflow.id, {"since": then}).will_run == 1
    assert ran() == [("globex", 1)]


def test_an_account_gone_quiet_leaves_and_tells_when_it_was_last_seen(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report("7d")
    seen(fresh, "ann", "acme", days=6)
    workflow = on(report, "account_left_report")
    activation.activate(workflow.id)
    assert ran() == []
    later = clock.now() + timedelta(days=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert checks.check(report.id).left == 1
    assert ran() == [("acme", 1)]
    run = Run.objects.get()
    assert (run.kind, run.input["account"]["id"], run.input["arrival"]["kind"]) == ("out", "acme", "out")
    assert clock.parse(run.input["row"]["metric.last_visit"]) < later - timedelta(days=7)
