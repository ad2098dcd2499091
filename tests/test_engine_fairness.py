"""Claiming: every workflow has its turn, none more at once than it may, and a runner that is dead or old harms nobody."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.engine import fairness, runner, store
from arrivals.engine.fairness import Waiting
from arrivals.engine.models import Run
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import workflows
from arrivals.workflows.models import Version, Workflow
from tests import makers
from tests.engine import Actions, drop, ended, found, make, until

GIVEN = {"visitor": {"id": "v"}, "row": {}, "account": {}, "arrival": {}}


def due(workflow: Workflow, number: int, name: str, **more: Any) -> None:
    rows = [
        Run(
            workflow=workflow,
            version_id=workflow.version_id or 0,
            member=f"{name}{index}",
            entry=1,
            input={**GIVEN, "visitor": {"id": f"{name}{index}"}},
            **more,
        )
        for index in range(number)
    ]
    Run.objects.bulk_create(rows, batch_size=1000)


def multiply(number: int) -> None:
    """So many more runs like the only one there is."""
    others = [field.column for field in Run._meta.concrete_fields if field.column not in ("id", "member")]
    columns = ", ".join(f'"{one}"' for one in others)
    with store.connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO engine_run (id, member, {columns}) "
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number}) "
            f"SELECT id || n, member || n, {columns} FROM engine_run, numbers"
        )


def take(owner: str = "one", **room: Any) -> list[store.Claimed]:
    return store.claim(owner, lease=timedelta(seconds=15), room=store.Room(**{"free": 100, "each": 100, **room})).runs


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 60),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12),
    st.integers(-1, 12),
)
def test_shares_use_all_the_room_there_is_a_use_for_and_the_least_served_come_first(
    room: int, given_: list[tuple[int, int]], after: int
) -> None:
    waiting = [Waiting(f"wf_{index:02}", active, most) for index, (active, most) in enumerate(given_)]
    shares = fairness.shares(room, waiting, after=f"wf_{after:02}")
    assert sum(shares.values()) == min(room, sum(one.most for one in waiting))
    assert all(shares[name] > 0 for name in shares)
    for one in waiting:
        got = shares.get(one.workflow, 0)
        assert got <= one.most
        if got < one.most:  # it wants more: so nobody was given one while they had more than it
            assert all(
                other.active + shares[other.workflow] - 1 <= one.active + got
                for other in waiting
                if other.workflow in shares
            )


def test_more_workflows_than_room_have_their_turns() -> None:
    waiting = [Waiting(f"wf_{index}", 0, 5) for index in range(5)]
    first = fairness.shares(2, waiting, after="")
    second = fairness.shares(2, waiting, after="wf_1")
    third = fairness.shares(2, waiting, after="wf_3")
    assert (list(first), list(second), list(third)) == (["wf_0", "wf_1"], ["wf_2", "wf_3"], ["wf_4", "wf_0"])


async def test_ten_that_come_after_twenty_thousand_of_another_workflow_do_not_wait_for_them(
    fresh: Warehouse, started: Any
) -> None:
    many, few = await make(members=0), await make(members=0)
    await sync_to_async(due)(many, 1, "a", due=clock.now() - timedelta(hours=1))
    await sync_to_async(multiply)(19_999)

    async def slowly(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {}

    await started(Actions(slowly))
    await asyncio.sleep(0.5)
    await sync_to_async(due)(few, 10, "b")
    began = time.monotonic()

    async def done() -> bool:
        return len(await found(workflow=few, state="succeeded")) == 10

    await until(done, 20)
    left = await sync_to_async(Run.objects.filter(workflow=many, ended_at=None).count)()
    assert left > 10_000, "the many were done first"
    assert time.monotonic() - began < 6  # half a second on a quiet machine


def test_a_workflow_takes_all_the_room_when_it_is_alone(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    due(workflow, 30, "a")
    assert len(take(free=20)) == 20
    assert len(take(free=20)) == 10
    assert take(free=20) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Only SQLite's claims do not wait for the disk.")
def test_what_comes_after_a_claim_is_on_the_disk_before_it_is_told(fresh: Warehouse) -> None:
    def level() -> int:
        with connection.cursor() as cursor:
            return int(cursor.execute("PRAGMA synchronous").fetchone()[0])

    full = level()
    assert full == 2
    due(makers.workflow(makers.report(), makers.post("x")), 1, "v")
    assert len(store.claim("own_a", lease=runner.LEASE, room=store.Room(5, 5)).runs) == 1
    assert level() == full
    with pytest.raises(TypeError):
        store.claim("own_a", lease=None, room=store.Room(5, 5))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        store.claim("own_a", lease=runner.LEASE, room=None)  # type: ignore[arg-type]
    assert level() == full


def test_what_one_does_not_use_of_its_share_goes_to_the_others(fresh: Warehouse) -> None:
    report = makers.report()
    big, small = makers.workflow(report), makers.workflow(report)
    due(big, 50, "a")
    due(small, 3, "b")
    taken = [one.workflow for one in take(free=40)]
    assert (taken.count(big.id), taken.count(small.id)) == (37, 3)


def test_one_workflow_never_has_more_slots_than_its_part_while_others_may_come(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    due(workflow, 200, "a")
    assert len(take(free=120, each=100)) == 100
    assert take(free=20, each=100, active={workflow.id: 100}) == []


@pytest.mark.parametrize("at_once", [1, 3])
async def test_no_more_of_a_workflow_at_once_than_it_says_over_all_runners(
    fresh: Warehouse, started: Any, at_once: int
) -> None:
    def prepared() -> Workflow:
        made = makers.workflow(makers.report(), concurrency=at_once)
        due(made, 24, "a")
        return made

    workflow = await sync_to_async(prepared)()
    now, most, order = 0, 0, []

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        order.append(int(inputs["text"][1:]))
        await asyncio.sleep(0.01)
        now -= 1
        return {}

    await started(Actions(answer))
    await started(Actions(answer))
    assert {run.state for run in await ended(24)} == {"succeeded"}
    assert most == at_once
    assert workflow.concurrency == at_once
    if at_once == 1:
        assert order == sorted(order), "serial means in the order of their arrival"


def test_a_change_of_how_many_at_once_holds_for_the_runs_that_wait(fresh: Warehouse) -> None:
    workflow = makers.workflow(makers.report())
    due(workflow, 9, "a")
    workflows.limit(workflow.id, concurrency=2, flood=None)
    assert len(take()) == 2
    assert take("two") == []
    workflows.limit(workflow.id, concurrency=None, flood=None)
    assert len(take("two")) == 7


async def test_a_dead_runners_runs_are_taken_over_by_another_when_their_leases_end(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner.LEASE.total_seconds() == 15
    monkeypatch.setattr(runner, "LEASE", timedelta(seconds=1.5))
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.2)

    async def stuck(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    await make(members=3)
    dead = Actions(stuck)
    first = await started(dead)

    async def called() -> bool:
        return len(dead.keys) == 3

    await until(called)
    alive = Actions()
    await started(alive)
    await asyncio.sleep(2.2)
    assert alive.keys == [], "a heart that beats keeps its runs"
    await drop(first)
    began = time.monotonic()
    assert {run.state for run in await ended(3)} == {"succeeded"}
    assert time.monotonic() - began < 8
    assert sorted(alive.keys) == sorted(dead.keys)


@pytest.mark.parametrize("hours", [-3, 3])
def test_the_clock_of_one_machine_does_not_take_the_runs_of_another(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    if store.connection.vendor != "postgresql":
        pytest.skip("SQLite has one process, and so one clock.")
    due(makers.workflow(makers.report()), 2, "a")
    assert len(take("one")) == 2
    monkeypatch.setattr(clock, "now", lambda: clock.datetime.now(tz=clock.UTC) + timedelta(hours=hours))
    assert take("two") == []
    store.renew("one", [run.id for run in Run.objects.all()], timedelta(seconds=15))
    assert take("two") == []


async def test_a_runner_leaves_steps_that_it_does_not_know_to_a_newer_one(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow, other = await make(members=2), await make(members=0)
    version = await sync_to_async(Version.objects.get)(pk=workflow.version_id)
    known = version.definition
    strange = {**known, "steps": [{"id": "later", "type": "of_a_later_version"}]}
    await sync_to_async(Version.objects.filter(pk=version.pk).update)(definition=strange)
    await sync_to_async(due)(other, 3, "b")
    old = Actions()
    await started(old)

    async def others_done() -> bool:
        return len(await found(workflow=other, state="succeeded")) == 3

    await until(others_done)
    runs = await found(workflow=workflow)
    assert [(run.state, run.owner, run.error) for run in runs] == [("waiting", "", None)] * 2
    await sync_to_async(Version.objects.filter(pk=version.pk).update)(definition=known)
    newer = Actions()
    await started(newer)

    async def done() -> bool:
        return len(await found(workflow=workflow, state="succeeded")) == 2

    await until(done)
    assert (len(newer.keys), len(old.keys)) == (2, 3)


def test_leases_that_ended_are_due_again_at_once_and_others_are_not(fresh: Warehouse) -> None:
    due(makers.workflow(makers.report()), 2, "a")
    assert len(store.claim("one", lease=timedelta(0), room=store.Room(100, 100)).runs) == 2
    assert len(take("two")) == 2
    assert take("three") == []
    store.release("two")
    assert len(take("three")) == 2
