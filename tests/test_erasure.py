"""The erasure of a person: nothing of it is left, and nobody is started by it."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.accounts.models import AuditEntry
from arrivals.apps.models import InboxMessage
from arrivals.audience import lists, segments
from arrivals.audience.models import Report
from arrivals.collect.event import Field
from arrivals.engine import enqueue, notices
from arrivals.engine.models import Notice, Run, StepRun
from arrivals.erasure import erasures, steps, worker
from arrivals.erasure.models import Erasure
from arrivals.erasure.steps import STEPS
from arrivals.errors import Invalid
from arrivals.warehouse import fields
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.fields import Value
from arrivals.watch import checks
from arrivals.watch.models import Arrival, Watch
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

NAMED = r"\bada\b"  # and not three letters in the middle of a random id


@pytest.fixture
def workflow(fresh: Warehouse) -> Workflow:
    """Ada and Bob came on a report after its workflow was turned on, and both had their run. Ada was "anon" before."""
    report = makers.report()
    made = makers.workflow(report)
    activation.activate(made.id)
    events.link(fresh, "anon-of-ada", "ada")
    events.add(fresh, ("anon-of-ada", "page", "Home of ada", clock.now(), {"email": "ada@example.com"}, "acme"))
    makers.come(fresh, "ada", "bob")
    checks.check(report.id)
    assert enqueue.enqueue_all() == 2
    for run in Run.objects.all():
        now = clock.now()
        text = {"text": f"Hello {run.member}"}
        log = [{"at": clock.iso(now), "code": "retryable", "message": text["text"]}]
        StepRun.objects.create(
            run=run, number=0, step="tell", status="succeeded", inputs=text, outputs=text, log=log, started_at=now,
            ended_at=now,
        )  # fmt: skip
        notices.tell("run_failed", "A run failed", [text["text"]], once=run.id, workflow=made.id, run=run.id)
        InboxMessage.objects.create(key=f"{run.id}:tell", text=text["text"], visitor=run.member, run_id=run.id)
    friends = lists.create("Friends", ["ada", "bob", "anon-of-ada"])
    segments.create("Friends", {"all": [{"any": [{"kind": "list", "list": friends.id}]}]})
    return made


def everything(store: Warehouse) -> str:
    """All that both stores hold, as text."""
    found: list[Any] = [store.query(f"SELECT * FROM {table}") for table in events.TABLES]
    for model in (Arrival, Run, StepRun, Notice, InboxMessage, Erasure, AuditEntry):
        found.append(list(model.objects.values()))
    return json.dumps(found, default=str)


def finish() -> None:
    """Take all steps that are left, the last one too."""
    while worker.work() or Erasure.objects.exclude(due=None).exists():
        Erasure.objects.exclude(due=None).update(due=clock.now() - timedelta(seconds=1))


def assert_erased(store: Warehouse, workflow: Workflow) -> None:
    left = everything(store)
    assert not re.search(NAMED, left)
    assert "acme" not in left
    assert "bob" in left
    assert Arrival.objects.count() == 1
    assert list(Run.objects.exclude(member="bob").values_list("input", "error")) == [({}, None)]
    result = checks.check(workflow.report_id or "")
    assert (result.on_report, result.entered, result.left) == (1, 0, 0)
    assert enqueue.enqueue_all() == 0
    assert Run.objects.count() == 2


def test_nothing_of_a_visitor_is_left_in_either_store(fresh: Warehouse, workflow: Workflow) -> None:
    made = erasures.request("visitor", ["anon-of-ada", "nobody"], by="key:arr_…")
    finish()
    assert_erased(fresh, workflow)
    done = erasures.get(made.id)
    assert (done.state, done.members, done.size, done.error) == ("complete", [], 2, "")
    assert [one.size for one in lists.all_lists()] == [1]


@pytest.mark.parametrize("point", range(len(STEPS)))
def test_it_goes_on_after_a_kill_in_or_after_any_step(fresh: Warehouse, workflow: Workflow, point: int) -> None:
    erasures.request("visitor", ["ada"], by="key:arr_…")
    for _ in range(point):
        assert worker.work()
        Erasure.objects.update(due=clock.now() - timedelta(seconds=1))
    # Killed after the step was done and before that was noted: its claim is still there at the next start.
    begun = Erasure.objects.get()
    STEPS[point](begun)
    Erasure.objects.update(claim="dead", claimed_until=clock.now() + timedelta(hours=1))
    assert not worker.work()
    result = checks.check(workflow.report_id or "")
    assert (result.entered, result.left, enqueue.enqueue_all()) == (0, 0, 0)
    worker.forget_claims()
    finish()
    assert_erased(fresh, workflow)


def test_a_check_at_any_moment_sees_nobody_leave_or_come(fresh: Warehouse, workflow: Workflow) -> None:
    erasures.request("visitor", ["ada"], by="key:arr_…")
    while worker.work():
        result = checks.check(workflow.report_id or "")
        assert (result.entered, result.left) == (0, 0)
    assert Erasure.objects.get().state == "complete"


def test_who_comes_back_afterwards_is_somebody_new(fresh: Warehouse, workflow: Workflow) -> None:
    erasures.request("visitor", ["ada"], by="key:arr_…")
    finish()
    makers.come(fresh, "ada")
    assert checks.check(workflow.report_id or "").entered == 1
    assert enqueue.enqueue_all() == 1
    assert Run.objects.filter(member="ada", entry=1).count() == 1


def test_a_run_that_was_being_made_is_emptied_by_the_last_step(fresh: Warehouse, workflow: Workflow) -> None:
    erasures.request("visitor", ["ada"], by="key:arr_…")
    late = Run.objects.get(member="ada")
    while worker.work():
        pass
    late.pk = None
    late.id, late.replay = "run_late", 1
    late.save(force_insert=True)
    finish()
    emptied = Run.objects.get(pk="run_late")
    assert (emptied.input, emptied.state) == ({}, "cancelled")
    assert not re.search(NAMED, everything(fresh))


def test_a_run_that_has_not_ended_is_cancelled(fresh: Warehouse, workflow: Workflow) -> None:
    erasures.request("visitor", ["ada"], by="key:arr_…")
    finish()
    run = Run.objects.exclude(member="bob").get()
    assert (run.state, run.due, run.owner) == ("cancelled", None, "")
    assert Run.objects.get(member="bob").state == "waiting"


def test_an_account_is_erased_and_its_visitors_stay(fresh: Warehouse, workflow: Workflow) -> None:
    fields.write("account", [Value("acme", Field("custom", "tier", "gold-tier", "string"))])
    events.add(fresh, ("ada", "group", "", clock.now(), {"name": "Acme Incorporated"}, "acme"))
    erasures.request("account", ["acme"], by="key:arr_…")
    finish()
    left = everything(fresh)
    assert not any(word in left for word in ("acme", "Acme", "gold-tier"))
    assert "anon-of-ada" in left
    assert Arrival.objects.count() == 2
    assert checks.check(workflow.report_id or "").left == 0


def test_the_rows_are_gone_from_the_parts_in_use_and_not_only_masked(fresh: Warehouse, workflow: Workflow) -> None:
    erasures.request("visitor", ["ada"], by="key:arr_…")
    finish()
    masked = fresh.query(
        "SELECT count() FROM system.parts WHERE active AND has_lightweight_delete AND database = currentDatabase() AND table = 'events'"
    )
    assert masked == [(0,)]


@pytest.mark.parametrize("members", [None, [], "ada", [""], [7], ["x" * 513], ["x"] * 5001])
def test_a_wrong_request_is_refused_and_nothing_is_kept(fresh: Warehouse, members: Any) -> None:
    with pytest.raises(Invalid) as refused:
        erasures.request("visitor", members, by="key:arr_…", path="visitors")
    assert refused.value.path.startswith("visitors")
    assert not Erasure.objects.exists()


def test_a_response_is_erased_with_its_visitor(fresh: Warehouse) -> None:
    trigger = {"kind": "survey_response", "survey": "nps"}
    made = workflows.create({"name": "Tell", "trigger": trigger, "steps": [makers.post()]})
    activation.activate(made.id)
    report = Report.objects.get(kind="response")
    answer = {"survey": "nps", "score": 3, "reason": "lola says no"}
    events.add(fresh, ("lola", "survey_answered", "nps", clock.now(), answer), ("bob", "track", "x", clock.now()))
    checks.check(report.id)
    assert enqueue.enqueue_all() == 1
    erasures.request("visitor", ["lola"], by="key:arr_…")
    while worker.work():
        result = checks.check(report.id)
        assert (result.entered, result.left) == (0, 0)
    finish()
    assert "lola" not in everything(fresh)
    assert (Arrival.objects.count(), Run.objects.get().input) == (0, {})


def test_who_is_on_a_report_of_a_real_pendo_does_not_come_again(fresh: Warehouse) -> None:
    both = [makers.report("Kept"), makers.report("Gone")]
    for report in both:
        checks.check(report.id)
    makers.come(fresh, "ada", "bob")
    for report in both:
        assert checks.check(report.id).entered == 2
        report.origin = {"connection": "con_x", "report": "R"}
        report.save()
    fresh.insert("remote_rows", [[both[0].id, 1, "ada", "{}"]], ["report_id", "fetch", "member_id", "row"])
    erasures.request("visitor", ["ada"], by="key:arr_…")
    while (step := Erasure.objects.get().step) < 5:
        Watch.objects.all().delete()  # nothing fetches these reports here
        assert worker.work()
        if step == 4:  # as if it had died before that was noted
            steps.delete_records(Erasure.objects.get())
    assert fresh.query("SELECT count() FROM remote_rows") == [(0,)]
    left = fresh.query("SELECT report_id, member_id FROM memberships ORDER BY member_id, report_id")
    assert [one for one in left if one[1] == "ada"] == [(both[0].id, "ada")]
    assert len(left) == 3
