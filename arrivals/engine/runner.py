"""The loop that executes due runs. See ``Runner._run`` for the steps."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from arrivals import clock, ids
from arrivals.engine import endings, enqueue, execute, program, store
from arrivals.engine.execute import LEASE, Running
from arrivals.engine.program import Program
from arrivals.engine.steps.contract import Actions
from arrivals.engine.store import Claimed, Settled

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.5
ENQUEUE_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
STOP_SECONDS = 30.0
BROKEN = {
    "code": "internal_error",
    "message": "The step broke inside Arrivals, or could not be stored; the log says why.",
}


class Lost(Exception):
    """The run is no longer ours: its lease ended and another runner has it."""


class Runner:
    """Executes due runs, up to ``at_once`` at a time. All its SQL is done by one thread of its own."""

    def __init__(self, actions: Actions, *, at_once: int = 100) -> None:
        self.owner = ids.new("own")
        self._actions = actions
        self._at_once = at_once
        self._programs: dict[int, Program] = {}
        self._active: dict[str, asyncio.Task[None]] = {}
        self._settled: list[tuple[Settled, asyncio.Future[None]]] = []
        self._more, self._room = asyncio.Event(), asyncio.Event()
        self._arrived, self._due = asyncio.Event(), asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.stopped = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="runner")
        self._enqueuer = ThreadPoolExecutor(1, thread_name_prefix="enqueue")

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        loops = (self._run, self._commit, self._heartbeat, self._enqueue)
        self._loops = [asyncio.create_task(loop()) for loop in loops]

    async def stop(self) -> None:
        """Claim nothing more and let the calls in flight end (at most 30 s); what is left is given back."""
        claiming, committing, beating, enqueuing = self._loops
        await _end(claiming, enqueuing)
        if self._active:
            await asyncio.wait(self._active.values(), timeout=STOP_SECONDS)
        await _end(beating, committing, *self._active.values())
        await self._db(store.release, self.owner, clock.now())
        for pool in (self._thread, self._enqueuer):
            await asyncio.wrap_future(pool.submit(connections.close_all))
            pool.shutdown()
        self.stopped = True

    def wake(self) -> None:
        """There may be new arrivals or runs; look now. May be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._arrived.set()
        self._due.set()

    async def _run(self) -> None:
        """Until stopped:

        1. Claim as many due runs as there is room for: one conditional update gives them to this runner until their
           lease ends in 15 s. The lease is their time of being due, so a dead runner's runs become due by themselves.
        2. Execute each in a task: steps that are settled are not repeated; every call carries {run id}:{step id}.
        3. After each step, wait until it is committed (``_commit``): nobody goes on before.
        Killed between the call and its commit, the lease ends and that one call is made again, with the same key.
        """
        while True:
            room = self._at_once - len(self._active)
            claimed: list[Claimed] = []
            if room > 0:
                try:
                    claimed = await self._claim(room)
                except Exception:
                    log.exception("Runs could not be claimed.")
            for run in claimed:
                if run.id not in self._active:
                    self._active[run.id] = asyncio.create_task(self._execute(run))
            self._room.clear()
            if room <= 0 or len(claimed) == room:
                await self._room.wait()
                # Several ends together make one claim.
                await asyncio.sleep(0)
            else:
                await _either(self._due, IDLE_SECONDS)
            self._due.clear()

    async def _claim(self, room: int) -> list[Claimed]:
        now = clock.now()
        claimed: list[Claimed] = await self._db(_claim, self.owner, now, room)
        missing = {run.version for run in claimed} - self._programs.keys()
        if missing:
            found = await self._db(store.definitions, missing)
            self._programs.update({version: Program(definition) for version, definition in found.items()})
        return claimed

    async def _execute(self, run: Claimed) -> None:
        at = None
        try:
            at = execute.begin(run, self._programs[run.version])
            while True:
                settled = await execute.step(at, self._actions, self._db)
                await self._write(settled)
                if settled.state != "running":
                    break
        except Lost:
            log.info("Run %s went to another runner.", run.id)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("A step of run %s could not be done or recorded.", run.id)
            await self._give_up(run, at)
        finally:
            self._active.pop(run.id, None)
            self._room.set()

    async def _give_up(self, run: Claimed, at: Running | None) -> None:
        """Fail a run whose step broke inside Arrivals: left alone it would be taken up and called again for ever.

        If the database is away this fails as well, and the run is taken up when its lease ends.
        """
        number, turn = (at.place.number, program.written(at.place.turn)) if at else (run.step, run.turn)
        nodes = at.program.nodes if at else []
        name = nodes[number].step["id"] if number < len(nodes) else str(number)
        now = clock.now()
        failed = Settled(
            run.id, number, turn, name, "failed", 1, {}, None, BROKEN, now, now, "failed", number, turn, 0, None
        )
        with contextlib.suppress(Exception):
            await self._db(store.commit, self.owner, [endings.following(run, failed)])

    async def _write(self, settled: Settled) -> None:
        assert self._loop is not None
        done: asyncio.Future[None] = self._loop.create_future()
        self._settled.append((settled, done))
        self._more.set()
        await done

    async def _commit(self) -> None:
        """Group commit: take all settled steps that wait, write them in one transaction, wake their tasks, repeat.

        When the group cannot be written, its items are written one by one, so that a bad one spoils only itself.
        """
        while True:
            await self._more.wait()
            self._more.clear()
            group, self._settled = self._settled, []
            if not group:
                continue
            try:
                lost = await self._db(store.commit, self.owner, [one for one, _ in group])
            except Exception:
                log.exception("A group could not be written; its %s items are written one by one.", len(group))
                for one, done in group:
                    await self._alone(one, done)
                continue
            for one, done in group:
                if not done.done():
                    if one.run in lost:
                        done.set_exception(Lost())
                    else:
                        done.set_result(None)

    async def _alone(self, one: Settled, done: "asyncio.Future[None]") -> None:
        try:
            lost = await self._db(store.commit, self.owner, [one])
        except Exception as error:
            if not done.done():
                done.set_exception(error)
            return
        if not done.done():
            done.set_exception(Lost()) if lost else done.set_result(None)

    async def _heartbeat(self) -> None:
        """Put off the leases of the runs in flight while they are."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self._db(store.renew, self.owner, list(self._active), clock.now() + LEASE)
            except Exception:
                log.exception("Leases could not be renewed.")

    async def _enqueue(self) -> None:
        """Make runs of new arrivals, each second and whenever woken."""
        loop = asyncio.get_running_loop()
        while True:
            began = time.monotonic()
            try:
                made = await loop.run_in_executor(self._enqueuer, enqueue.enqueue_all)
            except Exception:
                log.exception("Arrivals could not be made into runs.")
                made = 0
            if made:
                self._due.set()
                continue
            self._arrived.clear()
            await _either(self._arrived, max(0.05, ENQUEUE_SECONDS - (time.monotonic() - began)))

    async def _db(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _quietly, function, *arguments)


def _claim(owner: str, now: Any, room: int) -> list[Claimed]:
    return store.claim(owner, now=now, lease_end=now + LEASE, limit=room)


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it; a connection that broke is closed, so that the next call makes a new one."""
    try:
        return function(*arguments)
    except Exception:
        connections.close_all()
        raise


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def _end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
