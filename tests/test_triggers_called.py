"""Workflows that call others: the run that was called is one, is waited for as a row, and what comes of it comes back."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals.engine import endings, replay
from arrivals.engine.models import Run, StepRun
from arrivals.engine.steps import workflow as calling
from arrivals.errors import InvalidDefinition, Permanent
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import makers
from tests.engine import Actions, drop, ended, found, in_state, make, until

CALLED = {"kind": "called"}
Start = Callable[..., Awaitable[Any]]


def call(workflow: Workflow, id_: str = "ask", **more: Any) -> dict[str, Any]:
    return {"id": id_, "type": "workflow", "workflow": workflow.id, **more}


@sync_to_async
def child(*steps: dict[str, Any]) -> Workflow:
    return makers.on(CALLED, *(steps or [makers.post("{{ visitor.id }} {{ input.word }}")]))


async def run(kind: str = "in") -> Run:
    return (await found(kind=kind))[0]


async def test_it_waits_for_the_run_that_it_called_and_sees_what_came_of_it(fresh: Warehouse, started: Start) -> None:
    asked = await child()
    await make(
        call(asked, inputs={"word": "hi", "score": "{{ row.score }}"}),
        makers.post("{{ steps.ask.state }}: {{ steps.ask.outputs.text }}"),
    )
    await started(Actions())
    await ended(2)
    parent, its = await run(), await run("sub")
    assert (parent.state, its.state, its.workflow_id) == ("succeeded", "succeeded", asked.id)
    assert its.member == f"{parent.id}:ask"
    assert its.input["input"] == {"word": "hi", "score": 6}
    assert its.input["visitor"] == {"id": "v0"}
    steps = {one.step: one async for one in StepRun.objects.filter(run=parent)}
    assert steps["ask"].outputs == {"run": its.id, "state": "succeeded", "outputs": {"text": "v0 hi"}}
    assert steps["ask"].inputs["run"] == its.id
    assert steps["tell"].outputs == {"text": "succeeded: v0 hi"}


async def test_waiting_is_a_row_and_the_end_wakes_it(fresh: Warehouse, started: Start) -> None:
    gate = asyncio.Event()

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await gate.wait()
        return {"text": "done"}

    await make(call(await child()))
    one = await started(Actions(answer))
    waiting = await in_state("delayed")
    await until(lambda: _is(lambda: len(one._active) == 1))
    assert waiting.due is not None
    gate.set()
    await ended(2)  # long before it would look by itself
    assert (await run()).state == "succeeded"


async def test_one_that_is_not_waited_for_goes_its_own_way(fresh: Warehouse, started: Start) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"] == "child":
            raise Permanent("No.")
        return {"text": inputs["text"]}

    await make(call(await child(makers.post("child")), wait=False), makers.post("{{ steps.ask.state }}"))
    await started(Actions(answer))
    await ended(2)
    assert ((await run()).state, (await run("sub")).state) == ("succeeded", "failed")


async def test_one_that_fails_fails_the_step_and_a_replay_calls_anew(fresh: Warehouse, started: Start) -> None:
    broken = True

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if broken:
            raise Permanent("No such channel.")
        return {"text": "well"}

    asked = await child()
    await make(call(asked))
    await started(Actions(answer))
    await ended(2)
    parent = await run()
    assert parent.state == "failed"
    assert parent.error["message"] == "Tell failed: No such channel."
    broken = False
    await sync_to_async(replay.replay)(parent.id, "failed")
    await until(lambda: _is(lambda: Run.objects.filter(state="succeeded").count() == 2))
    assert [one.entry for one in await found(kind="sub")] == [1, 2]
    assert (await run()).state == "succeeded"


async def test_a_runner_that_dies_while_it_calls_calls_once(
    fresh: Warehouse, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was begun, and the step is not recorded."""
    await make(call(await child()))
    real, reached, dead = calling._look, threading.Event(), threading.Event()

    def look(child: str) -> Any:
        if not reached.is_set():
            reached.set()
            dead.wait(10)
        return real(child)

    monkeypatch.setattr(calling, "_look", look)
    one = await started(Actions())
    await until(lambda: _is(reached.is_set))
    await drop(one)
    dead.set()
    await sync_to_async(Run.objects.filter(state="running").update)(due="2026-01-01T00:00:00Z")
    await started(Actions())
    await ended(2)
    assert len(await found(kind="sub")) == 1
    assert (await run()).state == "succeeded"


