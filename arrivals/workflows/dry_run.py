"""What a workflow would have started over the past days, asked of the warehouse; nothing is stored or sent. Blocks."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.db.models.functions import TruncDate

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import members, occurring, reports
from arrivals.audience.models import Report
from arrivals.errors import CheckTimeout, Invalid
from arrivals.watch import ledger, past
from arrivals.watch.models import Arrival, Watch
from arrivals.workflows import definitions, schedules, timetables, triggers, versions, workflows

MOST_DAYS = past.MOST
SECONDS = 12.0  # for all of it
TOGETHER = 3  # times the days that would fit one after the other are tried
LEAST = 2  # days, below which it is not worth telling
SAMPLE = 10
NEXT = 5
MOMENT = timedelta(milliseconds=1)


def _coming(trigger: dict[str, Any], after: datetime, number: int) -> list[datetime]:
    return list(islice(schedules.moments(trigger, after, ZoneInfo(timetables.zone())), number))


# Triggers that start at moments of their own: what says the next of them after a time.
MOMENTS: dict[str, Callable[[dict[str, Any], datetime, int], Sequence[datetime]]] = {timetables.KIND: _coming}


def of(workflow_id: str, *, days: int = 30, which: str = "") -> dict[str, Any]:
    """What it would have started on each of the past ``days`` full days (of the workspace's time zone).

    ``days``: ``{"day", "would_start"}`` each, the oldest first; ``total``; ``per_day``; ``sample`` (ids of some of the newest);
    ``cut`` (whether there was time for fewer days only); ``basis``: "events", or "ledger" for a report of a real Pendo, whose
    past is what was seen of it; ``next``: the coming moments of a schedule. ``which``: the definition, "draft" or the number
    of a version; empty: that which runs.

    Raises:
        NotFound; Invalid: ``days`` is not 1 to 60. CheckTimeout: there was not even time for two days.
    """
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"It must be from 1 to {MOST_DAYS} days.", path="days")
    workflow = workflows.get(workflow_id)
    running = str(workflow.version.number) if workflow.version else versions.DRAFT
    definition = versions.definition(workflow_id, which or running)
    if versions.DRAFT in (which, running):  # which may be unfinished
        definition = definitions.validate(definition)
    trigger = definition["trigger"]
    if trigger["kind"] in MOMENTS:
        following = MOMENTS[trigger["kind"]](trigger, clock.now(), NEXT)
        return {**_told([], [], []), "basis": "schedule", "next": [clock.iso(one) for one in following]}
    report_id = triggers.report(trigger)
    if report_id is None:
        if "event" not in trigger:
            return {**_told([], [], []), "basis": "none"}
        ends = _ends(days)
        counted, some = occurring.by_day(trigger["event"], ends, seconds=SECONDS)
        return _told(ends, counted, some[:SAMPLE], basis="events")
    report, direction = reports.get(report_id), triggers.of(trigger).direction
    if report.origin:
        return _seen(report, direction, _ends(days))
    return _replayed(report, direction, definition.get("reentry", "never"), days)


def _replayed(report: Report, direction: str, reentry: Any, days: int) -> dict[str, Any]:
    """As many days as there is time for: fewer from the start where one alone takes long, and fewer again when that was not
    enough. All in one question take less than one after the other."""
    until, wanted, began = time.monotonic() + SECONDS, days, time.monotonic()
    one = members.of(report, now=_ends(1)[-1]).ids
    ledger.number(one, seconds=SECONDS / 2)
    each = time.monotonic() - began
    days = max(min(days, int(TOGETHER * SECONDS / (each or 0.001))), min(days, LEAST))
    while True:
        ends = _ends(days)
        try:
            found = past.starts(
                report, ends, direction=direction, reentry=reentry, seconds=max(1.0, (until - time.monotonic()) * 0.7)
            )
        except CheckTimeout:
            if days <= LEAST or until - time.monotonic() < 1:
                raise
            days = max(days // 3, LEAST)
            continue
        numbers = {one.day: one.number for one in found}
        sample = [name for one in reversed(found) for name in one.sample][:SAMPLE]
        counted = [numbers.get(day, 0) for day in range(1, len(ends))]
        return _told(ends, counted, sample, basis="events", cut=days < wanted)


def _seen(report: Report, direction: str, ends: list[datetime]) -> dict[str, Any]:
    """Of a remote report: the arrivals that there were since it is looked at."""
    first = Watch.objects.filter(report=report).values_list("baseline_at", flat=True).first()
    since = [one for one in ends if first and one > first]
    if not since:
        return _told([], [], [], basis="ledger", cut=True)
    known = [max(first or ends[0], ends[ends.index(since[0]) - 1] if since[0] != ends[0] else ends[0]), *since]
    rows = Arrival.objects.filter(report=report, kind=direction, at__gt=known[0], at__lte=known[-1])
    by_day = dict(
        rows.annotate(day=TruncDate("at", tzinfo=workspace.zone()))
        .values("day")
        .annotate(n=Count("id"))
        .values_list("day", "n")
    )
    sample = list(rows.order_by("-id").values_list("member", flat=True)[:SAMPLE])
    counted = [by_day.get(workspace.day(one), 0) for one in known[1:]]
    return _told(known, counted, sample, basis="ledger", cut=len(counted) < len(ends) - 1)


def _ends(days: int) -> list[datetime]:
    """The last millisecond of each of the ``days`` full days before today, and that of the day before them."""
    today = workspace.day(clock.now())
    return [workspace.midnight(today - timedelta(days=days - number)) - MOMENT for number in range(days + 1)]


def _told(
    ends: Sequence[datetime], counted: Sequence[int], sample: Sequence[str], *, basis: str = "events", cut: bool = False
) -> dict[str, Any]:
    days = [
        {"day": workspace.day(end).isoformat(), "would_start": number}
        for end, number in zip(ends[1:], counted, strict=True)
    ]
    total = sum(counted)
    per_day = round(total / len(days), 1) if days else 0.0
    return {
        "days": days,
        "total": total,
        "per_day": per_day,
        "sample": list(sample),
        "cut": cut,
        "basis": basis,
        "next": [],
    }
