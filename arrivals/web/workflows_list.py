"""All workflows."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience import reports
from arrivals.engine import runs
from arrivals.web.pages import render, signed_in
from arrivals.workflows import recipes, triggers, workflows
from arrivals.workflows.models import Workflow


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    found = [(one, runs.counts(one.id), _said(one)) for one in workflows.all_workflows()]
    return render(
        request, "workflows_list", workflows=found, reports=reports.all_reports(), recipes=recipes.all_recipes()
    )


def _said(workflow: Workflow) -> str:
    """What starts one without a report."""
    return triggers.said(workflow.version.definition["trigger"]) if workflow.version and not workflow.report_id else ""
