"""Tasks: what is counted, and what happens at the limit of a month."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from arrivals import clock, config
from arrivals.accounts import keys, people, workspace
from arrivals.engine import runner, tasks
from arrivals.engine.models import Notice, Run, TaskCount
from arrivals.errors import Permanent, Retryable
from arrivals.warehouse.client import Warehouse
from tests import makers
from tests.engine import Actions, drop, ended, found, make, until

Limit = Callable[[int], None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    real = config.current()

    def change(number: int) -> None:
        monkeypatch.setattr(config, "current", lambda: dataclasses.replace(real, tasks_a_month=number))

    return change


@sync_to_async
def counted() -> dict[tuple[str, str], int]:
    found_: dict[tuple[str, str], int] = {}
    for one in TaskCount.objects.all():
        key = (one.workflow_id, one.app)
        found_[key] = found_.get(key, 0) + one.count
    return found_


async def test_actions_that_succeed_are_tasks_and_nothing_else_is(fresh: Warehouse, started: Any) -> None:
    only = {
        "id": "only",
        "type": "filter",
        "all": [{"any": [{"left": "{{ visitor.id }}", "op": "is_not", "value": "v0"}]}],
    }
    paths = {
        "id": "ways",
        "type": "paths",
        "mode": "all",
        "branches": [
            {"name": "a", "always": True, "steps": [makers.post("inside", "inside")]},
            {"name": "b", "always": True, "steps": []},
        ],
    }
    wrong = makers.post("wrong {{ visitor.id }}", "wrong")

    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["text"] == "wrong v1":
            raise Permanent("no")
        if inputs["text"] == "wrong v2":
            raise Retryable("later")
        return {}

    workflow = await make(makers.post("first", "first"), only, paths, wrong, members=5)
    await started(Actions(answer))
    await ended(4)

    async def last() -> bool:
        return len(await found(state="scheduled")) == 1

    await until(last)
    # Five firsts, four insides (the filter stopped one), two of the last: one failed, one will be tried again.
    assert await counted() == {(workflow.id, "inbox"): 5 + 4 + 2}


async def test_tasks_are_counted_as_often_as_steps_are_recorded_whoever_dies(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(seconds=0.5))
    workflow = await make(makers.post(), makers.post("b", "b"), makers.post("c", "c"), members=60)
    for number in range(5, 60, 12):
        actions = Actions()
        dying = await started(actions)

        async def some(actions: Actions = actions, number: int = number) -> bool:
            return len(actions.keys) >= number or not await found(ended_at=None)

        await until(some)
        await drop(dying)
    await started(Actions())
    assert {run.state for run in await ended(60)} == {"succeeded"}
    assert await counted() == {(workflow.id, "inbox"): 180}


async def test_at_the_limit_runs_are_held_and_go_on_when_it_is_raised(
    fresh: Warehouse, started: Any, limit: Limit
) -> None:
    await sync_to_async(people.create)("ada@example.com", password="a long password", role="admin")
    limit(10)
    await make(makers.post("a", "a"), makers.post("b", "b"), members=8)
    actions = Actions()
    await started(actions)

    async def stopped() -> bool:
        return len(await found(state="held")) + len(await found(state="succeeded")) == 8 and len(actions.keys) == 10

    await until(stopped, 20)
    held = await found(state="held")
    assert {(run.held_for, run.due, run.error) for run in held} == {("tasks", None, None)}
    assert await sync_to_async(tasks.used)() == 10

    async def told() -> bool:
        kinds = await sync_to_async(lambda: sorted(Notice.objects.values_list("kind", flat=True)))()
        return bool(kinds == ["tasks_100", "tasks_80"])

    await until(told)
    limit(14)

    async def four_more() -> bool:
        return len(actions.keys) == 14 and len(await found(state="held")) == len(await found(ended_at=None))

    await until(four_more)
    limit(0)
    assert {run.state for run in await ended(8)} == {"succeeded"}
    assert len(set(actions.keys)) == len(actions.keys) == 16


async def test_held_runs_go_on_when_the_month_turns_in_the_zone_of_the_workspace(
    fresh: Warehouse, started: Any, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(workspace.change)(time_zone="Pacific/Auckland")
    limit(3)
    moment = datetime(2026, 11, 30, 10, 59, tzinfo=UTC)  # 23:59 in Auckland, where it is summer
    workflow = await make(members=0)
    day = date(2026, 11, 30)
    await sync_to_async(TaskCount.objects.create)(day=day, workflow_id="wf_gone", app="slack", count=3)
    real = clock.now
    shift = moment - real()
    monkeypatch.setattr(clock, "now", lambda: real() + shift)
    run = await sync_to_async(Run.objects.create)(
        workflow=workflow,
        version_id=workflow.version_id,
        member="v",
        entry=1,
        due=None,
        state="held",
        held_for="tasks",
        input={"visitor": {"id": "v"}},
    )
    budget = tasks.Budget()
    await sync_to_async(budget.refresh)()
    assert not budget.begin(makers.post())
    assert (await found(pk=run.pk))[0].state == "held"
    shift += timedelta(minutes=2)
    await sync_to_async(budget.refresh)()
    assert budget.begin(makers.post())
    assert (await found(pk=run.pk))[0].state == "waiting"


@pytest.mark.django_db
def test_a_month_in_figures(client: Client, limit: Limit) -> None:
    limit(100)
    workflow = makers.workflow(makers.report())
    first, _ = tasks.month()
    for shard in (0, 3):
        TaskCount.objects.create(day=first, workflow_id=workflow.id, app="inbox", shard=shard, count=20)
    TaskCount.objects.create(day=first, workflow_id="wf_gone", app="slack", count=7)
    TaskCount.objects.create(day=date(2020, 2, 29), workflow_id=workflow.id, app="inbox", count=5)
    headers = {"Authorization": f"Bearer {keys.create('k', write=False, by='a')[1]}"}
    told = client.get("/api/v2/usage", headers=headers).json()
    assert told == {
        "month": f"{first:%Y-%m}",
        "tasks": 47,
        "limit": 100,
        "left": 53,
        "held": 0,
        "days": [{"day": first.isoformat(), "tasks": 47}],
        "workflows": [
            {"workflow": workflow.id, "name": "Tell", "tasks": 40},
            {"workflow": "wf_gone", "name": None, "tasks": 7},
        ],
        "apps": [{"app": "inbox", "tasks": 40}, {"app": "slack", "tasks": 7}],
    }
    assert client.get("/api/v2/usage?month=2020-02", headers=headers).json()["tasks"] == 5
    wrong = client.get("/api/v2/usage?month=2020-13", headers=headers)
    assert (wrong.status_code, wrong.json()["path"]) == (422, "month")


@pytest.mark.django_db
def test_the_page_of_usage_shows_the_same(client: Client, limit: Limit) -> None:
    limit(50)
    client.force_login(people.create("ada@example.com", password="a long password", role="member"))
    workflow = makers.workflow(makers.report())
    TaskCount.objects.create(day=tasks.month()[0], workflow_id=workflow.id, app="inbox", count=41)
    text = client.get("/settings/usage").content.decode()
    for word in (">41<", "of 50", f"/workflows/{workflow.id}", "Inbox"):
        assert word in text
