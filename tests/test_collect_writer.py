"""The writer: what it answered is on disk once, whatever fails when."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from arrivals.collect.event import Event, metadata
from arrivals.collect.known import Known, message_hash
from arrivals.collect.writer import Writer
from arrivals.errors import TooMany, Unavailable
from arrivals.warehouse import client
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore


def event(message_id: str, visitor: str = "u1", **more: Any) -> Event:
    now = int(time.time() * 1000)
    more = {"ts": now, "name": "export", "kind": "track", **more}
    return Event(source_id="src_1", message_id=message_id, visitor_id=visitor, received_at=now, **more)


def count(store: Warehouse) -> int:
    [(number,)] = store.query("SELECT count() FROM events")
    return int(number)


async def test_repeats_count_once_also_after_a_restart(fresh: Warehouse) -> None:
    first = Writer(EventStore())
    await first.start()
    assert await first.write([event("a"), event("b"), event("a")]) == [True, True, False]
    await first.stop()
    second = Writer(EventStore())
    await second.start()
    assert await second.write([event("b"), event("c")]) == [False, True]
    await second.stop()
    assert count(fresh) == 3


async def test_two_events_whose_hashes_collide_are_both_kept(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arrivals.collect.writer.message_hash", lambda _source, _id: 42)
    writer = Writer(EventStore())
    await writer.start()
    assert await writer.write([event("a")]) == [True]
    assert await writer.write([event("b"), event("a")]) == [True, False]
    await writer.stop()
    assert count(fresh) == 2


async def test_an_import_is_compared_with_all_of_history(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(EventStore())
    await writer.start()
    old = event("old", ts=1_000_000_000_000)
    assert await writer.write([old], history=True) == [True]
    await writer.stop()
    monkeypatch.setattr(
        EventStore, "hashes_since", lambda self, since: client.warehouse().numbers("SELECT toUInt64(1)")
    )
    later = Writer(EventStore())
    await later.start()
    assert await later.write([old], history=True) == [False]
    await later.stop()
    assert count(fresh) == 1


class Stumbling(EventStore):
    """Fails once, at the nth insert of the next append."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def append(self, events: Sequence[Event], hashes: Sequence[int]) -> None:
        store = client.warehouse()
        whole = store.insert_columns

        def insert(table: str, columns: Any) -> None:
            if columns and len(next(iter(columns.values()))):
                self.left -= 1
                if self.left == 0:
                    raise OSError("no space left on device")
            whole(table, columns)

        store.insert_columns = insert  # type: ignore[method-assign]
        try:
            super().append(events, hashes)
        finally:
            del store.insert_columns  # type: ignore[attr-defined]


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_failed_insert_is_answered_with_a_refusal_and_its_repetition_ends_the_same(
    fresh: Warehouse, at: int
) -> None:
    writer = Writer(Stumbling(at))
    await writer.start()
    fields = metadata("agent", {"plan": "pro"})
    events = [event("a", visitor_fields=fields, account_id="acme", account_fields=fields, alias_id="anon"), event("b")]
    with pytest.raises(Unavailable, match="send it again"):
        await writer.write(events)
    assert await writer.write(events) == [True, True]
    await writer.stop()
    assert count(fresh) == 2
    assert fresh.query("SELECT visitor_id, value FROM visitor_fields FINAL") == [("u1", "pro")]
    assert fresh.query("SELECT account_id, value FROM account_fields FINAL") == [("acme", "pro")]
    assert fresh.query("SELECT alias_id, visitor_id FROM links FINAL") == [("anon", "u1")]
    assert fresh.query("SELECT any(visitor_id), max(last) > min(first) - 1 FROM visitors GROUP BY visitor") == [
        ("u1", 1)
    ]


class Slow(EventStore):
    def append(self, events: Sequence[Event], hashes: Sequence[int]) -> None:
        time.sleep(0.2)
        super().append(events, hashes)


