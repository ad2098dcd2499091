"""The loop that makes runs of events as they come in, and wakes the runs that wait."""

import asyncio
import logging
import time
from collections.abc import Callable

from django.db import close_old_connections

from arrivals import background
from arrivals.engine import waits
from arrivals.engine.incoming import Incoming

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25  # how often it looks when nobody wakes it: events may come in by another process
PAUSE_SECONDS = 0.1  # between two looks at least, so that each is about some events ...
SHARE = 1  # ... and so many times as long as the last look took, so that events go on being taken
TIDY_SECONDS = 3600.0
LEFT_SECONDS = 1.0  # how often it is asked who has left a report


class Instants(background.Woken):
    """``on_made`` is called (from the event loop) when runs were made or woken."""

    def __init__(self, on_made: Callable[[], None]) -> None:
        super().__init__()
        self._on_made = on_made
        self._incoming = Incoming()
        self._left = self._tidied = 0.0

    async def stop(self) -> None:
        await super().stop()
        await asyncio.to_thread(self._release)

    async def _run(self) -> None:
        """Again and again, in a thread: look at what came in (``Incoming.look``), and each second at who has left a report
        (``waits.left``). A look that fails is repeated: what was not done is found again."""
        while True:
            began = time.monotonic()
            try:
                if await self._look_in_a_thread(self._look):
                    self._on_made()
            except Exception:
                log.exception("What came in could not be looked at; it is tried again.")
                await asyncio.sleep(1)
            await asyncio.sleep(max(PAUSE_SECONDS, SHARE * (time.monotonic() - began)))
            await self._woken(LOOK_SECONDS)

    def _look(self) -> int:
        made = self._incoming.look()
        if time.monotonic() - self._left > LEFT_SECONDS:
            self._left = time.monotonic()
            try:
                made += waits.left()
                if time.monotonic() - self._tidied > TIDY_SECONDS:
                    self._tidied = time.monotonic()
                    waits.tidy()
            finally:
                close_old_connections()
        return made

    def _release(self) -> None:
        try:
            self._incoming.release()
        finally:
            close_old_connections()
