"""Running a workflow for chosen visitors: on its page by their ids, on a visitor's page by its name."""

import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import person as persons
from arrivals.audience import sharing
from arrivals.audience.models import Report
from arrivals.engine import manual, starter
from arrivals.web.pages import flash, go, person, signed_in
from arrivals.workflows import workflows
from arrivals.workflows.models import Workflow

MOST = 100


@require_POST
@signed_in
def of_workflow(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Run it for the visitors whose ids are in the form, one a line."""
    ids = [line.strip() for line in request.POST.get("visitors", "").splitlines() if line.strip()]
    begun = _start(request, workflow_id, ids)
    number = len({one["run"] for one in begun})
    flash(request, f"{number:,} run{' was' if number == 1 else 's were'} started.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def of_visitor(request: HttpRequest, visitor_id: str) -> HttpResponse:
    """Run the chosen workflow for a visitor."""
    who = persons.find(visitor_id)
    workflow = workflows.get(request.POST.get("workflow", ""))
    [begun] = _start(request, workflow.id, [who.id])
    flash(request, f"{workflow.name} runs for {who.id}.")
    return go(f"/runs/{begun['run']}")


def startable() -> list[Workflow]:
    """The workflows that are on and may be run for a visitor, by name, as far as the viewer may see their reports."""
    on = Workflow.objects.filter(state=Workflow.State.ON).select_related("version").order_by("name", "id")
    seen = set(sharing.visible(Report.objects.filter(kind="visitor")).values_list("id", flat=True))
    found = [one for one in on if not manual.unfit(one) and (one.report_id is None or one.report_id in seen)]
    return found[:MOST]


def form_key() -> str:
    """What makes a form that is sent twice start once."""
    return secrets.token_urlsafe(12)


def _start(request: HttpRequest, workflow_id: str, ids: list[str]) -> list[dict[str, Any]]:
    begun = manual.start(workflow_id, ids, key=request.POST.get("key", ""))
    audit.note(person(request).email, "workflow.start", workflow_id, visitors=len(begun))
    starter.wake()
    return begun
