"""Connections take so many calls, whoever makes them; who has to wait holds nothing up, and nobody waits for ever."""

import asyncio
import time
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.accounts import keys, people
from arrivals.apps import connections, limits
from arrivals.engine import bucket, gates, store
from arrivals.engine.bucket import Ask, Limits
from arrivals.engine.models import Gate, Run
from arrivals.errors import InvalidConnection, Throttled
from arrivals.warehouse.client import Warehouse
from arrivals.workflows.models import Workflow
from tests import makers
from tests.engine import Actions, drop, ended, found, in_state, until

URL = "https://hooks.slack.com/services/T/B/x"


@sync_to_async
def workflow(number: int, connection: str = "con_x", name: str = "v", **more: Any) -> Workflow:
    made = makers.workflow(makers.report())
    step = {**makers.post(), "connection": connection}
    version = made.version
    assert version is not None
    version.definition = {**version.definition, "steps": [step], **more}
    version.save()
    input_ = {"row": {}, "account": {}, "arrival": {}}
    Run.objects.bulk_create(
        Run(
            workflow=made,
            version=version,
            member=f"{name}{n}",
            entry=1,
            input={**input_, "visitor": {"id": f"{name}{n}"}},
        )
        for n in range(number)
    )
    return made


class Watched(Actions):
    """Notes when calls begin, and how many there are at once."""

    def __init__(self, limits_: Limits, seconds: float = 0.0) -> None:
        super().__init__(limits=limits_)
        self.seconds, self.now, self.most = seconds, 0, 0
        self.began: list[float] = []
        self.texts: list[str] = []

    async def run(self, app: str, action: str, **given_: Any) -> dict[str, Any]:
        self.began.append(time.monotonic())
        self.texts.append(given_["inputs"]["text"])
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.seconds)
            return await super().run(app, action, **given_)
        finally:
            self.now -= 1

    def fullest(self, seconds: float) -> int:
        """The most calls that began in any span of so many seconds."""
        return max(sum(1 for one in self.began if begin <= one < begin + seconds) for begin in self.began)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(1, 5),
    st.integers(0, 4),
    st.lists(st.tuples(st.floats(0, 1.5), st.sampled_from(["a", "b"]), st.sampled_from(["wf_1", "wf_2"])), max_size=60),
)
def test_no_span_of_time_holds_more_calls_than_allowed_and_no_more_are_under_way(
    calls: int, seconds: int, at_once: int, steps: list[tuple[float, str, str]]
) -> None:
    state: dict[str, Any] = {}
    limits_, now = Limits(calls, seconds, at_once), 1_000_000.0
    began: list[float] = []
    inside: dict[str, int] = defaultdict(int)
    for later, owner, of in steps:
        now += later
        freed = inside[owner] // 2
        inside[owner] -= freed
        for wait in bucket.serve(state, limits_, [Ask(of, False)] * 2, owner=owner, freed=freed, took=0.1, now=now):
            assert wait >= 0
            if wait == 0:
                began.append(now)
                inside[owner] += 1
        if at_once:
            # Of one that said nothing for 15 s, the calls are not under way any more.
            recent = sum(hold[0] for hold in state["holds"].values())
            assert recent <= at_once
    for begin in began:
        assert sum(1 for one in began if begin <= one < begin + seconds) <= calls


def test_who_waits_is_told_when_to_come_one_after_the_other_and_each_workflow_has_its_queue() -> None:
    state: dict[str, Any] = {}
    limits_ = Limits(calls=10, seconds=1)

    def ask(of: str, number: int, now: float) -> list[float]:
        return bucket.serve(state, limits_, [Ask(of, True)] * number, owner="a", freed=0, took=None, now=now)

    waits = ask("wf_many", 1000, 5000.0)
    assert waits[:10] == [0.0] * 10
    assert waits[10] <= 1.1
    assert all(later - sooner > 0.1 for sooner, later in pairwise(waits[10:]))
    assert waits[-1] < 115
    few = ask("wf_few", 5, 5000.1)
    assert max(few) < 3, "another workflow does not wait behind the thousand"


def test_nothing_begins_while_the_other_product_asked_to_wait() -> None:
    state: dict[str, Any] = {}
    waits = bucket.serve(
        state, Limits(calls=10), [Ask("wf", True)] * 3, owner="a", freed=0, took=None, now=100.0, closed_until=160.0
    )
    assert min(waits) >= 60


def test_a_clock_that_was_ahead_does_not_close_a_connection_for_ever() -> None:
    state: dict[str, Any] = {}

    def ask(now: float) -> float:
        return bucket.serve(state, Limits(1, 10), [Ask("wf", False)], owner="a", freed=0, took=None, now=now)[0]

    assert ask(1_000_000.0) == 0
    assert ask(5_000.0) == 0


async def test_calls_of_two_workflows_and_two_runners_keep_to_the_limits_of_their_connection(
    fresh: Warehouse, started: Any
) -> None:
    many, few = await workflow(25, name="a"), await workflow(5, name="b")
    actions = Watched(Limits(calls=10, seconds=1, at_once=3), 0.02)
    await started(actions)
    await started(actions)
    assert {run.state for run in await ended(30)} == {"succeeded"}
    assert actions.most <= 3
    # Less than a second, since between the slot and the call there is a moment, longer on a busy machine.
    assert actions.fullest(0.7) <= 10
    last_of_few = max(actions.texts.index(f"b{n}") for n in range(5))
    assert last_of_few < 29, "the few did not wait behind the many"
    assert {run.tries for run in await found(workflow=many)} | {run.tries for run in await found(workflow=few)} == {0}


