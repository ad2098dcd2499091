"""Retention: what is older than its source keeps it is gone, what is known of its visitors is right, whatever dies when."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry
from arrivals.audience import keeping, reports, rows, segments
from arrivals.collect import sources
from arrivals.collect.event import Event
from arrivals.collect.models import Source
from arrivals.collect.writer import Writer
from arrivals.erasure import retention as nights
from arrivals.erasure.models import Night
from arrivals.warehouse import client as warehouses
from arrivals.warehouse import retention
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from arrivals.watch import checks
from arrivals.watch.models import Arrival
from tests import events, makers

NOON = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
NEVER, NOT_YET = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def source(name: str, days: int | None) -> Source:
    made, _secret = sources.create(name)
    sources.keep_for(made.id, days)
    Source.objects.filter(pk=made.id).update(retention_set_at=clock.now() - timedelta(days=1))
    return sources.get(made.id)


def ago(days: float) -> datetime:
    return NOON - timedelta(days=days)


def happened(source_: Source, *told: tuple[str, float, str]) -> None:
    """Events through the writer, each (visitor, days ago, account)."""

    async def write() -> None:
        writer = Writer(EventStore())
        await writer.start()
        now = round(clock.now().timestamp() * 1000)
        batch = [
            Event(
                source_id=source_.id, message_id=f"{visitor}-{days}-{account}", kind="track", name="x", visitor_id=visitor,
                ts=round(ago(days).timestamp() * 1000), received_at=now, account_id=account,
            )
            for visitor, days, account in told
        ]  # fmt: skip
        await writer.write(batch, history=True)
        await writer.stop()

    asyncio.run(write())


def left(store: Warehouse) -> set[tuple[str, int]]:
    """Who did something, and how many days ago."""
    found = store.query("SELECT visitor_id, ts FROM events")
    return {(visitor, (NOON - ts).days) for visitor, ts in found}


def known(store: Warehouse) -> dict[str, tuple[Any, Any]]:
    """First and last of each visitor, as days ago."""
    found = store.query("SELECT any(visitor_id), min(first), max(last) FROM visitors GROUP BY visitor")
    return {id_: (_days(first), _days(last)) for id_, first, last in found}


def companies(store: Warehouse) -> dict[tuple[str, str], tuple[Any, Any]]:
    found = store.query(
        "SELECT any(a.account_id), any(v.visitor_id), min(a.first), max(a.last) FROM account_visitors AS a "
        "INNER JOIN (SELECT DISTINCT visitor, visitor_id FROM events) AS v ON a.visitor = v.visitor GROUP BY a.account, a.visitor"
    )
    return {(account, visitor): (_days(first), _days(last)) for account, visitor, first, last in found}


def _days(at: datetime) -> Any:
    return "never" if at == NEVER else "not yet" if at == NOT_YET else (NOON - at).days


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Night]:
    """Do the night, at three o'clock of the day of the test."""
    monkeypatch.setattr(nights, "BEGINS", datetime.min.time())

    def do() -> Night:
        while nights.work():
            pass
        return Night.objects.order_by("-day")[0]

    return do


def test_what_is_older_than_its_source_keeps_it_goes_and_the_rest_stays(
    fresh: Warehouse, night: Callable[[], Night]
) -> None:
    short, long, ever = source("Short", 30), source("Long", 90), source("Ever", None)
    happened(
        short, ("ada", 100, "acme"), ("ada", 31, "acme"), ("ada", 30, "acme"), ("ada", 1, "acme"), ("bob", 40, "acme")
    )
    happened(long, ("ada", 89, "beta"), ("cyd", 91, ""), ("dan", 400, "acme"), ("dan", 89, "beta"))
    happened(ever, ("bob", 500, ""), ("eve", 1_000, "acme"))
    done = night()
    assert left(fresh) == {("ada", 30), ("ada", 1), ("ada", 89), ("dan", 89), ("bob", 500), ("eve", 1_000)}
    assert known(fresh) == {"ada": (89, 1), "bob": (500, 500), "dan": (89, 89), "eve": (1_000, 1_000)}
    assert companies(fresh) == {
        ("acme", "ada"): (30, 1), ("beta", "ada"): (89, 89), ("beta", "dan"): (89, 89), ("acme", "eve"): (1_000, 1_000),
    }  # fmt: skip
    assert (done.deleted, done.dropped, done.due) == (5, [], None)
    entry = AuditEntry.objects.get(action="retention.delete")
    assert entry.details["events"] == 5
    assert fresh.query("SELECT count() FROM kept_visitors") == [(0,)]


