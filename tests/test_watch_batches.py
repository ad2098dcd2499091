"""Looking at many reports together, at those only of whom something is new."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import reports, segments
from arrivals.audience.models import Report
from arrivals.collect.event import Event
from arrivals.errors import Unavailable
from arrivals.warehouse import client, links, recent
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from arrivals.watch import batches, checks, ledger, marks, told, watches
from arrivals.watch.models import Arrival, Check, Watch
from tests import events, makers


def exporters(times: int = 1) -> Report:
    """Those who exported so many times in the last hour."""
    rule = {"kind": "track", "name": "export", "times": {"at_least": times}, "when": {"within": "1h"}}
    segment = segments.create("Exporters", {"all": [{"any": [rule]}]})
    return reports.create({"name": "Exporters", "segment": segment.id, "range": {"within": "1d"}})


def export(store: Warehouse, visitor: str, minutes_ago: float = 0) -> None:
    events.add(store, (visitor, "track", "export", clock.now() - timedelta(minutes=minutes_ago)))


def stored() -> list[tuple[str, str, int]]:
    return list(Arrival.objects.order_by("id").values_list("member", "kind", "entry"))


def last(report: Report) -> Check:
    return Check.objects.filter(report=report).latest("id")


def test_only_those_with_something_new_are_looked_at(fresh: Warehouse) -> None:
    report = exporters()
    export(fresh, "old")
    checks.check(report.id)
    export(fresh, "new")
    assert batches.check([report.id]) == {}
    assert (stored(), last(report).candidates, last(report).on_report) == ([("new", "in", 1)], 1, 2)
    events.add(fresh, ("other", "track", "something else", clock.now()))
    assert batches.check([report.id]) == {}
    assert (last(report).candidates, last(report).on_report, len(stored())) == (0, 2, 1)


def test_a_late_event_is_something_new_and_one_that_grows_too_old_too(fresh: Warehouse) -> None:
    report = exporters()
    checks.check(report.id)
    export(fresh, "late", minutes_ago=59.9)
    assert batches.check([report.id]) == {}
    assert stored() == [("late", "in", 1)]
    with clock.standing(clock.now() + timedelta(minutes=1)):
        assert batches.check([report.id]) == {}
    assert stored()[1:] == [("late", "out", 1)]


def test_of_two_values_of_one_moment_the_same_one_counts_for_both_ways(fresh: Warehouse) -> None:
    report, moment = makers.report(), clock.now()
    checks.check(report.id)
    events.add(fresh, ("ann", "track", "x", moment))
    for plan in ("free", "pro", "free", "pro"):
        events.metadata(fresh, "ann", moment, plan=plan)
    assert batches.check([report.id]) == {}
    assert stored() == [("ann", "in", 1)]
    checks.check(report.id)
    assert len(stored()) == 1


def test_who_is_linked_is_looked_at_with_all_ids(fresh: Warehouse) -> None:
    report = exporters(times=2)
    checks.check(report.id)
    export(fresh, "anon")
    export(fresh, "ann")
    assert batches.check([report.id]) == {}
    links.Links().note([("anon", "ann", False)])
    assert batches.check([report.id]) == {}
    assert stored() == [("ann", "in", 1)]


DISTURBED: list[tuple[str, str, Callable[[Warehouse, Report], Any]]] = [
    ("never looked at", "first", lambda _store, report: Watch.objects.filter(report=report).update(seen_at=None)),
    ("the engine was started again", "restarted", lambda store, _report: store.command("TRUNCATE TABLE epochs")),
    ("rows were deleted", "restarted", lambda store, _report: store.command("ALTER TABLE events DELETE WHERE visitor = 1 SETTINGS mutations_sync = 2")),
    ("the writer was started again", "restarted", lambda _store, _report: EventStore().mend(0)),
    ("an alias was taken from its visitor", "restarted", lambda _store, _report: links.Links().note([("a", "v", True), ("a", "w", True)])),
    ("the segment was changed", "changed", lambda _store, report: segments.change(report.segment_id or "", rules={"all": []})),
    ("the range was changed", "changed", lambda _store, report: Report.objects.filter(pk=report.id).update(range={"within": "30m"})),
    ("the mark is too old", "waited", lambda _store, report: Watch.objects.filter(report=report).update(seq=1)),
    ("the clock went back", "clock", lambda _store, report: Watch.objects.filter(report=report).update(seen_at=clock.now() + timedelta(minutes=1))),
    ("it is time for a proof", "proof", lambda _store, report: Watch.objects.filter(report=report).update(full_at=clock.now() - timedelta(hours=2))),
]  # fmt: skip


@pytest.mark.parametrize(("_name", "reason", "disturb"), DISTURBED, ids=[name for name, _, _ in DISTURBED])
def test_what_is_in_doubt_is_left_to_a_look_at_everybody(
    fresh: Warehouse, _name: str, reason: str, disturb: Callable[[Warehouse, Report], Any]
) -> None:
    report = exporters()
    checks.check(report.id)
    disturb(fresh, report)
    assert batches.check([report.id]) == {report.id: reason}
    assert reason in marks.REASONS
    assert Check.objects.count() == 1, "nothing was noted of it"
    assert Watch.objects.get().claim == ""


def test_a_kind_that_is_looked_at_as_a_whole_is_left_alone_while_nothing_is_new(fresh: Warehouse) -> None:
    report = reports.responses_to("nps")
    checks.check(report.id)
    export(fresh, "ann")
    assert batches.check([report.id]) == {}
    assert last(report).candidates == 0
    events.add(fresh, ("ann", "survey_answered", "nps", clock.now(), {"score": 9}))
    assert batches.check([report.id]) == {report.id: "kind"}


def test_what_was_missed_is_found_counted_and_told_by_the_next_proof(
    fresh: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    report = exporters()
    checks.check(report.id)
    export(fresh, "lost", minutes_ago=10)
    fresh.command("ALTER TABLE recent DELETE WHERE 1")  # stands for an error of ours
    assert batches.check([report.id]) == {}
    assert stored() == []
    export(fresh, "seen")
    checks.check(report.id, why="proof")
    assert Watch.objects.get().missed == last(report).missed == 1
    assert sorted(stored()) == [("lost", "in", 1), ("seen", "in", 1)], "it is healed, and only the lost one counts"
    assert "lost (in)" in caplog.text
    assert watches.checks(report.id)[0]["missed"] == 1


def test_a_mark_is_not_settled_while_an_insert_is_under_way(fresh: Warehouse) -> None:
    def insert() -> None:
        fresh.command(
            "INSERT INTO events (source_id, message_id, kind, name, visitor_id, ts, received_at) "
            "SELECT 's', toString(number), 'track', 'export', 'slow', now64(3), now64(3) FROM numbers(2) "
            "WHERE sleepEachRow(0.4) = 0"
        )

    before = recent.settled()
    slow = threading.Thread(target=insert)
    slow.start()
    time.sleep(0.2)
    begun = time.time_ns() // 1_000_000 << recent.MILLISECONDS_SHIFT
    assert before <= recent.settled() < begun
    slow.join()
    assert recent.settled() > begun


def test_an_insert_that_fails_begins_a_new_epoch(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise Unavailable("The disk is full.")

    before = recent.epoch()
    assert recent.epoch() == before
    monkeypatch.setattr(client.Warehouse, "insert_columns", fail)
    one = Event(source_id="s", message_id="m", kind="track", name="x", visitor_id="v", ts=0, received_at=0)
    with pytest.raises(Unavailable):
        EventStore().append([one], [1])
    assert recent.epoch() != before


class Died(BaseException):
    """Stands for kill -9: no handler of the product catches it."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


