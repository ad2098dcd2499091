"""The question of activation: with its numbers, and its answer."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.errors import ArrivalsError, Invalid
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.workflows import activation, dry_run, reportless, will_run, workflows
from arrivals.workflows.models import Workflow

LISTED = 50


@signed_in
def numbers(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """The choices of the dialog. ``since`` in the query is what its time field holds; ``of``: which definition, when it is
    asked about publishing one."""
    workflow, since, which = workflows.get(workflow_id), request.GET.get("since", ""), request.GET.get("of", "")
    try:
        found = activation.numbers(workflow_id, since=since or None, which=which)
        asked = activation.question(workflow_id, which)
    except ArrivalsError as error:
        return render(request, "part_numbers", workflow=workflow, error=error)
    return render(
        request,
        "part_numbers",
        workflow=workflow,
        numbers=found,
        since=since,
        chosen=request.GET.get("existing", "skip"),
        leaving=asked.direction == "out",
        paused=asked.missed is not None,
        nobody=asked.report is None or (asked.direction == "out" and asked.missed is None),
        report=asked.report,
        which=which,
        asked=asked.asked,
    )


@signed_in
def foretold(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """What it would have started over the past 30 days."""
    try:
        found = dry_run.of(workflow_id, which=request.GET.get("of", ""))
    except ArrivalsError as error:
        return render(request, "part_dry_run", error=error)
    most = max((one["would_start"] for one in found["days"]), default=0)
    return render(request, "part_dry_run", found=found, most=most)


@signed_in
def who(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """A page of those who would run at once by the choice in the query."""
    existing, since, which = (request.GET.get(name, "") for name in ("existing", "since", "of"))
    choice: Any = {"since": since} if existing == "since" else existing or "skip"
    items, following = will_run.page(
        workflow_id, choice, which=which, limit=LISTED, cursor=request.GET.get("cursor", "")
    )
    query = urlencode({"existing": existing, "since": since, "of": which, "cursor": following or ""})
    return render(
        request, "part_will_run", items=items, next=query if following else "", workflow=workflows.get(workflow_id)
    )


@require_POST
@signed_in
def activate(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Activate a workflow that is off; resume one that is paused."""
    workflow, existing, by = workflows.get(workflow_id), chosen(request), person(request).email
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


def chosen(request: HttpRequest) -> Any:
    """The answer to the question of activation in a form. Raises Invalid."""
    answer = request.POST.get("existing", "skip")
    if answer != "since":
        return answer
    if not request.POST.get("since"):
        raise Invalid("Choose the time since when they shall run.", path="since")
    return {"since": request.POST["since"]}
