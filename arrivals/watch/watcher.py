"""The loop that looks at due reports by itself."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import close_old_connections

from arrivals import background
from arrivals.errors import ArrivalsError
from arrivals.warehouse import recent, upkeep
from arrivals.watch import batches, checks, watches

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
TRIM_SECONDS = 60.0
TOGETHER = 1_000  # reports of a batch
ALONG = timedelta(seconds=30)  # a report that is due so soon comes along, and from then on with the others


class Watcher(background.Loop):
    """Checks due reports: our own together, as far as a look at those of whom something is new is enough; else
    ``at_once`` at a time, and as many of remote subscriptions, so that a slow one keeps no report of our own waiting.
    ``on_check`` is called (from any thread) with the id of a report after each check of it."""

    def __init__(self, *, on_check: Callable[[str], None] | None = None, at_once: int = 2) -> None:
        self._on_check = on_check or (lambda _report: None)
        self._at_once = at_once
        self._busy: dict[bool, dict[str, asyncio.Task[None]]] = {False: {}, True: {}}  # by whether it is remote
        self._together: asyncio.Task[None] | None = None
        self._full: dict[str, str] = {}  # the reports at which everybody must be looked at, and why
        self._trimmed = time.monotonic()

    async def stop(self) -> None:
        """Let the checks under way end, for at most 30 s."""
        await super().stop()
        under_way = [task for busy in self._busy.values() for task in busy.values()]
        under_way += [self._together] if self._together else []
        if under_way:
            await asyncio.wait(under_way, timeout=30)

    async def _run(self) -> None:
        """Each second:

        1. Ask which of our own reports are due and claimed by nobody; those that will be in a moment come along. Look at
           all of them together, in a thread: see ``batches.check``. What it leaves is to be looked at in full.
        2. Of those to be looked at in full, and of remote ones that are due, check as many as there is room for, each in
           a thread. A check claims its reports by a conditional update, so that two watchers never look at one at the
           same time; it also says when the next check is due.
        3. A check that fails says so on its report, which is tried again at its next interval.
        4. Each minute, drop what came in too long ago to be asked for again, and log what the event store needs.
        """
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("The watcher could not ask which reports are due.")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        own, remote = self._busy[False], self._busy[True]
        if self._together is None or self._together.done():
            due = [
                one
                for one in await asyncio.to_thread(_due, TOGETHER, False)
                if one not in own and one not in self._full
            ]
            if due:
                self._together = asyncio.create_task(self._check_together(due))
        for report_id, why in list(self._full.items()):
            if len(own) < self._at_once:
                del self._full[report_id]
                own[report_id] = asyncio.create_task(self._check(report_id, own, why))
        room = self._at_once - len(remote)
        for report_id in await asyncio.to_thread(_due, self._at_once, True) if room > 0 else []:
            if report_id not in remote and len(remote) < self._at_once:
                remote[report_id] = asyncio.create_task(self._check(report_id, remote, "remote"))
        if time.monotonic() - self._trimmed > TRIM_SECONDS:
            self._trimmed = time.monotonic()
            await asyncio.to_thread(recent.trim)
            for sentence in await asyncio.to_thread(upkeep.advice):
                log.warning("%s", sentence)

    async def _check_together(self, due: list[str]) -> None:
        left = await asyncio.to_thread(_check_together, due)
        self._full |= left
        for report_id in due:
            if report_id not in left:
                self._on_check(report_id)

    async def _check(self, report_id: str, busy: dict[str, asyncio.Task[None]], why: str) -> None:
        try:
            await asyncio.to_thread(_check, report_id, why)
        finally:
            busy.pop(report_id, None)
        self._on_check(report_id)


def _due(limit: int, remote: bool) -> list[str]:
    close_old_connections()
    try:
        if remote:
            return watches.due(limit, remote=True)
        return watches.due(limit, remote=False, ahead=ALONG) if watches.due(1, remote=False) else []
    finally:
        close_old_connections()


def _check_together(due: list[str]) -> dict[str, str]:
    close_old_connections()
    try:
        return batches.check(due)
    except Exception:
        log.exception("Reports could not be looked at together; each is looked at in full.")
        return dict.fromkeys(due, "failed")
    finally:
        close_old_connections()


def _check(report_id: str, why: str) -> None:
    close_old_connections()
    try:
        checks.check(report_id, wait_seconds=0, why=why)
    except ArrivalsError as error:
        log.warning("Report %s: %s", report_id, error)
    except Exception:
        log.exception("Report %s could not be checked.", report_id)
    finally:
        close_old_connections()
