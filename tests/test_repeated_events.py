"""An event counts once, however and whenever it is told again; two that only look alike count twice."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from arrivals.collect.event import Event
from arrivals.collect.known import DAYS
from arrivals.collect.writer import Writer
from arrivals.errors import Unavailable
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore

NOW = int(time.time() * 1000)
DAY = 86_400_000


def event(message_id: str, ts: int = NOW, source: str = "src_1", received_at: int = NOW, **more: Any) -> Event:
    told: dict[str, Any] = {"kind": "track", "name": "export", "visitor_id": "u1", "properties": "{}", **more}
    return Event(source_id=source, message_id=message_id, ts=ts, received_at=received_at, **told)


def count(store: Warehouse) -> int:
    [(number,)] = store.query("SELECT count() FROM events")
    return int(number)


async def told(*batches: Sequence[Event], history: bool = False, restart: bool = False) -> list[list[bool]]:
    """What one writer, or a new one for each batch, says of each event."""
    answers = []
    writer = Writer(EventStore())
    await writer.start()
    for batch in batches:
        if restart and answers:
            await writer.stop()
            writer = Writer(EventStore())
            await writer.start()
        answers.append(await writer.write(batch, history=history))
    await writer.stop()
    return answers


@pytest.mark.parametrize("restart", [False, True])
async def test_the_same_id_of_two_sources_is_two_events(fresh: Warehouse, restart: bool) -> None:
    batches = [
        [event("a", source="src_1"), event("a", source="src_2")],
        [event("a", source="src_2"), event("a", source="src_3")],
    ]
    assert await told(*batches, restart=restart) == [[True, True], [False, True]]
    assert count(fresh) == 3


@pytest.mark.parametrize("restart", [False, True])
async def test_an_id_told_again_with_another_content_is_the_first_one(fresh: Warehouse, restart: bool) -> None:
    again = event("a", name="other", visitor_id="u2", properties='{"n":2}')
    assert await told([event("a")], [again], restart=restart) == [[True], [False]]
    assert fresh.query("SELECT name, visitor_id FROM events") == [("export", "u1")]


LATER = [
    ("without a timestamp", NOW - 30 * DAY, NOW),
    ("by a clock that was put right", NOW, NOW - 30 * DAY),
    ("of last month", NOW - 31 * DAY, NOW - 30 * DAY),
    ("of years ago", NOW - 3_000 * DAY, NOW),
]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("_how", "first", "second"), LATER, ids=[one[0] for one in LATER])
async def test_an_id_told_again_within_7_days_counts_once_whatever_its_time(
    fresh: Warehouse, _how: str, first: int, second: int, restart: bool
) -> None:
    assert await told([event("a", ts=first)], [event("a", ts=second)], restart=restart) == [[True], [False]]
    assert count(fresh) == 1


async def test_an_id_is_known_for_7_days_and_the_documentation_says_so(fresh: Warehouse) -> None:
    from pathlib import Path

    assert DAYS == 7
    assert "within 7 days" in (Path(__file__).parents[1] / "docs" / "events.md").read_text()
    inside, outside = NOW - 6 * DAY, NOW - 8 * DAY
    first = [event("inside", ts=inside, received_at=inside), event("outside", ts=outside, received_at=outside)]
    assert await told(first, [event("inside"), event("outside")], restart=True) == [[True, True], [False, True]]


async def test_an_import_knows_what_was_told_live_with_a_time_put_right(fresh: Warehouse) -> None:
    """The archive of another collector has a call with a time some seconds from ours."""
    await told([event(f"m{n}", ts=NOW - n * DAY, received_at=NOW - n * DAY) for n in range(20)])
    archive = [event(f"m{n}", ts=NOW - n * DAY - 2_500) for n in range(19, -1, -1)]
    answers = await told(*[archive[start : start + 3] for start in range(0, 20, 3)], history=True, restart=True)
    assert not any(one for answer in answers for one in answer)
    assert count(fresh) == 20


async def test_what_was_imported_is_not_told_again_live(fresh: Warehouse) -> None:
    await told([event("m1", ts=NOW - 400 * DAY)], history=True)
    assert await told([event("m1", ts=NOW - 400 * DAY)]) == [[False]]
    assert count(fresh) == 1


async def test_requests_at_the_same_time_that_tell_the_same_count_once(fresh: Warehouse) -> None:
    writer = Writer(EventStore())
    await writer.start()
    answers = await asyncio.gather(*(writer.write([event("a"), event(f"own{n}")]) for n in range(8)))
    await writer.stop()
    assert sum(answer[0] for answer in answers) == 1
    assert all(answer[1] for answer in answers)
    assert count(fresh) == 9


class Half(EventStore):
    """As a kill in the middle of an insert of several months: some of the months are on disk, no answer is given."""

    def __init__(self) -> None:
        super().__init__()
        self.killed = False

    def append(self, events: Sequence[Event], hashes: Sequence[int]) -> None:
        if self.killed:
            super().append(events, hashes)
            return
        self.killed = True
        super().append(events[::2], hashes[::2])
        raise OSError("killed")


@pytest.mark.parametrize("history", [False, True])
async def test_an_insert_that_was_half_done_when_it_was_killed_is_finished_by_its_repetition(
    fresh: Warehouse, history: bool
) -> None:
    batch = [event(f"m{n}", ts=NOW - n * 40 * DAY) for n in range(6)]
    writer = Writer(Half())
    await writer.start()
    with pytest.raises(Unavailable):
        await writer.write(batch, history=history)
    [answer] = await told(batch, history=history)  # a new process: the old one is dead
    assert answer == [False, True] * 3
    await writer.stop()
    assert count(fresh) == 6


async def test_an_insert_that_was_half_done_is_finished_by_the_same_process_too(fresh: Warehouse) -> None:
    batch = [event(f"m{n}", ts=NOW - n * 40 * DAY) for n in range(6)]
    writer = Writer(Half())
    await writer.start()
    with pytest.raises(Unavailable):
        await writer.write(batch)
    await writer.write(batch)
    await writer.stop()
    assert count(fresh) == 6


async def test_a_server_that_was_off_for_days_after_a_kill_adds_the_visitors_that_it_left_out(fresh: Warehouse) -> None:
    then = NOW - 5 * DAY
    await told([event("a", ts=then, received_at=then, account_id="acme"), event("z", ts=then, received_at=then - 9 * DAY, visitor_id="old")])  # fmt: skip
    fresh.command("TRUNCATE TABLE visitors")
    fresh.command("TRUNCATE TABLE account_visitors")
    await told()
    assert fresh.query("SELECT DISTINCT visitor_id FROM visitors") == [("u1",)]
    assert fresh.query("SELECT DISTINCT account_id FROM account_visitors") == [("acme",)]
