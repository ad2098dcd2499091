"""Runs in the control database: claimed, renewed, committed in groups. The SQL of both databases. Blocks.

Written by hand and not by the ORM: this is the hot path, and one group commit is three statements for up to 100 steps.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction

from arrivals import clock
from arrivals.engine import failures, fairness, tasks
from arrivals.engine.models import Run
from arrivals.workflows.models import Version


@dataclass(frozen=True)
class Claimed:
    """A run to execute from the place ``step``, ``turn`` on. ``history``: number, turn, step id, status and outputs of the steps
    that are settled, in their order, and of one that waits."""

    id: str
    workflow: str
    version: int
    step: int
    turn: str
    tries: int
    input: dict[str, Any]
    started_at: datetime
    history: list[tuple[int, str, str, str, Any]] = field(default_factory=list)
    connection: str = ""  # that it waited for room at


@dataclass(slots=True)
class Settled:
    """What one try of one step did, and what the run is from now on. ``number`` -1: no step, only the run's state.

    Not frozen, since making another one for each thing that becomes known took a tenth of the time of a step.

    ``next_step`` and ``next_turn`` are its place then. ``also`` is done in the same transaction. ``app``: of ``workflow``, the step
    is a task of this app (see ``tasks``); empty: it is none.
    """

    run: str
    number: int
    turn: str
    step: str
    status: str
    tries: int
    inputs: Any
    outputs: Any
    error: dict[str, Any] | None
    started_at: datetime
    ended_at: datetime
    state: str
    next_step: int
    next_turn: str
    counted: int
    due: datetime | None
    connection: str = ""
    held_for: str = ""
    also: Callable[[], None] | None = None
    workflow: str = ""
    app: str = ""

    @property
    def over(self) -> bool:
        """Whether the run is at its end."""
        return self.state not in {"running", "scheduled", "held", "waiting", "delayed"}


# One index seek for each workflow, however many runs are due; not a join, so that no plan reads them all.
DUE = """
SELECT id, concurrency FROM workflows_workflow
WHERE (SELECT r.due FROM engine_run r WHERE r.workflow_id = workflows_workflow.id AND r.due IS NOT NULL ORDER BY r.due LIMIT 1) <= {now}
ORDER BY id
"""
SHARE = """
SELECT id FROM (SELECT id FROM engine_run WHERE workflow_id = %s AND due <= {now} ORDER BY due, id LIMIT %s {lock}) AS of_{number}
"""
CLAIM = """
WITH chosen AS MATERIALIZED ({shares})
UPDATE engine_run SET state = 'running', owner = %s, due = {until}, started_at = COALESCE(started_at, {now})
WHERE id IN (SELECT id FROM chosen)
RETURNING id, workflow_id, version_id, step, turn, tries, input, started_at, connection_id, started_at = {now}
"""
RUNNING = """
SELECT COUNT(*) FROM engine_run WHERE workflow_id = %s AND due > {now} AND due <= {until} AND state = 'running'
"""
RENEW = "UPDATE engine_run SET due = {until} WHERE owner = %s AND state = 'running' AND id IN ({places})"
HELD_BY = "SELECT id FROM engine_run WHERE owner = %s AND id IN ({places}) {lock}"
PUT_BACK = """
UPDATE engine_run SET state = 'waiting', owner = '', due = {later} WHERE owner = %s AND state = 'running' AND id IN ({places})
"""
RELEASE = "UPDATE engine_run SET due = {now}, owner = '' WHERE owner = %s AND state = 'running'"
# The lease is left as it is (the heartbeat renews it), so that no index is touched by the steps in between.
ON = "UPDATE engine_run SET step = %s, turn = %s, tries = %s, error = NULL, connection_id = '', held_for = '' WHERE id = %s"
RUN = """
UPDATE engine_run SET state = %s, step = %s, turn = %s, tries = %s, due = %s, error = {json}, connection_id = %s, held_for = %s,
ended_at = %s, owner = '' WHERE id = %s
"""
STEP = """
INSERT INTO engine_steprun (run_id, number, turn, step, status, tries, inputs, outputs, error, log, started_at, ended_at)
VALUES (%s, %s, %s, %s, %s, %s, {json}, {json}, {json}, {json}, %s, %s)
ON CONFLICT (run_id, number, turn) DO UPDATE SET status = excluded.status, tries = engine_steprun.tries + excluded.tries,
inputs = excluded.inputs, outputs = excluded.outputs, error = excluded.error, log = {log}, ended_at = excluded.ended_at
"""
MOST_LOGGED = 50  # tries of one step that are kept: of more, the first and the last
# What a step has of tries that failed, with this one's behind. A step that never failed has none.
LOG = {
    "postgresql": f"""CASE WHEN engine_steprun.log IS NULL THEN excluded.log WHEN excluded.log IS NULL THEN engine_steprun.log
