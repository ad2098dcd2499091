"""One process of Arrivals: its parts, started and stopped in order, behind one ASGI application.

Start: migrate both stores, check the keys of the connections, then writer, watcher, runner. Stop: the reverse, after
the server has stopped taking requests: the watcher lets a check end, the runner its calls in flight, the writer
writes what it holds. Being killed instead is safe at any moment; a clean stop only saves the next start some work.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.db import connection

from arrivals import clock
from arrivals.api import agent_surveys
from arrivals.apps import connections, signing
from arrivals.apps.catalogue import Catalogue
from arrivals.collect import agent, uploads
from arrivals.collect import writer as writers
from arrivals.collect.pendo import Pendo
from arrivals.collect.segment import Collector
from arrivals.engine import enqueue, gates, incoming, instants, mails, replaying, store, turn_off
from arrivals.engine.runner import Runner
from arrivals.engine.starter import Starter
from arrivals.engine.trimming import Trimmer
from arrivals.erasure import retention
from arrivals.erasure import worker as erasing
from arrivals.warehouse import client, migrate
from arrivals.warehouse.events import EventStore
from arrivals.watch import checks, finders
from arrivals.watch.watcher import Watcher
from arrivals.workflows import actions

PARTS = ("web", "collector", "watcher", "runner")
HEALTH = "/api/v2/health"
TURN_SECONDS = 0.2
log = logging.getLogger("arrivals")


def prepare(*, alone: bool) -> None:
    """Bring both stores up to date and refuse to go on with a key missing. Blocks.

    ``alone``: no other process uses these stores, so claims and leases in them belong to one that died.

    Raises:
        InvalidSetting: a connection was encrypted with a key that is no longer set.
    """
    with _turn():
        call_command("migrate", verbosity=0, interactive=False)
    if client.warehouse().here:
        migrate.migrate(client.warehouse())
    connections.check_keys()
    signing.check_keys()
    if alone:
        checks.forget_claims()
        uploads.forget_claims()
        erasing.forget_claims()
        retention.forget_claims()
        store.forget_leases(clock.now())
        incoming.forget_leases()
        gates.forget()


@contextmanager
def _turn() -> Iterator[None]:
    """One process at a time, on whatever machine: two that bring one database up to date would trip over each other."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        while True:  # asked again and again, since a transaction that waits here could hold up what it waits for
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('migrate', 5))")
            if cursor.fetchone()[0]:
                break
            time.sleep(TURN_SECONDS)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('migrate', 5))")


def settle_memory() -> None:
    """What was loaded until now stays: Python's search for garbage, which took a quarter of the engine's time to go through all of it
    again and again, leaves it out from now on, and looks less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def _none() -> int:
    return 0


class Process:
    """The ASGI application of one process. ``parts``: which of ``PARTS`` it runs.

    ``background`` are further loops to run beside them (the demo's visitors).
    """

    def __init__(self, parts: frozenset[str], background: list[Callable[[], Awaitable[None]]] | None = None) -> None:
        self.parts = parts
        self._background = background or []
        self._tasks: list[asyncio.Task[None]] = []
        self._django: Any = get_asgi_application()
        self._collector: Collector | None = None
        self._pendo: Pendo | None = None
        self._surveys: agent_surveys.Surveys | None = None
        self._agent: agent.Agent | None = None
        self._stops: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        """Start the parts, left to right along the line that data follows."""
        writer: writers.Writer | None = None
        if self.parts & {"web", "collector"}:
            events = EventStore()
            writer = writers.Writer(events)
            await writer.start()
            writers.use(writer)
            self._stops.append(writer.stop)
            if "web" in self.parts:  # files are uploaded to where the pages are
                importer = uploads.Worker(writer)
                await importer.start()
                self._stops.append(importer.stop)
            if "collector" in self.parts:
                self._collector = Collector(writer)
                self._pendo = Pendo(self._collector, events)
                self._surveys = agent_surveys.Surveys(self._collector.source)
                self._agent = agent.Agent()
        runner: Runner | None = None
        if "runner" in self.parts:
            catalogue = actions.catalogue()
            assert isinstance(catalogue, Catalogue)
            here = client.warehouse().here
            runner = Runner(catalogue, make=enqueue.enqueue_all if here else _none)
            await runner.start()
            self._stops.append(catalogue.close)
            self._stops.append(runner.stop)
            if here:
                await self._asking(runner, writer)
            replayer = erasing.Worker(replaying.work, seconds=1)
            for beside in (mails.Mails(), turn_off.Keeper(), replayer, Trimmer()):
                await beside.start()
                self._stops.append(beside.stop)
        if "watcher" in self.parts:
            watcher = Watcher(on_check=lambda _report: runner.wake() if runner else None)
            await watcher.start()
            self._stops.append(watcher.stop)
            finder = finders.Finder(lambda: runner.wake() if runner else None)
            await finder.start()
            self._stops.append(finder.stop)
            if writer is not None:
                writer.tell(finder.wake)
        self._tasks = [asyncio.ensure_future(loop()) for loop in self._background]
        settle_memory()

    async def _asking(self, runner: Runner, writer: writers.Writer | None) -> None:
        """What makes runs and erases: it asks the warehouse, so it is done where that can be asked."""
        instant = instants.Instants(runner.wake)
        eraser, keeper = erasing.Worker(), erasing.Worker(retention.work, seconds=60)
        for loop in (instant, Starter(on_start=runner.wake), eraser, keeper):
            await loop.start()
            self._stops.append(loop.stop)
        if writer is not None:
            writer.tell(instant.wake)

    async def stop(self) -> None:
        """Stop them, right to left. One that fails to stop does not keep the others from it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._stops:
            try:
                await self._stops.pop()()
            except Exception:
                log.exception("A part did not stop cleanly.")
        await asyncio.to_thread(client.warehouse().close)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._surveys is not None and scope["type"] == "http" and scope["path"] == agent_surveys.PATH:
            await self._surveys(scope, receive, send)
        elif self._agent is not None and scope["type"] == "http" and scope["path"] in agent.PATHS:
            await self._agent(scope, receive, send)
        elif self._collector is not None and scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await self._collector(scope, receive, send)
        elif self._pendo is not None and scope["type"] == "http" and scope["path"].startswith(("/data/", "/agent/")):
            await self._pendo(scope, receive, send)
        elif scope["type"] == "http" and ("web" in self.parts or scope["path"] == HEALTH):
            await self._django(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"This process does not serve pages.\n"})
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except Exception as error:
                    log.exception("Arrivals could not start.")
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
