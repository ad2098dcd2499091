"""All dashboards."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import dashboards
from arrivals.web.pages import go, person, render, signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboards_list", dashboards=dashboards.all_dashboards())


@require_POST
@signed_in
def overview(request: HttpRequest) -> HttpResponse:
    """Make the one that a new installation begins with."""
    made = dashboards.overview()
    audit.note(person(request).email, "dashboard.save", made.id, name=made.name)
    return go(f"/dashboards/{made.id}")
