"""The runner: each step once, whoever dies, is late, or brings something that cannot be stored."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from arrivals import clock
from arrivals.apps import connections
from arrivals.apps.catalogue import Catalogue
from arrivals.apps.models import Connection
from arrivals.engine import replay, runner, runs, store, tasks
from arrivals.engine.models import Run, StepRun
from arrivals.engine.steps import action
from arrivals.errors import AuthorisationExpired, Conflict, Halted, Invalid, NotFound, Permanent, Retryable, Throttled
from arrivals.warehouse.client import Warehouse
from tests import makers
from tests.engine import Actions, drop, ended, found, in_state, make, until, update
from tests.sink import Sink


async def test_every_run_is_executed_once_and_its_steps_see_the_ones_before(fresh: Warehouse, started: Any) -> None:
    second = makers.post("again: {{ steps.tell.text }}", "more")
    await make(makers.post(), second, members=250)
    actions = Actions()
    await started(actions)
    assert {run.state for run in await ended(250)} == {"succeeded"}
    assert max(Counter(actions.keys).values()) == 1
    assert len(actions.keys) == 500
    run = await sync_to_async(runs.get)((await found(member="v7"))[0].id)
    assert [step["outputs"] for step in run["steps"]] == [{"text": "v7"}, {"text": "again: v7"}]
    assert all(step["tries"] == 1 and step["started_at"] <= step["ended_at"] for step in run["steps"])
    assert run["due"] is None


async def test_a_real_call_carries_its_key_and_steps_that_are_settled_are_not_repeated(
    fresh: Warehouse, started: Any
) -> None:
    with Sink() as sink:
        await make(makers.call(f"{sink.url}/a", "a"), makers.call(f"{sink.url}/b", "b"), members=20)
        catalogue = Catalogue()
        await started(catalogue)
        done = await ended(20)
        await catalogue.close()
        assert Counter(call.key for call in sink.calls) == Counter(
            f"{run.id}:{step}" for run in done for step in ("a", "b")
        )
        assert {call.json["visitor"] for call in sink.calls} == {f"v{number}" for number in range(20)}


async def test_a_dead_runners_runs_are_taken_over_and_only_calls_in_flight_repeat(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(seconds=1))
    stuck = asyncio.Event()

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"].startswith("second"):
            await stuck.wait()
        return {}

    await make(makers.post("first"), makers.post("second", "then"), members=5)
    dying = Actions(answer)
    first = await started(dying)

    async def all_in_the_second_step() -> bool:
        return len(dying.keys) == 10

    await until(all_in_the_second_step)
    await drop(first)
    later = Actions()
    await started(later)
    assert {run.state for run in await ended(5)} == {"succeeded"}
    assert sorted(later.keys) == sorted(f"{run.id}:then" for run in await found())


async def test_a_late_runner_writes_nothing_and_does_not_spoil_its_group(fresh: Warehouse, started: Any) -> None:
    gate = asyncio.Event()

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await gate.wait()
        return {}

    await make(members=3)
    actions = Actions(answer)
    await started(actions)

    async def all_called() -> bool:
        return len(actions.keys) == 3

    await until(all_called)
    stolen = (await found(member="v1"))[0]
    await sync_to_async(Run.objects.filter(pk=stolen.pk).update)(owner="somebody else")
    gate.set()
    await ended(2)
    states = {run.member: run.state for run in await found()}
    assert states == {"v0": "succeeded", "v1": "running", "v2": "succeeded"}
    assert await sync_to_async(StepRun.objects.filter(run=stolen).count)() == 0


async def test_what_cannot_be_stored_spoils_only_its_own_run(fresh: Warehouse, started: Any) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"bad": {1, 2}, "text": "a\u0000b"} if inputs["text"] == "v1" else {"text": "ü\u0000"}

    await make(members=3)
    await started(Actions(answer))
    assert [run.state for run in await ended(3)] == ["succeeded"] * 3


async def test_what_can_never_be_stored_fails_its_run_and_is_not_called_again(fresh: Warehouse, started: Any) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        return {1: "keys of JSON are texts"} if inputs["text"] == "v1" else {}  # type: ignore[dict-item]

    await make(makers.post(), makers.post("second", "then"), members=3)
    actions = Actions(answer)
    await started(actions)
    done = {run.member: run for run in await ended(3)}
    assert {member: run.state for member, run in done.items()} == {"v0": "succeeded", "v1": "failed", "v2": "succeeded"}
    assert "cannot be kept as JSON" in done["v1"].error["message"]
    assert len(actions.keys) == 5


async def test_a_step_that_the_database_refuses_fails_its_run_and_is_not_called_again(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store._step

    def refused(one: store.Settled) -> list[Any]:
        if one.outputs == {"text": "v1"}:
            raise ValueError("the database does not take this")
        return real(one)

    monkeypatch.setattr(store, "_step", refused)
    await make(makers.post(), makers.post("second", "then"), members=3)
    actions = Actions()
    await started(actions)
    done = {run.member: run for run in await ended(3)}
    assert {member: run.state for member, run in done.items()} == {"v0": "succeeded", "v1": "failed", "v2": "succeeded"}
    assert "could not be stored" in done["v1"].error["message"]
    assert len(actions.keys) == 5


def gone(*_: Any) -> Any:
    raise OperationalError("the server closed the connection")


async def test_while_the_database_is_away_a_step_waits_to_be_recorded_and_is_not_called_again(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, back = store.recorded, clock.now() + timedelta(seconds=1)

    def away(one: store.Settled) -> bool:
        if clock.now() < back:
            gone()
        monkeypatch.setattr(store, "commit", commit)
        return real(one)

    commit = store.commit
    monkeypatch.setattr(store, "commit", gone)
    monkeypatch.setattr(store, "recorded", away)
    await make(makers.post(), makers.post("second", "then"), members=3)
    actions = Actions()
    await started(actions)
    assert [run.state for run in await ended(3)] == ["succeeded"] * 3
    assert clock.now() > back
    assert set(Counter(actions.keys).values()) == {1}


async def test_what_was_written_though_the_answer_was_lost_is_not_written_again(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = store.commit

    def unanswered(owner: str, group: Any) -> Any:
        monkeypatch.setattr(store, "commit", commit)
        commit(owner, group)
        gone()

    monkeypatch.setattr(store, "commit", unanswered)
    await make(makers.post(), makers.post("second", "then"))
    actions = Actions()
    await started(actions)
    [run] = await ended()
    assert (run.state, len(actions.keys)) == ("succeeded", 2)
    assert await sync_to_async(lambda: [step.tries for step in StepRun.objects.all()])() == [1, 1]
    assert await sync_to_async(tasks.used)() == 2


async def test_a_step_that_cannot_ask_the_database_is_done_again_when_its_lease_has_ended(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = action.rendered

    def once(*given: Any) -> Any:
        monkeypatch.setattr(action, "rendered", real)
        gone()

    monkeypatch.setattr(runner, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(action, "rendered", once)
    await make()
    actions = Actions()
    await started(actions)
    [run] = await ended()
    assert (run.state, len(actions.keys)) == ("succeeded", 1)


async def test_a_step_that_is_longer_than_the_lease_is_not_given_to_another(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(seconds=1.5))
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.2)

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(3)
        return {}

    await make()
    slow, other = Actions(answer), Actions()
    await started(slow)
    await in_state("running")
    await started(other)
    await ended()
    assert (len(slow.keys), other.keys) == (1, [])


async def test_stopping_lets_calls_end_and_gives_back_the_rest(fresh: Warehouse, started: Any) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {}

    await make(members=5)
    actions = Actions(answer)
    one = await started(actions, at_once=2)

    async def two_called() -> bool:
        return len(actions.keys) == 2

    await until(two_called)
    await one.stop()
    assert Counter(run.state for run in await found()) == Counter(succeeded=2, waiting=3)
    one.stop = lambda: asyncio.sleep(0)


FILTER = {"id": "low", "type": "filter", "all": [{"any": [{"left": "{{ row.score }}", "op": "lt", "value": 5}]}]}


async def test_a_filter_ends_a_run_without_doing_what_follows(fresh: Warehouse, started: Any) -> None:
    await make(FILTER, makers.post())
    actions = Actions()
    await started(actions)
    [run] = await ended()
    assert (run.state, actions.keys) == ("filtered", [])


ERRORS: list[tuple[Exception, str, float | None, str]] = [
    (Retryable("It was away."), "scheduled", 300, "retryable"),
    (RuntimeError("a secret detail"), "scheduled", 300, "retryable"),
    (Throttled("Wait.", retry_after=90), "scheduled", 90, "throttled"),
    (Permanent("No."), "failed", None, "permanent"),
    (Halted("Enough."), "halted", None, "halted"),
    (AuthorisationExpired("Reconnect."), "failed", None, "permanent"),  # there is no connection to wait for
]


@pytest.mark.parametrize(("error", "state", "wait", "code"), ERRORS)
async def test_an_error_decides_what_becomes_of_the_run(
    fresh: Warehouse, started: Any, error: Exception, state: str, wait: float | None, code: str
) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        raise error

    await make()
    await started(Actions(answer))
    run = await in_state(state)
    assert run.error["code"] == code
    assert "secret" not in str(run.error)
    if wait is None:
        assert run.due is None
    else:
        assert run.due is not None
        assert abs((run.due - clock.now()).total_seconds() - wait) < 5
    assert (run.ended_at is not None) == (state in {"failed", "halted"})


async def test_a_run_is_tried_six_times_and_then_has_failed(fresh: Warehouse, started: Any) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        raise Retryable("It was away.")

    await make()
    actions = Actions(answer)
    one = await started(actions)
    waits = []
    for number in range(5):
        run = await in_state("scheduled")
        assert run.tries == number + 1
        waits.append(round((run.due - clock.now()).total_seconds() / 60))  # type: ignore[operator]
        await update(due=clock.now(), state="waiting")
        one.wake()

        async def called(wanted: int = number + 2) -> bool:
            return len(actions.keys) == wanted

        await until(called)
    [run] = await ended()
    assert waits == [5, 30, 60, 180, 360]
    assert (run.state, len(actions.keys), len(set(actions.keys))) == ("failed", 6, 1)
    [step] = (await sync_to_async(runs.get)(run.id))["steps"]
    assert (step["status"], step["tries"]) == ("failed", 6)


async def test_a_step_has_its_time_and_no_more(fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "SECONDS", 0.1)

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(5)
        return {}

    await make()
    await started(Actions(answer))
    assert "took longer than" in (await in_state("scheduled")).error["message"]


INPUTS: list[tuple[dict[str, Any], str, str]] = [
    (makers.post("{{ row.missing }}"), "inputs.text", "required, and empty"),
    (makers.call("http://x.example", method="{{ row.missing2 | default: 'DANCE' }}"), "inputs.method", "is not one of"),
]


@pytest.mark.parametrize(("step", "path", "sentence"), INPUTS)
async def test_inputs_that_do_not_fit_fail_the_run_with_their_path(
    fresh: Warehouse, started: Any, step: Any, path: str, sentence: str
) -> None:
    await make(step)
    catalogue = Catalogue()
    await started(catalogue)
    [run] = await ended()
    assert run.state == "failed"
    assert run.error["path"] == path
    assert sentence in run.error["message"]
    await catalogue.close()


async def test_secrets_are_masked_in_the_history(fresh: Warehouse, started: Any) -> None:
    headers = {"Authorization": "Bearer sesame", "X-Api-Key": "k", "X-Plain": "seen"}
    with Sink() as sink:
        await make(makers.call(sink.url, headers=headers, body={"password": "p", "deep": [{"token": "t", "ok": 1}]}))
        catalogue = Catalogue()
        await started(catalogue)
        [run] = await ended()
        await catalogue.close()
        assert sink.calls[0].headers["authorization"] == "Bearer sesame"
    [step] = (await sync_to_async(runs.get)(run.id))["steps"]
    assert step["inputs"]["headers"] == {"Authorization": "••••", "X-Api-Key": "••••", "X-Plain": "seen"}
    assert step["inputs"]["body"] == {"password": "••••", "deep": [{"token": "••••", "ok": 1}]}


async def test_runs_are_held_for_a_stale_connection_and_go_on_with_new_credentials(
    fresh: Warehouse, started: Any
) -> None:
    with Sink() as sink:
        connection = await sync_to_async(connections.create)("webhook", "Mine", {"secret": "first-secret"})
        await make({**makers.call(sink.url), "connection": connection.id}, members=2)
        await sync_to_async(connections.mark_stale)(connection.id, "Reconnect it.")
        catalogue = Catalogue()
        one = await started(catalogue)

        async def both_held() -> bool:
            return len(await found(state="held")) == 2

        await until(both_held)
        assert sink.calls == []
        await sync_to_async(connections.change)(connection.id, fields={"secret": "second-secret"})
        assert (await sync_to_async(Connection.objects.get)()).state == "ok"
        catalogue._known.clear()
        one.wake()
        assert {run.state for run in await ended(2)} == {"succeeded"}
        await catalogue.close()


async def test_replay_from_the_failed_step_keeps_what_succeeded_and_its_keys(fresh: Warehouse, started: Any) -> None:
    broken = True

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"] == "b" and broken:
            raise Permanent("No.")
        return {"done": inputs["text"]}

    await make(makers.post("a", "a"), makers.post("b", "b"))
    actions = Actions(answer)
    one = await started(actions)
    run = await in_state("failed")
    broken = False
    again = await sync_to_async(replay.replay)(run.id, "failed")
    one.wake()
    await in_state("succeeded")
    assert again == run.id
    assert actions.keys == [f"{run.id}:a", f"{run.id}:b", f"{run.id}:b"]


async def test_replay_from_the_start_is_a_new_run_with_new_keys(fresh: Warehouse, started: Any) -> None:
    await make()
    actions = Actions()
    one = await started(actions)
    [run] = await ended()
    again = await sync_to_async(replay.replay)(run.id, "start")
    one.wake()
    await ended(2)
    assert actions.keys == [f"{run.id}:tell", f"{again}:tell"]
    assert (await sync_to_async(runs.get)(again))["replay_of"] == run.id


def test_a_replay_that_makes_no_sense_is_refused(fresh: Warehouse) -> None:
    from asgiref.sync import async_to_sync

    async_to_sync(make)()
    run = Run.objects.get()
    with pytest.raises(NotFound):
        replay.replay("run_none", "start")
    with pytest.raises(Invalid, match="failed"):
        replay.replay(run.id, "middle")
    with pytest.raises(Conflict, match="waiting"):
        replay.replay(run.id, "failed")
    with pytest.raises(Conflict, match="waiting"):
        replay.replay(run.id, "start")
    replay.cancel(run.id)
    assert Run.objects.get().state == "cancelled"
    with pytest.raises(Conflict, match="cancelled"):
        replay.cancel(run.id)
    assert Run.objects.count() == 1


async def test_a_step_that_breaks_inside_fails_its_run_instead_of_being_taken_up_for_ever(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(action, "rendered", broken)
    await make()
    actions = Actions()
    await started(actions)
    [run] = await ended()
    assert (run.state, run.error["code"], actions.keys) == ("failed", "internal_error", [])