def test_a_month_that_is_old_for_all_sources_is_dropped_whole(fresh: Warehouse, night: Callable[[], Night]) -> None:
    short, long = source("Short", 10), source("Long", 20)
    happened(short, ("ada", 200, ""), ("ada", 70, ""), ("ada", 1, ""))
    happened(long, ("bob", 201, ""), ("bob", 15, ""))
    done = night()
    assert left(fresh) == {("ada", 1), ("bob", 15)}
    months = {f"{ago(days):%Y-%m}" for days in (200, 201, 70)}
    assert set(done.dropped) == months


def test_a_month_with_events_of_a_deleted_source_is_not_dropped(fresh: Warehouse, night: Callable[[], Night]) -> None:
    short, gone = source("Short", 10), source("Gone", None)
    happened(short, ("ada", 200, ""))
    happened(gone, ("bob", 200, ""))
    sources.delete(gone.id)
    assert night().dropped == []
    assert left(fresh) == {("bob", 200)}


def test_somebody_of_whom_something_is_known_stays_without_having_been_there(
    fresh: Warehouse, night: Callable[[], Night]
) -> None:
    short = source("Short", 10)
    happened(short, ("ada", 50, ""), ("bob", 50, ""))
    events.metadata(fresh, "ada", ago(50), plan="pro")
    night()
    assert known(fresh) == {"ada": ("not yet", "never")}


