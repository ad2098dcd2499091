"""The loop that looks at due reports by itself."""

import asyncio
import logging
from collections.abc import Callable

from django.db import close_old_connections

from arrivals.errors import ArrivalsError
from arrivals.watch import checks, watches

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0


class Watcher:
    """Checks due reports, ``at_once`` of our own and as many of remote subscriptions at a time, so that a slow
    subscription keeps no report of our own waiting. ``on_check`` is called (from any thread) with the id of a report
    after each check of it."""

    def __init__(self, *, on_check: Callable[[str], None] | None = None, at_once: int = 2) -> None:
        self._on_check = on_check or (lambda _report: None)
        self._at_once = at_once
        self._busy: dict[bool, dict[str, asyncio.Task[None]]] = {False: {}, True: {}}  # by whether it is remote
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let the checks under way end, for at most 30 s."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        under_way = [task for busy in self._busy.values() for task in busy.values()]
        if under_way:
            await asyncio.wait(under_way, timeout=30)

    async def _run(self) -> None:
        """Each second:

        1. Ask which reports are due and claimed by nobody.
        2. Check as many as there is room for, each in a thread. The check claims the report by a conditional update,
           so that two watchers never look at one at the same time; it also says when the next check is due.
        3. A check that fails says so on its report, which is tried again at its next interval.
        """
        while True:
            try:
                for remote, busy in self._busy.items():
                    room = self._at_once - len(busy)
                    for report_id in await asyncio.to_thread(_due, room + len(busy), remote) if room > 0 else []:
                        if report_id not in busy and len(busy) < self._at_once:
                            busy[report_id] = asyncio.create_task(self._check(report_id, busy))
            except Exception:
                log.exception("The watcher could not ask which reports are due.")
            await asyncio.sleep(LOOK_SECONDS)

    async def _check(self, report_id: str, busy: dict[str, asyncio.Task[None]]) -> None:
        try:
            await asyncio.to_thread(_check, report_id)
        finally:
            busy.pop(report_id, None)
        self._on_check(report_id)


def _due(limit: int, remote: bool) -> list[str]:
    close_old_connections()
    try:
        return watches.due(limit, remote=remote)
    finally:
        close_old_connections()


def _check(report_id: str) -> None:
    close_old_connections()
    try:
        checks.check(report_id, wait_seconds=0)
    except ArrivalsError as error:
        log.warning("Report %s: %s", report_id, error)
    except Exception:
        log.exception("Report %s could not be checked.", report_id)
    finally:
        close_old_connections()
