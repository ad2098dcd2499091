"""What a program sees that polls a report: everybody, newest first, by ids that stay; and who left."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience.models import Report
from arrivals.errors import CheckTimeout
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, roster, watches
from arrivals.watch.models import Check, Watch
from tests import events, makers


@pytest.fixture
def api(fresh: Warehouse) -> Client:
    _, secret = keys.create("tests", write=False, by="ada@example.com")
    return Client(headers={"Authorization": f"Bearer {secret}"})


def get(api: Client, path: str, *, status: int = 200) -> Any:
    answer = api.get(f"/api/v2{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


def members(api: Client, report: Report, query: str = "") -> list[dict[str, Any]]:
    return list(get(api, f"/reports/{report.id}/members?{query}")["items"])


def ids(api: Client, report: Report, query: str = "fields=id") -> list[str]:
    return [one["id"] for one in members(api, report, query)]


def test_everybody_is_listed_the_newest_entry_first(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    assert sorted(ids(api, report)) == ["ann", "bob"]
    makers.come(fresh, "cid")
    assert ids(api, report)[0] == "cid"
    makers.come(fresh, "dan")
    assert ids(api, report)[:2] == ["dan", "cid"]
    assert ids(api, report, "limit=1") == ["dan"]
    assert members(api, report, "fields=id&limit=1") == [{"id": "dan"}]


def test_who_came_has_the_columns_of_the_report(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    [ann] = members(api, report)
    assert ann.pop("entered_at") <= clock.iso(clock.now())
    assert ann == {
        "id": "ann",
        "member": "ann",
        "entry": 1,
        "visitor": {"id": "ann", "agent": {"plan": "pro"}},
        "account": {"id": None},
        "row": {"visitor_id": "ann", "visitor_agent_plan": "pro", "times": 1},
    }


def test_the_columns_are_described_by_the_names_that_rows_have(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    report.columns = ["visitor.agent.plan", "visitor.agent_plan.x", "visitor.agent.plan_x"]
    report.columns += ["metric.last_visit", "metric.events"]
    report.columns += [{"sum": "track", "name": "p", "property": "v", "as": "revenue"}]
    report.columns += [{"survey": "nps", "part": part} for part in ("score", "reason", "at")]
    report.save()
    makers.come(fresh, "ann")
    described = get(api, f"/reports/{report.id}/fields")
    assert [tuple(one.values()) for one in described] == [
        ("row__visitor_agent_plan", "visitor.agent.plan", "string"),
        ("row__visitor_agent_plan_x", "visitor.agent_plan.x", "string"),
        ("row__visitor_agent_plan_x_2", "visitor.agent.plan_x", "string"),
        ("row__metric_last_visit", "metric.last_visit", "datetime"),
        ("row__metric_events", "metric.events", "integer"),
        ("row__revenue", "revenue", "number"),
        ("row__nps_score", "nps_score", "number"),
        ("row__nps_reason", "nps_reason", "string"),
        ("row__nps_at", "nps_at", "datetime"),
    ]
    [ann] = members(api, report)
    assert [f"row__{key}" for key in ann["row"]] == [one["key"] for one in described]


def test_one_who_returns_keeps_the_id_unless_it_is_numbered(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    assert ids(api, report, "fields=id&returns=true") == ["ann:1"]
    makers.leave(fresh, "ann")
    assert ids(api, report) == []
    makers.come(fresh, "ann")
    assert ids(api, report) == ["ann"]
    assert ids(api, report, "fields=id&returns=true") == ["ann:2"]
    [ann] = members(api, report)
    assert ann["entry"] == 2


def test_one_who_is_identified_later_keeps_the_id_they_came_with(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "anon-1")
    assert ids(api, report) == ["anon-1"]
    events.add(fresh, ("ann", "identify", "", clock.now()))
    events.link(fresh, "anon-1", "ann")
    [now] = members(api, report)
    assert (now["id"], now["visitor"]["id"], now["row"]["times"]) == ("anon-1", "ann", 1)
    makers.leave(fresh, "ann")
    assert ids(api, report) == []
    makers.come(fresh, "ann")
    assert ids(api, report) == ["anon-1"]


def test_those_who_left_are_listed_each_time_that_they_left(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann", "bob")
    path = f"/reports/{report.id}/departures"
    assert get(api, path)["items"] == []
    makers.leave(fresh, "ann")
    [left] = get(api, path)["items"]
    assert left.pop("left_at") <= clock.iso(clock.now())
    assert (left["id"], left["visitor"]["agent"]["plan"], left["row"]["times"]) == ("ann:1", "free", 1)
    makers.come(fresh, "ann")
    get(api, path)
    makers.leave(fresh, "ann", "bob")
    assert [one["id"] for one in get(api, f"{path}?fields=id")["items"]][-1] == "ann:1"
    first = get(api, f"{path}?fields=id&limit=2")
    second = get(api, f"{path}?fields=id&limit=2&cursor={first['next']}")
    assert sorted(one["id"] for one in first["items"]) == ["ann:2", "bob:1"]
    assert second == {"items": [{"id": "ann:1"}], "next": None}


@pytest.mark.parametrize("limit", [1, 4])
def test_pages_hold_everybody_once(api: Client, fresh: Warehouse, limit: int) -> None:
    report = makers.report()
    for visitor in ("ann", "bob", "cid"):
        makers.come(fresh, visitor, f"{visitor}-2")
        checks.check(report.id)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = get(api, f"/reports/{report.id}/members?fields=id&limit={limit}&cursor={cursor}")
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert sorted(found) == sorted(set(found)) == ["ann", "ann-2", "bob", "bob-2", "cid", "cid-2"]
    assert set(found[:2]) == {"cid", "cid-2"}


def test_a_poll_keeps_the_report_watched_for_an_hour(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    ids(api, report)
    assert get(api, f"/reports/{report.id}")["watch"]["polled_at"] is not None
    Watch.objects.update(next_due=clock.now())
    assert watches.due(10) == [report.id]
    Watch.objects.update(polled_at=clock.now() - timedelta(hours=2))
    assert watches.due(10) == []
    ids(api, report)
    assert watches.as_dict(report.id)["active"] is False
    Watch.objects.update(next_due=clock.now())
    assert watches.due(10) == [report.id]


def test_a_poll_during_a_check_is_answered_from_the_ledger(
    api: Client, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = makers.report()
    monkeypatch.setattr(roster, "WAIT_SECONDS", 0.1)
    makers.come(fresh, "ann")
    with checks.claimed(report.id):
        assert get(api, f"/reports/{report.id}/members", status=409)["code"] == "conflict"
    assert ids(api, report) == ["ann"]
    makers.come(fresh, "bob")
    with checks.claimed(report.id):
        assert ids(api, report) == ["ann"]
    assert ids(api, report) == ["bob", "ann"]


def test_a_report_that_takes_too_long_says_what_to_do(
    api: Client, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = makers.report()

    def slow(*_: Any, **__: Any) -> None:
        raise CheckTimeout

    monkeypatch.setattr(checks, "members", type("Slow", (), {"of": staticmethod(slow)}))
    told = get(api, f"/reports/{report.id}/members?fields=id", status=504)
    assert (told["code"], "date range shorter" in told["detail"]) == ("check_timeout", True)
    assert Check.objects.get().error


WRONG = [
    ("limit=0", "limit"),
    ("limit=105001", "limit"),
    ("cursor=x", "cursor"),
    ("cursor=1", "cursor"),
    ("cursor=1-2-3", "cursor"),
    ("cursor=99999999999999999999-1", "cursor"),
    ("fields=name", "fields"),
]


@pytest.mark.parametrize(("query", "path"), WRONG)
def test_a_wrong_question_is_refused(api: Client, fresh: Warehouse, query: str, path: str) -> None:
    told = get(api, f"/reports/{makers.report().id}/members?{query}", status=422)
    assert (told["code"], told["path"]) == ("invalid", path)


def test_a_report_that_is_not_there_is_not_watched(api: Client, fresh: Warehouse) -> None:
    for path in ("members", "departures", "fields"):
        get(api, f"/reports/rep_none/{path}", status=404)
    assert not Watch.objects.exists()


def test_a_hundred_thousand_are_told_in_time_and_in_twenty_megabytes(api: Client, fresh: Warehouse) -> None:
    report = makers.report()
    report.segment = None
    report.save()
    fresh.command(
        "INSERT INTO visitors (visitor_id, first, last) SELECT concat('visitor-', leftPad(toString(number), 24, '0')), now(), now() FROM numbers(100000)"
    )
    began = time.monotonic()
    answer = api.get(f"/api/v2/reports/{report.id}/members?fields=id")
    snapshot = time.monotonic() - began
    assert len({one["id"] for one in answer.json()["items"]}) == 100_000
    assert len(answer.content) < 20_000_000
    began = time.monotonic()
    answer = api.get(f"/api/v2/reports/{report.id}/members")
    assert len(answer.content) < 20_000_000
    assert len(json.loads(answer.content)["items"]) == 100_000
    assert max(snapshot, time.monotonic() - began) < 15
    assert sum("row" in one for one in answer.json()["items"]) == roster.WITH_ROWS
