"""The loop that does the erasures."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import close_old_connections
from django.db.models import Q

from arrivals import clock, ids
from arrivals.erasure.models import Erasure
from arrivals.erasure.steps import STEPS

LOOK_SECONDS = 2.0
LEASE = timedelta(minutes=70)  # longer than the longest step may take: nothing renews it meanwhile
AGAIN = timedelta(minutes=1)
log = logging.getLogger(__name__)


class Worker:
    """Does one erasure after the other; or other work that is done in steps, by ``step``: it takes one, and says whether
    there was one."""

    def __init__(self, step: Callable[[], bool] | None = None, *, seconds: float = LOOK_SECONDS) -> None:
        self._step = step or work
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End. A step that is under way is waited for, since its thread cannot be stopped; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

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
    """Take one step of the erasure that is due longest; return whether there was one.

    1. Claim it by a conditional update.
    2. Take the step. It may be repeated.
    3. Note in one update that it is done and what it found, and give the claim back.
    Killed between, the claim ends (or the next start of a single process ends it), and the same step is taken again.
    A step that fails is tried again in a minute.
    """
    close_old_connections()
    try:
        erasure = _claimed()
        if erasure is None:
            return False
        try:
            STEPS[erasure.step](erasure)
        except Exception as error:
            log.exception("Erasure %s: its step %s failed; it is tried again.", erasure.id, erasure.step + 1)
            _give_back(erasure, due=clock.now() + AGAIN, error=f"{type(error).__name__} in step {erasure.step + 1}.")
            return False
        _give_back(
            erasure,
            due=erasure.due,
            error="",
            step=erasure.step + 1,
            members=erasure.members,
            responses=erasure.responses,
            state=erasure.state,
            started_at=erasure.started_at,
            completed_at=erasure.completed_at,
        )
        return True
    finally:
        close_old_connections()


def forget_claims() -> None:
    """Free every erasure: right at the start of the only process there is, whose forerunner may have died in a step."""
    Erasure.objects.exclude(claim="").update(claim="", claimed_until=None)


def _claimed() -> Erasure | None:
    now = clock.now()
    free = Q(claim="") | Q(claimed_until__lt=now)
    for found in Erasure.objects.filter(free, due__lte=now).order_by("due")[:5]:
        token = ids.new("clm")
        mine = Erasure.objects.filter(free, pk=found.pk, step=found.step, due__lte=now)
        if mine.update(claim=token, claimed_until=now + LEASE):
            return Erasure.objects.get(pk=found.pk)
    return None


def _give_back(erasure: Erasure, **values: object) -> None:
    Erasure.objects.filter(pk=erasure.pk, claim=erasure.claim).update(claim="", claimed_until=None, **values)