@pytest.mark.parametrize(
    "step", [(checks, "store"), (checks, "_move_on"), (ledger, "append"), (batches.Batch, "move_on")]
)
def test_a_batch_that_dies_is_made_good_by_the_next(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, step: tuple[Any, str]
) -> None:
    changing, quiet = exporters(), makers.report()
    for report in (changing, quiet):
        checks.check(report.id)
    export(fresh, "new")
    with monkeypatch.context() as patch:
        patch.setattr(*step, die)
        with pytest.raises(Died):
            batches.check([changing.id, quiet.id])
    Watch.objects.update(claim="")
    assert batches.check([changing.id, quiet.id]) == {}
    assert stored() == [("new", "in", 1)]
    assert fresh.query("SELECT member_id, version FROM memberships FINAL") == [("new", 1)]


def test_a_rule_that_cannot_be_asked_in_the_copy_is_asked_of_everybody_and_hurts_no_other_report(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rule = {"kind": "event", "when": {"within": "1h"}, "where": [{"property": "broken", "op": "is_not_set"}]}
    segment = segments.create("Broken", {"all": [{"any": [rule]}]})
    report = reports.create({"name": "Broken", "segment": segment.id, "range": {"within": "1d"}})
    other = exporters()
    for one in (report, other):
        checks.check(one.id)
    export(fresh, "ann")
    real, asked = Warehouse.numbers, []

    def numbers(self: Warehouse, sql: str, parameters: Any = None, *, seconds: float = 600) -> Any:
        if "broken" in (parameters or {}).values():
            asked.append(type(self).__name__)
            sql = "SELECT message_id FROM nowhere"
        return real(self, sql, parameters, seconds=seconds)

    monkeypatch.setattr(Warehouse, "numbers", numbers)
    assert batches.check([report.id, other.id]) == {report.id: "failed"}
    assert (last(other).entered, asked) == (1, ["Session", "Session"])  # the copy, and nothing else


def test_too_much_news_is_left_to_a_look_at_everybody(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    report = exporters()
    checks.check(report.id)
    monkeypatch.setattr(batches, "MOST_PEOPLE", 1)
    export(fresh, "ann")
    export(fresh, "bob")
    assert batches.check([report.id]) == {report.id: "many"}


def test_a_report_that_is_looked_at_by_somebody_else_is_left_out(fresh: Warehouse) -> None:
    report = exporters()
    checks.check(report.id)
    export(fresh, "ann")
    with checks.claimed(report.id):
        assert batches.check([report.id]) == {}
    assert stored() == []
    batches.check([report.id])
    assert stored() == [("ann", "in", 1)]


def test_one_report_is_looked_at_in_whichever_way_is_enough(fresh: Warehouse) -> None:
    report = exporters()
    checks.check(report.id)
    export(fresh, "ann")
    batches.one(report.id)
    assert (stored(), last(report).candidates) == ([("ann", "in", 1)], 1)
    fresh.command("TRUNCATE TABLE epochs")
    batches.one(report.id)
    assert (last(report).candidates, last(report).why) == (None, "restarted")


def test_old_rows_are_dropped_and_newer_ones_stay(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    export(fresh, "ann")
    recent.trim()
    assert fresh.query("SELECT count() FROM recent") == [(1,)]
    monkeypatch.setattr(recent, "KEPT_MINUTES", 0)
    time.sleep(0.01)
    recent.trim()
    assert fresh.query("SELECT count() FROM recent") == [(0,)]


def test_those_who_are_told_of_are_looked_at_at_once_and_nobody_else(fresh: Warehouse) -> None:
    report, other = exporters(), reports.responses_to("nps")
    checks.check(report.id)
    export(fresh, "ann")
    export(fresh, "bob")
    seen_at = Watch.objects.get(report=report).seen_at
    assert told.check(["ann"], [report.id, other.id]) == {report.id: 1}
    assert (stored(), watches.as_dict(report.id)["on_report"]) == ([("ann", "in", 1)], 1)
    assert Watch.objects.get(report=report).seen_at == seen_at, "the others are still to be looked at"
    assert told.check(["ann"], [report.id]) == {}
    assert batches.check([report.id]) == {}
    assert stored() == [("ann", "in", 1), ("bob", "in", 1)]
    assert watches.as_dict(report.id)["on_report"] == 2


def test_who_is_told_of_and_dies_with_the_teller_is_in_the_ledger_after_the_next_check(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = exporters()
    checks.check(report.id)
    export(fresh, "ann")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", die)
        with pytest.raises(Died):
            told.check(["ann"], [report.id])
    Watch.objects.update(claim="")
    assert batches.check([report.id]) == {}
    assert (stored(), fresh.query("SELECT member_id, version FROM memberships FINAL")) == (
        [("ann", "in", 1)],
        [("ann", 1)],
    )
