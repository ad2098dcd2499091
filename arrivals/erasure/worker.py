"""The loop that does the erasures."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import close_old_connections

from arrivals import background
from arrivals.erasure import stepping
from arrivals.erasure.models import Erasure
from arrivals.erasure.steps import STEPS

LOOK_SECONDS = 2.0
AGAIN = timedelta(minutes=1)
KEPT = ("members", "responses", "state", "started_at", "completed_at")
log = logging.getLogger(__name__)


class Worker(background.Loop):
    """Does one erasure after the other; or other work that is done in steps, by ``step``: it takes one, and says whether
    there was one."""

    def __init__(self, step: Callable[[], bool] | None = None, *, seconds: float = LOOK_SECONDS) -> None:
        self._step = step or work
        self._seconds = seconds

    async def _run(self) -> None:
        """Every two seconds (or ``seconds``): while something is due, take its next step."""
        while True:
            try:
                while await asyncio.to_thread(self._step):
                    pass
            except Exception:
                log.exception("What is to be deleted could not be looked at.")
            await asyncio.sleep(self._seconds)


def work() -> bool:
    """Take one step of the erasure that is due longest, as ``stepping.take`` does; return whether there was one."""
    close_old_connections()
    try:
        return stepping.take(Erasure, STEPS, kept=KEPT, order="due", again=AGAIN)
    finally:
        close_old_connections()


def forget_claims() -> None:
    """Free every erasure, at the start of the only process there is."""
    stepping.forget_claims(Erasure)