async def test_a_full_queue_refuses_before_anything_is_kept(fresh: Warehouse) -> None:
    writer = Writer(Slow(), room=10)
    await writer.start()
    waiting = asyncio.ensure_future(writer.write([event(f"a{n}") for n in range(8)]))
    await asyncio.sleep(0.05)
    with pytest.raises(TooMany) as refusal:
        await writer.write([event(f"b{n}") for n in range(8)])
    assert refusal.value.retry_after
    assert await waiting == [True] * 8
    assert await writer.write([event(f"b{n}") for n in range(8)]) == [True] * 8
    await writer.stop()
    with pytest.raises(Unavailable, match="stopping"):
        await writer.write([event("late")])
    assert count(fresh) == 16


LINKS: list[tuple[str, list[tuple[str, str, bool]], dict[str, str]]] = [
    ("the first link stays", [("a", "u", False), ("a", "v", False)], {"a": "u"}),
    ("an alias call overrides", [("a", "u", False), ("a", "v", True)], {"a": "v"}),
    ("a chain is made flat", [("a", "b", False), ("b", "u", True)], {"a": "u", "b": "u"}),
    ("a chain the other way round too", [("b", "u", False), ("a", "b", False)], {"b": "u", "a": "u"}),
    ("a circle is left out", [("a", "b", False), ("b", "a", True)], {"a": "b"}),
    ("nobody is linked to itself", [("a", "a", True)], {}),
]


@pytest.mark.parametrize(("_case", "calls", "expected"), LINKS)
@pytest.mark.parametrize("together", [True, False])
async def test_links_are_kept_flat(
    fresh: Warehouse, _case: str, calls: Any, expected: dict[str, str], together: bool
) -> None:
    writer = Writer(EventStore())
    await writer.start()
    events = [
        event(f"m{n}", visitor=visitor, alias_id=alias, overrides=overrides)
        for n, (alias, visitor, overrides) in enumerate(calls)
    ]
    for group in [events] if together else [[one] for one in events]:
        await writer.write(group)
    await writer.stop()
    assert dict(fresh.query("SELECT alias_id, visitor_id FROM links FINAL")) == expected  # type: ignore[arg-type]


async def test_a_late_identify_does_not_overwrite_a_newer_value(fresh: Warehouse) -> None:
    writer = Writer(EventStore())
    await writer.start()
    now = int(time.time() * 1000)
    await writer.write([event("new", ts=now, visitor_fields=metadata("agent", {"plan": "pro"}))])
    await writer.write([event("late", ts=now - 60_000, visitor_fields=metadata("agent", {"plan": "free"}))])
    await writer.stop()
    assert fresh.query("SELECT value FROM visitor_fields FINAL") == [("pro",)]


def test_known_hashes_are_found_in_sets_and_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr("arrivals.collect.known.FULL", 3)
    known = Known(np.array([5, 1, 9], dtype=np.uint64), 0)
    known.add([2, 3], 0)
    assert known.among([1, 2, 4]) == {1, 2}
    known.add([8], 8 * 86_400_000)  # what was loaded is too old by now
    assert known.among([1, 5, 9, 2, 8]) == {2, 8}
    assert message_hash("s", "m") != message_hash("sm", "")


async def test_a_start_adds_the_visitors_that_a_killed_insert_left_out(fresh: Warehouse) -> None:
    first = Writer(EventStore())
    await first.start()
    await first.write([event("a")])
    await first.stop()
    fresh.command("TRUNCATE TABLE visitors")
    second = Writer(EventStore())
    await second.start()
    await second.stop()
    assert fresh.query("SELECT any(visitor_id), max(last) = min(first) FROM visitors GROUP BY visitor") == [("u1", 1)]


async def test_metadata_of_a_known_message_id_is_written(fresh: Warehouse) -> None:
    writer = Writer(EventStore())
    await writer.start()
    assert await writer.write([event("a")]) == [True]
    later = event("a", kind="", visitor_fields=metadata("custom", {"plan": "pro"}))
    assert await writer.write([later], history=True) == [True]
    await writer.stop()
    assert count(fresh) == 1
    assert fresh.query("SELECT value FROM visitor_fields FINAL") == [("pro",)]
