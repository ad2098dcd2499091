"""The event store's disk, parts and merges: what is told, and what happens before the disk is full."""

import asyncio
import time
from typing import Any

import pytest

from arrivals.collect.event import Event
from arrivals.collect.writer import Writer
from arrivals.errors import Unavailable
from arrivals.warehouse import upkeep
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from arrivals.warehouse.upkeep import Disk, Table
from tests import events as made

GB = 1024**3


def event(message: str, **more: Any) -> Event:
    now = int(time.time() * 1000)
    given = {"kind": "track", "name": "x", "visitor_id": "v", "ts": now, "received_at": now, **more}
    return Event(source_id="src_t", message_id=message, **given)


@pytest.mark.parametrize(
    ("free", "total", "low", "full"),
    [(50 * GB, 100 * GB, False, False), (4 * GB, 100 * GB, True, False), (4 * GB, 10 * GB, False, False), (GB // 4, 100 * GB, True, True)],
)  # fmt: skip
def test_a_disk_is_low_before_it_is_full(free: int, total: int, low: bool, full: bool) -> None:
    disk = Disk(free, total, GB // 2)
    assert (disk.low, disk.full) == (low, full)
    assert ("Make room" in disk.sentence) == low


def test_the_tables_tell_their_parts_and_their_room(fresh: Warehouse) -> None:
    made.add(fresh, ("ann", "track", "x", made_at(1)), ("ann", "track", "x", made_at(40)))
    found = {one.name: one for one in upkeep.tables()}
    assert (found["events"].parts, found["events"].most, found["events"].rows) == (2, 1, 2), "a part for each month"
    assert found["events"].size > 0
    assert upkeep.disk().free > 0
    assert upkeep.under_way()[0] >= 0


def made_at(days_ago: int) -> Any:
    from datetime import timedelta

    from arrivals import clock

    return clock.now().replace(day=15) - timedelta(days=days_ago)


def test_advice_is_given_on_many_parts(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one for one in upkeep.advice() if "parts" in one] == []
    monkeypatch.setattr(upkeep, "tables", lambda: [Table("events", 900, 301, 10, 10)])
    assert any("301 parts in one partition" in one for one in upkeep.advice())


async def test_events_are_refused_before_the_disk_is_full_and_taken_again_after(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arrivals.collect import writer as writers

    monkeypatch.setattr(writers, "ROOM_SECONDS", 0.02)
    free = [GB]
    monkeypatch.setattr(upkeep, "disk", lambda: Disk(free[0], 100 * GB, GB // 2))
    writer = Writer(EventStore())
    await writer.start()
    try:
        assert await writer.write([event("m1")]) == [True]
        free[0] = 1
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable) as refused:
            await writer.write([event("m2")])
        assert refused.value.retry_after == 60
        free[0] = GB
        await asyncio.sleep(0.2)
        assert await writer.write([event("m2")]) == [True]
    finally:
        await writer.stop()


async def test_an_insert_that_stopped_in_the_middle_is_made_good_and_counts_once(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a full disk does: the events are there, and the views behind them are not."""
    whole, stopped = Warehouse.insert_columns, []

    def torn(self: Warehouse, table: str, columns: Any) -> None:
        whole(self, table, columns)
        if table == "events" and not stopped:
            stopped.append(1)
            self.command("ALTER TABLE visitors DELETE WHERE 1 SETTINGS mutations_sync = 2")
            raise RuntimeError("Cannot reserve 1.00 MiB, not enough space: while pushing to view")

    monkeypatch.setattr(Warehouse, "insert_columns", torn)
    writer = Writer(EventStore())
    await writer.start()
    try:
        with pytest.raises(Unavailable):
            await writer.write([event("m1", visitor_id="ann")])
        assert await writer.write([event("m1", visitor_id="ann")]) == [False], "it is known, though it was not answered"
    finally:
        await writer.stop()
    assert fresh.query("SELECT count() FROM events") == [(1,)]
    assert fresh.query("SELECT visitor_id FROM visitors GROUP BY visitor_id") == [("ann",)]
