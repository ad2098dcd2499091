"""Charts that are kept: make, change, delete; and a report of the people behind a number. Blocks."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from arrivals import clock
from arrivals.audience import reports, segments, shapes
from arrivals.audience.charts import cells, definitions
from arrivals.audience.models import Chart, Dashboard, Report, Segment
from arrivals.errors import InvalidChart, NotFound

KEYS = ("name", "definition")


def create(data: Any) -> Chart:
    """Make a chart of ``{"name", "definition"}``. Raises InvalidChart, with the path of the wrong part."""
    return Chart.objects.create(**_checked(data))


def get(chart_id: str) -> Chart:
    """Raises NotFound."""
    found = Chart.objects.filter(pk=chart_id).first()
    if found is None:
        raise NotFound(f"There is no chart {chart_id!r:.60}.")
    return found


def all_charts() -> list[Chart]:
    """All charts, the newest first."""
    return list(Chart.objects.order_by("-id"))


def change(chart_id: str, data: Any) -> Chart:
    """Put another name and definition in the place of the present ones. Raises as ``create``, and NotFound."""
    chart = get(chart_id)
    for name, value in _checked(data).items():
        setattr(chart, name, value)
    chart.updated_at = clock.now()
    chart.save()
    return chart


def delete(chart_id: str) -> None:
    """Also takes it from the dashboards that it is on. Raises NotFound."""
    chart = get(chart_id)
    with transaction.atomic():
        for dashboard in Dashboard.objects.select_for_update():
            left = [tile for tile in dashboard.tiles if tile["chart"] != chart_id]
            if left != dashboard.tiles:
                dashboard.tiles = left
                dashboard.save(update_fields=["tiles"])
        chart.delete()


def as_dict(chart: Chart) -> dict[str, Any]:
    """id, name, definition, created_at, updated_at."""
    return {
        "id": chart.id,
        "name": chart.name,
        "definition": chart.definition,
        "created_at": clock.iso(chart.created_at),
        "updated_at": clock.iso(chart.updated_at),
    }


def overridden(definition: Mapping[str, Any], *, range_: Any = None, segment: str | None = None) -> dict[str, Any]:
    """A definition with another range or segment, where one is given."""
    return {
        **definition,
        **({"range": range_} if range_ is not None else {}),
        **({"segment": segment} if segment else {}),
    }


def report_of(name: str, definition: Any, cell: Any) -> Report:
    """Make a segment of the people behind a number, and a report of all of them: both stay true while time goes on.
    Of a chart for a private segment both are private.

    Raises:
        InvalidChart: with the path of the wrong part. Invalid: the name.
    """
    cells.parse(definition, cell)
    rules = {"all": [{"any": [{"kind": "chart", "chart": definition, "cell": cell}]}]}
    shared = not Segment.objects.filter(pk=definition.get("segment"), shared=False).exists()
    with transaction.atomic():
        segment = segments.create(name, rules, shared=shared)
        return reports.create({"name": name, "segment": segment.id, "range": {"ever": True}, "shared": shared})


def _checked(data: Any) -> dict[str, Any]:
    shapes.known(data, KEYS, InvalidChart, whole="chart")
    name = segments.checked_name(data.get("name"), InvalidChart)
    definitions.parse(data.get("definition"), "definition")
    definitions.check_shared(data["definition"].get("segment"), "chart", "definition.segment")
    return {"name": name, "definition": data["definition"], "segment_id": data["definition"].get("segment")}
