"""The loop that forgets what old runs said."""

import asyncio
import logging

from django.db import close_old_connections

from arrivals import background
from arrivals.engine import history

EVERY_SECONDS = 3600.0
log = logging.getLogger(__name__)


class Trimmer(background.Loop):
    """Each hour: ``history.trim``, in a thread. Two of them at once do no harm."""

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(_trim)
            except Exception:
                log.exception("Old runs could not be forgotten.")
            await asyncio.sleep(EVERY_SECONDS)


def _trim() -> None:
    close_old_connections()
    try:
        if trimmed := history.trim():
            log.info("What %s old runs said was forgotten.", trimmed)
    finally:
        close_old_connections()
