"""Floods: more arrivals at once than anybody expects are held until a person has looked at them. Blocks."""

from datetime import timedelta
from typing import Any

from django.db.models import Min

from arrivals import clock, config
from arrivals.engine import notices
from arrivals.engine.models import Run
from arrivals.workflows.models import Workflow

SPAN = timedelta(minutes=1)  # arrivals that are seen one by one count together for so long


def most(workflow: Workflow) -> int:
    """How many arrivals may come at once for the version that runs; 0: any number."""
    own = (workflow.version.definition if workflow.version else {}).get("flood")
    return int(config.current().flood if own is None else own)


def holds(workflow: Workflow, number: int, more: int = 0) -> bool:
    """Whether these arrivals are to be held, with those of the past minute and so many ``more`` that are still to come.

    ``workflow`` is locked, and saved by the caller (``burst``, ``burst_at``).

    Those that were held count on: what else comes of a flood is held with it.
    """
    now, limit = clock.now(), most(workflow)
    if workflow.burst_at is None or not now - SPAN < workflow.burst_at <= now:
        workflow.burst_at, workflow.burst = now, 0
    workflow.burst = min(workflow.burst + number, 2**31 - 1)
    over = bool(limit) and number > 0 and workflow.burst + more > limit
    if over:
        workflow.burst_at = now
    return over


def of(workflow: Workflow) -> dict[str, Any] | None:
    """What is held of a workflow: held (how many), since, and limit (of how many at once); None: nothing is."""
    held = Run.objects.filter(workflow=workflow, state=Run.State.HELD, held_for=Run.HeldFor.FLOOD)
    number = held.count()
    if not number:
        return None
    return {"held": number, "since": held.aggregate(first=Min("created_at"))["first"], "limit": most(workflow)}


def tell(workflow: Workflow, number: int) -> None:
    """Say once for each flood that it is held: with the first of it. To be called in the transaction that holds it."""
    held = Run.objects.filter(workflow=workflow, state=Run.State.HELD, held_for=Run.HeldFor.FLOOD)
    if held.count() > number:
        return
    notices.tell(
        "flood_held",
        f"Many arrivals at once for {workflow.name} are held",
        [
            f"More than {most(workflow):,} arrived at once. None is lost: they wait until somebody releases them, one a second, "
            "or discards them, or raises the limit.",
            ("Look at them", f"/workflows/{workflow.id}"),
        ],
        once=f"flood:{workflow.id}:{clock.iso(clock.now())}",
        workflow=workflow.id,
    )