async def test_a_run_that_has_to_wait_holds_no_slot_and_counts_no_try(fresh: Warehouse, started: Any) -> None:
    await workflow(40)
    actions = Watched(Limits(calls=2, seconds=60))
    one = await started(actions)

    async def put_off() -> bool:
        return len(await found(state="scheduled")) == 38 and not one._active

    await until(put_off, 20)
    waiting = await found(state="scheduled")
    assert {(run.tries, run.connection_id, run.error["code"]) for run in waiting} == {(0, "con_x", "busy")}
    dues = sorted(run.due for run in waiting)
    assert dues[0] > clock.now() + timedelta(seconds=40)
    assert all(later > sooner for sooner, later in pairwise(dues))
    assert len(actions.keys) == 2
    # Other limits hold at once.
    actions._limits = Limits()
    await sync_to_async(gates.changed)("con_x")
    assert {run.state for run in await ended(40)} == {"succeeded"}
    assert len(set(actions.keys)) == len(actions.keys) == 40


async def test_retry_after_is_obeyed_by_every_run_of_the_connection_in_every_runner(
    fresh: Warehouse, started: Any
) -> None:
    waiting = [await workflow(10, name="b"), await workflow(3, connection="con_other", name="c")]
    await sync_to_async(Run.objects.update)(due=None)
    await workflow(1, name="a")
    throttled: list[float] = []

    class Slow(Watched):
        async def run(self, app: str, action: str, **given_: Any) -> dict[str, Any]:
            if not throttled:
                throttled.append(time.monotonic())
                raise Throttled("Wait.", retry_after=5)
            return await super().run(app, action, **given_)

    actions = Slow(Limits())
    await started(actions)
    first = await in_state("scheduled")
    assert (first.tries, first.error["code"]) == (0, "throttled")
    await started(actions)
    await sync_to_async(Run.objects.filter(workflow__in=waiting).update)(due=clock.now())
    assert {run.state for run in await ended(14)} == {"succeeded"}
    assert min(began for began, text in zip(actions.began, actions.texts, strict=True) if text[0] != "c") >= (
        throttled[0] + 5
    )
    assert {text[0] for text in actions.texts[:3]} == {"c"}, "another connection is not closed"
    assert len(actions.keys) == len(set(actions.keys))


async def test_what_a_dead_runner_had_under_way_is_free_again(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arrivals.engine import runner

    monkeypatch.setattr(bucket, "LEASE", 1.0)
    monkeypatch.setattr(runner, "LEASE", timedelta(seconds=1))
    await workflow(3)
    stuck = Watched(Limits(at_once=3), 1000)
    dying = await started(stuck)

    async def called() -> bool:
        return len(stuck.began) == 3

    await until(called)
    await drop(dying)
    alive = Watched(Limits(at_once=3))
    await started(alive)
    assert {run.state for run in await ended(3)} == {"succeeded"}


def test_a_start_alone_forgets_what_was_under_way_but_not_what_was_counted(fresh: Warehouse) -> None:
    asked = {"con_x": (Limits(2, 100, 2), [Ask("wf", True)] * 2, 0, None)}
    assert gates.serve("dead", asked) == {"con_x": [0.0, 0.0]}
    gates.forget()
    state = Gate.objects.get().state
    assert "holds" not in state
    assert sum(state["pieces"].values()) == 2
    store.forget_leases(clock.now())


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([], "limits"),
        ({"calls": -1}, "limits.calls"),
        ({"calls": True}, "limits.calls"),
        ({"seconds": 0}, "limits.seconds"),
        ({"at_once": 1001}, "limits.at_once"),
        ({"per": 1}, "limits.per"),
    ],
)
def test_limits_that_are_none_are_refused_with_their_path(data: Any, path: str) -> None:
    with pytest.raises(InvalidConnection) as refused:
        limits.parse(data)
    assert refused.value.path == path


@pytest.mark.django_db
def test_limits_are_set_over_the_api_and_on_the_page_and_are_the_apps_where_none_are(client: Client) -> None:
    made = connections.create("slack", "Ours", {"webhook_url": URL})
    headers = {"Authorization": f"Bearer {keys.create('k', write=True, by='a')[1]}"}
    path = f"/api/v2/connections/{made.id}"

    def told() -> tuple[Any, Any]:
        answer = client.get(path, headers=headers).json()
        return answer["limits"], answer["limits_set"]

    assert told() == ({"calls": 300, "seconds": 60, "at_once": 20}, False)

    def put(data: Any) -> Any:
        return client.put(path, data, content_type="application/json", headers=headers)

    assert put({"limits": {"calls": 30, "at_once": 5}}).status_code == 200
    assert told() == ({"calls": 30, "seconds": 1, "at_once": 5}, True)
    assert put({"name": "Theirs"}).status_code == 200
    assert told()[1], "what is left out stays"
    wrong = put({"limits": {"calls": "many"}})
    assert (wrong.status_code, wrong.json()["path"]) == (422, "limits.calls")
    assert put({"limits": None}).status_code == 200
    assert told()[1] is False
    admin = Client()
    admin.force_login(people.create("ada@example.com", password="a long password", role="admin"))
    posted = admin.post(f"/connections/{made.id}/limits", {"calls": "7", "seconds": "2", "at_once": ""})
    assert posted.status_code == 302
    assert told() == ({"calls": 7, "seconds": 2, "at_once": 0}, True)
    text = admin.get(f"/connections/{made.id}").content.decode()
    assert 'name="calls" min="0" max="100000" value="7"' in text
    admin.post(f"/connections/{made.id}/limits", {"calls": "", "seconds": "", "at_once": ""})
    assert told()[1] is False
