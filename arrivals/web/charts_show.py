"""One chart: its page, its numbers, its CSV, the people behind a number, and a report of these."""

import json
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.audience import segments, windows
from arrivals.audience.charts import definitions, places, results, saved, tables
from arrivals.audience.models import Chart, Segment
from arrivals.errors import ArrivalsError, CheckTimeout, Invalid, InvalidChart, Unavailable
from arrivals.web import charts_draw, charts_range
from arrivals.web.pages import flash, go, person, render, signed_in

PER_PAGE = 100


@signed_in
def show(request: HttpRequest, chart_id: str) -> HttpResponse:
    chart = saved.get(chart_id)
    return render(
        request,
        "charts_show",
        chart=chart,
        words=words(chart.definition),
        range=charts_range.shown(
            charts_range.read(request.GET.dict()),
            own=f"As the chart: {windows.words(chart.definition.get('range', definitions.DEFAULT_RANGE))}",
        ),
        segments=segments.all_segments(),
        segment=request.GET.get("segment", ""),
        query=_kept(request),
    )


@signed_in
def result(request: HttpRequest, chart_id: str) -> HttpResponse:
    """The drawing and its table: a part of a page, or, asked for without scripts, a page of its own."""
    chart = saved.get(chart_id)
    part = bool(request.headers.get("HX-Request"))
    shown: dict[str, Any] = {"chart": chart, "title": chart.name, "tile": bool(request.GET.get("tile"))}
    try:
        answer = results.of(_definition(request, chart))
        shown |= {"answer": answer, "drawn": charts_draw.of(chart.name, answer, _links(request, chart))}
    except (Invalid, CheckTimeout, Unavailable) as error:
        shown["error"] = error
    return render(request, "part_chart" if part else "charts_result", **shown)


@signed_in
def csv(request: HttpRequest, chart_id: str) -> HttpResponse:
    chart = saved.get(chart_id)
    name = "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in chart.name).strip("-") or "chart"
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    text = tables.csv(results.of(_definition(request, chart)))
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


@signed_in
def people(request: HttpRequest, chart_id: str) -> HttpResponse:
    """Who is behind a number."""
    chart = saved.get(chart_id)
    cell = _cell(request.GET.get("cell", ""))
    cursor = request.GET.get("cursor", "")
    definition = _definition(request, chart)
    error: ArrivalsError | None = None
    found: dict[str, Any] = {"items": [], "next": None, "people": 0}
    try:
        found = results.people(definition, cell, limit=PER_PAGE, cursor=cursor)
    except (CheckTimeout, Unavailable) as late:
        error = late
    return render(
        request,
        "charts_people",
        chart=chart,
        page=found,
        error=error,
        cursor=cursor,
        place=places.words(definition, cell),
        words=words(definition),
        name=f"{chart.name}: {places.words(definition, cell)}"[: segments.LONGEST_NAME],
        cell=json.dumps(cell),
        query=_kept(request),
        following=urlencode({**_kept_values(request), "cell": json.dumps(cell), "cursor": found["next"] or ""}),
        amount=_amount(definition),
    )


@require_POST
@signed_in
def report(request: HttpRequest, chart_id: str) -> HttpResponse:
    """Make a segment and a report of the people behind a number, and open the report."""
    chart = saved.get(chart_id)
    name = request.POST.get("name", "")
    made = saved.report_of(name, _definition(request, chart), _cell(request.POST.get("cell", "")))
    audit.note(person(request).email, "chart.report", made.id, name=made.name)
    flash(request, "The report is made. It stays true while time goes on; a workflow may start from it.")
    return go(f"/reports/{made.id}")


def words(definition: dict[str, Any]) -> dict[str, Any]:
    """The chart's filters, in words."""
    segment = definition.get("segment")
    return {
        "range": windows.words(definition.get("range", definitions.DEFAULT_RANGE)),
        "segment": Segment.objects.filter(pk=segment).first() if segment else None,
        "compare": definition.get("compare", False),
    }


def _amount(definition: dict[str, Any]) -> str:
    """What the number beside each of the people is."""
    if definition["kind"] == "trend":
        return "amount"
    return {"funnel": "steps reached", "retention": "", "paths": "steps", "nps": "responses"}[definition["kind"]]


def _definition(request: HttpRequest, chart: Chart) -> dict[str, Any]:
    form = (request.POST if request.method == "POST" else request.GET).dict()
    return saved.overridden(chart.definition, range_=charts_range.read(form), segment=form.get("segment") or None)


def _cell(text: str) -> dict[str, Any]:
    try:
        cell = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidChart("It is not JSON.", path="cell") from error
    if not isinstance(cell, dict):
        raise InvalidChart("It must be an object.", path="cell")
    return cell


def _kept_values(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("range", "start", "end", "segment") if request.GET.get(name)}


def _kept(request: HttpRequest) -> str:
    """Another range and segment than the chart's own, as the query of an address."""
    return urlencode(_kept_values(request))


def _links(request: HttpRequest, chart: Chart) -> charts_draw.Link:
    kept = _kept_values(request)
    return lambda cell: (
        f"/charts/{chart.id}/people?"
        + urlencode({**kept, "cell": json.dumps(cell, separators=(",", ":"), ensure_ascii=False)})
    )
