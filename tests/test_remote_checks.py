"""Checks of a report in a remote Pendo: the same arrivals as of our own, and whatever goes wrong keeps the old state."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.apps import connections
from arrivals.apps.models import Connection
from arrivals.apps.pendo import client
from arrivals.apps.pendo.origin import Origin
from arrivals.audience import origins, remote, reports, rows
from arrivals.audience.models import Report
from arrivals.errors import (  # fmt: skip
    ArrivalsError,
    AuthorisationExpired,
    CheckTimeout,
    Invalid,
    InvalidReport,
    Permanent,
    ReportReplaced,
    Retryable,
    Throttled,
)
from arrivals.warehouse import erasing
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, ledger, roster, watches
from arrivals.watch.checks import CheckResult
from arrivals.watch.models import Arrival, Check, Watch
from arrivals.watch.watcher import Watcher
from tests import fake_pendo, makers
from tests import remote as make
from tests.fake_pendo import FakePendo, Misbehaviour, half, slow, status


@pytest.fixture
def pendo(fresh: Warehouse) -> Iterator[FakePendo]:
    origins.install(Origin())
    with FakePendo() as fake:
        yield fake


def numbers(result: CheckResult) -> tuple[int, int, int]:
    return result.on_report, result.entered, result.left


def stored() -> list[tuple[str, str, int]]:
    return list(Arrival.objects.order_by("id").values_list("member", "kind", "entry"))


def staged(store: Warehouse) -> list[int]:
    return [row[0] for row in store.query("SELECT DISTINCT fetch FROM remote_rows ORDER BY fetch")]


def test_who_comes_leaves_and_returns_is_told_as_of_a_report_of_our_own(fresh: Warehouse, pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", "bob")
    assert numbers(checks.check(report.id)) == (2, 0, 0)
    pendo.visitors("ann", "bob", "cid")
    assert numbers(checks.check(report.id)) == (3, 1, 0)
    pendo.visitors("ann", "bob")
    assert numbers(checks.check(report.id)) == (2, 0, 1)
    pendo.visitors("cid", "ann", "bob")
    assert numbers(checks.check(report.id)) == (3, 1, 0)
    assert stored() == [("cid", "in", 1), ("cid", "out", 1), ("cid", "in", 2)]
    assert len(staged(fresh)) == 1


def test_accounts_arrive_too(pendo: FakePendo) -> None:
    report = make.report(pendo, "accounts")
    assert report.kind == "account"
    pendo.rows["accounts"] = [{"accountId": "acme", "account_agent_name": "Acme"}]
    checks.check(report.id)
    pendo.rows["accounts"].append({"accountId": 7, "account_agent_plan_name": "pro"})
    assert numbers(checks.check(report.id)) == (2, 1, 0)
    seen = rows.context(report, ["7"])["7"]
    assert seen["account"] == {"id": "7", "agent": {"plan_name": "pro"}}


def test_the_rows_of_the_last_fetch_are_shown_with_their_columns(pendo: FakePendo) -> None:
    report = make.report(pendo)
    assert (rows.page(report).items, reports.labels(report), rows.count(report)) == ([], [], 0)
    pendo.visitors("ann", "bob", "cid", nps_score=9)
    pendo.rows["visitors"][1]["visitor_agent_email"] = "=bob@acme.example"
    checks.check(report.id)
    assert reports.labels(report) == ["visitorId", "accountId", "nps_score", "visitor_agent_email"]
    first = rows.page(report, limit=2)
    assert [row["visitorId"] for row in first.items] == ["ann", "bob"]
    assert [row["visitorId"] for row in rows.page(report, limit=2, cursor=first.next or "").items] == ["cid"]
    assert rows.count(report) == 3
    lines = "".join(rows.csv(report)).splitlines()
    assert lines == ["visitorId,accountId,nps_score,visitor_agent_email", "ann,acme,9,", "bob,acme,9,'=bob@acme.example", "cid,acme,9,"]  # fmt: skip


def test_a_run_sees_the_row_and_the_groups_that_its_columns_name(pendo: FakePendo) -> None:
    report = make.report(pendo)
    more = {"visitor_agent_email": "a@b.example", "visitor_salesforce_owner_name": "Eve", "account_auto_id": "acme"}
    pendo.visitors("ann", **more, daysActive=3)
    checks.check(report.id)
    seen = rows.context(report, ["ann", "nobody"])
    assert seen["ann"]["visitor"] == {
        "id": "ann",
        "agent": {"email": "a@b.example"},
        "salesforce": {"owner_name": "Eve"},
    }
    assert seen["ann"]["account"]["id"] == "acme"
    assert seen["ann"]["row"]["daysActive"] == 3
    assert seen["nobody"]["row"] == {}


def test_the_last_row_of_who_left_is_kept_for_runs_that_come_later(pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", "bob", score=3)
    checks.check(report.id)
    pendo.visitors("ann", score=4)
    checks.check(report.id)
    checks.check(report.id)
    seen = rows.context(report, ["ann", "bob"])
    assert (seen["ann"]["row"]["score"], seen["bob"]["row"]["score"]) == (4, 3)


WRONG: list[tuple[str, Misbehaviour, type[ArrivalsError], str]] = [
    ("half a body", half, Retryable, "broke off"),
    ("JSON that breaks off", status(200, b'[{"visitorId":"a"},{"visi'), Retryable, "breaks off"),
    ("no JSON", status(200, b"oops"), Retryable, "no JSON"),
    ("an object", status(200, b'{"message":"try later"}'), Retryable, "an object"),
    ("a web page", status(200, b"<!doctype html><title>Sign in</title>", Content_Type="text/html"), Retryable, "a web page"),
    ("an error", status(500, b"boom"), Retryable, "500: boom"),
    ("a gateway's page", status(502, b"<html>", Content_Type="text/html"), Retryable, "answered 502;"),
    ("no time", slow, CheckTimeout, r"read timed out\); make the report's date range shorter in Pendo"),
    ("a redirect to a page to sign in", status(302, Location="https://login.example/"), Permanent, "redirect to login.example"),
    ("a report that is gone", status(404), Permanent, "no longer shared with Everyone"),
    ("a refusal", status(400, b"bad subscription"), Permanent, "another region"),
    ("no column with the id", status(200, b'[{"visitor_agent_email":"a"}]'), InvalidReport, "no column visitorId"),
    ("empty ids", status(200, b'[{"visitorId":null},{"visitorId":""}]'), InvalidReport, "is empty in every one"),
    ("an id that is none", status(200, b'[{"visitorId":"a"},{"visitorId":{}}]'), InvalidReport, "Row 2"),
]  # fmt: skip


@pytest.mark.parametrize(("_what", "wrong", "kind", "sentence"), WRONG, ids=[one[0] for one in WRONG])
def test_a_bad_answer_keeps_the_old_state_and_is_an_error_of_the_report(
    fresh: Warehouse,
    pendo: FakePendo,
    monkeypatch: pytest.MonkeyPatch,
    _what: str,
    wrong: Misbehaviour,
    kind: type[ArrivalsError],
    sentence: str,
) -> None:
    report = make.report(pendo)
    watches.start(report.id, minutes=5)
    pendo.visitors("ann", "bob")
    checks.check(report.id)
    with monkeypatch.context() as patch:
        patch.setattr(client, "SECONDS", 0.5 if wrong is slow else 5.0)
        pendo.wrong["results.json"] = wrong
        with pytest.raises(kind, match=sentence):
            checks.check(report.id)
    state = watches.as_dict(report.id)
    assert (state["errors"], state["on_report"]) == (1, 2)
    assert watches.due(10) == []
    assert (stored(), len(rows.page(report).items), len(staged(fresh))) == ([], 2, 1)
    pendo.wrong.clear()
    pendo.visitors("ann", "bob", "new")
    assert numbers(checks.check(report.id)) == (3, 1, 0)
    assert watches.as_dict(report.id)["errors"] == 0


def test_a_refused_key_makes_the_connection_stale_and_nothing_more_is_asked(pendo: FakePendo) -> None:
    report = make.report(pendo)
    watches.start(report.id, minutes=5)
    pendo.visitors("ann")
    checks.check(report.id)
    pendo.key = "another"
    for _ in range(3):
        with pytest.raises(AuthorisationExpired, match=client.INVALID):
            checks.check(report.id)
    connection = Connection.objects.get()
    assert (connection.state, connection.reason) == ("stale", client.INVALID)
    assert len([path for path in pendo.calls if "results" in path]) == 2
    assert Check.objects.exclude(error="").count() == 1
    assert watches.as_dict(report.id)["errors"] == 1
    assert watches.due(10) == []
    connections.change(connection.id, fields={"key": "another"})
    assert watches.due(10) == [report.id]
    assert numbers(checks.check(report.id)) == (1, 0, 0)


def test_a_key_that_was_put_in_meanwhile_is_not_blamed_for_the_old_one(pendo: FakePendo) -> None:
    report = make.report(pendo)

    def change(answer: fake_pendo.Answer) -> None:
        pendo.key = "another"
        connections.change(report.origin["connection"], fields={"key": "another"})
        answer.send(403)

    pendo.wrong["results.json"] = change
    with pytest.raises(AuthorisationExpired):
        checks.check(report.id)
    assert Connection.objects.get().state == "ok"


def test_told_to_wait_it_waits_with_every_report_of_the_subscription(pendo: FakePendo) -> None:
    report = make.report(pendo)
    other = reports.create({"origin": {**report.origin, "report": "accounts"}})
    watches.start(report.id, minutes=5)
    pendo.wrong["visitors/results.json"] = status(429, Retry_After="1800")
    with pytest.raises(Throttled, match="wait 1800 s"):
        checks.check(report.id)
    due = Watch.objects.get(report=report).next_due
    assert timedelta(minutes=29) < due - clock.now() <= timedelta(minutes=30)
    asked = len(pendo.calls)
    with pytest.raises(Throttled):
        checks.check(other.id)
    assert len(pendo.calls) == asked


GONE: list[tuple[str, Any]] = [
    ("the format of the ids changed", [{"visitorId": f"acme:v{number}"} for number in range(30)]),
    ("an empty list", []),
    ("null", None),
    ("less than half", [{"visitorId": f"v{number}"} for number in range(10)]),
]


@pytest.mark.parametrize(("_what", "answer"), GONE, ids=[one[0] for one in GONE])
def test_most_of_it_gone_at_once_is_not_believed_until_a_person_says_so(
    fresh: Warehouse, pendo: FakePendo, _what: str, answer: Any
) -> None:
    report = make.report(pendo)
    pendo.visitors(*(f"v{number}" for number in range(30)))
    checks.check(report.id)
    pendo.rows["visitors"] = answer if answer is not None else lambda: [b"null"]
    for _ in range(2):
        with pytest.raises(ReportReplaced, match="of the 30 on the report are gone"):
            checks.check(report.id)
    assert (stored(), rows.count(report), len(staged(fresh))) == ([], 30, 1)
    with pytest.raises(Invalid):
        checks.check(report.id, accept="yes")
    size = len(answer or [])
    assert numbers(checks.check(report.id, accept="snapshot")) == (size, 0, 0)
    assert numbers(checks.check(report.id)) == (size, 0, 0)
    assert (stored(), rows.count(report)) == ([], size)


def test_a_person_may_let_them_all_arrive(pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors(*(f"v{number}" for number in range(30)))
    checks.check(report.id)
    pendo.visitors(*(f"w{number}" for number in range(30)))
    assert numbers(checks.check(report.id, accept="arrivals")) == (30, 30, 30)


def test_a_small_report_may_change_as_a_whole(pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors(*(f"v{number}" for number in range(20)))
    checks.check(report.id)
    pendo.rows["visitors"] = []
    assert numbers(checks.check(report.id)) == (0, 0, 20)


def test_after_a_new_snapshot_who_comes_again_has_the_next_entry_number(pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", *(f"v{number}" for number in range(30)))
    checks.check(report.id)
    pendo.visitors("bob")
    checks.check(report.id, accept="snapshot")
    pendo.visitors("bob", "ann")
    checks.check(report.id)
    assert stored() == [("ann", "in", 2)]


class Died(BaseException):
    """Stands for kill -9: no handler of the product catches it."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


