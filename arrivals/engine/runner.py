"""The loop that executes due runs. See ``Runner._run`` for the steps."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from arrivals import clock, ids
from arrivals.engine import endings, enqueue, execute, program, store
from arrivals.engine.execute import Running
from arrivals.engine.gates import Gated, Gates
from arrivals.engine.program import Program
from arrivals.engine.steps.contract import Actions
from arrivals.engine.steps.registry import EXECUTE
from arrivals.engine.store import Claimed, Room, Settled, Taken
from arrivals.engine.tasks import Budget

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=15)
IDLE_SECONDS = 0.5
BUDGET_SECONDS = 1.0
STRANGE_SECONDS = 60.0
WRITE_TRIES = 3
AWAY = (OperationalError, InterfaceError)  # the database, or it has too much to do
SPARE = 5  # one slot for each so many is kept from a workflow that has all the others
ENQUEUE_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
STOP_SECONDS = 30.0
BROKEN = {
    "code": "internal_error",
    "message": "The step broke inside Arrivals, or could not be stored; the log says why.",
}


class Lost(Exception):
    """The run is no longer ours: its lease ended and another runner has it."""


class Unwritable(Exception):
    """What a step did cannot be recorded, though the database is there."""


class Runner:
    """Executes due runs, up to ``at_once`` of one workflow at a time, and a fifth more when there are several.

    All its SQL is done by one thread of its own. ``make`` makes new runs and returns how many.
    """

    def __init__(self, actions: Actions, *, at_once: int = 100, make: Callable[[], int] = enqueue.enqueue_all) -> None:
        self.owner = ids.new("own")
        self._actions = actions
        self._at_once = at_once
        self._make = make
        self._programs: dict[int, Program] = {}
        self._active: dict[str, asyncio.Task[None]] = {}
        self._of: Counter[str] = Counter()  # how many of each workflow are active
        self._last, self._left = "", False  # of the last claim
        self._strange: dict[
            str, float
        ] = {}  # workflows with steps that are not known here, and until when they are left alone
        self._gates = Gates(self.owner, actions, self._db)
        self._budget = Budget()
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
        await self._db(self._budget.refresh)
        loops = (self._run, self._commit, self._heartbeat, self._enqueue, self._gates.run, self._spend)
        self._loops = [asyncio.create_task(loop()) for loop in loops]

    async def stop(self) -> None:
        """Claim nothing more and let the calls in flight end (at most 30 s); what is left is given back."""
        claiming, committing, beating, enqueuing, *others = self._loops
        await _end(claiming, enqueuing)
        if self._active:
            await asyncio.wait(self._active.values(), timeout=STOP_SECONDS)
        await _end(beating, committing, *self._active.values(), *others)
        await self._gates.beat()
        await self._db(store.release, self.owner)
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
        self._look()

    def _look(self) -> None:
        """There are due runs, whatever the claim waits for."""
        self._due.set()
        self._room.set()

    async def _run(self) -> None:
        """Until stopped:

        1. Claim as many due runs as there is room for, fairly from all workflows: conditional updates give them to this
           runner until their lease ends in 15 s. The lease is their time of being due, so a dead runner's runs become due
           by themselves.
        2. Execute each in a task: steps that are settled are not repeated; every call carries {run id}:{step id}.
        3. After each step, wait until it is committed (``_commit``): nobody goes on before.
        Killed between the call and its commit, the lease ends and that one call is made again, with the same key.
        """
        while True:
            room = self._at_once + -(-self._at_once // SPARE) - len(self._active)
            claimed: list[Claimed] = []
            self._room.clear()
            if room > 0:
                try:
                    claimed = await self._claim(room)
                except Exception:
                    log.exception("Runs could not be claimed.")
            for run in claimed:
                if run.id not in self._active:
                    self._of[run.workflow] += 1
                    self._active[run.id] = asyncio.create_task(self._execute(run))
            if room <= 0 or self._left:
                await _either(self._room, IDLE_SECONDS)
                # Several ends together make one claim.
                await asyncio.sleep(0)
            else:
                await _either(self._due, IDLE_SECONDS)
            self._due.clear()

    async def _claim(self, room: int) -> list[Claimed]:
        without = [id_ for id_, until in self._strange.items() if until > time.monotonic()]
        wanted = Room(room, self._at_once, dict(self._of), without, self._last)
        taken = await self._db(self._taken, wanted)
        claimed, self._left, self._last = taken.runs, taken.left, taken.last
        missing = {run.version for run in claimed} - self._programs.keys()
        if missing:
            found = await self._db(store.definitions, missing)
            for version, definition in found.items():
                if (known := _program(definition)) is not None:
                    self._programs[version] = known
            strange = [run for run in claimed if run.version in found and run.version not in self._programs]
            if strange:
                claimed = [run for run in claimed if run not in strange]
                await self._leave(strange)
        return claimed

    def _taken(self, room: Room) -> Taken:
        taken = store.claim(self.owner, lease=LEASE, room=room)
        self._gates.look()
        return taken

    async def _leave(self, runs: list[Claimed]) -> None:
        """Give back runs with a type of step that this version of the code does not know: a newer runner does them."""
        workflows = {run.workflow for run in runs}
        log.warning("%s use steps that this version does not know; they are left to a newer one.", ", ".join(workflows))
        self._strange |= dict.fromkeys(workflows, time.monotonic() + STRANGE_SECONDS)
        await self._db(store.put_back, self.owner, [run.id for run in runs])

    async def _execute(self, run: Claimed) -> None:
        at = None
        try:
            at = execute.begin(run, self._programs[run.version])
            actions = Gated(self._actions, self._gates, run.workflow, run.connection)
            while True:
                settled = await self._step(at, actions)
                if settled.state != "running":
                    break
        except Lost:
            log.info("Run %s went to another runner.", run.id)
        except asyncio.CancelledError:
            raise
        except AWAY as error:  # the step is done again when the lease has ended
            log.warning("A step of run %s could not ask the database: %s", run.id, error)
        except Exception:
            log.exception("A step of run %s could not be done or recorded.", run.id)
            await self._give_up(run, at)
        finally:
            self._active.pop(run.id, None)
            self._of[run.workflow] -= 1
            self._room.set()

    async def _step(self, at: Running, actions: Actions) -> Settled:
        """Do and record one step, or hold the run when the month's tasks are used up."""
        step = at.program.nodes[at.place.number].step
        if not self._budget.begin(step):
            held = execute.put_off(at, "held", held_for="tasks")
            await self._write(held)
            return held
        try:
            settled = await execute.step(at, actions, self._db)
            await self._write(settled)
        finally:
            self._budget.end(step)
        return settled

    async def _give_up(self, run: Claimed, at: Running | None) -> None:
        """Fail a run whose step broke inside Arrivals: left alone it would be taken up and called again for ever."""
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

        When the group cannot be written, its items are written one by one, so that a bad one spoils only itself. While the database
        is away they wait, and so does all that comes after them.
        """
        while True:
            await self._more.wait()
            self._more.clear()
            group, self._settled = self._settled, []
            if not group:
                continue
            try:
                lost = await self._db(self._committed, [one for one, _ in group])
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
        """Write one item. One that was written by a transaction whose answer was lost is not written again."""
        lost: set[str] = set()
        problem: Exception | None = None
        for _ in range(WRITE_TRIES):
            problem = None
            if await self._recorded(one):
                break
            try:
                lost = await self._db(self._committed, [one])
                break
            except Exception as error:
                problem = error
                if not isinstance(error, AWAY):
                    break
        if done.done():
            return
        if problem is not None:
            done.set_exception(Unwritable(str(problem)))
        else:
            done.set_exception(Lost()) if lost else done.set_result(None)

    async def _recorded(self, one: Settled) -> bool:
        """Whether it was written already; asked until the database answers."""
        while True:
            try:
                return bool(await self._db(store.recorded, one))
            except Exception as error:
                log.warning("The database is away; what steps did waits to be recorded: %s", error)
            await asyncio.sleep(IDLE_SECONDS)

    async def _heartbeat(self) -> None:
        """Put off the leases of the runs in flight while they are."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self._db(store.renew, self.owner, list(self._active), LEASE)
                await self._gates.beat()
            except Exception:
                log.exception("Leases could not be renewed.")

    async def _spend(self) -> None:
        """Look at what is used of the month's tasks; let held runs go on when there is room again."""
        while True:
            await asyncio.sleep(BUDGET_SECONDS)
            try:
                await self._db(self._budget.refresh)
            except Exception:
                log.exception("The tasks of this month could not be counted.")

    def _committed(self, group: list[Settled]) -> set[str]:
        lost = store.commit(self.owner, group)
        self._budget.recorded(sum(1 for one in group if one.app and one.run not in lost))
        self._gates.look()
        return lost

    async def _enqueue(self) -> None:
        """Make runs of new arrivals, each second and whenever woken."""
        loop = asyncio.get_running_loop()
        while True:
            began = time.monotonic()
            try:
                made = await loop.run_in_executor(self._enqueuer, self._make)
            except Exception:
                log.exception("Arrivals could not be made into runs.")
                made = 0
            if made:
                self._look()
                continue
            self._arrived.clear()
            await _either(self._arrived, max(0.05, ENQUEUE_SECONDS - (time.monotonic() - began)))

    async def _db(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _quietly, function, *arguments)


def _program(definition: dict[str, Any]) -> Program | None:
    """None when it has a type of step that this version of the code does not know."""
    try:
        found = Program(definition)
    except KeyError:
        return None
    return found if all(node.step["type"] in EXECUTE for node in found.nodes) else None


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
