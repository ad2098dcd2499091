"""The classes of errors and what each does: at the top, in branches and loops, with an error branch, and try after try."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.apps import connections
from arrivals.engine import masks, runs, store
from arrivals.engine.models import Notice, StepRun
from arrivals.errors import AppError, AuthorisationExpired, Halted, Permanent, Retryable, Throttled
from arrivals.warehouse.client import Warehouse
from tests import makers
from tests.engine import Actions, ended, found, in_state, make, until, update

FAILS = {**makers.post("fail", "fails")}
AFTER = makers.post("after", "after")
PATHS = {
    "id": "which",
    "type": "paths",
    "mode": "first",
    "branches": [{"all": [{"any": [{"left": "1", "op": "is", "value": "1"}]}], "steps": [FAILS]}],
}
LOOP = {"id": "each", "type": "loop", "over": "{{ row.items }}", "steps": [FAILS]}


def handled(then: str = "go_on", tries: bool = True) -> dict[str, Any]:
    return {
        **FAILS,
        "on_error": {"steps": [makers.post("sorry {{ error.code }}", "sorry")], "then": then, "tries": tries},
    }


PLACES: dict[str, list[dict[str, Any]]] = {"top": [FAILS, AFTER], "branch": [PATHS, AFTER], "loop": [LOOP, AFTER]}
# error, state of the run, code, seconds to the next try, and with an error branch: state, and whether that is taken
ERRORS: list[tuple[AppError, str, str, float | None, str, bool]] = [
    (Retryable("It was away."), "scheduled", "retryable", 300, "scheduled", False),
    (Throttled("Wait.", retry_after=90), "scheduled", "throttled", 90, "scheduled", False),
    (Permanent("No."), "failed", "permanent", None, "succeeded", True),
    (Halted("Enough."), "halted", "halted", None, "halted", False),
    (AuthorisationExpired("Signed out."), "held", "authorisation_expired", None, "held", False),
]


def raising(error: AppError) -> Actions:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"] == "fail":
            raise error
        return {"text": inputs["text"]}

    return Actions(answer)


def connected(step: dict[str, Any], connection: str) -> dict[str, Any]:
    """The same with a connection at the step that fails, wherever it stands."""
    if step["id"] == "fails":
        return {**step, "app": "webhook", "action": "send", "connection": connection, "inputs": {"url": "http://x", "text": "fail"}}  # fmt: skip
    inside = {key: [connected(one, connection) for one in step[key]] for key in ("steps",) if key in step}
    branches = [
        {**one, "steps": [connected(each, connection) for each in one["steps"]]} for one in step.get("branches", [])
    ]
    return {**step, **inside, **({"branches": branches} if branches else {})}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("error", "state", "code", "wait", "_state", "_taken"), ERRORS)
async def test_an_error_does_the_same_wherever_its_step_stands(
    fresh: Warehouse,
    started: Any,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: AppError,
    state: str,
    code: str,
    wait: float | None,
    _state: str,
    _taken: bool,
) -> None:
    steps = PLACES[place]
    if isinstance(error, AuthorisationExpired):
        steps = await with_connection(steps, monkeypatch)
    await make(*steps, row={"items": ["a"]})
    actions = raising(error)
    await started(actions)
    run = await in_state(state)
    assert (run.error["code"], len(actions.keys)) == (code, 1)
    assert (run.ended_at is None) == (state in ("scheduled", "held"))
    assert (run.due is None) == (wait is None)
    if run.due is not None and wait is not None:
        assert abs((run.due - clock.now()).total_seconds() - wait) < 5
    step = await sync_to_async(StepRun.objects.get)(run=run, step="fails")
    assert [(one["code"], one["message"]) for one in step.log] == [(code, error.message)]
    assert (step.status, run.held_for) == (state, "connection" if state == "held" else "")
    assert (await sync_to_async(Notice.objects.filter(kind="run_failed").count)()) == (state == "failed")


@pytest.mark.parametrize(("error", "_state", "code", "_wait", "state", "taken"), ERRORS)
async def test_an_error_branch_takes_what_fails_for_good(
    fresh: Warehouse,
    started: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: AppError,
    _state: str,
    code: str,
    _wait: float | None,
    state: str,
    taken: bool,
) -> None:
    steps = [handled(), AFTER]
    if isinstance(error, AuthorisationExpired):
        steps = await with_connection(steps, monkeypatch)
    await make(*steps)
    await started(raising(error))
    run = await in_state(state)
    done = {one.step: one for one in await sync_to_async(list)(StepRun.objects.filter(run=run))}
    assert ("sorry" in done, "after" in done) == (taken, taken)
    assert len(done["fails"].log) == 1
    if taken:
        assert (done["fails"].status, done["sorry"].outputs) == ("handled", {"text": f"sorry {code}"})
    assert not await sync_to_async(Notice.objects.filter(kind="run_failed").exists)()


async def test_an_error_branch_without_tries_takes_what_may_pass_too(fresh: Warehouse, started: Any) -> None:
    await make(handled(tries=False), AFTER)
    await started(raising(Retryable("It was away.")))
    run = await in_state("succeeded")
    assert run.error is None


async def with_connection(steps: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    from arrivals.apps import registry
    from arrivals.engine.steps import action

    connection = await sync_to_async(connections.create)("webhook", "Mine", {"secret": "first-secret"})
    monkeypatch.setattr(action, "rendered", lambda inputs, schema, context: {"text": inputs.get("text")})
    schema = {"type": "object", "properties": {}, "additionalProperties": True}
    monkeypatch.setitem(registry.SCHEMAS, ("webhook", "send"), schema)
    return [connected(step, connection.id) for step in steps]


async def test_each_try_is_kept_with_its_time_and_error_and_one_notice_comes_after_the_last(
    fresh: Warehouse, started: Any
) -> None:
    tried = iter(range(1, 100))

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        raise Retryable(f"It was away, {next(tried)}.")

    await make()
    actions = Actions(answer)
    one = await started(actions)
    for number in range(1, 6):
        run = await in_state("scheduled")
        told = await sync_to_async(runs.get)(run.id)
        assert [line["message"] for line in told["steps"][0]["log"]] == [
            f"It was away, {n}." for n in range(1, number + 1)
        ]
        assert not await sync_to_async(Notice.objects.exists)()
        await update(due=clock.now(), state="waiting")
        one.wake()

        async def called(wanted: int = number + 1) -> bool:
            return len(actions.keys) == wanted

        await until(called)
    [run] = await ended()
    told = await sync_to_async(runs.get)(run.id)
    log = told["steps"][0]["log"]
    assert len(log) == 6
    assert [line["at"] for line in log] == sorted(line["at"] for line in log)
    assert told["meaning"].startswith("The other product did not answer")
    assert await sync_to_async(Notice.objects.count)() == 1


async def test_of_very_many_tries_the_first_and_the_last_are_kept(fresh: Warehouse, started: Any) -> None:
    await make()
    await update(owner="me", state="running")
    [run] = await found()
    now = clock.now()
    for number in range(store.MOST_LOGGED + 10):
        error = {"code": "throttled", "message": str(number)}
        settled = store.Settled(
            run.id, 0, "", "tell", "scheduled", 1, {}, None, error, now, now, "running", 0, "", 0, now
        )
        await sync_to_async(store.commit)("me", [settled])
    step = await sync_to_async(StepRun.objects.get)()
    messages = [line["message"] for line in step.log]
    assert (len(messages), messages[0], messages[-1]) == (store.MOST_LOGGED, "0", str(store.MOST_LOGGED + 9))
    assert step.tries == store.MOST_LOGGED + 10
    done = store.Settled(run.id, 0, "", "tell", "succeeded", 1, {}, {}, None, now, now, "succeeded", 1, "", 0, None)
    await sync_to_async(store.commit)("me", [done])
    step = await sync_to_async(StepRun.objects.get)()
    assert (len(step.log), step.error, step.status) == (store.MOST_LOGGED, None, "succeeded")


MESSAGES: list[tuple[str, str]] = [
    ("Plain words stay.", "Plain words stay."),
    ("a\x00b\n\tc", "a b c"),
    ("lone \ud800 half", "lone ? half"),
    ("Authorization: Bearer abc.def was refused", "Authorization: Bearer •••• was refused"),
    ('{"api_key": "k-123456", "ok": 1}', '{"api_key": "••••", "ok": 1}'),
    ("https://user:sesame@example.com/x?token=abcdef&y=1", "https://user:••••@example.com/x?token=••••&y=1"),
    ("It said sesame-open.", "It said ••••."),
    ("x" * 10_000, "x" * 498 + " …"),
]


@pytest.mark.parametrize(("given", "kept"), MESSAGES)
def test_messages_are_one_line_short_and_without_secrets(given: str, kept: str) -> None:
    assert masks.message(given, ["sesame-open", "s"]) == kept


async def test_an_unreadable_and_huge_error_fails_its_run_only(fresh: Warehouse, started: Any) -> None:
    await make()
    await started(raising_always(Permanent("\ud800\x00" + "password=sesame " + "y" * 2_000_000)))
    [run] = await ended()
    assert run.state == "failed"
    assert "sesame" not in run.error["message"]
    assert len(run.error["message"]) <= masks.LONGEST_MESSAGE


def raising_always(error: AppError) -> Actions:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        raise error

    return Actions(answer)


async def test_a_product_that_repeats_its_secret_does_not_put_it_into_the_history(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from arrivals.apps import catalogue, registry

    async def refused(call: Any) -> dict[str, Any]:
        raise Permanent(f"Wrong signature made with {call.auth['secret']}")

    app = registry.APPS["webhook"]
    broken = tuple(dataclasses.replace(one, run=refused) for one in app.actions)
    monkeypatch.setitem(registry.APPS, "webhook", dataclasses.replace(app, actions=broken))
    connection = await sync_to_async(connections.create)("webhook", "Mine", {"secret": "first-secret"})
    one = catalogue.Catalogue()
    with pytest.raises(Permanent) as raised:
        await one.run("webhook", "send", connection_id=connection.id, inputs={"url": "http://x"}, key="k", context={})
    await one.close()
    assert "first-secret" not in raised.value.message
    assert masks.MASK in raised.value.message
