"""Runs in the control database: claimed, renewed, committed in groups. The SQL of both databases. Blocks.

Written by hand and not by the ORM: this is the hot path, and one group commit is three statements for up to 100 steps.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection, transaction

from arrivals import clock
from arrivals.engine import failures
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


@dataclass(frozen=True)
class Settled:
    """What one try of one step did, and what the run is from now on. ``number`` -1: no step, only the run's state.

    ``next_step`` and ``next_turn`` are its place then. ``also`` is done in the same transaction.
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

    @property
    def over(self) -> bool:
        """Whether the run is at its end."""
        return self.state not in {"running", "scheduled", "held", "waiting", "delayed"}


CLAIM = """
UPDATE engine_run SET state = 'running', owner = %s, due = %s, started_at = COALESCE(started_at, %s)
WHERE id IN (SELECT id FROM engine_run WHERE due <= %s ORDER BY due LIMIT %s {lock})
RETURNING id, workflow_id, version_id, step, turn, tries, input, started_at
"""
RENEW = "UPDATE engine_run SET due = %s WHERE owner = %s AND state = 'running' AND id IN ({places})"
HELD_BY = "SELECT id FROM engine_run WHERE owner = %s AND id IN ({places}) {lock}"
RELEASE = "UPDATE engine_run SET due = %s, owner = '' WHERE owner = %s AND state = 'running'"
RUN = """
UPDATE engine_run SET state = %s, step = %s, turn = %s, tries = %s, due = %s, error = {json}, connection_id = %s, held_for = %s,
ended_at = %s, owner = %s WHERE id = %s
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
HISTORY = """
SELECT run_id, number, turn, step, status, outputs FROM engine_steprun
WHERE run_id IN ({places}) AND status IN ('succeeded', 'filtered', 'handled', 'delayed') ORDER BY id
"""


def claim(owner: str, *, now: datetime, lease_end: datetime, limit: int) -> list[Claimed]:
    """Take up to ``limit`` due runs, in one statement that no two runners can both do for one run."""
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute(
            CLAIM.format(lock=_lock("SKIP LOCKED")), [owner, _time(lease_end), _time(now), _time(now), limit]
        )
        rows = cursor.fetchall()
        # One that was never claimed before has no history.
        begun = [row[0] for row in rows if _moment(row[7]) != now]
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
            started_at=_moment(row[7]),
            history=history.get(row[0], []),
        )
        for row in rows
    ]


def renew(owner: str, runs: Sequence[str], lease_end: datetime) -> None:
    """Put off the end of the leases of ``runs`` that are still ours."""
    if runs:
        with connection.cursor() as cursor:
            cursor.execute(RENEW.format(places=_places(runs)), [_time(lease_end), owner, *runs])


def release(owner: str, now: datetime) -> None:
    """Give back what this runner still holds, so that the next one need not wait for the leases to end."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [_time(now), owner])


def forget_leases(now: datetime) -> None:
    """Make every run due that is being executed: right at the start of the only process there is."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE engine_run SET due = %s, owner = '' WHERE state = 'running'", [_time(now)])


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
        if kept:
            cursor.executemany(RUN.format(json=json), [_run(one, owner) for one in kept])
        for one in kept:
            if one.also is not None:
                one.also()
        if lost := [(one.run, one.step, one.error or {}) for one in kept if one.state == "failed"]:
            failures.noted(lost)
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
        _time(one.started_at),
        _time(one.ended_at),
    ]


def _run(one: Settled, owner: str) -> list[Any]:
    error = _dumped(one.error if one.state != "running" else None)
    ended = _time(one.ended_at) if one.over else None
    keeper = owner if one.state == "running" else ""
    place = [one.next_step, one.next_turn]
    held = [one.connection, one.held_for]
    return [one.state, *place, one.counted, _time(one.due), error, *held, ended, keeper, one.run]


def _lock(how: str) -> str:
    return f"FOR UPDATE {how}" if connection.vendor == "postgresql" else ""


def _json_type() -> str:
    return "%s::jsonb" if connection.vendor == "postgresql" else "%s"


def _places(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _time(value: datetime | None) -> Any:
    """As Django stores it: an aware time on Postgres, UTC as text on SQLite."""
    if value is None or connection.vendor == "postgresql":
        return value
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _dumped(value: Any) -> str | None:
    """JSON text; \\u0000 is left out, since Postgres cannot hold it."""
    return None if value is None else orjson.dumps(value, default=str).decode().replace("\\u0000", "")


def _loaded(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value
