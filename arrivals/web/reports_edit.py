"""A report's form: segment, range, columns."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import columns, reports, segments, windows
from arrivals.audience.models import Report
from arrivals.errors import ArrivalsError, Invalid, InvalidReport, NotAllowed
from arrivals.web import reports_remote, suggestions
from arrivals.web.pages import flash, go, person, render, signed_in

KINDS = [("visitor", "Visitors"), ("account", "Accounts"), ("response", "Responses to a survey")]


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        asked = request.GET.get("kind", "")
        kind = asked if asked in reports.KINDS else "visitor"
        first = {
            "name": "",
            "kind": kind,
            "survey": request.GET.get("survey", ""),
            "segment": request.GET.get("segment"),
            "range": {"within": "30d"},
            "columns": columns.DEFAULT[kind],
            "shared": True,
        }
        return _form(request, None, first)
    return _store(request, None)


@signed_in
def edit(request: HttpRequest, report_id: str) -> HttpResponse:
    report = reports.get(report_id)
    if report.origin:
        return reports_remote.rename(request, report)
    if request.method != "POST":
        return _form(
            request, report, {key: value for key, value in reports.as_dict(report).items() if key in reports.KEYS}
        )
    return _store(request, report)


@require_POST
@signed_in
def delete(request: HttpRequest, report_id: str) -> HttpResponse:
    report = reports.get(report_id)
    reports.delete(report_id)
    audit.note(person(request).email, "report.delete", report_id, name=report.name)
    flash(request, f"{report.name} was deleted.")
    return go("/reports")


@require_POST
@signed_in
def duplicate(request: HttpRequest, report_id: str) -> HttpResponse:
    """A copy, private to who makes it, opened for changes."""
    made = reports.duplicate(report_id)
    audit.note(person(request).email, "report.create", made.id, name=made.name, like=report_id)
    flash(request, "This is your copy; nobody else but admins sees it until you share it.")
    return go(f"/reports/{made.id}/edit")


def _store(request: HttpRequest, report: Report | None) -> HttpResponse:
    definition: dict[str, Any] = {
        "name": request.POST.get("name", ""),
        "kind": request.POST.get("kind") or (report.kind if report else "visitor"),
        "segment": request.POST.get("segment") or None,
        "shared": request.POST.get("shared") == "on",
    }
    if definition["kind"] == "response":
        definition["survey"] = request.POST.get("survey", "").strip()
    try:
        for part in ("range", "columns"):
            definition[part] = _json(request, part)
        report = reports.create(definition) if report is None else reports.change(report.id, definition)
    except (Invalid, NotAllowed) as error:
        return _form(request, report, definition, error=error)
    audit.note(person(request).email, "report.save", report.id, name=report.name)
    flash(request, "Saved.")
    return go(f"/reports/{report.id}")


def _json(request: HttpRequest, part: str) -> Any:
    try:
        return json.loads(request.POST.get(part, ""))
    except json.JSONDecodeError as error:
        raise InvalidReport(f"It is not JSON: {error}.", path=part) from error


def _form(
    request: HttpRequest, report: Report | None, definition: dict[str, Any], *, error: ArrivalsError | None = None
) -> HttpResponse:
    fields = suggestions.fields()
    known = {
        "kinds": {
            kind: {
                "defaults": columns.DEFAULT[kind],
                "computed": columns.COMPUTED[kind],
                "columns": [
                    *columns.plain(kind),
                    *(one for one in fields if one.split(".")[0] in columns.OWNERS[kind]),
                ],
            }
            for kind in reports.KINDS
        },
        "tracks": suggestions.names("track"),
        "pages": suggestions.named("page"),
        "features": suggestions.named("feature"),
        "surveys": suggestions.names("survey_answered"),
        "parts": columns.PARTS,
        "periods": list(windows.PERIODS),
        "most": columns.MOST,
    }
    texts = {
        part: json.dumps(definition.get(part, [] if part == "columns" else {}), ensure_ascii=False)
        for part in ("range", "columns")
    }
    return render(
        request,
        "reports_edit",
        status=422 if error else 200,
        report=report,
        definition=definition,
        texts=texts,
        kinds=KINDS,
        segments=segments.all_segments(),
        known=known,
        error=error,
    )
