"""One run or thousands run again: which, from where, on which version, what a preview says, and once."""

from typing import Any

import pytest

from arrivals import clock
from arrivals.engine import replay, replay_preview, replaying
from arrivals.engine.models import BulkReplay, Run, StepRun
from arrivals.engine.program import Program
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import workflows
from arrivals.workflows.models import Workflow
from tests import makers

NO = {"code": "permanent", "message": "The channel is gone."}


def failed(workflow: Workflow, number: int, error: dict[str, Any] = NO, *, state: str = "failed") -> list[Run]:
    """Runs whose first step succeeded and whose second one failed."""
    made, begin = [], Run.objects.filter(workflow=workflow).count()
    for one in range(begin, begin + number):
        member = f"v{one}"
        run = Run.objects.create(
            workflow=workflow, version_id=workflow.version_id, member=member, entry=1, state=state, error=error,
            step=1, due=None, ended_at=clock.now(), input={"visitor": {"id": member}, "row": {}, "account": {}},
        )  # fmt: skip
        for at, (step, status) in enumerate((("first", "succeeded"), ("then", "failed"))):
            StepRun.objects.create(
                run=run, number=at, step=step, status=status, outputs={"text": f"from {member}"},
                started_at=clock.now(), ended_at=clock.now(),
            )  # fmt: skip
        made.append(run)
    return made


@pytest.fixture
def workflow(fresh: Warehouse) -> Workflow:
    return makers.workflow(makers.report(), makers.post(id_="first"), makers.post("{{ steps.first.text }}", "then"))


def bulk(workflow: Workflow, start: str = "failed", version: str = "same", **which: Any) -> BulkReplay:
    return replaying.begin(workflow.id, replaying.choice(start, version, **which), start=start, version=version)


def work() -> int:
    batches = 0
    while replaying.work():
        batches += 1
    return batches


def publish(workflow: Workflow, *steps: dict[str, Any]) -> None:
    assert workflow.version is not None
    workflows.save_draft(workflow.id, {**workflow.version.definition, "steps": list(steps)})
    workflows.publish(workflow.id)


def test_thousands_go_on_from_their_failed_steps_in_batches(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "BATCH", 4)
    failed(workflow, 10)
    failed(workflow, 2, state="halted")
    made = bulk(workflow)
    assert work() == 3
    made.refresh_from_db()
    assert (made.state, made.total, made.replayed, made.refused) == ("done", 10, 10, 0)
    assert Run.objects.filter(state="waiting", step=1, error__isnull=True).count() == 10
    assert Run.objects.count() == 12


def test_a_run_that_fails_again_meanwhile_is_not_replayed_again(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "BATCH", 2)
    failed(workflow, 5)
    made = bulk(workflow)
    replaying.work()
    Run.objects.filter(state="waiting").update(state="failed", ended_at=clock.now())  # at once
    failed(workflow, 1)  # and another one, that nobody asked for
    work()
    made.refresh_from_db()
    assert (made.replayed, Run.objects.filter(state="waiting").count()) == (5, 3)


def test_from_the_start_each_is_a_new_run_once(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "BATCH", 2)
    runs = failed(workflow, 5)
    made = bulk(workflow, "start")
    work()
    made.refresh_from_db()
    assert (made.state, made.replayed) == ("done", 5)
    again = Run.objects.exclude(replay_of="")
    assert sorted(again.values_list("replay_of", flat=True)) == sorted(run.pk for run in runs)
    assert {one.state for one in again} == {"waiting"}
    bulk(workflow, "start")
    work()
    assert Run.objects.filter(replay=2).count() == 5