WHEN jsonb_array_length(engine_steprun.log) >= {MOST_LOGGED} THEN (engine_steprun.log - 1) || excluded.log
ELSE engine_steprun.log || excluded.log END""",
    "sqlite": f"""CASE WHEN engine_steprun.log IS NULL THEN excluded.log WHEN excluded.log IS NULL THEN engine_steprun.log
WHEN json_array_length(engine_steprun.log) >= {MOST_LOGGED}
THEN json_insert(json_remove(engine_steprun.log, '$[1]'), '$[#]', json(json_extract(excluded.log, '$[0]')))
ELSE json_insert(engine_steprun.log, '$[#]', json(json_extract(excluded.log, '$[0]'))) END""",
}
ENDED_AT = "SELECT ended_at FROM engine_steprun WHERE run_id = %s AND number = %s AND turn = %s"
HISTORY = """
SELECT run_id, number, turn, step, status, outputs FROM engine_steprun
WHERE run_id IN ({places}) AND status IN ('succeeded', 'filtered', 'handled', 'delayed') ORDER BY id
"""


@dataclass(frozen=True)
class Room:
    """What a runner has room for: ``free`` runs in all, and at most ``each`` of one workflow, those that it has (``active``)
    included. ``without``: workflows that it leaves to others. ``after``: the workflow that it took the last one of."""

    free: int
    each: int
    active: Mapping[str, int] = field(default_factory=dict)
    without: Collection[str] = ()
    after: str = ""


@dataclass(frozen=True)
class Taken:
    """What a claim got. ``left``: whether there may be more due runs, for which there was no room, or of which their workflow may
    have no more at once. ``last``: the workflow that the last share was of."""

    runs: list[Claimed]
    left: bool
    last: str


def claim(owner: str, *, lease: timedelta, room: Room) -> Taken:
    """Take due runs, as many as there is room for, fairly from all workflows that have some; no two runners take the same one.

    1. Ask which workflows have due runs, and how many of each may be executed at once, by all runners.
    2. Share the room among them (``fairness``), and take of each its share, the longest due first.
    3. Share what is left among those that have more, until there is no room or no run.
    """
    now, until = _now(), _now(lease)
    taken: list[Claimed] = []
    with connection.cursor() as cursor, _without_sync(cursor), transaction.atomic():
        cursor.execute(DUE.format(now=now))
        due = [(id_, most) for id_, most in cursor.fetchall() if id_ not in room.without]
        waiting, more = [], False
        for id_, most in due:
            active = room.active.get(id_, 0)
            free = room.each - active
            if most:
                others = _running(cursor, id_, now, until)
                free = min(free, most - others)
            more = more or free <= 0
            if free > 0:
                waiting.append(fairness.Waiting(id_, active, free))
        left, last = room.free, room.after
        while left > 0 and waiting:
            shares = fairness.shares(left, waiting, after=last)
            last = next(reversed(shares))
            found = _take(cursor, owner, shares, now, until)
            taken += found
            left -= len(found)
            got = Counter(one.workflow for one in found)
            waiting = [
                replace(one, active=one.active + got[one.workflow], most=one.most - got[one.workflow])
                for one in waiting
                if got[one.workflow] >= shares.get(one.workflow, 0)
            ]
            more = more or any(one.most <= 0 for one in waiting)
            waiting = [one for one in waiting if one.most > 0]
    return Taken(taken, more or bool(waiting), last)


@contextmanager
def _without_sync(cursor: Any) -> Iterator[None]:
    """On SQLite, let the next commit not wait for the disk; the one after it brings this one there too. A claim can only be lost with the
    machine then, and the runner that made it is lost as well. Postgres may die alone: its commits wait."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    cursor.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        cursor.execute("PRAGMA synchronous = FULL")


def _running(cursor: Any, workflow: str, now: str, until: str) -> int:
    """How many runs of a workflow are being executed, by all runners; no other one claims of it before this transaction ends."""
    if connection.vendor == "postgresql":
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 5))", [f"claim:{workflow}"])
        if not cursor.fetchone()[0]:
            return 2**31
    cursor.execute(RUNNING.format(now=now, until=until), [workflow])
    return int(cursor.fetchone()[0])


def _take(cursor: Any, owner: str, shares: Mapping[str, int], now: str, until: str) -> list[Claimed]:
    lock = _lock("SKIP LOCKED")
    each = " UNION ALL ".join(SHARE.format(now=now, lock=lock, number=number) for number in range(len(shares)))
    parameters = [value for share in shares.items() for value in share]
    cursor.execute(CLAIM.format(shares=each, now=now, until=until), [*parameters, owner])
    rows = cursor.fetchall()
    # One that was never claimed before has no history.
    begun = [row[0] for row in rows if not row[9]]
    history: dict[str, list[Any]] = {}
    if begun:
        cursor.execute(HISTORY.format(places=_places(begun)), begun)
        for run, number, turn, step, status, value in cursor.fetchall():
            history.setdefault(run, []).append((number, turn, step, status, _loaded(value)))
    return [
        Claimed(
            id=row[0],
            workflow=row[1],
            version=row[2],
            step=row[3],
            turn=row[4],
            tries=row[5],
            input=_loaded(row[6]) or {},
            started_at=_read_moment(row[7]),
            history=history.get(row[0], []),
            connection=row[8],
        )
        for row in rows
    ]