STEPS: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("in the middle of the fetch", lambda patch: patch.setattr(remote.Reader, "ended", die)),
    ("before the fetch counts", lambda patch: patch.setattr(remote, "accept", die)),
    ("before the old fetch is dropped", lambda patch: patch.setattr(remote, "drop", die)),
    ("before the arrivals are stored", lambda patch: patch.setattr(checks, "_difference", die)),
    ("in the middle of storing them", lambda patch: patch.setattr(checks, "_move_on", die)),
    ("before the ledger is written", lambda patch: patch.setattr(ledger, "append", die)),
]


@pytest.mark.parametrize(("_when", "kill"), STEPS, ids=[name for name, _ in STEPS])
def test_a_check_that_dies_is_made_good_by_the_next(
    fresh: Warehouse, pendo: FakePendo, monkeypatch: pytest.MonkeyPatch, _when: str, kill: Any
) -> None:
    report = make.report(pendo)
    pendo.visitors("old", "going")
    checks.check(report.id)
    pendo.visitors("old", "new")
    with monkeypatch.context() as patch:
        kill(patch)
        with pytest.raises(Died):
            checks.check(report.id)
    assert {row["visitorId"] for row in rows.page(report).items} in ({"old", "going"}, {"old", "new"})
    assert numbers(checks.check(report.id))[0] == 2
    assert sorted(stored()) == [("going", "out", 1), ("new", "in", 1)]
    assert len(staged(fresh)) == 1
    assert rows.context(report, ["going"])["going"]["row"]["accountId"] == "acme"


