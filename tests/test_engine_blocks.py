"""Steps with steps inside them, executed by the runner."""

from typing import Any

from asgiref.sync import sync_to_async

from arrivals.accounts import workspace
from arrivals.engine import runs
from arrivals.errors import Permanent, Retryable
from arrivals.warehouse.client import Warehouse
from tests import makers
from tests.engine import Actions, ended, in_state, make, update


def paths(*branches: dict[str, Any], mode: str = "first", id_: str = "split") -> dict[str, Any]:
    return {"id": id_, "type": "paths", "mode": mode, "branches": list(branches)}


def when(op: str, value: int, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{op} {value}",
        "all": [{"any": [{"left": "{{ row.score }}", "op": op, "value": value}]}],
        "steps": list(steps),
    }


async def sent(start: Any, *steps: dict[str, Any], **input_: Any) -> list[str]:
    """The texts that were posted by one run of these steps."""
    texts: list[str] = []

    async def post(inputs: dict[str, Any]) -> dict[str, Any]:
        texts.append(inputs["text"])
        return {"text": inputs["text"]}

    await make(*steps, **input_)
    await start(Actions(post))
    await ended()
    return texts


async def test_the_first_branch_that_holds_is_taken_or_the_fallback(fresh: Warehouse, started: Any) -> None:
    low, high = when("lte", 6, makers.post("low", "low")), when("gte", 0, makers.post("any", "any"))
    other = {"name": "Other", "fallback": True, "steps": [makers.post("other", "other")]}
    assert await sent(started, paths(low, high, other), makers.post("after", "after")) == ["low", "after"]


async def test_all_that_hold_are_taken_in_their_order(fresh: Warehouse, started: Any) -> None:
    low, high = when("lte", 6, makers.post("low", "low")), when("gte", 7, makers.post("high", "high"))
    every = {"name": "Every", "always": True, "steps": [makers.post("every", "every")]}
    other = {"name": "Other", "fallback": True, "steps": [makers.post("other", "other")]}
    assert await sent(started, paths(low, high, every, other, mode="all")) == ["low", "every"]


async def test_a_loop_does_its_steps_for_each_item_with_keys_of_their_own(fresh: Warehouse, started: Any) -> None:
    body = makers.post("{{ loop.number }}/{{ loop.count }} {{ loop.item.name }}", "each")
    loop = {"id": "l", "type": "loop", "over": "{{ row.items }}", "most": 2, "steps": [body]}
    await make(
        loop, makers.post("{{ steps.l.of }}", "last"), row={"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
    )
    actions = Actions()
    await started(actions)
    [run] = await ended()
    assert actions.keys == [f"{run.id}:each:0", f"{run.id}:each:1", f"{run.id}:last"]
    told = await sync_to_async(runs.get)(run.id)
    assert [(one["id"], one["turn"], (one["outputs"] or {}).get("text")) for one in told["steps"]] == [
        ("l", "", None), ("each", "0", "1/2 a"), ("each", "1", "2/2 b"), ("last", "", "3"),
    ]  # fmt: skip


async def test_an_error_branch_handles_what_failed(fresh: Warehouse, started: Any) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"] == "bad":
            raise Permanent("They refused.")
        return {"text": inputs["text"]}

    handler = {"steps": [makers.post("{{ error.step }}: {{ error.message }}", "told")], "then": "go_on"}
    await make({**makers.post("bad", "bad"), "on_error": handler}, makers.post("on", "on"))
    await started(Actions(answer))
    [run] = await ended()
    told = await sync_to_async(runs.get)(run.id)
    assert run.state == "succeeded"
    assert [(one["id"], one["status"]) for one in told["steps"]] == [
        ("bad", "handled"),
        ("told", "succeeded"),
        ("on", "succeeded"),
    ]
    assert told["steps"][1]["outputs"] == {"text": "bad: They refused."}


async def test_an_error_branch_comes_after_the_automatic_tries_unless_it_says_at_once(
    fresh: Warehouse, started: Any
) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        raise Retryable("Not now.")

    await make({**makers.post(), "on_error": {"steps": []}})
    one = await started(Actions(answer))
    assert (await in_state("scheduled")).tries == 1
    await one.stop()
    await update(tries=5, due="2020-01-01T00:00:00Z")
    await started(Actions(answer))
    assert [run.state for run in await ended()] == ["succeeded"]


async def test_a_delay_is_a_row_that_goes_on_when_it_is_due(fresh: Warehouse, started: Any) -> None:
    await make({"id": "wait", "type": "delay", "for": "3d"}, makers.post("after", "after"))
    actions = Actions()
    one = await started(actions)
    run = await in_state("delayed")
    assert (actions.keys, run.owner, round((run.due - run.started_at).total_seconds() / 3600)) == ([], "", 72)
    await one.stop()
    await update(due="2020-01-01T00:00:00Z")
    await started(actions)
    [run] = await ended()
    assert (run.state, actions.keys) == ("succeeded", [f"{run.id}:after"])


async def test_a_delay_until_a_time_of_the_day_is_in_the_zone_of_the_workspace(fresh: Warehouse, started: Any) -> None:
    await sync_to_async(workspace.change)(time_zone="Asia/Kolkata")
    await make({"id": "wait", "type": "delay", "until": "09:00"}, makers.post("after", "after"))
    await started(Actions())
    run = await in_state("delayed")
    assert (run.due.hour, run.due.minute) == (3, 30)
