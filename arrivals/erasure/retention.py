"""Retention: each night, the events of a source that are older than its days are deleted.

The steps of a night. Each may be repeated: killed at any moment, the night goes on with the step it was at.

1. Note for each source whose days were said before the night began the moment before which its events go: the beginning of a day in UTC, so that the steps
   that follow all mean the same one.
2. Delete these events, month by month.
3. Put the first and last times of visitors and of accounts' visitors right, by the events that are left.
4. Add what came in meanwhile and may have been overwritten by 3. The night is over.

The ledgers are not touched. Who is on a report only by events that are gone leaves it at its next check, and who is kept
off it only by such events arrives: as it is said on every report that looks further back than its events are kept.
"""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import close_old_connections
from django.db.models import Q, QuerySet

from arrivals import clock, ids
from arrivals.accounts import audit
from arrivals.collect.models import Source
from arrivals.erasure.models import Night
from arrivals.warehouse import retention
from arrivals.warehouse.events import EventStore

BEGINS = time(2)  # in UTC
LEASE = timedelta(minutes=70)
AGAIN = timedelta(minutes=5)
HOUR_MS = 3_600_000
WHO = "retention"
log = logging.getLogger(__name__)


def cutoff(days: int, now: datetime) -> int:
    """The moment in milliseconds before which events are older than so many days: the beginning of a day in UTC."""
    first = datetime.combine(now.astimezone(UTC).date() - timedelta(days=days), time(), UTC)
    return round(first.timestamp() * 1000)


def cutoffs(day: date, now: datetime) -> dict[str, int]:
    """Of each source whose days were said before the night of ``day`` began, its moment."""
    found = _obeyed(day).values_list("id", "retention_days")
    return {source: cutoff(days, now) for source, days in found if days is not None}


def _obeyed(day: date) -> QuerySet[Source]:
    begins = datetime.combine(day, BEGINS, UTC)
    return Source.objects.filter(retention_days__isnull=False, retention_set_at__lt=begins)


def find(night: Night) -> None:
    """Step 1."""
    night.started_at = night.started_at or clock.now()
    night.cutoffs = cutoffs(night.day, clock.now())
    night.deleted = sum(retention.older(night.cutoffs).values())


def delete(night: Night) -> None:
    """Step 2."""
    if night.cutoffs and night.deleted:
        everywhere = not Source.objects.exclude(id__in=night.cutoffs).exists()
        night.dropped = sorted({*night.dropped, *retention.delete(night.cutoffs, everywhere=everywhere)})


def correct(night: Night) -> None:
    """Step 3."""
    if night.cutoffs and night.deleted:
        retention.correct(max(night.cutoffs.values()))


def mend(night: Night) -> None:
    """Step 4."""
    if night.cutoffs and night.deleted:
        assert night.started_at is not None
        EventStore().mend(round(night.started_at.timestamp() * 1000) - HOUR_MS)
        audit.note(WHO, "retention.delete", str(night.day), events=night.deleted, months=night.dropped)
    night.completed_at, night.due = clock.now(), None


STEPS: tuple[Callable[[Night], None], ...] = (find, delete, correct, mend)


def work() -> bool:
    """Take one step of the night that is due; return whether there was one.

    1. From two o'clock UTC on, and with a source whose days were said before, see that there is this day's night (unique by the day).
    2. Claim it by a conditional update, take the step, and note in one update that it is done.
    Killed between, the claim ends (or the next start of a single process ends it), and the same step is taken again.
    A step that fails is tried again in five minutes.
    """
    close_old_connections()
    try:
        _begin()
        night = _claimed()
        if night is None:
            return False
        try:
            STEPS[night.step](night)
        except Exception as error:
            log.exception("Retention of %s: its step %s failed; it is tried again.", night.day, night.step + 1)
            _give_back(night, due=clock.now() + AGAIN, error=f"{type(error).__name__} in step {night.step + 1}.")
            return False
        _give_back(
            night,
            due=night.due,
            error="",
            step=night.step + 1,
            cutoffs=night.cutoffs,
            deleted=night.deleted,
            dropped=night.dropped,
            started_at=night.started_at,
            completed_at=night.completed_at,
        )
        return True
    finally:
        close_old_connections()


def forget_claims() -> None:
    """Free every night: right at the start of the only process there is, whose forerunner may have died in a step."""
    Night.objects.exclude(claim="").update(claim="", claimed_until=None)


def preview(source: Source, days: int | None) -> dict[str, Any]:
    """What keeping a source's events for so many days would delete: ``days``, ``before`` (a time, null for ever),
    ``events``. The next night deletes what is older by then."""
    if days is None:
        return {"days": None, "before": None, "events": 0}
    moment = cutoff(days, clock.now())
    before = clock.iso(datetime.fromtimestamp(moment / 1000, UTC))
    return {"days": days, "before": before, "events": retention.older({source.id: moment}).get(source.id, 0)}


def _begin() -> None:
    now = clock.now()
    if now.time() < BEGINS or Night.objects.filter(day=now.date()).exists():
        return
    if _obeyed(now.date()).exists():
        Night.objects.get_or_create(day=now.date())


def _claimed() -> Night | None:
    now = clock.now()
    free = Q(claim="") | Q(claimed_until__lt=now)
    for found in Night.objects.filter(free, due__lte=now).order_by("day")[:2]:
        token = ids.new("clm")
        mine = Night.objects.filter(free, pk=found.pk, step=found.step, due__lte=now)
        if mine.update(claim=token, claimed_until=now + LEASE):
            return Night.objects.get(pk=found.pk)
    return None


def _give_back(night: Night, **values: object) -> None:
    Night.objects.filter(pk=night.pk, claim=night.claim).update(claim="", claimed_until=None, **values)
