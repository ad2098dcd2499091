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

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import close_old_connections
from django.db.models import QuerySet

from arrivals import clock
from arrivals.accounts import audit
from arrivals.collect.models import Source
from arrivals.erasure import stepping
from arrivals.erasure.models import Night
from arrivals.warehouse import retention
from arrivals.warehouse.events import EventStore

BEGINS = time(2)  # in UTC
AGAIN = timedelta(minutes=5)
HOUR_MS = 3_600_000
WHO = "retention"
KEPT = ("cutoffs", "deleted", "dropped", "started_at", "completed_at")


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
    2. Take its next step, as ``stepping.take`` does.
    """
    close_old_connections()
    try:
        _begin()
        return stepping.take(Night, STEPS, kept=KEPT, order="day", again=AGAIN)
    finally:
        close_old_connections()


def forget_claims() -> None:
    """Free every night, at the start of the only process there is."""
    stepping.forget_claims(Night)


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