async def test_an_end_before_it_was_noted_that_one_waits_wakes_it_too(
    fresh: Warehouse, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The called run has ended when the calling one is noted as waiting: its end found nobody to wake."""
    monkeypatch.setattr(endings, "following", lambda run, told: told)
    look, looked = calling._look, 0

    def unready(child: str) -> Any:
        nonlocal looked
        looked += 1
        if looked > 1:
            return look(child)
        Run.objects.filter(pk=child).update(state="succeeded", due=None)
        return "waiting", {}, ""

    monkeypatch.setattr(calling, "_look", unready)
    await make(call(await child()))
    await started(Actions())
    await until(lambda: _is(lambda: Run.objects.get(kind="in").state == "succeeded"))


async def test_calls_are_at_most_five_deep(fresh: Warehouse, started: Start) -> None:
    below = await child()
    for _ in range(5):
        below = await child(call(below))
    await make(call(below))
    await started(Actions())
    await ended(6)
    errors = [one.error["message"] for one in await found(state="failed")]
    assert all("at most 5 deep" in one for one in errors)
    assert len(await found(kind="sub")) == 5


async def test_a_paused_one_is_tried_again_and_one_that_is_off_fails(fresh: Warehouse, started: Start) -> None:
    asked = await child()
    await sync_to_async(activation.pause)(asked.id)
    await make(call(asked))
    await started(Actions())
    assert "is paused" in (await in_state("scheduled")).error["message"]
    await sync_to_async(Workflow.objects.filter(pk=asked.id).update)(state="off")
    await sync_to_async(Run.objects.update)(due="2026-01-01T00:00:00Z")
    assert "is off" in (await in_state("failed")).error["message"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"workflow": "wf_none"}, "steps[0].workflow"),
    ({"workflow": ["x"]}, "steps[0].workflow"),
    ({"inputs": []}, "steps[0].inputs"),
    ({"inputs": {"a b": 1}}, "steps[0].inputs.a b"),
    ({"inputs": {"a": "{{ nothing }}"}}, "steps[0].inputs.a"),
    ({"wait": "no"}, "steps[0].wait"),
]


@pytest.mark.parametrize(("wrong", "path"), REFUSED)
def test_a_wrong_call_is_refused_by_its_path(fresh: Warehouse, wrong: dict[str, Any], path: str) -> None:
    asked = makers.on(CALLED)
    with pytest.raises(InvalidDefinition) as refusal:
        makers.on({"kind": "manual"}, {**call(asked), **wrong})
    assert refusal.value.path == path


def test_only_a_workflow_that_may_be_called_is_and_never_in_a_circle(fresh: Warehouse) -> None:
    with pytest.raises(InvalidDefinition, match="its trigger is not called"):
        makers.on(CALLED, call(makers.on({"kind": "manual"})))
    first = makers.on(CALLED)
    second = makers.on(CALLED, call(first))
    third = makers.on(CALLED, call(second))
    for one in (first, second, third):
        with pytest.raises(InvalidDefinition, match="would call itself") as refusal:
            workflows.save_draft(first.id, {"name": "T", "trigger": CALLED, "steps": [makers.post("x"), call(one)]})
        assert refusal.value.path == "steps[1].workflow"
    workflows.save_draft(third.id, {"name": "T", "trigger": CALLED, "steps": [call(first), call(second, "again")]})


async def _is(check: Callable[[], bool]) -> bool:
    return await sync_to_async(check)()
