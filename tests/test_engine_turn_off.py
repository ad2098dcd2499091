"""A workflow that fails nearly always is turned off, with a grace, a switch, and a new start for whoever resumes it."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from arrivals import clock, config
from arrivals.accounts import people
from arrivals.engine import failures, notices, turn_off
from arrivals.engine.models import Failing, Notice, Run
from arrivals.warehouse.client import Warehouse
from arrivals.watch.models import Watch
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import makers

ENTRY = iter(range(1, 10**9))


@pytest.fixture
def workflow(fresh: Warehouse) -> Workflow:
    people.create("ada@example.com", password="a long password", role="admin")
    made = makers.workflow(makers.report())
    activation.activate(made.id)
    return workflows.get(made.id)


@pytest.fixture
def grace(monkeypatch: pytest.MonkeyPatch) -> int:
    changed = dataclasses.replace(config.current(), turn_off_hours=24)
    monkeypatch.setattr(config, "current", lambda: changed)
    return 24


def ran(workflow: Workflow, state: str, number: int = 1, *, at: datetime | None = None, kind: str = "in") -> None:
    """So many runs that ended in a state, and what the engine notes when they failed."""
    moment = at or clock.now()
    for _ in range(number):
        run = Run.objects.create(
            workflow=workflow, version_id=workflow.version_id, member="v", kind=kind, entry=next(ENTRY), state=state,
            due=None, ended_at=None if state in ("held", "scheduled") else moment,
        )  # fmt: skip
        if state == "failed":
            failures.noted([(run.pk, "tell", {"code": "permanent", "message": "No."})])


def look(workflow: Workflow) -> str:
    turn_off.Keeper().look()
    return workflows.get(workflow.id).state


def subjects() -> list[str]:
    return list(Notice.objects.filter(kind="workflow_off").order_by("id").values_list("subject", flat=True))


TABLE: list[tuple[dict[str, int], str]] = [
    ({"failed": 20}, "on"),  # not more than 20
    ({"failed": 21}, "paused"),
    ({"failed": 38, "succeeded": 2}, "paused"),  # 95 %, exactly
    ({"failed": 37, "succeeded": 2}, "on"),
    ({"failed": 30, "filtered": 2}, "on"),  # filtered finished without a failure
    ({"failed": 30, "halted": 2}, "on"),
    ({"failed": 21, "cancelled": 50, "held": 50, "scheduled": 50}, "paused"),  # not finished by themselves
    ({"failed": 10, "cancelled": 50}, "on"),
]


@pytest.mark.parametrize(("ends", "state"), TABLE)
def test_the_rule_is_95_percent_and_more_than_20(workflow: Workflow, ends: dict[str, int], state: str) -> None:
    for one, number in ends.items():
        ran(workflow, one, number)
    assert look(workflow) == state
    assert len(subjects()) == (state == "paused")
    assert not Failing.objects.exists()


def test_it_is_paused_with_the_reason_and_one_notice(workflow: Workflow) -> None:
    ran(workflow, "failed", 25)
    look(workflow)
    look(workflow)
    found = workflows.get(workflow.id)
    assert "25 of the 25 runs" in found.reason
    assert subjects() == ["Tell was turned off: nearly all of its runs fail"]


def test_what_is_older_than_a_week_and_runs_of_a_test_do_not_count(workflow: Workflow) -> None:
    Run.objects.all().delete()
    from arrivals.workflows.models import Activation, Version

    long_ago = clock.now() - timedelta(days=30)
    Activation.objects.update(at=long_ago)
    Version.objects.update(created_at=long_ago)
    ran(workflow, "failed", 15, at=clock.now() - timedelta(days=8))
    ran(workflow, "failed", 15, at=clock.now() - timedelta(days=6))
    ran(workflow, "failed", 15, kind="tst")
    assert look(workflow) == "on"
    ran(workflow, "failed", 6)
    assert look(workflow) == "paused"


def test_whoever_resumes_it_begins_anew(workflow: Workflow) -> None:
    ran(workflow, "failed", 25)
    assert look(workflow) == "paused"
    activation.resume(workflow.id)
    ran(workflow, "failed", 20)
    assert look(workflow) == "on"
    ran(workflow, "failed", 1)
    assert look(workflow) == "paused"


def test_a_new_version_begins_anew(workflow: Workflow) -> None:
    ran(workflow, "failed", 15)
    workflows.save_draft(workflow.id, {**workflow.version.definition, "steps": [makers.post("mended")]})  # type: ignore[union-attr]
    workflows.publish(workflow.id)
    ran(workflow, "failed", 15)
    assert look(workflow) == "on"


def test_with_the_switch_it_stays_on_and_without_it_is_looked_at_again(workflow: Workflow) -> None:
    turn_off.override(workflow.id, True)
    ran(workflow, "failed", 25)
    assert look(workflow) == "on"
    turn_off.override(workflow.id, False)
    assert look(workflow) == "paused"


def test_a_grace_begins_with_a_notice_and_ends_paused(workflow: Workflow, grace: int) -> None:
    ran(workflow, "failed", 25)
    assert look(workflow) == "on"
    ran(workflow, "failed", 1)
    assert look(workflow) == "on"
    assert subjects() == ["Tell will be turned off: nearly all of its runs fail"]
    assert workflows.as_dict(workflows.get(workflow.id))["turn_off"]["at"] is not None
    Workflow.objects.update(off_due=clock.now())
    assert look(workflow) == "paused"
    assert subjects()[1] == "Tell was turned off: nearly all of its runs fail"


def test_a_grace_in_which_it_is_mended_ends_silently(workflow: Workflow, grace: int) -> None:
    ran(workflow, "failed", 25)
    look(workflow)
    ran(workflow, "succeeded", 5)
    Workflow.objects.update(off_due=clock.now())
    assert look(workflow) == "on"
    assert workflows.get(workflow.id).off_due is None
    assert len(subjects()) == 1


def test_killed_before_it_is_judged_the_mark_is_still_there(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(workflow, "failed", 25)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr(notices, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            turn_off.judge(workflow.id)
    assert workflows.get(workflow.id).state == "on"
    assert look(workflow) == "paused"


def test_failures_of_one_cause_are_told_once_an_hour(workflow: Workflow) -> None:
    ran(workflow, "failed", 10)
    run = Run.objects.first()
    assert run is not None
    failures.noted([(run.pk, "other", {"code": "permanent", "message": "No."})])
    found = Notice.objects.filter(kind="run_failed").order_by("id")
    assert [one.subject for one in found] == ["Tell: a run failed at tell", "Tell: a run failed at other"]
    assert ["The run, where it can be replayed:", f"/runs/{run.pk}"] in [line for one in found for line in one.lines]


def test_a_report_that_cannot_be_looked_at_is_told_once(workflow: Workflow) -> None:
    Watch.objects.update(errors=2, error="Too slow.")
    turn_off.tell_of_reports()
    assert not Notice.objects.filter(kind="report_unchecked").exists()
    Watch.objects.update(errors=3)
    turn_off.tell_of_reports()
    Watch.objects.update(errors=7)
    turn_off.tell_of_reports()
    [told] = Notice.objects.filter(kind="report_unchecked")
    assert told.subject == "The report Pro could not be looked at"
    assert told.lines[0][0].startswith("Too slow. It was tried 3 times in a row")
