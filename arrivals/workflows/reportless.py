"""What turning on means for a workflow without a report: what waits for it, and what it says. Blocks."""

from datetime import datetime
from typing import Any

from arrivals.errors import Invalid
from arrivals.workflows import deliveries, timetables, triggers
from arrivals.workflows.models import Workflow

# What happens from now on, and what happened while it was paused, to a person, by kind of trigger.
BEGINS = {
    "event": "It runs for each such event from now on.",
    "schedule": "It runs at the times of its schedule from now on.",
    "webhook": "It runs for each delivery to its address from now on.",
    "manual": "It runs for visitors that somebody chooses.",
    "called": "It runs when another workflow calls it.",
    "run_failed": "It runs for each run that fails from now on.",
}
PAUSED = {
    "event": "Events that happen meanwhile start nothing.",
    "schedule": "Its moments meanwhile are skipped; you will be told how many when you resume.",
    "webhook": "What is delivered meanwhile is kept; you will be asked about it when you resume.",
    "manual": "Nobody can be chosen meanwhile.",
    "called": "Workflows that call it meanwhile try again later.",
    "run_failed": "Runs that fail meanwhile start nothing.",
}
MISSED = {
    "event": "Events that happened while it was paused start nothing.",
    "manual": "Nobody could be chosen while it was paused.",
    "called": "Workflows that called it while it was paused try again.",
    "run_failed": "Runs that failed while it was paused start nothing.",
}


def kind(workflow: Workflow) -> str:
    return triggers.of(workflow.version.definition["trigger"]).id if workflow.version else ""


def numbers(workflow: Workflow, since: datetime | None) -> dict[str, Any]:
    """As ``activation.numbers``: nobody is on a report; of an address that is paused, the deliveries that were kept may run.
    ``missed``: the moments of a schedule that passed while it was paused. ``said``: all of it in a sentence."""
    paused = workflow.state == Workflow.State.PAUSED
    kept, later = (deliveries.waiting(workflow), deliveries.waiting(workflow, since)) if paused else (0, 0)
    missed = timetables.missed(workflow) if paused else 0
    return {
        "on_report": 0,
        "will_run": {"skip": 0, "run": kept, "since": later if since else None},
        "missed": missed,
        "said": said(workflow, kept=kept, missed=missed),
    }


def said(workflow: Workflow, *, kept: int, missed: int) -> str:
    """What turning it on (again) does."""
    name = kind(workflow)
    if workflow.state != Workflow.State.PAUSED:
        return f"{BEGINS.get(name, '')} Nobody is there already, so nothing starts at once."
    if name == "webhook":
        came = f"{kept:,} deliveries" if kept != 1 else "One delivery"
        return f"{came} came while it was paused." if kept else "Nothing was delivered while it was paused."
    if name == "schedule":
        passed = f"{missed:,} of its moments" if missed != 1 else "One of its moments"
        return f"{passed if missed else 'No moment'} passed while it was paused; what passed does not run."
    return MISSED.get(name, "")


def turned(workflow: Workflow, existing: Any, since: datetime | None, *, resumed: bool) -> int:
    """What goes with turning it on, publishing or resuming, inside of that transaction; return how many run at once.

    Raises:
        Invalid: something but skip, where nothing was kept.
    """
    if resumed and existing != "skip" and kind(workflow) != deliveries.KIND:
        raise Invalid('Nothing was kept while it was paused; allowed is "skip".', path="existing")
    timetables.begin(workflow)
    return deliveries.resume(workflow, existing, since) if resumed else 0
