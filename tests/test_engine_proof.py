"""The ledger and the engine against a small model, killed at any statement and any call, with a clock that jumps.

A state machine makes visitors come and go, looks at the report, activates, pauses, resumes and publishes workflows on arrivals and on
departures, makes runs (or holds them as a flood), does their steps (which fail at times), cancels, replays, releases and discards. Each of these may be killed: ``Faults`` counts every statement of the control database, every question and insert of the
warehouse, and every call of an action, before it and after it; at the chosen one everything stops, also what would tidy up, as with
a kill. Then the process starts again. At the end the clock goes far ahead, all is done that is to be done, and there must be exactly the
runs that the model has, all at their end, and each call done once: one more time only for calls that were in flight at a kill.
``ENGINE_EXAMPLES=300`` for a long search.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from arrivals import clock
from arrivals.audience.models import Report
from arrivals.engine import enqueue, execute, held, replay, store, waits
from arrivals.engine.models import Run, StepRun, Wait
from arrivals.engine.program import Program
from arrivals.errors import AppError, Conflict, Permanent, Retryable
from arrivals.warehouse import client
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

LEASE, NOW = timedelta(seconds=15), timedelta(0)
EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "10"))
PEOPLE = ("ann", "bob", "cid", "dan")
FLOOD = 1  # arrivals at once that are not held, of a workflow that holds floods
TRIGGERS = {"in": "visitor_in_report", "out": "visitor_left_report"}
REST = {"id": "rest", "type": "delay", "for": "1h"}
WAIT = {"id": "wait", "type": "wait", "for": {"left_report": True}, "timeout": "2h"}
HANDLED = {
    **makers.post("{{ visitor.id }}", "second"),
    "on_error": {"then": "go_on", "steps": [makers.post("handled", "handled")]},
}
PROGRAMS = {
    "plain": (makers.post("first"), REST, makers.post("{{ visitor.id }}", "second")),
    "branching": (HANDLED, WAIT, makers.post("last", "last")),
}  # fmt: skip
NO_CALLS = ("rest", "wait")


EXISTING = st.sampled_from(("skip", "run"))
FLOWS = st.tuples(
    st.sampled_from(("never", "each_return")),
    st.sampled_from(("in", "in", "out")),
    st.sampled_from(tuple(PROGRAMS)),
    st.booleans(),
)


TROUBLE = st.lists(st.sampled_from((Permanent, Retryable)), max_size=3)


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Faults:
    """Counts the places where a kill may come; at the chosen one, and at all after it, there is no process any more."""

    left: int | None = None
    dead: bool = False
    passed: int = 0

    def point(self) -> None:
        if self.left is not None and self.passed >= self.left:
            self.dead = True
        self.passed += 1
        if self.dead:
            raise Killed

    def around(self, do: Callable[[], Any]) -> Any:
        self.point()
        done = do()
        self.point()
        return done


@dataclass
class Flow:
    """What the model knows of a workflow. ``runs``: member and entry number, once each."""

    id: str
    policy: str
    kind: str = "in"
    floods: bool = False
    steps: tuple[dict[str, Any], ...] = ()
    state: str = "off"
    chosen: bool = False  # somebody let arrivals run that came while it was paused: these are no flood
    start: int = 0
    cursor: int = 0
    snapshot: frozenset[str] = frozenset()
    runs: list[tuple[str, int]] = field(default_factory=list)


class Model:
    """The report and its workflows, as the documentation says."""

    def __init__(self) -> None:
        self.on: set[str] = set()
        self.seen: set[str] | None = None  # as the last look saw it; None: nobody has looked
        self.entry: Counter[str] = Counter()
        self.arrivals: list[tuple[str, str, int]] = []
        self.flows: list[Flow] = []

    def look(self) -> None:
        if self.seen is None:
            self.entry.update(self.on)
        else:
            for who in sorted(self.on - self.seen):
                self.entry[who] += 1
                self.arrivals.append(("in", who, self.entry[who]))
            self.arrivals += [("out", who, self.entry[who]) for who in sorted(self.seen - self.on)]
        self.seen = set(self.on)

    def activate(self, flow: Flow, existing: str) -> None:
        self.look()
        flow.state, flow.start, flow.cursor = "on", len(self.arrivals), len(self.arrivals)
        flow.snapshot = frozenset(self.on)
        if existing == "run":
            flow.runs += [(who, self.entry[who]) for who in sorted(self.on)]

    def resume(self, flow: Flow, existing: str) -> None:
        self.look()
        flow.state = "on"
        if existing == "skip":
            flow.cursor = len(self.arrivals)

    def make_runs(self) -> None:
        for flow in self.flows:
            if flow.state != "on":
                continue
            for place in range(flow.cursor, len(self.arrivals)):
                kind, who, entry = self.arrivals[place]
                if kind == flow.kind and self._passes(flow, place, who):
                    flow.runs.append((who, entry))
            flow.cursor = len(self.arrivals)

    def _passes(self, flow: Flow, place: int, who: str) -> bool:
        if flow.policy == "each_return":
            return True
        if flow.kind == "out":
            return who not in {one for one, _ in flow.runs}
        was_there = who in flow.snapshot or ("in", who) in {one[:2] for one in self.arrivals[flow.start : place]}
        return not was_there and who not in {one for one, _ in flow.runs}


class Shifted(datetime):
    """The machine's clock, which may jump."""

    by = timedelta(0)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.by


