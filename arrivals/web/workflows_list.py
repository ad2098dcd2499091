"""All workflows."""

from django.http import HttpRequest, HttpResponse

from arrivals.audience import reports
from arrivals.engine import history
from arrivals.web.pages import render, signed_in
from arrivals.workflows import recipes, workflows


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    found = [(one, history.counts(one.id)) for one in workflows.all_workflows()]
    return render(
        request, "workflows_list", workflows=found, reports=reports.all_reports(), recipes=recipes.all_recipes()
    )
