"""Schedules start runs, once per moment. Blocks. See ``start_due`` for the steps."""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from arrivals import clock
from arrivals.audience import contexts, rows
from arrivals.audience.models import Report
from arrivals.engine import starts
from arrivals.engine.starts import Start
from arrivals.errors import ArrivalsError
from arrivals.workflows import schedules, timetables
from arrivals.workflows.models import Timetable, Workflow

KIND = "sch"
LATEST = timedelta(hours=1)  # how old a moment may be that was missed
MOST_COUNTED = 1_000
MOST_EACH = 10_000  # visitors of one moment
AGAIN = 60.0  # seconds after which one that could not be started is tried again
_later: dict[int, float] = {}  # by timetable
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Everybody:
    """What templates see of each visitor that a schedule is for, None where it is for nobody, or why it cannot run for them
    (``problem``); as its trigger said, ``each``."""

    each: Any = None
    told: list[dict[str, Any]] | None = None
    problem: str = ""


def start_due() -> int:
    """Start the runs of schedules that are due; return how many.

    1. Workflows that are on and whose time was told in another time zone than the workspace's: tell it anew.
    2. Of one that runs for each visitor on a report, ask who they are, outside of any transaction. Where that cannot be told, it
       is asked again a minute later, as long as the moment is not too old.
    3. For each that is due, one transaction: lock its workflow, and see that it is still due. The newest of its moments up to now
       runs, unless it is more than an hour old; of those before it, which nobody was there to start, is told how many there were.
    4. The run is unique by its moment (and visitor), and the next one is noted in the same transaction.
    Killed anywhere, the next pass goes on there; two runners at once start one run.
    """
    made, now, zone = 0, clock.now(), timetables.zone()
    on = Timetable.objects.filter(workflow__state=Workflow.State.ON)
    for one in on.exclude(zone=zone).values_list("pk", flat=True):
        made += _guarded(_moved, one, zone)
    for one in on.filter(due__lte=now).order_by("due").values_list("pk", flat=True)[:500]:
        made += _guarded(_due, one, zone)
    return made


def _everybody(pk: int) -> Everybody:
    workflow = Workflow.objects.select_related("version").get(timetable=pk)
    each = (timetables.schedule(workflow) or {}).get("each")
    if each is None:
        return Everybody()
    report = Report.objects.filter(pk=each["report"]).first()
    if report is None:
        return Everybody(each, [], "its report was deleted")
    ids = rows.some(report, limit=MOST_EACH + 1)
    if len(ids) > MOST_EACH:
        return Everybody(each, [], f"more than {MOST_EACH:,} are on its report")
    arrival = {"report": report.id, "kind": KIND, "at": clock.iso(clock.now()), "existing": False}
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), contexts.MOST):
        chunk = ids[start : start + contexts.MOST]
        told = rows.context(report, chunk)
        found += [{**told[one], "arrival": {**arrival, "member": one}} for one in chunk]
    return Everybody(each, found)


def _guarded(function: Any, pk: int, zone: str) -> int:
    if _later.get(pk, 0.0) > time.monotonic():
        return 0
    try:
        everybody = _everybody(pk) if function is _due else Everybody()
        _later.pop(pk, None)
        with transaction.atomic():
            workflow = Workflow.objects.select_for_update().get(timetable=pk)
            return int(function(Timetable.objects.get(pk=pk), workflow, zone, everybody))
    except Workflow.DoesNotExist:
        return 0  # it was deleted, or has another trigger
    except ArrivalsError as error:
        log.warning("The schedule %s waits: %s", pk, error)
    except Exception:
        log.exception("The schedule %s could not be started.", pk)
    _later[pk] = time.monotonic() + AGAIN
    return 0


def _moved(row: Timetable, workflow: Workflow, zone: str, everybody: Everybody) -> int:
    schedule = timetables.schedule(workflow)
    if schedule is not None and row.due > clock.now():  # one that is due runs first
        row.due, row.zone = schedules.after(schedule, clock.now(), ZoneInfo(zone)), zone
        row.save()
    return 0


def _due(row: Timetable, workflow: Workflow, zone: str, everybody: Everybody) -> int:
    now, schedule = clock.now(), timetables.schedule(workflow)
    if schedule is None:
        row.delete()
        return 0
    if row.due > now or workflow.state != Workflow.State.ON or schedule.get("each") != everybody.each:
        return 0  # somebody else started it, or changed it at this moment
    told = ZoneInfo(row.zone)
    missed = [row.due, *_until(schedule, row.due, now, told)]
    moment = missed[-1]
    late = now - moment > LATEST
    row.skipped = _skipped(missed if late else missed[:-1]) or row.skipped
    row.due, row.zone = schedules.after(schedule, now, ZoneInfo(zone)), zone
    if not late:
        row.last = moment
    if everybody.problem and not late:
        row.skipped = f"The moment {clock.minute(moment)} was skipped: {everybody.problem}."
    row.save()
    return 0 if late else starts.insert(workflow, _starts(moment, seen(moment, now, told, row.due), everybody.told))


def _until(schedule: Any, since: datetime, now: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments after one, up to now; when there are too many to count, the newest of them."""
    found: list[datetime] = []
    for moment in islice(schedules.moments(schedule, since, zone), MOST_COUNTED):
        if moment > now:
            return found
        found.append(moment)
    return _until(schedule, now - LATEST * 24, now, zone)


def _starts(moment: datetime, seen: dict[str, Any], everybody: list[dict[str, Any]] | None) -> list[Start]:
    """One run, its member the moment; or one for each visitor, its entry the minute that it is since 1970."""
    if everybody is None:
        return [Start(KIND, clock.iso(moment), {"visitor": {}, "account": {}, "schedule": seen})]
    entry = int(moment.timestamp()) // 60
    return [
        Start(
            KIND,
            one["arrival"]["member"],
            {**one, "arrival": {**one["arrival"], "entry": entry}, "schedule": seen},
            entry,
        )
        for one in everybody
    ]


def seen(moment: datetime, now: datetime, zone: ZoneInfo, due: datetime) -> dict[str, Any]:
    """What templates see as ``schedule`` of a moment that runs ``now``; ``due``: the next one."""
    local = moment.astimezone(zone)
    return {
        "at": clock.iso(moment),
        "local": local.isoformat(timespec="minutes"),
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
        "weekday": schedules.NAMES[local.weekday()],
        "zone": str(zone),
        "next": clock.iso(due),
        "late": round((now - moment).total_seconds()) >= 60,
    }


def _skipped(missed: list[datetime]) -> str:
    if not missed:
        return ""
    first, last = clock.minute(missed[0]), clock.minute(missed[-1])
    if len(missed) == 1:
        return f"The moment {first} was skipped: nothing was running then."
    return f"{len(missed):,} moments from {first} to {last} were skipped: nothing was running then."
