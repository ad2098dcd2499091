"""The history: found by state, time, visitor, error and text; counted; as CSV; and forgotten after so many days."""

import csv
import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from arrivals import clock, config, ids
from arrivals.engine import history, replay
from arrivals.engine.history import Filter
from arrivals.engine.models import Run, StepRun
from arrivals.errors import Conflict, Invalid
from arrivals.warehouse.client import Warehouse
from arrivals.workflows.models import Workflow
from tests import makers

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def add(workflow: Workflow, member: str, state: str = "succeeded", *, days: float = 0, **more: Any) -> Run:
    """A run that was made so many days before ``NOW``, and ended in a second."""
    at = NOW - timedelta(days=days)
    ended = None if state in ("waiting", "running", "held", "scheduled", "delayed") else at + timedelta(seconds=1)
    due = at if state in ("waiting", "running", "scheduled", "delayed") else None
    run = Run.objects.create(
        id=ids.at("run", at)[:-6] + ids.new("x")[-6:], workflow=workflow, version_id=workflow.version_id or 0, member=member,
        about=member, entry=1, state=state, created_at=at, started_at=at, ended_at=ended, due=due, input={"visitor": {"id": member}}, **more,
    )  # fmt: skip
    StepRun.objects.create(
        run=run, number=0, step="tell", status="succeeded", started_at=at, ended_at=at,
        inputs={"text": f'Hello "{member}" 100%'}, outputs={"id": f"out_{member}"},
    )  # fmt: skip
    return run


def members(**wanted: Any) -> list[str]:
    return [one["member"] for one in history.page(Filter(**wanted)).items]


@pytest.fixture
def two(fresh: Warehouse) -> tuple[Workflow, Workflow]:
    report = makers.report()
    return makers.workflow(report), makers.workflow(report)


def test_runs_are_found_by_workflow_state_visitor_and_time(two: tuple[Workflow, Workflow]) -> None:
    a, b = two
    add(a, "ann", days=3)
    add(a, "bob", "failed", days=2, error={"code": "permanent", "message": "No such channel."})
    add(b, "ann", "delayed", days=1)
    add(b, "cy", "running", days=0)
    assert members() == ["cy", "ann", "bob", "ann"]
    assert members(workflow=a.id) == ["bob", "ann"]
    assert members(state="failed") == ["bob"]
    assert members(state="running") == ["cy"]
    assert members(state="delayed", workflow=b.id) == ["ann"]
    assert members(visitor="ann") == ["ann", "ann"]
    assert members(since=NOW - timedelta(days=2), until=NOW) == ["ann", "bob"]
    assert history.counts() == {"running": 1, "delayed": 1, "succeeded": 1, "failed": 1}
    assert history.counts(a.id) == {"succeeded": 1, "failed": 1}


def test_runs_are_found_by_their_error_and_by_what_their_steps_said(two: tuple[Workflow, Workflow]) -> None:
    a, _ = two
    add(a, "ann", days=2)
    add(a, "bob", "failed", days=1, error={"code": "permanent", "message": "No such Channel."})
    assert members(error="channel") == members(error="PERMANENT") == ["bob"]
    assert members(text="OUT_ann") == ["ann"]
    assert members(text='hello "bob" 100%') == ["bob"]
    assert members(text="100_") == []
    assert members(text="hello", error="such", state="failed") == ["bob"]


def test_pages_follow_one_another_and_a_search_says_how_far_back_it_looked(
    two: tuple[Workflow, Workflow], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = two
    for number in range(7):
        add(a, f"v{number}", days=number)
    first = history.page(Filter(), limit=3)
    second = history.page(Filter(), limit=3, cursor=first.next or "")
    third = history.page(Filter(), limit=3, cursor=second.next or "")
    assert [one["member"] for page in (first, second, third) for one in page.items] == [f"v{n}" for n in range(7)]
    assert third.next is None
    monkeypatch.setattr(history, "SEARCHED", 3)
    monkeypatch.setattr(history, "CHUNK", 3)
    found = history.page(Filter(text="out_v5"))
    assert (
        found.items,
        found.until is not None and abs(found.until - (NOW - timedelta(days=2))) < timedelta(seconds=1),
    ) == ([], True)
    found = history.page(Filter(text="out_v5"), cursor=found.next or "")
    assert [one["member"] for one in found.items] == ["v5"]


def test_wrong_filters_are_refused_by_name(fresh: Warehouse) -> None:
    for given, path in (({"state": "done"}, "state"), ({"since": "soon"}, "since"), ({"until": "1"}, "until")):
        with pytest.raises(Invalid) as refusal:
            history.read(given)
        assert refusal.value.path == path
    with pytest.raises(Invalid, match="cursor"):
        history.page(Filter(), cursor="x")


def test_the_csv_has_every_run_and_no_formula(two: tuple[Workflow, Workflow], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history.runs, "MOST", 2)
    for number in range(5):
        add(two[0], f"=v{number}", "failed", days=number, error={"code": "permanent", "message": "No."})
    read = list(csv.DictReader(io.StringIO("".join(history.rows(Filter())))))
    assert [row["member"] for row in read] == [f"'=v{n}" for n in range(5)]
    assert {(row["workflow_name"], row["seconds"], row["error"], row["state"]) for row in read} == {
        ("Tell", "1.0", "No.", "failed")
    }


def test_old_runs_are_forgotten_but_that_they_ran_is_not(
    two: tuple[Workflow, Workflow], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = two
    old, young = add(a, "old", days=40), add(a, "young", days=10)
    waits = add(a, "waits", "delayed", days=40)
    monkeypatch.setattr(config, "current", lambda: SimpleNamespace(history_days=30))
    assert history.trim(NOW) == 1
    assert history.trim(NOW) == 0
    assert set(StepRun.objects.values_list("run", flat=True)) == {young.id, waits.id}
    assert set(members()) == {"young", "waits"}
    kept = Run.objects.get(pk=old.id)
    assert (kept.member, kept.input, kept.trimmed) == ("old", {}, True)
    with pytest.raises(Conflict, match="no longer kept"):
        replay.replay(old.id, "start")


@pytest.mark.parametrize(
    "wanted",
    [
        {"state": "failed"},
        {"state": "failed", "workflow": "W"},
        {"workflow": "W"},
        {"visitor": "v"},
        {"state": "running"},
    ],
)
def test_each_kind_of_question_has_an_index(two: tuple[Workflow, Workflow], wanted: dict[str, str]) -> None:
    found = history._matching(Filter(**{k: two[0].id if v == "W" else v for k, v in wanted.items()}))
    if connection.vendor == "sqlite":
        plan = found[:50].explain()
        assert "run_" in plan, plan
        assert "SCAN engine_run" not in plan
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
        assert "Seq Scan on engine_run" not in found[:50].explain()
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = on")


def test_an_id_says_when_it_was_made() -> None:
    before = clock.now()
    id_ = ids.new("run")
    made = ids.moment(id_)
    assert abs(made - before) < timedelta(seconds=5)
    assert ids.at("run", made) <= id_ < ids.at("run", made + timedelta(milliseconds=1))
