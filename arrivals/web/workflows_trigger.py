"""What the page of a workflow shows of a trigger without a report."""

from typing import Any

from arrivals.engine import manual
from arrivals.web import workflows_start
from arrivals.workflows import deliveries, timetables, triggers
from arrivals.workflows.models import Workflow

# What makes the next run, when there is none yet and it is on.
NEXT = {
    "event": "the next such event makes one",
    "schedule": "the next moment of its schedule makes one",
    "webhook": "the next delivery to its address makes one",
    "manual": "run it for somebody",
    "called": "the next call by another workflow makes one",
    "run_failed": "the next run that fails makes one",
}


def of(workflow: Workflow) -> dict[str, Any]:
    """For the template: ``said``, ``next``, ``fits`` (whether it runs for chosen visitors), ``key`` of that form, ``webhook`` and
    ``schedule``, where the trigger is one."""
    trigger = workflow.version.definition["trigger"] if workflow.version else {"kind": ""}
    kind = triggers.KINDS.get(trigger["kind"])
    called = deliveries.is_called(workflow) or deliveries.is_called(workflow, draft=True)
    return {
        "said": triggers.said(trigger) if kind and not kind.report_kind else "",
        "next": NEXT.get(trigger["kind"], ""),
        "fits": not manual.unfit(workflow),
        "key": workflows_start.form_key(),
        "webhook": deliveries.as_dict(workflow) if called else None,
        "schedule": timetables.as_dict(workflow) if trigger["kind"] == timetables.KIND else None,
    }
