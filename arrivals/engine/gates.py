"""The gates of connections: no call begins before there is room for it, whoever makes it. See ``bucket`` for the counting.

One row for each connection is shared by all runners; what asks at the same time is answered in one transaction. A connection without
limits costs nothing, but that nothing begins while the other product has asked to wait.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection, transaction

from arrivals.engine import bucket, retry
from arrivals.engine.bucket import Ask, Limits
from arrivals.engine.models import Gate, Run
from arrivals.engine.steps.contract import Actions
from arrivals.errors import Busy, Throttled

SHORT = 1.0  # seconds that a run waits in memory; a longer wait is a row
MOST_WAITING = 25  # runs of one connection that do so at a time, so that the runner has room for others
LOOK_SECONDS = 0.25
log = logging.getLogger(__name__)


@dataclass
class _Batch:
    """What is asked and told of one connection at a time."""

    limits: Limits
    asks: list[tuple[Ask, "asyncio.Future[float]"]] = field(default_factory=list)
    freed: int = 0
    took: float = 0.0


class Gates:
    """One runner's way to the gates. ``db`` does SQL in the runner's thread."""

    def __init__(self, owner: str, actions: Actions, db: Callable[..., Awaitable[Any]]) -> None:
        self._owner, self._actions, self._db = owner, actions, db
        self._closed: dict[str, float] = {}  # until when, in time.monotonic()
        self._after: Counter[str] = Counter()  # how many wait for that, to come one after the other
        self._batches: dict[str, _Batch] = {}
        self._more = asyncio.Event()
        self._waiting: Counter[str] = Counter()
        self._inside: dict[str, tuple[Limits, int]] = {}
        self._looked = 0.0

    async def run(self) -> None:
        """Until stopped: take all that asks or has ended, answer it in one transaction, repeat."""
        while True:
            await self._more.wait()
            self._more.clear()
            await self._serve()

    async def beat(self) -> None:
        """Say that the calls under way still are."""
        for id_, (limits, _) in self._inside.items():
            self._batch(id_, limits)
        await self._serve()

    async def enter(self, connection_id: str, workflow: str, *, first: bool) -> None:
        """Return when a call may begin; ``leave`` is to be called when it has ended.

        Raises:
            Busy: it has to wait for longer than a moment.
        """
        while True:
            limits = await self._actions.limits(connection_id)
            wait = self._shut(connection_id)
            if limits:
                wait = wait or await self._ask(connection_id, limits, Ask(workflow, first))
            elif wait:
                self._after[connection_id] += 1
                wait += self._after[connection_id] * bucket.NEAR
            if wait <= 0:
                return
            if wait > SHORT or self._waiting[connection_id] >= MOST_WAITING:
                raise Busy(retry_after=wait)
            self._waiting[connection_id] += 1
            try:
                await asyncio.sleep(wait)
            finally:
                self._waiting[connection_id] -= 1
            first = False

    def leave(self, connection_id: str, seconds: float) -> None:
        """A call has ended, after so many seconds."""
        limits, number = self._inside.get(connection_id, (Limits(), 0))
        if not number:
            return
        if number > 1:
            self._inside[connection_id] = (limits, number - 1)
        else:
            del self._inside[connection_id]
        batch = self._batch(connection_id, limits)
        batch.freed, batch.took = batch.freed + 1, batch.took + seconds
        if limits.at_once:
            self._more.set()

    async def close(self, connection_id: str, seconds: float) -> None:
        """The other product asked to wait: nothing begins on this connection, in any runner."""
        self._closed[connection_id] = max(self._closed.get(connection_id, 0.0), time.monotonic() + seconds)
        await self._db(close, connection_id, seconds)

    def look(self) -> None:
        """Read which connections are to be waited for, at most every 0.25 s. Blocks: called in the runner's thread."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for id_, seconds in closed().items():
            self._closed[id_] = max(self._closed.get(id_, 0.0), time.monotonic() + seconds)

    def _shut(self, connection_id: str) -> float:
        until = self._closed.get(connection_id)
        if until is None:
            return 0.0
        left = until - time.monotonic()
        if left > 0:
            return left
        del self._closed[connection_id]
        self._after.pop(connection_id, None)
        return 0.0

    async def _ask(self, connection_id: str, limits: Limits, ask: Ask) -> float:
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._batch(connection_id, limits).asks.append((ask, answer))
        self._more.set()
        try:
            wait = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None and answer.result() <= 0:
                self.leave(connection_id, 0.0)
            raise
        if wait <= 0 and (shut := self._shut(connection_id)):  # asked to wait in the meantime
            self.leave(connection_id, 0.0)
            return shut
        return wait

    def _batch(self, connection_id: str, limits: Limits) -> _Batch:
        found = self._batches.setdefault(connection_id, _Batch(limits))
        found.limits = limits
        return found

    async def _serve(self) -> None:
        batches, self._batches = self._batches, {}
        if not batches:
            return
        told = {
            id_: (one.limits, [ask for ask, _ in one.asks], one.freed, one.took / one.freed if one.freed else None)
            for id_, one in batches.items()
        }
        try:
            answers = await self._db(serve, self._owner, told)
        except Exception:
            log.exception("Gates of connections could not be asked.")
            answers = {id_: [SHORT * 2] * len(one.asks) for id_, one in batches.items()}
            for id_, one in batches.items():
                again = self._batch(id_, one.limits)
                again.freed, again.took = again.freed + one.freed, again.took + one.took
        for id_, one in batches.items():
            for (_, future), wait in zip(one.asks, answers[id_], strict=True):
                if wait <= 0:
                    self._inside[id_] = (one.limits, self._inside.get(id_, (one.limits, 0))[1] + 1)
                if not future.done():
                    future.set_result(wait)
                elif wait <= 0:  # nobody waits for it any more
                    self.leave(id_, 0.0)