def renew(owner: str, runs: Sequence[str], lease: timedelta) -> None:
    """Put off the end of the leases of ``runs`` that are still ours."""
    if runs:
        with connection.cursor() as cursor:
            cursor.execute(RENEW.format(until=_now(lease), places=_places(runs)), [owner, *runs])


def release(owner: str) -> None:
    """Give back what this runner still holds, so that the next one need not wait for the leases to end."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE.format(now=_now()), [owner])


def recorded(one: Settled) -> bool:
    """Whether this very try of a step was written."""
    with connection.cursor() as cursor:
        cursor.execute(ENDED_AT, [one.run, one.number, one.turn])
        row = cursor.fetchone()
    return row is not None and _read_moment(row[0]) == one.ended_at


def put_back(owner: str, runs: Sequence[str]) -> None:
    """Give back runs that nothing was done of, for another runner to take."""
    with connection.cursor() as cursor:
        later = _now(timedelta(seconds=1))
        cursor.execute(PUT_BACK.format(later=later, places=_places(runs)), [owner, *runs])


def waits(run: str) -> bool:
    """Lock a run, in the caller's transaction, and tell whether it waits. One whose wait another runner is just recording is waited for,
    and then found waiting: a look without the lock would be at what was before."""
    state = Run.objects.select_for_update().filter(pk=run).values_list("state", flat=True).first()
    return state == Run.State.DELAYED


def forget_leases(now: datetime) -> None:
    """Make every run due that is being executed: right at the start of the only process there is."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE engine_run SET due = %s, owner = '' WHERE state = 'running'", [moment(now)])


def commit(owner: str, settled: Sequence[Settled]) -> set[str]:
    """Write a group in one transaction; return the runs that were no longer ours, of which nothing was written."""
    json = _json_type()
    runs = [one.run for one in settled]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(HELD_BY.format(places=_places(runs), lock=_lock("")), [owner, *runs])
        ours = {row[0] for row in cursor.fetchall()}
        kept = [one for one in settled if one.run in ours]
        steps = [_step(one) for one in kept if one.number >= 0]
        if steps:
            cursor.executemany(STEP.format(json=json, log=LOG[connection.vendor]), steps)
        going = [one for one in kept if one.state == "running"]
        if going:
            cursor.executemany(ON, [[one.next_step, one.next_turn, one.counted, one.run] for one in going])
        resting = [one for one in kept if one.state != "running"]
        if resting:
            cursor.executemany(RUN.format(json=json), [_run(one) for one in resting])
        for one in kept:
            if one.also is not None:
                one.also()
        if lost := [(one.run, one.step, one.error or {}) for one in kept if one.state == "failed"]:
            failures.noted(lost)
        # The last, since another runner's group may wait for it.
        tasks.record(cursor, [(one.workflow, one.app, one.ended_at) for one in kept if one.app], owner)
    return set(runs) - ours


def definitions(versions: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The definitions of these versions."""
    return dict(Version.objects.filter(pk__in=list(versions)).values_list("pk", "definition"))


def _step(one: Settled) -> list[Any]:
    tried = [{"at": clock.iso(one.ended_at), **one.error}] if one.error else None
    values = [_dumped(one.inputs), _dumped(one.outputs), _dumped(one.error), _dumped(tried)]
    return [
        one.run,
        one.number,
        one.turn,
        one.step,
        one.status,
        one.tries,
        *values,
        moment(one.started_at),
        moment(one.ended_at),
    ]


def _run(one: Settled) -> list[Any]:
    ended = moment(one.ended_at) if one.over else None
    place = [one.next_step, one.next_turn]
    held = [one.connection, one.held_for]
    return [one.state, *place, one.counted, moment(one.due), _dumped(one.error), *held, ended, one.run]


def _lock(how: str) -> str:
    return f"FOR UPDATE {how}" if connection.vendor == "postgresql" else ""


def _now(later: timedelta = timedelta()) -> str:
    """The time, or one later than that, as SQL. On Postgres it is the database's: machines' clocks differ, and one that is fast
    must not find the leases of others ended."""
    if connection.vendor == "postgresql":
        return (
            f"(statement_timestamp() + INTERVAL '{later.total_seconds()} seconds')"
            if later
            else "statement_timestamp()"
        )
    return f"'{moment(clock.now() + later)}'"


def _json_type() -> str:
    return "%s::jsonb" if connection.vendor == "postgresql" else "%s"


def _places(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def moment(value: datetime | None) -> Any:
    """As Django stores it: an aware time on Postgres, UTC as text on SQLite."""
    if value is None or connection.vendor == "postgresql":
        return value
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _read_moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _dumped(value: Any) -> str | None:
    """JSON text; \\u0000 is left out, since Postgres cannot hold it."""
    return None if value is None else orjson.dumps(value, default=str).decode().replace("\\u0000", "")


def _loaded(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value
