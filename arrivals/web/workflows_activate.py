"""The question of activation: with its numbers, and its answer."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.errors import ArrivalsError, Invalid
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.workflows import activation, reportless, workflows
from arrivals.workflows.models import Workflow


@signed_in
def numbers(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """The choices of the dialog. ``since`` in the query is what its time field holds."""
    workflow, since = workflows.get(workflow_id), request.GET.get("since", "")
    try:
        found = activation.numbers(workflow_id, since=since or None)
    except ArrivalsError as error:
        return render(request, "part_numbers", workflow=workflow, error=error)
    chosen = request.GET.get("existing", "skip")
    leaving = workflows.direction(workflow) == "out"
    return render(
        request, "part_numbers", workflow=workflow, numbers=found, since=since, chosen=chosen, leaving=leaving
    )


@require_POST
@signed_in
def activate(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Activate a workflow that is off; resume one that is paused."""
    workflow, existing, by = workflows.get(workflow_id), _existing(request), person(request).email
    paused = workflow.state == Workflow.State.PAUSED
    if paused:
        made = activation.resume(workflow_id, existing, by=by)
    else:
        made = activation.activate(workflow_id, existing, untested=request.POST.get("untested") == "on", by=by)
    audit.note(by, "workflow.resume" if paused else "workflow.activate", workflow_id, existing=existing)
    if workflow.report_id is None:
        ran = f" {made.will_run:,} that waited run now." if made.will_run else ""
        flash(request, f"It is on.{ran} {reportless.BEGINS.get(reportless.kind(workflow), '')}")
    elif workflows.direction(workflow) == "out":
        now = f" {made.will_run:,} who left while it was paused run now." if paused else ""
        flash(request, f"It is on.{now} It runs for each who leaves from here on.")
    else:
        flash(
            request,
            f"It is on. {made.on_report:,} are on the report; {made.will_run:,} of them run now, every new one from here on.",
        )
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def pause(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflow = activation.pause(workflow_id)
    audit.note(person(request).email, "workflow.pause", workflow_id)
    noted = "Who enters or leaves the report meanwhile is noted; you will be asked about them when you resume."
    flash(
        request,
        f"It is paused. {noted if workflow.report_id else reportless.PAUSED.get(reportless.kind(workflow), '')}",
    )
    return go(f"/workflows/{workflow_id}")


def _existing(request: HttpRequest) -> Any:
    chosen = request.POST.get("existing", "skip")
    if chosen != "since":
        return chosen
    if not request.POST.get("since"):
        raise Invalid("Choose the time since when they shall run.", path="since")
    return {"since": request.POST["since"]}