class Gated:
    """The apps' side, through the gates, for one run."""

    def __init__(self, actions: Actions, gates: Gates, workflow: str, waited_for: str) -> None:
        self._actions, self._gates, self._workflow, self._waited_for = actions, gates, workflow, waited_for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._actions, name)

    async def run(
        self, app: str, action: str, *, connection_id: str, inputs: dict[str, Any], key: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        """As ``Actions.run``, once there is room at the connection. Raises Busy as well."""
        if not connection_id:
            return await self._actions.run(app, action, connection_id="", inputs=inputs, key=key, context=context)

        async def done() -> dict[str, Any]:
            return await self._actions.run(
                app, action, connection_id=connection_id, inputs=inputs, key=key, context=context
            )

        return await self.through(connection_id, done)

    async def mark_stale(self, connection_id: str, reason: str) -> None:
        await self._actions.mark_stale(connection_id, reason)

    async def limits(self, connection_id: str) -> Limits:
        return await self._actions.limits(connection_id)

    async def through(self, connection_id: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """Do it once there is room at the connection. Raises Busy as well."""
        if not connection_id:
            return await do()
        await self._gates.enter(connection_id, self._workflow, first=connection_id != self._waited_for)
        self._waited_for = ""
        began = time.monotonic()
        try:
            return await do()
        except Throttled as error:
            seconds = min(max(error.retry_after or retry.UNTOLD, 1), retry.LONGEST_WAIT.total_seconds())
            await self._gates.close(connection_id, seconds)
            raise
        finally:
            self._gates.leave(connection_id, time.monotonic() - began)


def serve(owner: str, told: Mapping[str, tuple[Limits, Sequence[Ask], int, float | None]]) -> dict[str, list[float]]:
    """Answer what a runner asks of some connections, in one transaction. Blocks."""
    ids = sorted(told)
    places = ", ".join(["%s"] * len(ids))
    lock = "FOR UPDATE" if connection.vendor == "postgresql" else ""
    answers: dict[str, list[float]] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        rows = ", ".join(["(%s, '{}', 0)"] * len(ids))
        known = f"SELECT connection_id, state, closed_until FROM engine_gate WHERE connection_id IN ({places}) ORDER BY connection_id {lock}"
        cursor.execute(known, ids)
        found = cursor.fetchall()
        if len(found) < len(ids):
            cursor.execute(
                f"INSERT INTO engine_gate (connection_id, state, closed_until) VALUES {rows} ON CONFLICT DO NOTHING",
                ids,
            )
            cursor.execute(known, ids)
            found = cursor.fetchall()
        now = _now(cursor)
        for id_, state, closed_until in found:
            limits, asks, freed, took = told[id_]
            data = orjson.loads(state) if isinstance(state, str | bytes) else state
            answers[id_] = bucket.serve(
                data, limits, asks, owner=owner, freed=freed, took=took, now=now, closed_until=closed_until
            )
            cursor.execute(
                "UPDATE engine_gate SET state = %s WHERE connection_id = %s", [orjson.dumps(data).decode(), id_]
            )
    return answers


def close(connection_id: str, seconds: float) -> None:
    """Let nothing begin on a connection for so long. Blocks."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO engine_gate (connection_id, state, closed_until) VALUES (%s, '{}', %s) ON CONFLICT (connection_id) "
            "DO UPDATE SET closed_until = CASE WHEN engine_gate.closed_until > excluded.closed_until "
            "THEN engine_gate.closed_until ELSE excluded.closed_until END",
            [connection_id, _now(cursor) + seconds],
        )


def closed() -> dict[str, float]:
    """The connections that are to be waited for, each with the seconds left. Blocks."""
    with connection.cursor() as cursor:
        now, longest = _now(cursor), retry.LONGEST_WAIT.total_seconds()
        cursor.execute("SELECT connection_id, closed_until FROM engine_gate WHERE closed_until > %s", [now])
        # What is longer than anybody may ask for comes of a clock that was wrong.
        return {id_: until - now for id_, until in cursor.fetchall() if until - now <= longest}


def changed(connection_id: str) -> None:
    """Other limits hold: who waits for room asks anew. Blocks."""
    from arrivals import clock

    with transaction.atomic():
        for gate in Gate.objects.select_for_update().filter(pk=connection_id):
            gate.state.pop("queues", None)
            gate.save(update_fields=["state"])
        Run.objects.filter(connection_id=connection_id, state=Run.State.SCHEDULED, due__isnull=False).update(
            due=clock.now(), connection_id=""
        )


def forget() -> None:
    """No call is under way: right at the start of the only process there is. Blocks."""
    for gate in Gate.objects.all():
        gate.state.pop("holds", None)
        gate.save(update_fields=["state"])


def _now(cursor: Any) -> float:
    """Seconds since 1970; on Postgres by the database's clock, the same for all runners."""
    if connection.vendor != "postgresql":
        return time.time()
    cursor.execute("SELECT EXTRACT(EPOCH FROM clock_timestamp())")
    return float(cursor.fetchone()[0])