@pytest.mark.parametrize("start", ["failed", "start"])
def test_killed_within_a_batch_nothing_is_lost_or_replayed_twice(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    failed(workflow, 5)
    made = bulk(workflow, start)
    real, calls = replay.again, 0

    def dying(*arguments: Any) -> str:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as killed:
        killed.setattr(replay, "again", dying)
        with pytest.raises(KeyboardInterrupt):
            replaying.work()
    assert Run.objects.filter(state="waiting").count() == 0
    work()
    made.refresh_from_db()
    assert (made.replayed, Run.objects.filter(state="waiting").count()) == (5, 5)


def test_it_can_be_stopped_and_only_one_is_under_way(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "BATCH", 2)
    failed(workflow, 5)
    made = bulk(workflow)
    replaying.work()
    with pytest.raises(Conflict, match="under way"):
        bulk(workflow)
    assert replaying.stop(workflow.id, made.pk).state == "stopped"
    assert not replaying.work()
    assert Run.objects.filter(state="waiting").count() == 2
    with pytest.raises(Conflict, match="stopped"):
        replaying.stop(workflow.id, made.pk)
    with pytest.raises(NotFound):
        replaying.stop("wf_other", made.pk)
    bulk(workflow)


def test_they_are_chosen_by_error_time_and_name(workflow: Workflow) -> None:
    old = failed(workflow, 2)
    Run.objects.update(ended_at=clock.parse("2026-01-01"))
    new = failed(workflow, 3, {"code": "retryable", "message": "It was away."})

    def found(**which: Any) -> int:
        return replaying.chosen(workflow.id, replaying.choice("failed", "same", **which)).count()

    assert (found(), found(error="retryable"), found(error="channel"), found(error="x")) == (5, 3, 2, 0)
    assert (found(since="2026-02-01"), found(until="2026-02-01")) == (3, 2)
    assert found(runs=[old[0].pk, new[0].pk, "run_none"]) == 2
    for which, path in (
        ({"state": "succeeded"}, "state"),
        ({"since": "yesterday"}, "since"),
        ({"runs": [str(n) for n in range(1001)]}, "runs"),
    ):
        with pytest.raises(Invalid) as refused:
            replaying.choice("failed", "same", **which)
        assert refused.value.path == path
    with pytest.raises(Conflict, match="no such run"):
        bulk(workflow, error="x")


def test_a_preview_says_what_is_sent_again(workflow: Workflow) -> None:
    failed(workflow, 3)
    failed(workflow, 1, {"code": "retryable", "message": "It was away."})
    which = replaying.choice("failed", "same")
    told = replay_preview.preview(workflow.id, which, start="failed", version="same")
    assert (told["runs"], told["will_replay"], told["refused"]) == (4, 4, [])
    assert [(one["code"], one["runs"]) for one in told["errors"]] == [("permanent", 3), ("retryable", 1)]
    assert [(one["id"], one["runs"], one["again"]) for one in told["steps"]] == [("then", 4, 0)]
    assert told["samples"][0] == {"run": told["samples"][0]["run"], "member": "v3", "step": "then", "inputs": {"text": "from v3"}}  # fmt: skip
    told = replay_preview.preview(workflow.id, which, start="start", version="same")
    assert [(one["id"], one["runs"], one["again"]) for one in told["steps"]] == [("first", 4, 4), ("then", 4, 0)]
    assert told["samples"][0]["inputs"] == {"text": "v3"}
    assert Run.objects.filter(state="waiting").count() == 0


def test_the_newest_version_is_taken_where_what_came_before_is_the_same(workflow: Workflow) -> None:
    [run] = failed(workflow, 1)
    publish(workflow, makers.post("other", "first"), makers.post("mended", "then"), makers.post("more", "more"))
    assert replay.replay(run.pk, "failed", "newest") == run.pk
    run.refresh_from_db()
    assert (run.version_id, run.step, run.state) == (workflows.get(workflow.id).version_id, 1, "waiting")


def test_a_newest_version_that_is_too_different_is_refused_with_the_reason(workflow: Workflow) -> None:
    failed(workflow, 2)
    publish(workflow, makers.post(id_="other"), makers.post("mended", "then"))
    failed(workflows.get(workflow.id), 1)  # on the newest version itself
    which = replaying.choice("failed", "newest")
    told = replay_preview.preview(workflow.id, which, start="failed", version="newest")
    assert (told["runs"], told["will_replay"]) == (3, 1)
    assert [one["runs"] for one in told["refused"]] == [2]
    made = bulk(workflow, "failed", "newest")
    work()
    made.refresh_from_db()
    assert (made.replayed, made.refused, len(made.refusals)) == (1, 2, 2)
    assert "other steps before then" in made.refusals[0]["reason"]
    with pytest.raises(Conflict, match="other steps before"):
        replay.replay(made.refusals[0]["run"], "failed", "newest")
    again = replay.replay(made.refusals[0]["run"], "start", "newest")
    assert Run.objects.get(pk=again).version_id == workflows.get(workflow.id).version_id


FILTER = {"id": "low", "type": "filter", "all": [{"any": [{"left": "{{ row.score }}", "op": "lt", "value": 5}]}]}
PATHS = {"id": "which", "type": "paths", "mode": "first", "branches": [{"steps": [makers.post(id_="a")]}]}
FIRST, THEN = makers.post(id_="first"), makers.post(id_="then")
CHANGES: list[tuple[list[Any], str]] = [
    ([FIRST, THEN], ""),
    ([{**FIRST, "inputs": {"text": "x"}}, {**THEN, "action": "other"}, FILTER], ""),
    ([FIRST], "has no step then"),
    ([FIRST, {**FILTER, "id": "then"}], "of another type"),
    ([THEN, FIRST], "other steps before"),
    ([FILTER, FIRST, THEN], "other steps before"),
    ([{**FIRST, "app": "slack"}, THEN], "other steps before"),
    ([{**PATHS, "id": "first"}, THEN], "other steps before"),
    ([FIRST, {**FIRST, "id": "loop", "type": "loop", "over": "{{ row.x }}", "steps": [THEN]}], "other steps before"),
]


@pytest.mark.parametrize(("steps", "reason"), CHANGES)
def test_what_matters_of_a_change(steps: list[Any], reason: str) -> None:
    told = replay.changed(Program({"steps": [FIRST, THEN]}), Program({"steps": steps}), 1)
    assert reason in told
    assert bool(told) == bool(reason)
