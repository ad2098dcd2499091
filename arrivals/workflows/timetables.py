"""When workflows with a schedule run next. Blocks."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.workflows import schedules
from arrivals.workflows.models import Timetable, Workflow

KIND = "schedule"
MOST_TOLD = 1_000


def zone() -> str:
    """The zone that schedules are told in."""
    return workspace.time_zone()


def schedule(workflow: Workflow) -> Mapping[str, Any] | None:
    """The schedule of the version that runs, when it has one."""
    trigger: dict[str, Any] = workflow.version.definition["trigger"] if workflow.version else {"kind": ""}
    return trigger if trigger["kind"] == KIND else None


def begin(workflow: Workflow) -> None:
    """Note when a workflow that was turned on, or has another trigger now, runs next. Inside the transaction that does so."""
    found = schedule(workflow)
    if found is None:
        Timetable.objects.filter(workflow=workflow).delete()
        return
    due = schedules.after(found, clock.now(), ZoneInfo(zone()))
    Timetable.objects.update_or_create(workflow=workflow, defaults={"due": due, "zone": zone(), "skipped": ""})


def missed(workflow: Workflow, since: datetime | None = None) -> int:
    """How many moments a workflow that is paused has let pass (since a time), at most 1,000."""
    found, start = schedule(workflow), max(filter(None, (since, workflow.paused_at)), default=None)
    if found is None or start is None:
        return 0
    now, number = clock.now(), 0
    for moment in islice(schedules.moments(found, start, ZoneInfo(zone())), MOST_TOLD):
        if moment > now:
            break
        number += 1
    return number


def coming(workflow: Workflow, number: int = 3) -> list[datetime]:
    """The next moments of a workflow that is on; of another one, those that it would have."""
    found = schedule(workflow)
    if found is None:
        return []
    return list(islice(schedules.moments(found, clock.now(), ZoneInfo(zone())), number))


def as_dict(workflow: Workflow) -> dict[str, Any]:
    """zone, said, coming (the next three), last, skipped (a sentence, or "")."""
    row = Timetable.objects.filter(workflow=workflow).first()
    found = schedule(workflow)
    return {
        "zone": zone(),
        "said": schedules.said(found) if found else "",
        "coming": [clock.iso(one) for one in coming(workflow)],
        "last": clock.iso(row.last) if row and row.last else None,
        "skipped": row.skipped if row else "",
    }
