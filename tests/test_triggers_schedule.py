"""Schedules start one run for each moment, late ones once, missed and paused ones not at all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, people, workspace
from arrivals.engine import timetables as starting
from arrivals.engine.models import Run
from arrivals.errors import CheckTimeout, InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, timetables, workflows
from arrivals.workflows.models import Timetable, Workflow
from tests import makers

NINE = datetime(2026, 6, 1, 9, tzinfo=UTC)  # a Monday
DAILY = {"kind": "schedule", "every": "day", "at": "09:00"}


def on(at: datetime, **trigger: Any) -> Workflow:
    with clock.standing(at):
        return makers.on(
            {**DAILY, **trigger} if trigger.get("every", "day") == "day" else {"kind": "schedule", **trigger}
        )


def start(at: datetime) -> int:
    with clock.standing(at):
        return starting.start_due()


def members() -> list[str]:
    return list(Run.objects.order_by("id").values_list("member", flat=True))


def test_each_moment_runs_once_and_says_when_it_is(fresh: Warehouse) -> None:
    workspace.change(time_zone="Europe/Berlin")
    on(NINE - timedelta(hours=5))
    moment = NINE - timedelta(hours=2)  # nine in Berlin
    assert start(moment - timedelta(seconds=1)) == 0
    assert [start(moment + timedelta(seconds=second)) for second in (0, 1, 30)] == [1, 0, 0]
    assert start(moment + timedelta(days=1)) == 1
    run = Run.objects.order_by("id")[0]
    assert (run.kind, run.member) == ("sch", "2026-06-01T07:00:00.000Z")
    assert run.input["schedule"] == {
        "at": "2026-06-01T07:00:00.000Z", "local": "2026-06-01T09:00+02:00", "date": "2026-06-01", "time": "09:00",
        "weekday": "Monday", "zone": "Europe/Berlin", "next": "2026-06-02T07:00:00.000Z", "late": False,
    }  # fmt: skip


def test_a_moment_that_was_missed_runs_late_within_an_hour(fresh: Warehouse) -> None:
    workflow = on(NINE - timedelta(hours=1))
    assert start(NINE + timedelta(minutes=59)) == 1
    assert Run.objects.get().input["schedule"]["late"] is True
    assert timetables.as_dict(workflow)["skipped"] == ""


def test_a_moment_that_is_older_is_skipped_and_the_page_says_so(fresh: Warehouse) -> None:
    workflow = on(NINE - timedelta(hours=1))
    assert start(NINE + timedelta(hours=2)) == 0
    told = timetables.as_dict(workflow)
    assert told["skipped"] == "The moment 2026-06-01 09:00 UTC was skipped: nothing was running then."
    assert start(NINE + timedelta(days=1)) == 1


def test_of_many_that_were_missed_the_newest_runs(fresh: Warehouse) -> None:
    workflow = on(NINE, every="15m")
    assert start(NINE + timedelta(hours=3, minutes=5)) == 1
    assert members() == ["2026-06-01T12:00:00.000Z"]
    assert "11 moments from 2026-06-01 09:15 UTC to 2026-06-01 11:45 UTC" in timetables.as_dict(workflow)["skipped"]
    assert start(NINE + timedelta(days=90)) == 1  # more than can be counted
    assert members()[-1] == clock.iso(NINE + timedelta(days=90))


def test_what_passes_while_it_is_paused_is_told_and_does_not_run(fresh: Warehouse) -> None:
    workflow = on(NINE - timedelta(hours=1))
    with clock.standing(NINE - timedelta(minutes=30)):
        activation.pause(workflow.id)
    later = NINE + timedelta(days=2, hours=1)
    assert start(later) == 0
    with clock.standing(later):
        numbers = activation.numbers(workflow.id)
        assert (numbers["missed"], numbers["will_run"]["run"]) == (3, 0)
        assert numbers["said"] == "3 of its moments passed while it was paused; what passed does not run."
        activation.resume(workflow.id)
    assert start(later) == 0
    assert start(NINE + timedelta(days=3)) == 1
    assert members() == [clock.iso(NINE + timedelta(days=3))]


def test_another_time_zone_of_the_workspace_moves_the_next_moment(fresh: Warehouse) -> None:
    workflow = on(NINE - timedelta(hours=8))
    assert Timetable.objects.get().due == NINE
    workspace.change(time_zone="America/New_York")
    start(NINE - timedelta(hours=7))
    assert Timetable.objects.get(workflow=workflow).due == NINE + timedelta(hours=4)
    assert start(NINE) == 0
    assert start(NINE + timedelta(hours=4)) == 1


def test_publishing_another_schedule_moves_it_and_another_trigger_ends_it(fresh: Warehouse) -> None:
    workflow = on(NINE - timedelta(hours=8))
    definition = {"name": "T", "steps": [makers.post("x")]}
    with clock.standing(NINE - timedelta(hours=7)):
        workflows.save_draft(workflow.id, {**definition, "trigger": {"kind": "schedule", "cron": "30 8 * * *"}})
        assert Timetable.objects.get().due == NINE
        workflows.publish(workflow.id)
    assert Timetable.objects.get().due == NINE - timedelta(minutes=30)
    workflows.save_draft(workflow.id, {**definition, "trigger": {"kind": "manual"}})
    workflows.publish(workflow.id)
    assert not Timetable.objects.exists()


class Died(BaseException):
    """Stands for kill -9."""


def test_dying_between_the_run_and_its_note_neither_loses_nor_repeats(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(NINE - timedelta(hours=1))

    def die(*_: Any, **__: Any) -> Any:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(starting.starts, "insert", die)
        with pytest.raises(Died):
            start(NINE)
    assert (start(NINE), start(NINE), len(members())) == (1, 0, 1)


def test_a_row_that_another_runner_moved_on_makes_no_second_run(fresh: Warehouse) -> None:
    workflow = on(NINE - timedelta(hours=1))
    start(NINE)
    Timetable.objects.filter(workflow=workflow).update(due=NINE)  # as seen by one that is late
    start(NINE)
    assert members() == [clock.iso(NINE)]


def each(report: str) -> dict[str, Any]:
    return {"every": "day", "each": {"report": report}}


def test_it_may_run_for_each_who_is_on_a_report_at_that_moment(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = makers.report()
    with clock.standing(NINE - timedelta(days=1)):
        makers.come(fresh, "ann", "bob")
    workflow = on(NINE - timedelta(hours=1), **each(report.id))
    assert [start(NINE), start(NINE)] == [2, 0]
    makers.leave(fresh, "ann")
    assert start(NINE + timedelta(days=1)) == 1
    assert sorted(members()) == ["ann", "bob", "bob"]
    run = Run.objects.get(member="ann")
    assert run.input["row"]["times"] == 1
    assert (run.input["visitor"]["id"], run.input["schedule"]["time"]) == ("ann", "09:00")
    monkeypatch.setattr(starting, "MOST_EACH", 0)
    assert start(NINE + timedelta(days=2)) == 0
    assert timetables.as_dict(workflow)["skipped"].endswith("was skipped: more than 0 are on its report.")
    monkeypatch.undo()
    assert start(NINE + timedelta(days=3)) == 1


def test_when_nobody_can_tell_who_is_on_the_report_it_is_asked_again_within_the_hour(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = makers.report()
    with clock.standing(NINE - timedelta(days=1)):
        makers.come(fresh, "ann")
    on(NINE - timedelta(hours=1), **each(report.id))

    def slow(*_: Any) -> Any:
        raise CheckTimeout("It took too long.")

    with monkeypatch.context() as patch:
        patch.setattr(starting.rows, "some", slow)
        assert start(NINE) == 0
        assert Timetable.objects.get().due == NINE
    assert start(NINE) == 0  # not at once
    starting._later.clear()
    assert start(NINE + timedelta(minutes=1)) == 1


@pytest.mark.parametrize(("wrong", "path"), [([], ""), ({}, ".report"), ({"report": "rep_none"}, ".report")])
def test_it_runs_for_each_only_on_a_report_of_visitors(fresh: Warehouse, wrong: Any, path: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        makers.on({**DAILY, "each": wrong})
    assert refusal.value.path == f"trigger.each{path}"


def test_the_page_and_the_api_tell_the_next_moments(fresh: Warehouse, client: Client) -> None:
    people.create("ada@example.com", password="a long password", role="member")
    client.post("/sign-in", {"email": "ada@example.com", "password": "a long password"})
    workflow = makers.on({"kind": "schedule", "every": "week", "on": "mon", "at": "09:00"})
    shown = client.get(f"/workflows/{workflow.id}").content.decode()
    assert "Every Monday at 09:00" in shown
    assert "the next moment of its schedule makes one" in shown
    assert "Every Monday at 09:00" in client.get("/workflows").content.decode()
    bearer = {"Authorization": f"Bearer {keys.create('k', write=False, by='ada@example.com')[1]}"}
    told = client.get(f"/api/v2/workflows/{workflow.id}/schedule", headers=bearer).json()
    assert (told["zone"], len(told["coming"]), told["said"]) == ("UTC", 3, "Every Monday at 09:00")