def test_the_same_day_is_done_once_and_the_next_day_again(fresh: Warehouse, night: Callable[[], Night], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    short = source("Short", 10)
    happened(short, ("ada", 10, ""), ("ada", 9, ""))
    night()
    assert left(fresh) == {("ada", 10), ("ada", 9)}
    assert not nights.work()
    later = clock.now() + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert nights.work()
    night()
    assert left(fresh) == {("ada", 9)}
    assert Night.objects.count() == 2


def test_days_are_obeyed_from_the_night_that_begins_next(fresh: Warehouse, night: Callable[[], Night], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    short, other = source("Short", 10), source("Other", None)
    happened(short, ("ada", 50, ""))
    happened(other, ("bob", 50, ""))
    sources.keep_for(other.id, 10)
    night()
    assert left(fresh) == {("bob", 50)}
    later = clock.now() + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    night()
    assert left(fresh) == set()


def test_there_is_no_night_without_a_source_that_forgets(fresh: Warehouse, night: Callable[[], Night]) -> None:
    happened(source("Ever", None), ("ada", 5_000, ""))
    assert not nights.work()
    assert not Night.objects.exists()


class Killed(BaseException):
    """As SIGKILL: nothing is tidied up."""


@pytest.mark.parametrize("at", [1, 3, 5, 6, 7, 9, 11, 13, 15])
def test_a_night_killed_before_any_statement_ends_the_same(
    fresh: Warehouse, night: Callable[[], Night], at: int
) -> None:
    short, ever = source("Short", 30), source("Ever", None)
    happened(short, ("ada", 100, "acme"), ("ada", 1, "acme"), ("bob", 40, "acme"), ("cyd", 60, ""))
    happened(ever, ("bob", 500, ""))
    whole, counted = warehouses.Warehouse.command, [0]

    def command(self: Warehouse, sql: str, *arguments: Any, **named: Any) -> None:
        counted[0] += 1
        if counted[0] == at:
            raise Killed
        whole(self, sql, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warehouses.Warehouse, "command", command)
        try:
            night()
        except Killed:
            pass
        else:
            assert counted[0] < at  # the whole night has fewer statements
    nights.forget_claims()
    night()
    assert left(fresh) == {("ada", 1), ("bob", 500)}
    assert known(fresh) == {"ada": (1, 1), "bob": (500, 500)}
    assert companies(fresh) == {("acme", "ada"): (1, 1)}


def test_what_comes_in_while_the_night_is_at_work_is_not_lost(fresh: Warehouse, night: Callable[[], Night], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    short, ever = source("Short", 30), source("Ever", None)
    happened(short, ("ada", 100, "acme"), ("bob", 100, "acme"), ("cyd", 100, ""))
    whole = retention._raise

    def late(*arguments: Any) -> None:
        happened(short, ("ada", 0.5, "acme"))
        happened(ever, ("bob", 300, "acme"), ("cyd", 0.5, ""))
        whole(*arguments)

    monkeypatch.setattr(retention, "_raise", late)
    night()
    assert left(fresh) == {("ada", 0), ("bob", 300), ("cyd", 0)}
    assert known(fresh) == {"ada": (0, 0), "bob": (300, 300), "cyd": (0, 0)}
    assert companies(fresh) == {("acme", "ada"): (0, 0), ("acme", "bob"): (300, 300)}


def test_a_step_that_fails_is_said_and_tried_again(fresh: Warehouse, night: Callable[[], Night], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    happened(source("Short", 30), ("ada", 100, ""))
    with monkeypatch.context() as patch:
        patch.setattr(retention, "older", lambda _cutoffs: 1 / 0)
        assert not nights.work()
    failed = Night.objects.get()
    assert (failed.step, failed.error) == (0, "ZeroDivisionError in step 1.")
    assert failed.due
    assert failed.due > clock.now()
    Night.objects.update(due=clock.now())
    night()
    assert left(fresh) == set()


# What reports say


def test_nobody_on_a_report_within_what_is_kept_arrives_or_leaves(fresh: Warehouse, night: Callable[[], Night]) -> None:
    short = source("Short", 30)
    report = reports.create({"name": "Active", "range": {"within": "30d"}, "columns": ["visitor.id"]})
    happened(short, ("ada", 100, ""), ("ada", 5, ""), ("bob", 29, ""), ("cyd", 45, ""))
    checks.check(report.id)
    night()
    result = checks.check(report.id)
    assert (result.on_report, result.entered, result.left) == (2, 0, 0)
    assert not Arrival.objects.exists()
    assert keeping.note(report) is None


def test_a_report_that_looks_further_back_says_so(fresh: Warehouse, night: Callable[[], Night]) -> None:
    short = source("Shop", 30)
    source("Ever", None)
    report = reports.create({"name": "All", "range": {"ever": True}, "columns": ["visitor.id"]})
    happened(short, ("ada", 100, ""), ("bob", 5, ""))
    checks.check(report.id)
    note = keeping.note(report)
    assert note is not None
    assert (note["days"], note["sources"]) == (30, [short.id])
    assert "further back than events are kept (Shop: 30 days)" in note["message"]
    before = fresh.query("SELECT report_id, member_id, version FROM memberships FINAL ORDER BY member_id")
    night()
    assert fresh.query("SELECT report_id, member_id, version FROM memberships FINAL ORDER BY member_id") == before
    assert [one["visitor.id"] for one in rows.page(report).items] == ["bob"]
    assert checks.check(report.id).left == 1  # as the report says


RANGES: list[tuple[str, dict[str, Any], Any, bool]] = [
    ("within as many days", {"within": "30d"}, None, False),
    ("within more", {"within": "31d"}, None, True),
    ("since before", {"since": "2020-01-01"}, None, True),
    ("since lately", {"since": ago(10).date().isoformat()}, None, False),
    ("between lately", {"between": [ago(10).date().isoformat(), ago(5).date().isoformat()]}, None, False),
    ("a rule that looks further", {"within": "7d"}, {"kind": "track", "name": "x", "did": False, "when": "ever"}, True),
    ("a rule that does not", {"within": "7d"}, {"kind": "track", "name": "x", "did": True, "when": {"within": "7d"}}, False),
    ("a metric of all time", {"within": "7d"}, {"kind": "visitor", "field": "metric.events", "op": "gt", "value": 3}, True),
    ("metadata", {"within": "7d"}, {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("_case", "range_", "rule", "expected"), RANGES, ids=[one[0] for one in RANGES])
def test_how_far_back_a_report_looks(fresh: Warehouse, _case: str, range_: Any, rule: Any, expected: bool) -> None:
    source("Shop", 30)
    inner = segments.create("S", {"all": [{"any": [rule]}]}).id if rule else None
    nested = segments.create("N", {"all": [{"any": [{"kind": "segment", "segment": inner}]}]}).id if inner else None
    for segment in {inner, nested}:
        report = reports.create({"name": "R", "range": range_, "segment": segment, "columns": ["visitor.id"]})
        assert (keeping.note(report) is not None) == expected


# Over the API and on the page


@pytest.fixture
def writer(fresh: Warehouse) -> Client:
    secret = keys.create("writer", write=True, by="ada@example.com")[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def test_days_are_set_and_unset_and_what_they_would_delete_is_told(writer: Client, fresh: Warehouse) -> None:
    shop = source("Shop", None)
    happened(shop, ("ada", 100, ""), ("ada", 50, ""), ("ada", 1, ""))
    path = f"/api/v2/sources/{shop.id}"
    assert writer.get(path).json()["retention_days"] is None
    told = writer.get(f"{path}/retention?days=60").json()
    assert (told["days"], told["events"]) == (60, 1)
    answer = writer.put(path, {"retention_days": 30}, content_type="application/json").json()
    assert (answer["retention_days"], answer["name"]) == (30, "Shop")
    assert writer.get(f"{path}/retention").json()["events"] == 2
    assert writer.put(path, {"name": "Store"}, content_type="application/json").json()["retention_days"] == 30
    assert AuditEntry.objects.filter(action="source.change", details={"retention_days": 30}).count() == 1
    report = reports.create({"name": "All", "range": {"ever": True}, "columns": ["visitor.id"]})
    assert writer.get(f"/api/v2/reports/{report.id}").json()["retention"]["days"] == 30
    assert writer.put(path, {"retention_days": None}, content_type="application/json").json()["retention_days"] is None
    assert writer.get(f"/api/v2/reports/{report.id}").json()["retention"] is None


@pytest.mark.parametrize("days", [0, -1, 3_661, 1.5, "x", True])
def test_days_that_are_none_are_refused_and_nothing_changes(writer: Client, days: Any) -> None:
    shop = source("Shop", 7)
    answer = writer.put(f"/api/v2/sources/{shop.id}", {"name": "Other", "retention_days": days}, content_type="application/json")  # fmt: skip
    assert answer.status_code == 422
    assert "retention_days" in answer.json()["path"]
    shop.refresh_from_db()
    assert (shop.name, shop.retention_days) == ("Shop", 7)


def test_the_ledger_of_somebody_whose_events_went_still_tells_that_they_were_there(fresh: Warehouse, night: Callable[[], Night]) -> None:  # fmt: skip
    short = source("Short", 30)
    report = makers.report()
    happened(short, ("ada", 100, ""))
    events.metadata(fresh, "ada", ago(100), plan="pro")
    checks.check(report.id)
    night()
    checks.check(report.id)
    happened(short, ("ada", 0.1, ""))
    checks.check(report.id)
    assert [(one.kind, one.entry) for one in Arrival.objects.order_by("id")] == [("out", 1), ("in", 2)]
