"""Watching: each visitor who was not there before arrives once, whatever dies when."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from arrivals import clock
from arrivals.audience import compiler, members, reports, segments
from arrivals.audience.models import Report
from arrivals.errors import CheckTimeout, Conflict, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.watch import arrivals, checks, ledger, watches
from arrivals.watch.checks import CheckResult
from arrivals.watch.models import Arrival, Check, Watch
from tests import events


def make_report() -> Report:
    """Those whose plan is pro, so that a test can put people on the report and take them off."""
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    segment = segments.create("Pro", rules)
    return reports.create({"name": "Pro", "segment": segment.id, "range": {"ever": True}})


clicks = iter(range(10**9))


def plan(store: Warehouse, visitor: str, value: str) -> None:
    at = clock.now() + timedelta(milliseconds=next(clicks))  # later than every value before
    events.metadata(store, visitor, at, plan=value)


def come(store: Warehouse, *visitors: str) -> None:
    for visitor in visitors:
        events.add(store, (visitor, "track", "x", clock.now()))
        plan(store, visitor, "pro")


def leave(store: Warehouse, *visitors: str) -> None:
    for visitor in visitors:
        plan(store, visitor, "free")


def stored() -> list[tuple[str, str, int]]:
    return list(Arrival.objects.order_by("id").values_list("member", "kind", "entry"))


def numbers(result: CheckResult) -> tuple[int, int, int]:
    return result.on_report, result.entered, result.left


def test_the_first_check_is_the_snapshot_and_nobody_arrives_by_it(fresh: Warehouse) -> None:
    report = make_report()
    come(fresh, "ann", "bob")
    assert numbers(checks.check(report.id)) == (2, 0, 0)
    assert stored() == []


def test_who_comes_leaves_and_returns_is_told_with_the_entry_number(fresh: Warehouse) -> None:
    report = make_report()
    come(fresh, "ann")
    checks.check(report.id)
    come(fresh, "bob")
    assert numbers(checks.check(report.id)) == (2, 1, 0)
    assert numbers(checks.check(report.id)) == (2, 0, 0)
    leave(fresh, "ann", "bob")
    assert numbers(checks.check(report.id)) == (0, 0, 2)
    come(fresh, "ann")
    assert numbers(checks.check(report.id)) == (1, 1, 0)
    assert Counter(stored()) == Counter([("bob", "in", 1), ("ann", "out", 1), ("bob", "out", 1), ("ann", "in", 2)])
    assert watches.as_dict(report.id)["on_report"] == 1
    items, next_ = arrivals.page(report.id, limit=3)
    assert (items[0]["member"], items[0]["entry"], next_ is not None) == ("ann", 2, True)
    assert len(arrivals.page(report.id, cursor=next_ or "")[0]) == 1


def test_a_visitor_who_is_identified_later_does_not_arrive_again(fresh: Warehouse) -> None:
    report = make_report()
    checks.check(report.id)
    come(fresh, "anon")
    checks.check(report.id)
    events.add(fresh, ("ann", "identify", "", clock.now()))
    events.link(fresh, "anon", "ann")
    assert numbers(checks.check(report.id)) == (1, 0, 0)
    leave(fresh, "ann")
    assert numbers(checks.check(report.id)) == (0, 0, 1)
    come(fresh, "ann")
    checks.check(report.id)
    assert stored() == [("anon", "in", 1), ("anon", "out", 1), ("ann", "in", 2)]


def test_two_ids_on_the_report_that_turn_out_to_be_one_leave_together(fresh: Warehouse) -> None:
    report = make_report()
    checks.check(report.id)
    come(fresh, "anon", "ann")
    checks.check(report.id)
    events.link(fresh, "anon", "ann")
    assert numbers(checks.check(report.id))[1:] == (0, 0)
    leave(fresh, "ann")
    checks.check(report.id)
    assert numbers(checks.check(report.id)) == (0, 0, 0)


STEPS: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("before the arrivals are stored", lambda patch: patch.setattr(checks, "_own", die)),
    ("in the middle of storing them", lambda patch: patch.setattr(checks, "_move_on", die)),
    ("before the ledger is written", lambda patch: patch.setattr(ledger, "append", die)),
]


class Died(BaseException):
    """Stands for kill -9: no handler of the product catches it."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


@pytest.mark.parametrize(("_when", "kill"), STEPS, ids=[name for name, _ in STEPS])
def test_a_check_that_dies_is_made_good_by_the_next(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, _when: str, kill: Any
) -> None:
    report = make_report()
    come(fresh, "old")
    checks.check(report.id)
    come(fresh, "new")
    with monkeypatch.context() as patch:
        kill(patch)
        with pytest.raises(Died):
            checks.check(report.id)
    assert numbers(checks.check(report.id))[0] == 2
    leave(fresh, "new")
    checks.check(report.id)
    assert stored() == [("new", "in", 1), ("new", "out", 1)]