def test_a_new_snapshot_that_dies_starts_nothing_either(pendo: FakePendo, monkeypatch: pytest.MonkeyPatch) -> None:
    report = make.report(pendo)
    pendo.visitors(*(f"v{number}" for number in range(30)))
    checks.check(report.id)
    pendo.visitors(*(f"w{number}" for number in range(30)))
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", die)
        with pytest.raises(Died):
            checks.check(report.id, accept="snapshot")
    assert numbers(checks.check(report.id)) == (30, 0, 0)
    assert stored() == []


async def test_a_slow_subscription_keeps_no_report_of_our_own_waiting(pendo: FakePendo) -> None:
    ours = await sync_to_async(makers.report)()
    theirs = [await sync_to_async(make.report)(pendo) for _ in range(3)]
    pendo.wrong["results.json"] = slow
    for report in [*theirs, ours]:
        await sync_to_async(watches.start)(report.id)
    seen: list[str] = []
    watcher = Watcher(on_check=seen.append)
    await watcher.start()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if seen:
            break
    await watcher.stop()
    assert seen[0] == ours.id
    assert len(seen) == 3


def test_memory_does_not_grow_with_the_report(pendo: FakePendo, monkeypatch: pytest.MonkeyPatch) -> None:
    """60,000 rows come in blocks; what stands in memory at once is a few of these, not the answer (11 MB) nor its objects."""
    import tracemalloc

    report = make.report(pendo)
    pendo.rows["visitors"] = fake_pendo.many(60_000)
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for block in origins.origin().rows(report):
            sizes.append(len(block))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 60_000
    assert max(sizes) < 11_000
    assert peak < 9_000_000
    assert numbers(checks.check(report.id)) == (60_000, 0, 0)


