"""Clients page in three ways, and none of them loses or repeats a row it should not."""

from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import aggregation
from arrivals.warehouse.client import Warehouse
from tests import events

NOW = clock.now().replace(microsecond=0)
ODD = [
    '"',
    "\\",
    "`",
    "'",
    "a,b",
    "ünï",
    "日本",
    "😀",
    "{x}",
    "%s",
    " ",
    "Z",
    "z",
    "a",
    "A",
    "0",
    "10",
    "9",
    "-",
    "{p_0:String}",
]
NAMES = ODD + [f"v{number:03}" for number in range(120)]
BY_CODE_POINT = sorted(NAMES)


def rows(*stages: dict[str, Any]) -> list[dict[str, Any]]:
    return list(aggregation.run({"request": {"pipeline": list(stages)}}).rows)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@pytest.fixture
def visitors(fresh: Warehouse) -> Warehouse:
    """All of them came at one of seven moments, so that many rows have the same time."""
    events.add(fresh, *((name, "page", "Home", NOW - timedelta(hours=number % 7)) for number, name in enumerate(NAMES)))
    return fresh


@pytest.mark.parametrize("linked", [False, True])
def test_by_the_last_id(visitors: Warehouse, linked: bool) -> None:
    if linked:
        events.link(visitors, "someone before", "v001")
    seen: list[str] = []
    last = ""
    while True:
        stages = [
            {"source": {"visitors": {"identified": False}}},
            {"sort": ["visitorId"]},
            {"filter": f"visitorId>{quoted(last)}"},
            {"limit": 17},
        ]
        page = rows(*stages)
        [counted] = rows(*stages, {"count": None})
        assert counted == {"count": len(page)}
        assert all(row["metadata"]["auto"]["lastupdated"] for row in page)
        seen += [row["visitorId"] for row in page]
        if len(page) < 17:
            break
        last = seen[-1]
    assert seen == BY_CODE_POINT


@pytest.mark.parametrize("key", ["id", "visitorId", "-numEvents", "nothing"])
def test_by_an_offset(visitors: Warehouse, key: str) -> None:
    """Whatever the order is by: ties are broken, so that pages neither overlap nor leave a gap."""
    series = {"period": "dayRange", "first": "dateAdd(now(), -2, `days`)", "last": "now()"}
    seen: list[str] = []
    for skip in range(0, 200, 20):
        page = rows(
            {"source": {"events": None, "timeSeries": series}},
            {"group": {"group": ["visitorId"], "fields": {"numEvents": {"sum": "numEvents"}}}},
            {"sort": [key]},
            {"skip": skip},
            {"limit": 20},
        )
        seen += [row["visitorId"] for row in page]
    assert seen == BY_CODE_POINT


def test_by_the_last_time(visitors: Warehouse) -> None:
    """Greater or equal: the client drops the rows that it had."""
    seen: dict[str, int] = {}
    last = 1
    while True:
        page = rows(
            {"source": {"visitors": None}},
            {"sort": ["metadata.auto.lastupdated"]},
            {"filter": f"metadata.auto.lastupdated>={last}"},
            {"limit": 30},
        )
        times = [row["metadata"]["auto"]["lastupdated"] for row in page]
        assert times == sorted(times)
        before = len(seen)
        seen |= {row["visitorId"]: row["metadata"]["auto"]["lastupdated"] for row in page}
        if len(page) < 30 or len(seen) == before:
            break
        last = times[-1]
    assert seen.keys() == set(NAMES)


def test_a_limit_before_a_filter_and_parts_of_parts(visitors: Warehouse) -> None:
    def ids(*stages: dict[str, Any]) -> list[str]:
        return [row["visitorId"] for row in rows({"source": {"visitors": None}}, {"sort": ["visitorId"]}, *stages)]

    assert ids({"limit": 10}, {"filter": "visitorId>=`A`"}) == [name for name in BY_CODE_POINT[:10] if name >= "A"]
    assert (
        ids({"skip": 3}, {"filter": "visitorId>=`A`"}, {"skip": 2}, {"limit": 5})
        == [name for name in BY_CODE_POINT[3:] if name >= "A"][2:7]
    )
    assert ids({"limit": 10}, {"skip": 4}, {"limit": 100}) == BY_CODE_POINT[4:10]
    assert ids({"limit": 10}, {"skip": 20}) == []
    assert ids({"limit": 0}) == []
    assert ids({"limit": 9}, {"sort": ["-visitorId"]}, {"limit": 2}) == BY_CODE_POINT[:9][:-3:-1]


def test_what_is_missing_comes_last_and_texts_after_numbers(store: Warehouse, db: None) -> None:
    const = [{"n": 1, "x": value} for value in ("b", None, 10, 9, "a", "B", 2.5)]

    def ordered(key: str) -> list[Any]:
        return [row["x"] for row in rows({"source": {"const": const}}, {"sort": [key]})]

    assert ordered("x") == [2.5, 9, 10, "B", "a", "b", None]
    assert ordered("-x") == [10, 9, 2.5, "b", "a", "B", None]
