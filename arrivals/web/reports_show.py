"""One report: its rows, its watch, its arrivals."""

from itertools import chain
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import columns, keeping, origins, remote, reports, responses, rows, windows
from arrivals.audience.models import Report
from arrivals.errors import ArrivalsError, CheckTimeout, Unavailable
from arrivals.watch import arrivals, checks, watches
from arrivals.web.pages import person, render, signed_in
from arrivals.workflows import workflows

PER_PAGE = 50


@signed_in
def show(request: HttpRequest, report_id: str) -> HttpResponse:
    report = reports.get(report_id)
    cursor, sort = request.GET.get("cursor", ""), request.GET.get("sort", "")
    error: ArrivalsError | None = None
    found = rows.Page([], None)
    try:
        found = rows.page(report, limit=PER_PAGE, cursor=cursor, sort=sort)
    except (CheckTimeout, Unavailable) as late:
        error = late
    shown = arrivals.page(report_id, limit=10)[0]
    return render(
        request,
        "reports_show",
        report=report,
        remote=_remote(report),
        retention=keeping.note(report),
        heads=_heads(report, sort),
        sort=sort,
        words=windows.words(report.range),
        mine=report.owner_id == person(request).id,
        page=found,
        cursor=cursor,
        error=error,
        watch=watches.as_dict(report_id),
        checks=watches.checks(report_id, limit=5),
        arrivals=shown,
        titles=_titles(report, shown),
        workflows=workflows.of_report(report_id),
    )


def _heads(report: Report, sort: str) -> list[tuple[str, str, str, str]]:
    """Of each column its name, what its head sorts by when it is pressed (numbers and times from the greatest first),
    and how it is sorted now: ascending, descending or none; and whose ids
    it holds (visitors or accounts), if any. A remote report is not sorted."""
    if report.origin:
        return [(label, "", "", "") for label in reports.labels(report)]
    read = columns.parse(report.columns, report.kind)
    heads = []
    for column in read:
        downwards = isinstance(column, columns.Metric | columns.Tally) or getattr(column, "name", "") in ("at", "score")
        first, second = (f"-{column.label}", column.label) if downwards else (column.label, f"-{column.label}")
        now = {column.label: "ascending", f"-{column.label}": "descending"}.get(sort, "none")
        leads = f"{column.owner}s" if isinstance(column, columns.Plain) and not column.group else ""
        heads.append((column.label, second if sort == first else first, now, leads))
    return heads


@require_POST
@signed_in
def check(request: HttpRequest, report_id: str) -> HttpResponse:
    """Look at the report now; answers with what was found, and the new list of arrivals.

    A check that fails is shown as well: what it says of the report is what the page is there for.
    """
    report, accept = reports.get(report_id), request.POST.get("accept", "")
    result: checks.CheckResult | None = None
    if accept:
        audit.note(person(request).email, "report.accept", report_id, accept=accept)
    try:
        result = checks.check(report_id, accept=accept)
    except ArrivalsError:
        if not report.origin or not watches.as_dict(report_id)["error"]:
            raise
    shown = arrivals.page(report_id, limit=10)[0]
    return render(
        request,
        "part_check",
        report=report,
        remote=_remote(report),
        result=result,
        watch=watches.as_dict(report_id),
        checks=watches.checks(report_id, limit=5),
        arrivals=shown,
        titles=_titles(report, shown),
    )


def _titles(report: Report, shown: list[dict[str, Any]]) -> dict[str, str]:
    """What to call members whose ids say nothing to a person: a response is called by its visitor."""
    return responses.visitors([one["member"] for one in shown]) if report.kind == "response" else {}


@signed_in
def csv(request: HttpRequest, report_id: str) -> HttpResponseBase:
    report = reports.get(report_id)
    name = "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in report.name).strip("-") or "report"
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    pieces = rows.csv(report, request.GET.get("sort", ""))
    # The first rows are made before the answer starts, so that an error is still a page.
    ready = chain([next(pieces, "") + next(pieces, "")], pieces)
    body = rows.streamed(ready) if isinstance(request, ASGIRequest) else ready
    return StreamingHttpResponse(body, content_type="text/csv; charset=utf-8", headers=headers)


def _remote(report: Report) -> dict[str, object] | None:
    """Where a remote report comes from, its connection, its last fetch, and whether it waits for a person to accept it;
    None for one of our own."""
    if not report.origin:
        return None
    place = origins.origin().place(report)
    return {
        "place": place,
        "connection": report.origin["connection"],
        "fetch": remote.current(report.id),
        "replaced": checks.ASK in watches.as_dict(report.id)["error"],
    }