def test_an_erased_member_is_in_no_row_that_was_fetched(fresh: Warehouse, pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", "bob", "cid")
    checks.check(report.id)
    pendo.visitors("bob", "cid")
    checks.check(report.id)
    erasing.memberships(["ann", "bob"], reports=[], remote=[report.id], activations=[])
    erasing.fetched(["ann", "bob"], [report.id])
    assert [row["visitorId"] for row in rows.page(report).items] == ["cid"]
    assert rows.context(report, ["ann"])["ann"]["row"] == {}


def test_a_poll_for_the_members_asks_pendo_no_more_often_than_the_interval(pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", score=9)

    def poll(**how: bool) -> int:
        roster.look(report.id, **how)
        [item] = roster.described(report, roster.present(report)[0])
        assert item is not None
        assert (item["row"]["score"], item["account"]["id"]) == (9, "acme")
        return len([path for path in pendo.calls if "results" in path])

    assert [poll(), poll()] == [1, 1]
    Watch.objects.update(next_due=clock.now() - timedelta(seconds=1))
    assert [poll(), poll()] == [2, 2]
    # Nobody who is there already may be missing from the snapshot of a Zap that is turned on.
    assert [poll(snapshot=True), poll()] == [3, 3]


def test_deleting_a_remote_report_removes_what_was_fetched(fresh: Warehouse, pendo: FakePendo) -> None:
    report = make.report(pendo)
    pendo.visitors("ann", "bob")
    checks.check(report.id)
    pendo.visitors("ann")
    checks.check(report.id)
    reports.delete(report.id)
    for table in ("remote_rows", "remote_fetches", "remote_left"):
        assert fresh.query(f"SELECT count() FROM {table}") == [(0,)]
    assert not Report.objects.exists()
