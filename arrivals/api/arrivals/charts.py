"""/charts: questions about events, their numbers, and the people behind each."""

import json
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body, Definition, without
from arrivals.audience import reports
from arrivals.audience.charts import results, saved, tables
from arrivals.audience.models import Chart
from arrivals.errors import InvalidChart

router = Router()
Range = Annotated[str, Query("", description="A range as JSON, in the place of the chart's own.")]
Segment = Annotated[str, Query("", description="The id of a segment, in the place of the chart's own.")]
Cell = Annotated[str, Query(description="Which number, as JSON: the `cell` beside it in the result.")]


class PeopleBody(Body):
    """A number of a chart that need not be stored."""

    definition: dict[str, Any]
    cell: dict[str, Any]
    limit: int = 50
    cursor: str = ""


class ReportBody(Body):
    """A number of a stored `chart`, or of a `definition`; what the report is to be called."""

    name: str
    chart: str = ""
    definition: dict[str, Any] | None = None
    cell: dict[str, Any]


@router.get("", auth=READ, response=pages.Page)
def list_charts(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The charts, newest first."""
    return pages.of(Chart.objects.all(), saved.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_chart(request: HttpRequest, body: Definition) -> Any:
    """Make a chart: `name` and `definition`."""
    chart = saved.create(body)
    audit.note(caller(request).who, "chart.create", chart.id, name=chart.name)
    return Status(201, saved.as_dict(chart))


@router.post("/query", auth=READ, response=dict[str, Any])
def query_chart(request: HttpRequest, body: Definition) -> dict[str, Any]:
    """The result of a definition. Stores nothing, so a read-only key may ask."""
    return results.of(body)


@router.post("/people", auth=READ, response=dict[str, Any])
def query_chart_people(request: HttpRequest, body: PeopleBody) -> dict[str, Any]:
    """Who is behind a number of a definition, in the order of their ids, with what of it is theirs (`amount`) and how
    many they are (`people`). Stores nothing, so a read-only key may ask."""
    return results.people(body.definition, body.cell, limit=body.limit, cursor=body.cursor)


@router.post("/people/report", auth=WRITE, response={201: dict[str, Any]})
def create_chart_report(request: HttpRequest, body: ReportBody) -> Any:
    """Make a segment of the people behind a number, and a report of all of them."""
    if bool(body.chart) == (body.definition is not None):
        raise InvalidChart("Send either chart or definition.", path="definition")
    definition = saved.get(body.chart).definition if body.chart else body.definition
    report = saved.report_of(body.name, definition, body.cell)
    audit.note(caller(request).who, "chart.report", report.id, name=report.name)
    return Status(201, reports.as_dict(report))


@router.get("/{chart_id}", auth=READ, response=dict[str, Any])
def get_chart(request: HttpRequest, chart_id: str) -> dict[str, Any]:
    """One chart."""
    return saved.as_dict(saved.get(chart_id))


@router.put("/{chart_id}", auth=WRITE, response=dict[str, Any])
def change_chart(request: HttpRequest, chart_id: str, body: Definition) -> dict[str, Any]:
    """Put another name and definition in the place of the present ones."""
    chart = saved.change(chart_id, without(body, "id", "created_at", "updated_at"))
    audit.note(caller(request).who, "chart.change", chart_id, name=chart.name)
    return saved.as_dict(chart)


@router.delete("/{chart_id}", auth=WRITE, response={204: None})
def delete_chart(request: HttpRequest, chart_id: str) -> Any:
    """Delete a chart, also from the dashboards that it is on."""
    saved.delete(chart_id)
    audit.note(caller(request).who, "chart.delete", chart_id)
    return Status(204, None)


@router.get("/{chart_id}/result", auth=READ, response=dict[str, Any])
def get_chart_result(request: HttpRequest, chart_id: str, range: Range, segment: Segment) -> dict[str, Any]:
    """The numbers of a chart now, each with the `cell` that names the people behind it."""
    return results.of(_definition(chart_id, range, segment))


@router.get("/{chart_id}/result.csv", auth=READ, openapi_extra={"responses": {200: {"content": {"text/csv": {}}}}})
def download_chart_result(request: HttpRequest, chart_id: str, range: Range, segment: Segment) -> HttpResponse:
    """The numbers of a chart now as CSV: the table under the drawing."""
    text = tables.csv(results.of(_definition(chart_id, range, segment)))
    headers = {"Content-Disposition": f'attachment; filename="{chart_id}.csv"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{chart_id}/people", auth=READ, response=dict[str, Any])
def list_chart_people(
    request: HttpRequest,
    chart_id: str,
    cell: Cell,
    range: Range,
    segment: Segment,
    limit: pages.Limit,
    cursor: pages.Cursor,
) -> dict[str, Any]:
    """Who is behind a number of a chart, in the order of their ids, with what of it is theirs (`amount`) and how many
    they are (`people`)."""
    definition = _definition(chart_id, range, segment)
    return results.people(definition, read(cell, "cell"), limit=limit, cursor=cursor)


def _definition(chart_id: str, range_: str, segment: str) -> dict[str, Any]:
    over = read(range_, "range") if range_ else None
    return saved.overridden(saved.get(chart_id).definition, range_=over, segment=segment)


def read(text: str, path: str) -> Any:
    """JSON in a query. Raises InvalidChart."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidChart(f"It is not JSON: {error}.", path=path) from error
