"""Lists of visitors that are changed, also by two at once."""

import threading
from typing import Any

import pytest
from django.db import connection

from arrivals.audience import lists, segments
from arrivals.errors import Conflict, Invalid
from arrivals.warehouse.client import Warehouse
from tests import events


def ids(list_id: str) -> list[str]:
    return [one for block in lists.members(list_id) for one in block]


def test_a_change_adds_and_removes_and_leaves_the_others(fresh: Warehouse) -> None:
    made = lists.create("Friends", ["a", "b", "c"])
    changed = lists.change(made.id, {"b": False, "d": True, "a": True, "nobody": False})
    assert (ids(made.id), changed.size) == (["a", "c", "d"], 3)
    assert lists.replace(made.id, ["x"]).size == 1
    assert ids(made.id) == ["x"]


def test_a_change_that_was_overtaken_is_refused_and_leaves_nothing(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lists.create("Friends", ["a"])
    counted = lists.count

    def overtaken(list_id: str, version: int) -> int:
        monkeypatch.setattr(lists, "count", counted)
        lists.change(list_id, {"first": True})
        return counted(list_id, version)

    monkeypatch.setattr(lists, "count", overtaken)
    with pytest.raises(Conflict):
        lists.change(made.id, {"second": True})
    assert ids(made.id) == ["a", "first"]
    assert fresh.query("SELECT count() FROM list_members WHERE visitor_id = 'second'") == [(0,)]


def test_changes_at_the_same_time_are_all_there_or_refused(fresh: Warehouse) -> None:
    made = lists.create("Friends", ["a"])
    refused: list[str] = []

    def change(name: str) -> None:
        try:
            lists.change(made.id, {name: True})
        except Conflict:
            refused.append(name)
        finally:
            connection.close()

    names = [f"n{number}" for number in range(6)]
    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted([*ids(made.id), *refused]) == sorted(["a", *names])
    assert len(refused) < len(names)


def test_a_list_that_would_grow_too_long_stays_as_it_was(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lists.create("Friends", ["a", "b"])
    monkeypatch.setattr(lists, "MOST", 3)
    with pytest.raises(Invalid):
        lists.change(made.id, {"c": True, "d": True})
    assert ids(made.id) == ["a", "b"]


def test_a_segment_of_a_list_sees_a_change_at_once(fresh: Warehouse) -> None:
    from arrivals import clock

    events.add(fresh, *[(one, "track", "x", clock.now()) for one in ("a", "b")])
    made = lists.create("Friends", ["a"])
    rules: Any = {"all": [{"any": [{"kind": "list", "list": made.id}]}]}
    assert segments.preview(rules).sample == ["a"]
    lists.change(made.id, {"a": False, "b": True})
    assert segments.preview(rules).sample == ["b"]


def test_the_rows_of_old_versions_are_deleted_after_an_hour(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lists.create("Friends", ["a"])
    lists.change(made.id, {"b": True})
    assert fresh.query("SELECT uniqExact(version) FROM list_members") == [(2,)]
    monkeypatch.setattr(lists, "KEPT_SECONDS", -1)
    lists.change(made.id, {"c": True})
    assert fresh.query("SELECT uniqExact(version) FROM list_members") == [(1,)]
    assert ids(made.id) == ["a", "b", "c"]


def test_the_ids_of_a_deleted_list_are_gone(fresh: Warehouse) -> None:
    made = lists.create("Friends", ["a"])
    lists.delete(made.id)
    assert fresh.query("SELECT count() FROM list_members") == [(0,)]