def test_the_ledger_died_after_storing_is_repaired_without_a_second_arrival(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report()
    checks.check(report.id)
    come(fresh, "new")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", die)
        with pytest.raises(Died):
            checks.check(report.id)
    assert (stored(), ledger.present(report.id, members.of(report))) == ([("new", "in", 1)], 0)
    assert numbers(checks.check(report.id)) == (1, 0, 0)
    assert (stored(), ledger.present(report.id, members.of(report))) == ([("new", "in", 1)], 1)


def test_many_at_once_store_each_arrival_once(fresh: Warehouse) -> None:
    from django.db import connections

    report = make_report()
    checks.check(report.id)
    come(fresh, *(f"v{number}" for number in range(20)))
    problems: list[BaseException] = []

    def look() -> None:
        try:
            checks.check(report.id)
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert sorted(stored()) == sorted((f"v{number}", "in", 1) for number in range(20))


def test_a_dead_checkers_claim_ends_with_its_lease(fresh: Warehouse) -> None:
    report = make_report()
    checks.check(report.id)
    Watch.objects.update(claim="dead", claimed_until=clock.now() + timedelta(seconds=60))
    with pytest.raises(Conflict, match="under way"):
        checks.check(report.id, wait_seconds=0.2)
    Watch.objects.update(claimed_until=clock.now() - timedelta(seconds=1))
    assert numbers(checks.check(report.id, wait_seconds=0.2)) == (0, 0, 0)


def test_a_check_whose_claim_was_taken_over_stores_nothing(fresh: Warehouse) -> None:
    report = make_report()
    checks.check(report.id)
    come(fresh, "new")
    with pytest.raises(Conflict, match="nothing was stored"):
        checks.look(report.id, "not the claim")
    assert stored() == []


def test_a_timeout_keeps_the_old_state_and_says_what_to_do(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    report = make_report()
    checks.check(report.id)
    come(fresh, "new")
    with monkeypatch.context() as patch:
        slow = "SELECT toUInt64(number) AS visitor FROM numbers(100000000000) WHERE sipHash64(number) = 1"
        patch.setattr("arrivals.audience.compiler.report_ids", lambda *_, **__: compiler.Query(slow, {}))
        patch.setattr(ledger, "SECONDS", 0.3)
        with pytest.raises(CheckTimeout, match="date range shorter"):
            checks.check(report.id)
    state = watches.as_dict(report.id)
    assert (state["errors"], state["on_report"]) == (1, 0)
    assert "date range shorter" in state["error"]
    assert Check.objects.filter(report=report).exclude(error="").count() == 1
    assert stored() == []
    assert numbers(checks.check(report.id)) == (1, 1, 0)
    assert watches.as_dict(report.id)["errors"] == 0


def test_a_check_that_breaks_is_an_error_of_the_report_and_due_again_later(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report()
    watches.start(report.id, minutes=5)
    checks.check(report.id)
    with monkeypatch.context() as patch:
        patch.setattr("arrivals.audience.compiler.report_ids", lambda *_, **__: compiler.Query("SELECT nonsense", {}))
        with pytest.raises(Exception, match="nonsense"):
            checks.check(report.id)
    assert watches.as_dict(report.id)["error"] == "The check failed inside Arrivals; the log says why."
    assert watches.due(10) == []


def test_an_unknown_report_is_not_found(fresh: Warehouse) -> None:
    with pytest.raises(NotFound):
        checks.check("rep_none")


async def test_the_watcher_checks_due_reports_by_itself(fresh: Warehouse) -> None:
    import asyncio

    from asgiref.sync import sync_to_async

    from arrivals.watch.watcher import Watcher

    report = await sync_to_async(make_report)()
    other = await sync_to_async(reports.create)({"name": "Not watched", "range": {"ever": True}})
    await sync_to_async(watches.start)(report.id, minutes=5)
    seen: list[str] = []
    watcher = Watcher(on_check=seen.append)
    await watcher.start()
    for _ in range(100):
        await asyncio.sleep(0.05)
        if seen:
            break
    await watcher.stop()
    assert seen == [report.id]
    assert not await sync_to_async(Watch.objects.filter(report_id=other.id).exists)()
    watch = await sync_to_async(Watch.objects.get)(report_id=report.id)
    assert timedelta(minutes=4) < watch.next_due - clock.now() <= timedelta(minutes=5)


def test_any_course_of_events_gives_each_entry_once(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state machine beside a small model: come, leave, check, die at a step, be linked."""
    names = ["a", "b", "c"]

    class Course(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            for table in ("events", "visitors", "visitor_fields", "links", "memberships"):
                fresh.command(f"TRUNCATE TABLE {table}")
            for model in (Check, Arrival, Watch, Report):
                model.objects.all().delete()
            self.report = make_report()
            events.add(fresh, *((name, "track", "x", clock.now()) for name in names))
            checks.check(self.report.id)
            self.on: set[str] = set()
            self.told: set[str] = set()
            self.entries: Counter[str] = Counter()
            self.expected: list[tuple[str, str, int]] = []
            self.unsettled = False  # arrivals are stored that the ledger does not have yet

        @rule(name=st.sampled_from(names))
        def comes(self, name: str) -> None:
            plan(fresh, name, "pro")
            self.on.add(name)

        @rule(name=st.sampled_from(names))
        def leaves(self, name: str) -> None:
            plan(fresh, name, "free")
            self.on.discard(name)

        @rule(when=st.sampled_from([kill for _, kill in STEPS]))
        @precondition(lambda self: self.on != self.told)
        def dies(self, when: Any) -> None:
            with monkeypatch.context() as patch:
                when(patch)
                with pytest.raises(Died):
                    checks.check(self.report.id)
            if when is not STEPS[2][1]:
                self.unsettled = False  # the repair at the beginning was done
            elif not self.unsettled:  # else it died in the repair already, before anything new was stored
                self.tell()
                self.unsettled = True

        @rule()
        def looks(self) -> None:
            result = checks.check(self.report.id)
            self.unsettled = False
            self.tell()
            assert result.on_report == len(self.on)
            assert sorted(stored()) == sorted(self.expected)

        def tell(self) -> None:
            for name in self.on - self.told:
                self.entries[name] += 1
                self.expected.append((name, "in", self.entries[name]))
            for name in self.told - self.on:
                self.expected.append((name, "out", self.entries[name]))
            self.told = set(self.on)

    limits = settings(max_examples=8, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Course, settings=limits)
