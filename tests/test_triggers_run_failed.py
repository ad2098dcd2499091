"""Workflows that run on errors: once for each run that failed for good, and never in a circle."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals.engine import execute, replay, starts
from arrivals.engine.models import Run
from arrivals.errors import InvalidDefinition, Permanent, Retryable
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import triggers
from arrivals.workflows.models import Workflow
from tests import makers
from tests.engine import Actions, drop, ended, found, in_state, make, until

Start = Callable[..., Awaitable[Any]]


@sync_to_async
def watching(text: str = "{{ run.name }} {{ run.member }}: {{ run.error.message }}", **more: Any) -> Workflow:
    return makers.on({"kind": "run_failed", **more}, makers.post(text))


async def failing(inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs["text"] in ("v0", "v1"):
        raise Permanent("No such channel.")
    return {"text": inputs["text"]}


async def test_a_run_that_fails_starts_one_run_that_sees_what_went_wrong(fresh: Warehouse, started: Start) -> None:
    workflow = await make(makers.post(), members=2)
    await watching()
    await started(Actions(failing))
    await ended(4)
    failed, told = await found(state="failed"), await found(kind="err")
    assert sorted(one.member for one in told) == sorted(one.id for one in failed)
    seen = next(one.input for one in told if one.member == failed[0].id)
    assert seen["run"] | {"at": "", "link": ""} == {
        "id": failed[0].id, "workflow": workflow.id, "name": "Tell", "member": failed[0].member, "kind": "in",
        "step": "tell", "error": {"code": "action_failed", "message": "No such channel."}, "at": "", "link": "",
    } | {"error": failed[0].error}  # fmt: skip
    assert seen["run"]["link"].endswith(f"/runs/{failed[0].id}")
    assert seen["visitor"] == {"id": failed[0].member}


async def test_only_the_last_of_its_tries_counts_and_a_second_failure_starts_nothing(
    fresh: Warehouse, started: Start
) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"] == "v0":
            raise Retryable("Away.")
        return {}

    await make(makers.post())
    await watching()
    await started(Actions(answer))
    waiting = await in_state("scheduled")
    assert await found(kind="err") == []
    for number in range(2):
        await sync_to_async(Run.objects.filter(pk=waiting.id).update)(tries=5, due="2026-01-01T00:00:00Z")
        await in_state("failed")
        await ended(2)
        if number == 0:
            await sync_to_async(replay.replay)(waiting.id, "failed")
            await in_state("scheduled")
    assert len(await found(kind="err")) == 1


async def test_only_the_workflows_that_are_named_are_watched(fresh: Warehouse, started: Start) -> None:
    first = await make(makers.post())
    other = await make(makers.post())
    await watching(workflows=[other.id])
    await started(Actions(failing))
    await ended(3)
    [told] = await found(kind="err")
    assert told.input["run"]["workflow"] == other.id != first.id


async def test_errors_of_runs_on_errors_start_nothing(fresh: Warehouse, started: Start) -> None:
    """Two of them that fail, one of which calls a workflow that fails too."""

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        raise Permanent("No.")

    await make(makers.post())
    called = await sync_to_async(makers.on)({"kind": "called"})
    await watching()
    await sync_to_async(makers.on)({"kind": "run_failed"}, {"id": "ask", "type": "workflow", "workflow": called.id})
    await started(Actions(answer))
    await ended(4)
    assert {one.state for one in await found()} == {"failed"}
    assert sorted(one.kind for one in await found()) == ["err", "err", "in", "sub"]


async def test_what_follows_is_recorded_with_the_failure_or_not_at_all(
    fresh: Warehouse, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(makers.post())
    await watching()
    one = await started(Actions(failing))
    real = execute.step

    async def step(*arguments: Any) -> Any:
        await real(*arguments)
        await drop_soon()

    async def drop_soon() -> None:
        raise KeyError("died before the commit")

    monkeypatch.setattr(execute, "step", step)
    await until(lambda: _failed())  # what breaks inside is a failure too, and starts the run on errors
    monkeypatch.undo()
    await ended(2)
    await drop(one)
    [told] = await found(kind="err")
    assert told.input["run"]["error"]["code"] == "internal_error"


async def test_trouble_with_the_run_on_errors_does_not_keep_the_failure_from_being_recorded(
    fresh: Warehouse, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise ValueError("broken")

    await make(makers.post())
    await watching()
    monkeypatch.setattr(starts, "insert", broken)
    actions = Actions(failing)
    await started(actions)
    assert (await in_state("failed")).error["message"] == "No such channel."
    assert len(actions.keys) == 1


@pytest.mark.parametrize(("chosen", "path"), [([], ""), ("x", ""), (["wf_none"], "[0]"), ([5], "[0]")])
def test_only_workflows_that_there_are_can_be_watched(fresh: Warehouse, chosen: Any, path: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        triggers.parse({"kind": "run_failed", "workflows": chosen})
    assert refusal.value.path == f"trigger.workflows{path}"


async def _failed() -> bool:
    return bool(await found(state="failed"))
