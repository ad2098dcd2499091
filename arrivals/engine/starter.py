"""The loop that starts what no report starts: deliveries and schedules. See ``Starter._run`` for the steps."""

import asyncio
import logging
import time
from collections.abc import Callable

from django.db import close_old_connections

from arrivals import background
from arrivals.engine import deliveries, manual, timetables

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.5
FORGET_SECONDS = 3600.0
_started: list["Starter"] = []


class Starter(background.Loop):
    """``on_start`` is called (from any thread) when there are new runs."""

    def __init__(self, *, on_start: Callable[[], None] | None = None) -> None:
        self._on_start = on_start or (lambda: None)
        self._more = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forgot = 0.0

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        _started.append(self)
        await super().start()

    async def stop(self) -> None:
        _started.remove(self)
        await super().stop()

    def wake(self) -> None:
        """Look now. May be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._more.set)

    async def _run(self) -> None:
        """Each half second, and whenever woken:

        1. Make runs of the deliveries that came in (``deliveries.make_runs``), and of schedules that are due
           (``timetables.start_due``). Both may be done by several processes at once: the runs are unique.
        2. When there were any, wake the runner, and look again.
        3. Each hour, forget the keys of requests that nobody repeats any more.
        """
        while True:
            self._more.clear()
            made = await asyncio.to_thread(self._look)
            if made:
                self._on_start()
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._more.wait()
            except TimeoutError:
                pass

    def _look(self) -> int:
        close_old_connections()
        made = 0
        try:
            for work in (deliveries.make_runs, timetables.start_due):
                try:
                    made += work()
                except Exception:
                    log.exception("What is to be started could not be read.")
            if time.monotonic() - self._forgot > FORGET_SECONDS or not self._forgot:
                self._forgot = time.monotonic()
                manual.forget()
        except Exception:
            log.exception("Old keys could not be forgotten.")
        finally:
            close_old_connections()
        return made


def wake() -> None:
    """Let the starter of this process, where there is one, look now, and wake its runner. May be called from any thread."""
    for one in list(_started):
        one._on_start()
        one.wake()
