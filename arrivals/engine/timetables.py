"""Schedules start runs, once per moment. Blocks. See ``start_due`` for the steps."""

import logging
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from arrivals import clock
from arrivals.engine import starts
from arrivals.engine.starts import Start
from arrivals.workflows import schedules, timetables
from arrivals.workflows.models import Timetable, Workflow

KIND = "sch"
LATEST = timedelta(hours=1)  # how old a moment may be that was missed
MOST_COUNTED = 1_000
log = logging.getLogger(__name__)


def start_due() -> int:
    """Start the runs of schedules that are due; return how many.

    1. Workflows that are on and whose time was told in another time zone than the workspace's: tell it anew.
    2. For each that is due, one transaction: lock its workflow, and see that it is still due. The newest of its moments up to now
       runs, unless it is more than an hour old; of those before it, which nobody was there to start, is told how many there were.
    3. The run is unique by its moment, and the next one is noted in the same transaction.
    Killed anywhere, the next pass goes on there; two runners at once start one run.
    """
    made, now, zone = 0, clock.now(), timetables.zone()
    on = Timetable.objects.filter(workflow__state=Workflow.State.ON)
    for one in on.exclude(zone=zone).values_list("pk", flat=True):
        made += _guarded(_moved, one, zone)
    for one in on.filter(due__lte=now).order_by("due").values_list("pk", flat=True)[:500]:
        made += _guarded(_due, one, zone)
    return made


def _guarded(function: Any, pk: int, zone: str) -> int:
    try:
        with transaction.atomic():
            workflow = Workflow.objects.select_for_update().get(timetable=pk)
            return int(function(Timetable.objects.get(pk=pk), workflow, zone))
    except Workflow.DoesNotExist:
        return 0  # it was deleted, or has another trigger
    except Exception:
        log.exception("The schedule %s could not be started.", pk)
        return 0


def _moved(row: Timetable, workflow: Workflow, zone: str) -> int:
    schedule = timetables.schedule(workflow)
    if schedule is not None and row.due > clock.now():  # one that is due runs first
        row.due, row.zone = schedules.after(schedule, clock.now(), ZoneInfo(zone)), zone
        row.save()
    return 0


def _due(row: Timetable, workflow: Workflow, zone: str) -> int:
    now, schedule = clock.now(), timetables.schedule(workflow)
    if schedule is None:
        row.delete()
        return 0
    if row.due > now or workflow.state != Workflow.State.ON:
        return 0
    told = ZoneInfo(row.zone)
    missed = [row.due, *_until(schedule, row.due, now, told)]
    moment = missed[-1]
    late = now - moment > LATEST
    row.skipped = _skipped(missed if late else missed[:-1]) or row.skipped
    row.due, row.zone = schedules.after(schedule, now, ZoneInfo(zone)), zone
    if not late:
        row.last = moment
    row.save()
    return 0 if late else starts.insert(workflow, [_start(moment, now, told, row.due)])


def _until(schedule: Any, since: datetime, now: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments after one, up to now; when there are too many to count, the newest of them."""
    found: list[datetime] = []
    for moment in islice(schedules.moments(schedule, since, zone), MOST_COUNTED):
        if moment > now:
            return found
        found.append(moment)
    return _until(schedule, now - LATEST * 24, now, zone)


def _start(moment: datetime, now: datetime, zone: ZoneInfo, due: datetime) -> Start:
    local = moment.astimezone(zone)
    seen = {
        "at": clock.iso(moment),
        "local": local.isoformat(timespec="minutes"),
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
        "weekday": schedules.NAMES[local.weekday()],
        "zone": str(zone),
        "next": clock.iso(due),
        "late": round((now - moment).total_seconds()) >= 60,
    }
    return Start(KIND, clock.iso(moment), {"visitor": {}, "account": {}, "schedule": seen})


def _skipped(missed: list[datetime]) -> str:
    if not missed:
        return ""
    first = f"{clock.iso(missed[0])[:16].replace('T', ' ')} UTC"
    if len(missed) == 1:
        return f"The moment {first} was skipped: nothing was running then."
    last = f"{clock.iso(missed[-1])[:16].replace('T', ' ')} UTC"
    return f"{len(missed):,} moments from {first} to {last} were skipped: nothing was running then."
