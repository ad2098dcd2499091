"""A report of a real Pendo: connect the subscription, choose one of its reports."""

from django.http import HttpRequest, HttpResponse

from arrivals.accounts import audit
from arrivals.apps import connections
from arrivals.apps.pendo.client import HOSTS
from arrivals.apps.pendo.origin import APP
from arrivals.audience import origins, reports
from arrivals.audience.models import Report
from arrivals.errors import AppError, Invalid, InvalidReport
from arrivals.web.pages import admin_only, flash, go, person, render, signed_in

PATH = "/reports/new/pendo"


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """The subscriptions there are and the live list of the chosen one; a POST makes the report."""
    known = connections.all_connections(APP)
    chosen = next((one for one in known if one.id == request.GET.get("connection")), known[0] if len(known) == 1 else None)  # fmt: skip
    if request.method == "POST" and chosen is not None:
        return _store(request, chosen.id)
    listed: list[origins.Listed] = []
    error: AppError | None = None
    if chosen is not None:
        try:
            listed = origins.origin().reports(chosen.id)
        except AppError as problem:
            error = problem
    return render(
        request,
        "reports_remote",
        connections=known,
        chosen=chosen,
        usable=[one for one in listed if not one.problem],
        others=[one for one in listed if one.problem],
        hosts=HOSTS,
        error=error,
    )


@admin_only
def connect(request: HttpRequest) -> HttpResponse:
    """Store host and key once Pendo has accepted them."""
    if request.method != "POST":
        return go(PATH)
    region = request.POST.get("region", "")
    url = HOSTS.get(region) or request.POST.get("url", "")
    fields = {"url": url, "key": request.POST.get("key", "")}
    try:
        made = connections.create(APP, request.POST.get("name", "") or "Pendo", fields)
    except Invalid as error:
        return render(
            request,
            "reports_remote",
            status=422,
            connections=connections.all_connections(APP),
            hosts=HOSTS,
            refused=error,
            region=region,
            url=request.POST.get("url", ""),
        )
    audit.note(person(request).email, "connection.create", made.id, app=APP)
    flash(request, "Connected: Pendo accepts the key.")
    return go(PATH, connection=made.id)


def rename(request: HttpRequest, report: Report) -> HttpResponse:
    """The form of a remote report: only its name is ours."""
    error: Invalid | None = None
    if request.method == "POST":
        try:
            changed = reports.change(report.id, {"name": request.POST.get("name", "")})
        except InvalidReport as problem:
            error = problem
        else:
            audit.note(person(request).email, "report.save", changed.id, name=changed.name)
            flash(request, "Saved.")
            return go(f"/reports/{changed.id}")
    place = origins.origin().place(report)
    return render(request, "reports_rename", status=422 if error else 200, report=report, error=error, place=place)


def _store(request: HttpRequest, connection_id: str) -> HttpResponse:
    origin = {"connection": connection_id, "report": request.POST.get("report", "")}
    made = reports.create({"name": request.POST.get("name", ""), "origin": origin})
    audit.note(person(request).email, "report.create", made.id, name=made.name)
    flash(request, "It is here. Its rows are being fetched.")
    return go(f"/reports/{made.id}")