class Actions:
    """Stands for the apps. ``trouble``: what the next calls raise, one after the other."""

    def __init__(self, faults: Faults) -> None:
        self.faults, self.calls, self.done = faults, Counter[str](), Counter[str]()
        self.trouble: list[type[AppError]] = []

    async def run(
        self, app: str, action: str, *, connection_id: str, inputs: dict[str, Any], key: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        self.faults.point()
        self.calls[key] += 1
        if self.trouble:
            raise self.trouble.pop()("It went wrong.")
        self.done[key] += 1
        self.faults.point()
        return {"text": inputs["text"]}

    async def mark_stale(self, connection_id: str, reason: str) -> None:
        raise AssertionError


async def in_this_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def refused(do: Callable[..., Any], *given: Any) -> None:
    """Do it, or be told that it cannot be done now."""
    try:
        do(*given)
    except Conflict:
        pass


class Machine(RuleBasedStateMachine):
    store: Warehouse
    faults = Faults()  # of the one that is at work

    @initialize(
        there=st.sets(st.sampled_from(PEOPLE)), flows=st.lists(FLOWS, min_size=1, max_size=2), existing=EXISTING
    )
    def begin(self, there: set[str], flows: list[Any], existing: str) -> None:
        call_command("flush", verbosity=0, interactive=False)
        filled = self.store.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0"
        )
        for table in {name for (name,) in filled}.intersection(events.TABLES):
            self.store.command(f"TRUNCATE TABLE {table}")
        Shifted.by = timedelta(0)
        Machine.faults, self.model = Faults(), Model()
        self.actions = Actions(self.faults)
        self.in_flight: Counter[str] = Counter()
        self.report: Report = makers.report()
        self.told = datetime(2026, 1, 1, tzinfo=UTC)
        self.kills = 0
        self.cancelled: set[str] = set()
        for who in sorted(there):
            self.come_or_go(who)
        for flow in flows:
            self.activate(flow, existing, None)

    @rule(who=st.sampled_from(PEOPLE))
    def come_or_go(self, who: str) -> None:
        self.told += timedelta(seconds=1)  # what is told later is meant later, whatever the clock here says
        plan = "free" if who in self.model.on else "pro"
        events.add(self.store, (who, "track", "x", self.told))
        events.metadata(self.store, who, self.told, plan=plan)
        self.model.on ^= {who}

    @rule(
        who=st.sets(st.sampled_from(PEOPLE), min_size=1),
        trouble=TROUBLE,
        kills=st.tuples(*[st.none() | st.integers(0, 60)] * 3),
    )
    def a_while(self, who: set[str], trouble: list[type[AppError]], kills: tuple[int | None, ...]) -> None:
        """Some come or go, and all that follows is begun."""
        for one in sorted(who):
            self.come_or_go(one)
        self.look(kills[0])
        self.make_runs(kills[1])
        self.actions.trouble = list(trouble)
        self.do_steps(kills[2])

    @rule(kill=st.none() | st.integers(0, 60))
    def look(self, kill: int | None) -> None:
        if self.killed(kill, lambda: checks.check(self.report.id)):
            checks.check(self.report.id)
        self.model.look()

    @rule(flow=FLOWS, existing=EXISTING, kill=st.none() | st.integers(0, 90))
    def activate(self, flow: Any, existing: str, kill: int | None) -> None:
        if len(self.model.flows) == 3:
            return
        policy, kind, steps, floods = flow
        flow = Flow("", policy, kind, floods, PROGRAMS[steps])
        made = workflows.create(self.definition(flow))
        flow.id, existing = made.id, "skip" if kind == "out" else existing
        self.model.flows.append(flow)
        came = self.killed(kill, lambda: activation.activate(made.id, existing))
        if came and workflows.get(made.id).state == Workflow.State.OFF:
            activation.activate(made.id, existing)
        self.model.activate(flow, existing)

    @rule(number=st.integers(0, 2))
    def pause(self, number: int) -> None:
        if number < len(self.model.flows) and self.model.flows[number].state == "on":
            activation.pause(self.model.flows[number].id)
            self.model.flows[number].state = "paused"

    @rule(number=st.integers(0, 2), existing=st.sampled_from(("skip", "run")), kill=st.none() | st.integers(0, 60))
    def resume(self, number: int, existing: str, kill: int | None) -> None:
        if number >= len(self.model.flows) or self.model.flows[number].state != "paused":
            return
        flow = self.model.flows[number]
        came = self.killed(kill, lambda: activation.resume(flow.id, existing))
        if came and workflows.get(flow.id).state == Workflow.State.PAUSED:
            activation.resume(flow.id, existing)
        flow.chosen = flow.chosen or existing == "run"
        self.model.resume(flow, existing)

    @rule(number=st.integers(0, 2), kill=st.none() | st.integers(0, 12))
    def publish(self, number: int, kill: int | None) -> None:
        """Another version with the same trigger: nobody starts anew, and runs under way end on theirs."""
        if number < len(self.model.flows):
            flow = self.model.flows[number]
            workflows.save_draft(flow.id, self.definition(flow, makers.post("third", "third")))
            self.killed(kill, lambda: workflows.publish(flow.id))

    @rule(kill=st.none() | st.integers(0, 60))
    def make_runs(self, kill: int | None) -> None:
        before = {flow.id: len(flow.runs) for flow in self.model.flows}
        newest = Run.objects.order_by("-id").values_list("id", flat=True).first() or ""
        if self.killed(kill, enqueue.enqueue_all):
            enqueue.enqueue_all()
        self.model.make_runs()
        for flow in self.model.flows:
            many = len(flow.runs) - before[flow.id] > FLOOD
            if flow.floods and many and not flow.chosen:  # those of an activation were chosen, so they are none
                made = Run.objects.filter(workflow=flow.id, id__gt=newest, input__arrival__existing=False)
                assert set(made.values_list("state", flat=True)) == {"held"}

    @rule(number=st.integers(0, 2), discard=st.booleans(), kill=st.none() | st.integers(0, 8))
    def decide_on_a_flood(self, number: int, discard: bool, kill: int | None) -> None:
        if number >= len(self.model.flows):
            return
        flow = self.model.flows[number].id
        if discard:
            of_it = set(Run.objects.filter(workflow=flow, state="held").values_list("id", flat=True))
            self.killed(kill, lambda: held.discard_all(flow, "flood", by="ann"))
            gone = set(Run.objects.filter(pk__in=of_it, state="cancelled").values_list("id", flat=True))
            assert gone in (of_it, set())
            self.cancelled |= gone
        else:
            self.killed(kill, lambda: held.release_all(flow, "flood"))

    @rule(number=st.integers(0, 20), kill=st.none() | st.integers(0, 8))
    def cancel(self, number: int, kill: int | None) -> None:
        run = self.chosen(number)
        if run is not None and run.id not in self.cancelled:
            self.killed(kill, lambda: refused(replay.cancel, run.id))
            if Run.objects.get(pk=run.id).state == "cancelled":
                self.cancelled.add(run.id)

    @rule(number=st.integers(0, 20), start=st.sampled_from(replay.STARTS), kill=st.none() | st.integers(0, 16))
    def run_again(self, number: int, start: str, kill: int | None) -> None:
        run = self.chosen(number)
        if run is not None:
            before = Run.objects.count()
            self.killed(kill, lambda: refused(replay.replay, run.id, start))
            assert Run.objects.count() - before <= (start == "start")

    @rule(what=TROUBLE)
    def trouble_ahead(self, what: list[type[AppError]]) -> None:
        self.actions.trouble = list(what)

    @rule(kill=st.none() | st.integers(0, 30))
    def wake(self, kill: int | None) -> None:
        """Those who wait until somebody has left."""
        self.killed(kill, waits.left)

    @rule(kill=st.none() | st.integers(0, 60))
    def do_steps(self, kill: int | None) -> None:
        self.killed(kill, lambda: self.execute(3))

    @rule(minutes=st.sampled_from((-90, -5, 1, 20, 61, 1500)))
    def clock_jumps(self, minutes: int) -> None:
        Shifted.by += timedelta(minutes=minutes)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.restart()
        Shifted.by += timedelta(days=3)
        for flow in self.model.flows:
            if flow.state == "paused":
                activation.resume(flow.id, "run")
                self.model.resume(flow, "run")
        checks.check(self.report.id)
        self.model.look()
        enqueue.enqueue_all()
        self.model.make_runs()
        self.actions.trouble = []
        for flow in self.model.flows:
            held.release_all(flow.id, "flood")
        waits.left()
        for _ in range(8):
            while self.execute(50):
                pass
            Shifted.by += timedelta(hours=2)
        for flow in self.model.flows:
            made = sorted(Run.objects.filter(workflow=flow.id, replay=0).values_list("member", "entry"))
            assert made == sorted(flow.runs), (flow, made)
            assert set(Run.objects.filter(workflow=flow.id).values_list("kind", flat=True)) <= {flow.kind}
        ended = dict(Run.objects.values_list("id", "state"))
        assert set(ended.values()) <= {"succeeded", "failed", "cancelled"}, ended
        assert {id_ for id_, state in ended.items() if state == "cancelled"} == self.cancelled
        assert not Wait.objects.exclude(run__in=self.cancelled).exists(), "a row of a wait was left behind"
        done = StepRun.objects.exclude(step__in=NO_CALLS)
        tries = {f"{step.run_id}:{step.step}": step for step in done}
        assert {key for key in self.actions.calls if not self.in_flight[key]} <= set(tries)
        for key, step in tries.items():
            # What was in flight at a kill was not recorded, and made again.
            assert step.tries <= self.actions.calls[key] <= step.tries + self.in_flight[key], (key, step.tries)
            if step.status == "succeeded":
                assert 1 <= self.actions.done[key] <= 1 + self.in_flight[key], key
            assert step.status in {"succeeded", "failed", "handled"} or step.run_id in self.cancelled, step.status
            if step.status == "failed":
                assert ended[step.run_id] == "failed"
        for run in Run.objects.filter(state="failed"):
            assert StepRun.objects.get(run=run, number=run.step).status == "failed"

    def definition(self, flow: Flow, *more: dict[str, Any]) -> dict[str, Any]:
        made = makers.definition(self.report, *flow.steps, *more, reentry=flow.policy)
        trigger = {"kind": TRIGGERS[flow.kind], "report": self.report.id}
        return {**made, "trigger": trigger, "flood": FLOOD if flow.floods else 0}

    def chosen(self, number: int) -> Run | None:
        ids = list(Run.objects.order_by("id").values_list("id", flat=True))
        return Run.objects.get(pk=ids[number % len(ids)]) if ids else None

    def execute(self, limit: int) -> int:
        """What the runner does, one after the other: claim, do the steps of each, write each before the next."""
        runs = store.claim("proof", lease=LEASE, room=store.Room(limit, limit)).runs
        programs = {
            version: Program(found) for version, found in store.definitions({run.version for run in runs}).items()
        }
        for run in runs:
            at = execute.begin(run, programs[run.version])
            while True:
                before = Counter(self.actions.calls)
                try:
                    settled = asyncio.run(execute.step(at, self.actions, in_this_thread))
                    assert not store.commit("proof", [settled])
                except Killed:
                    self.in_flight += self.actions.calls - before
                    raise
                if settled.state != "running":
                    break
        return len(runs)

    def killed(self, at: int | None, do: Callable[[], Any]) -> bool:
        """Do it, with a kill at the place of that number; whether it came to that."""
        self.faults.left, self.faults.passed = at, 0
        try:
            do()
        except Killed:
            pass
        finally:
            came = self.faults.dead
            self.faults.left, self.faults.dead = None, False
            if came:
                self.kills += 1
                self.restart()
        return came

    def restart(self) -> None:
        """What is left of the process goes, and a start frees what it held."""
        connection.close()
        checks.forget_claims()
        store.forget_leases(clock.now())


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement and every question passes the faults of the machine that is at work."""

    def statement(run: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        return Machine.faults.around(lambda: run(sql, parameters, many, context))

    def passing(asked: Any) -> Any:
        return lambda self, *given, **named: Machine.faults.around(lambda: asked(self, *given, **named))

    zone = "::timestamptz" if connection.vendor == "postgresql" else ""
    for name in ("query", "command", "insert", "insert_columns"):
        monkeypatch.setattr(client.Warehouse, name, passing(getattr(client.Warehouse, name)))
    monkeypatch.setattr(clock, "datetime", Shifted)
    monkeypatch.setattr(asyncio, "to_thread", in_this_thread)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # all is done in this thread, one after the other
    # Postgres tells the time by its own clock, which does not jump with the machine's.
    monkeypatch.setattr(store, "_now", lambda later=NOW: f"'{store.moment(clock.now() + later)}'{zone}")
    with connection.execute_wrapper(statement):
        yield


def test_nothing_is_lost_or_doubled_wherever_it_is_killed(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine.store = fresh
    with watched(monkeypatch):
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
