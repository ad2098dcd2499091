"""A digest: many runs give an entry, one goes on with all of them, each exactly once."""

import asyncio
import threading
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, workspace
from arrivals.engine import digests, replay, runs
from arrivals.engine.models import Digest, DigestEntry, Run
from arrivals.engine.steps.digest import due
from arrivals.erasure import records
from arrivals.errors import InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, definitions, workflows
from arrivals.workflows.models import Workflow
from tests import makers
from tests.engine import Actions, drop, ended, found, make, until

PAST = "2020-01-01T00:00:00Z"
ALL = makers.post("{% for one in steps.d.entries %}{{ one.who }} {% endfor %}of {{ steps.d.count }}")


def digest(**release: Any) -> dict[str, Any]:
    key = release.pop("key", "")
    entry = {"who": "{{ visitor.id }}", "score": "{{ row.score }}"}
    return {"id": "d", "type": "digest", "release": release, "entry": entry, "key": key}


class Texts(Actions):
    """Remembers what was posted."""

    def __init__(self) -> None:
        super().__init__(self.post)
        self.texts: list[str] = []

    async def post(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.texts.append(inputs["text"])
        return {}


@sync_to_async
def gathered(**where: Any) -> int:
    return DigestEntry.objects.filter(**where).count()


async def waiting(number: int) -> list[Run]:
    """When so many runs have given their entry, and none is under way."""

    async def check() -> bool:
        return await gathered() == number and not await found(state__in=("waiting", "running"))

    await until(check)
    return await found(state="delayed")


@sync_to_async
def make_due() -> None:
    Digest.objects.update(due=PAST)
    Run.objects.filter(state="delayed").update(due=PAST)


async def test_the_first_run_waits_and_goes_on_with_the_entries_of_all(fresh: Warehouse, started: Any) -> None:
    await make(digest(every="day"), ALL, members=3)
    apps = Texts()
    one = await started(apps)
    [keeper] = await waiting(3)
    assert apps.texts == []
    assert keeper.due is not None
    assert timedelta(0) < keeper.due - clock.now() <= timedelta(hours=24)
    await make_due()
    one.wake()
    done = await ended(3)
    [text] = apps.texts
    assert sorted(text.split()) == ["3", "of", "v0", "v1", "v2"]
    assert {run.state for run in done} == {"succeeded"}
    for run in done:
        outputs = (await sync_to_async(runs.get)(run.id))["steps"][0]["outputs"]
        if run.id == keeper.id:
            assert (outputs["count"], outputs["left_out"], outputs["entries"][0]["score"]) == (3, 0, 6)
            assert outputs["first_at"] <= outputs["last_at"]
        else:
            assert outputs["sent_by"] == keeper.id


async def test_a_count_releases_at_once_and_the_next_run_opens_another(fresh: Warehouse, started: Any) -> None:
    await make(digest(every="week", count=2), ALL, members=5)
    apps = Texts()
    await started(apps)
    await ended(4)
    assert [text[-4:] for text in apps.texts] == ["of 2", "of 2"]
    assert len(await waiting(5)) == 1


async def test_each_key_has_a_digest_of_its_own(fresh: Warehouse, started: Any) -> None:
    workflow = await make(digest(every="day", key="{{ row.team }}"), ALL, members=2, row={"team": "a"})

    @sync_to_async
    def more() -> None:
        given = {"visitor": {"id": "x"}, "row": {"team": "b"}}
        Run.objects.create(workflow=workflow, version_id=workflow.version_id or 0, member="x", entry=1, input=given)

    await more()
    await started(Texts())
    await waiting(3)
    told = await sync_to_async(digests.waiting)(workflow.id)
    assert [(one["step"], one["key"], one["count"]) for one in told] in (
        [("d", "a", 2), ("d", "b", 1)],
        [("d", "b", 1), ("d", "a", 2)],
    )


@pytest.mark.parametrize("at", range(4))
async def test_a_crash_at_any_moment_neither_loses_nor_repeats_an_entry(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The runner dies right after the step's own transactions, and before it could record anything of them."""
    await make(digest(every="day", count=3), ALL, members=3)
    from arrivals.engine import store

    commit, calls = store.commit, []

    def dies(owner: str, settled: Any) -> Any:
        calls.append(len(settled))
        if len(calls) > at:
            raise ConnectionError("The runner is dead.")
        return commit(owner, settled)

    monkeypatch.setattr(store, "commit", dies)
    apps = Texts()
    one = await started(apps, at_once=1)

    async def died() -> bool:
        return len(calls) > at

    await until(died)
    await drop(one)
    monkeypatch.setattr(store, "commit", commit)
    await sync_to_async(Run.objects.filter(state__in=("running", "failed")).update)(
        state="running", due=PAST, ended_at=None
    )
    await started(apps)
    await ended(3)
    [text] = {" ".join(sorted(one.split())) for one in apps.texts}  # in no order: they may be of one millisecond
    assert text == "3 of v0 v1 v2"
    assert len(set(apps.keys)) == 1
    assert await gathered() == 3


async def test_two_runners_give_each_entry_to_one_digest(fresh: Warehouse, started: Any) -> None:
    await make(digest(every="day", count=10), ALL, members=60)
    apps = Texts()
    await asyncio.gather(*(started(apps, at_once=8) for _ in range(2)))
    await ended(60)
    assert [text.split("of")[1] for text in apps.texts] == [" 10"] * 6
    assert sorted(" ".join(text.split("of")[0] for text in apps.texts).split()) == sorted(f"v{n}" for n in range(60))


async def test_released_by_hand_over_the_api(fresh: Warehouse, started: Any) -> None:
    workflow = await make(digest(every="week"), ALL, members=2)
    apps = Texts()
    await started(apps)
    await waiting(2)

    @sync_to_async
    def ask(method: str, path: str) -> Any:
        secret = keys.create("k", write=True, by="ada@example.com")[1]
        headers = {"Authorization": f"Bearer {secret}"}
        return Client().generic(method, f"/api/v2/workflows/{workflow.id}/digests{path}", headers=headers)

    [told] = (await ask("GET", "")).json()["items"]
    assert (told["step"], told["count"], told["need"]) == ("d", 2, None)
    assert (await ask("POST", "/other/release")).status_code == 404
    assert (await ask("POST", "/d/release?key=x")).status_code == 404
    assert (await ask("POST", "/d/release")).json() == {"released": 1}
    await ended(2)
    assert len(apps.texts) == 1
    assert (await ask("GET", "")).json()["items"] == []


async def test_when_the_keeper_is_cancelled_another_run_keeps_it(fresh: Warehouse, started: Any) -> None:
    await make(digest(every="day"), ALL, members=3)
    apps = Texts()
    one = await started(apps)
    [keeper] = await waiting(3)
    await sync_to_async(replay.cancel)(keeper.id)
    one.wake()

    async def kept() -> bool:
        return bool(await found(state="delayed"))

    await until(kept)
    await make_due()
    one.wake()
    await ended(3)
    assert [text.split("of")[1] for text in apps.texts] == [" 3"]


@pytest.mark.parametrize("full", [2, 3])
@pytest.mark.parametrize("how", ["cancel", "erase"])
async def test_a_keeper_that_ends_when_its_digest_is_full_leaves_all_to_another(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch, full: int, how: str
) -> None:
    """Of two, the other run is the one that made it full, whose end is not recorded yet."""
    await make(digest(count=full), ALL, members=full)
    apps, wake = Texts(), digests.wake

    def ends(woken: Any) -> None:
        monkeypatch.setattr(digests, "wake", wake)
        [keeper] = Run.objects.filter(pk__in=woken, state="delayed")
        if how == "cancel":
            replay.cancel(keeper.id)
        else:
            records.erase("visitor", [keeper.member])
        wake(woken)

    monkeypatch.setattr(digests, "wake", ends)
    await started(apps, at_once=1)
    await ended(full)
    [text] = apps.texts
    assert text.split("of")[1] == f" {full if how == 'cancel' else full - 1}"


async def test_an_erasure_when_the_digest_is_full_takes_out_one_entry(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(digest(count=3), ALL, members=3)
    apps, wake = Texts(), digests.wake

    def erases(woken: Any) -> None:
        monkeypatch.setattr(digests, "wake", wake)
        records.erase("visitor", [Run.objects.filter(state="succeeded")[0].member])
        wake(woken)

    monkeypatch.setattr(digests, "wake", erases)
    await started(apps, at_once=1)
    await ended(3)
    [text] = apps.texts
    assert text.split("of")[1] == " 2"


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="There is one writer at a time, so nobody is in the middle of it."
)
def test_a_keeper_whose_wait_is_being_recorded_is_woken_when_it_is(fresh: Warehouse) -> None:
    workflow, late = makers.workflow(makers.report()), clock.now() + timedelta(days=31)
    run = Run.objects.create(
        workflow=workflow, version_id=workflow.version_id or 0, member="x", entry=1, state="running"
    )
    noted = threading.Event()

    def note() -> None:
        with transaction.atomic():
            Run.objects.filter(pk=run.pk).update(state="delayed", due=late)
            noted.set()
            time.sleep(0.5)
        connection.close()

    noting = threading.Thread(target=note)
    noting.start()
    assert noted.wait(5)
    digests.wake([run.pk])
    noting.join()
    run.refresh_from_db()
    assert run.due is not None
    assert run.due <= clock.now()


async def test_a_paused_workflow_releases_what_it_has(fresh: Warehouse, started: Any) -> None:
    workflow = await make(digest(every="day"), ALL)
    await sync_to_async(activation.activate)(workflow.id)
    apps = Texts()
    one = await started(apps)
    await waiting(1)
    await sync_to_async(activation.pause)(workflow.id)
    await make_due()
    one.wake()
    await ended()
    assert apps.texts == ["v0 of 1"]


async def test_what_an_erased_visitor_gave_is_gone_before_and_after_the_release(fresh: Warehouse, started: Any) -> None:
    await make(digest(every="day"), ALL, members=3)
    apps = Texts()
    one = await started(apps)
    [keeper] = await waiting(3)
    await sync_to_async(records.erase)("visitor", [keeper.member])
    one.wake()

    async def kept() -> bool:
        return bool(await found(state="delayed"))

    await until(kept)
    await make_due()
    one.wake()

    async def sent() -> bool:
        return bool(apps.texts)

    await until(sent)
    await ended(3)
    assert keeper.member not in apps.texts[0]
    assert apps.texts[0].endswith("of 2")
    [heir] = await found(member__startswith="v", state="succeeded", steps__number=1)
    other = next(run.member for run in await found(member__startswith="v") if run.id != heir.id)
    await sync_to_async(records.erase)("visitor", [other])
    assert other not in str(await sync_to_async(runs.get)(heir.id))
    assert await gathered() == 1


async def test_more_entries_than_are_kept_are_counted(
    fresh: Warehouse, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "MOST_ENTRIES", 2)
    await make(digest(count=3), makers.post("{{ steps.d.entries.size }} {{ steps.d.left_out }}"), members=3)
    apps = Texts()
    await started(apps)
    await ended(3)
    assert apps.texts == ["2 1"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("release", "now", "expected"),
    [
        ({"every": "day", "at": "09:00"}, "2026-03-28T07:59:00Z", "2026-03-28T08:00:00Z"),
        ({"every": "day", "at": "09:00"}, "2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"),  # clocks went forward
        ({"every": "day", "at": "02:30"}, "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"),  # there is no 02:30
        ({"every": "day", "at": "02:30"}, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),  # the first of two
        ({"every": "day", "at": "02:30"}, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),  # and not the second
        ({"every": "week", "at": "09:00", "on": "mon"}, "2026-11-25T10:00:00Z", "2026-11-30T08:00:00Z"),
        ({"every": "week", "at": "09:00", "on": "wed"}, "2026-11-25T10:00:00Z", "2026-12-02T08:00:00Z"),
        ({"count": 5}, "2026-11-25T10:00:00Z", "2026-12-26T10:00:00Z"),
    ],
)
def test_when_a_digest_is_due(release: dict[str, Any], now: str, expected: str) -> None:
    workspace.change(time_zone="Europe/Berlin")
    assert due(release, datetime.fromisoformat(now)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("release", "sentence"),
    [
        ({}, "steps[0].release: It says when it is released: every, count, or both."),
        ({"every": "month"}, "steps[0].release.every: It must be one of day, week."),
        ({"every": "day", "at": "9"}, 'steps[0].release.at: It must be a time of the day such as "09:00".'),
        ({"every": "week", "on": "monday"}, "steps[0].release.on: It must be one of mon, tue"),
        ({"every": "day", "on": "mon"}, "steps[0].release.on: It is of no use here"),
        ({"count": 1}, "steps[0].release.count: It must be a whole number from 2 to 1,000."),
    ],
)
def test_what_is_wrong_in_a_definition_is_told(release: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        definitions.Tree().steps([digest(**release)], "steps")
    assert str(caught.value).startswith(sentence)


def test_a_digest_inside_a_loop_is_refused(fresh: Warehouse) -> None:
    loop = {"id": "l", "type": "loop", "over": [1], "steps": [digest(every="day")]}
    with pytest.raises(InvalidDefinition, match="cannot be inside a loop"):
        definitions.validate(makers.definition(makers.report(), loop))


def test_workflows_with_digests_are_deleted_with_them(fresh: Warehouse) -> None:
    workflow: Workflow = makers.workflow(makers.report(), digest(every="day"))
    Digest.objects.create(workflow=workflow, step="d", keeper="run_x", due=clock.now())
    workflows.delete(workflow.id)
    assert Digest.objects.count() == 0
