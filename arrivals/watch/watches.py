"""Which reports are checked by themselves, and how often. Blocks."""

from datetime import timedelta
from typing import Any

from django.db.models import Q

from arrivals import clock, config
from arrivals.watch import marks
from arrivals.watch.models import Check, Watch

POLLED_FOR = timedelta(hours=1)  # a poll that comes from outside keeps a report watched for this long
NOTE_EVERY = timedelta(minutes=1)
NOW = timedelta(0)


def start(report_id: str, *, minutes: int | None = None) -> Watch:
    """Check this report by itself from now on. ``minutes``: default from ARRIVALS_CHECK_MINUTES."""
    every = minutes or config.current().check_minutes
    watch, _made = Watch.objects.update_or_create(report_id=report_id, defaults={"active": True, "minutes": every})
    return watch


def stop(report_id: str) -> None:
    """Check it no longer by itself. What the ledger knows stays."""
    Watch.objects.filter(report_id=report_id).update(active=False)


def polled(report_id: str) -> None:
    """Note that somebody outside asks again and again who is on the report: it is checked by itself meanwhile."""
    now = clock.now()
    Watch.objects.get_or_create(report_id=report_id, defaults={"minutes": config.current().check_minutes})
    unnoted = Q(polled_at=None) | Q(polled_at__lt=now - NOTE_EVERY)
    Watch.objects.filter(unnoted, report_id=report_id).update(polled_at=now)


def as_dict(report_id: str) -> dict[str, Any]:
    """active, minutes, next_due, checked_at, full_at, polled_at, on_report, errors, error, missed; for a report never
    watched too."""
    watch = Watch.objects.filter(report_id=report_id).first() or Watch(
        report_id=report_id, minutes=config.current().check_minutes
    )
    return {
        "active": watch.active,
        "minutes": watch.minutes,
        "next_due": clock.iso(watch.next_due) if watch.active else None,
        "checked_at": clock.iso(watch.checked_at) if watch.checked_at else None,
        "full_at": clock.iso(watch.full_at) if watch.full_at else None,
        "polled_at": clock.iso(watch.polled_at) if watch.polled_at else None,
        "on_report": watch.on_report,
        "errors": watch.errors,
        "error": watch.error,
        "missed": watch.missed,
    }


def wake(connection_id: str) -> None:
    """Check the reports of a connection soon: it has new credentials."""
    Watch.objects.filter(report__origin__connection=connection_id).update(next_due=clock.now())


def checks(report_id: str, *, limit: int = 20) -> list[dict[str, Any]]:
    """The last checks, newest first: at, on_report, entered, left, ms, error; candidates, how many ids of visitors were
    looked at (None: everybody, ``why``, and as a sentence ``reason``); missed, changes that a check before should have found."""
    return [
        {
            "at": clock.iso(one.at),
            "on_report": one.on_report,
            "entered": one.entered,
            "left": one.left,
            "ms": one.ms,
            "error": one.error,
            "candidates": one.candidates,
            "why": one.why,
            "reason": marks.REASONS.get(one.why, ""),
            "missed": one.missed,
        }
        for one in Check.objects.filter(report_id=report_id).order_by("-id")[:limit]
    ]


def due(limit: int, *, remote: bool | None = None, ahead: timedelta = NOW) -> list[str]:
    """The reports whose check is due, or will be in the time ``ahead``, the longest waiting first; ``remote``: only
    those of a remote subscription, or only our own."""
    now = clock.now()
    watched = Q(active=True) | Q(polled_at__gt=now - POLLED_FOR)
    found = Watch.objects.filter(watched, next_due__lte=now + ahead).exclude(claim__gt="", claimed_until__gte=now)
    if remote is not None:
        found = found.exclude(report__origin={}) if remote else found.filter(report__origin={})
    return list(found.order_by("next_due").values_list("report_id", flat=True)[:limit])


def totals() -> dict[str, int]:
    """How many reports are watched, and how many of these have an error."""
    watched = Watch.objects.filter(active=True)
    return {"watched": watched.count(), "failing": watched.filter(errors__gt=0).count()}
