"""The first page: what is going on."""

from django.http import HttpRequest, HttpResponse

from arrivals.apps import inbox_messages
from arrivals.collect import sources
from arrivals.engine import history, notices
from arrivals.watch import watches
from arrivals.web.pages import person, render, signed_in
from arrivals.workflows import workflows


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    found = workflows.all_workflows()
    return render(
        request,
        "home",
        sources=sources.all_sources(),
        on=[one for one in found if one.state == "on"],
        workflows=found,
        watched=watches.totals(),
        counts=history.counts(),
        names={one.id: one.name for one in found},
        runs=history.page(history.Filter(), limit=8).items,
        notices=[one for one in notices.page(person(request).pk, limit=5)[0] if not one["seen"]],
        messages=inbox_messages.page(limit=5)[0],
    )
