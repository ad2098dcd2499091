"""Dashboards: several charts on one page, for everybody. Make, change, delete. Blocks."""

from typing import Any

from django.db import transaction

from arrivals import clock
from arrivals.audience import segments, shapes, sharing, windows
from arrivals.audience.charts import definitions, saved
from arrivals.audience.models import Chart, Dashboard, Segment
from arrivals.errors import InvalidChart, NotFound

KEYS = ("name", "tiles", "range", "segment")
SIZES = ("small", "medium", "large")  # a third, a half and all of the page's width
MOST = 30
OVERVIEW = "Overview"
# What a new installation begins with: questions that need no names of its own events.
FIRST: list[tuple[str, str, dict[str, Any]]] = [
    (
        "Visitors a day",
        "medium",
        {"kind": "trend", "series": [{"kind": "event", "measure": "visitors", "as": "Visitors"}], "compare": True},
    ),
    (
        "Pages by views",
        "medium",
        {"kind": "trend", "series": [{"kind": "page", "as": "Views"}], "breakdown": {"event": "name"}},
    ),
    (
        "Who comes back",
        "large",
        {
            "kind": "retention",
            "first": {"kind": "event"},
            "returning": {"kind": "event"},
            "by": "week",
            "periods": 8,
            "range": {"within": "56d"},
        },
    ),
    ("Net Promoter Score", "large", {"kind": "nps", "survey": "nps", "by": "week", "range": {"within": "90d"}}),
]


def create(data: Any) -> Dashboard:
    """Make a dashboard of ``{"name", "tiles", "range", "segment"}``. Raises InvalidChart, with the wrong part's path."""
    return Dashboard.objects.create(**_checked(data))


def overview() -> Dashboard:
    """Make the dashboard that a new installation begins with, with charts of its own."""
    with transaction.atomic():
        tiles = [
            {"chart": saved.create({"name": name, "definition": definition}).id, "size": size}
            for name, size, definition in FIRST
        ]
        return create({"name": OVERVIEW, "tiles": tiles})


def get(dashboard_id: str) -> Dashboard:
    """Raises NotFound."""
    found = Dashboard.objects.select_related("segment").filter(pk=dashboard_id).first()
    if found is None:
        raise NotFound(f"There is no dashboard {dashboard_id!r:.60}.")
    return found


def all_dashboards() -> list[Dashboard]:
    """All dashboards, the oldest first."""
    return list(Dashboard.objects.order_by("id"))


def change(dashboard_id: str, data: Any) -> Dashboard:
    """Put another definition in the place of the present one. Raises as ``create``, and NotFound."""
    dashboard = get(dashboard_id)
    for name, value in _checked(data).items():
        setattr(dashboard, name, value)
    dashboard.updated_at = clock.now()
    dashboard.save()
    return dashboard


def delete(dashboard_id: str) -> None:
    """The charts stay. Raises NotFound."""
    get(dashboard_id).delete()


def as_dict(dashboard: Dashboard) -> dict[str, Any]:
    """id, name, tiles, range, segment, created_at, updated_at."""
    return {
        "id": dashboard.id,
        "name": dashboard.name,
        "tiles": dashboard.tiles,
        "range": dashboard.range,
        "segment": dashboard.segment_id,
        "created_at": clock.iso(dashboard.created_at),
        "updated_at": clock.iso(dashboard.updated_at),
    }


def _checked(data: Any) -> dict[str, Any]:
    shapes.known(data, KEYS, InvalidChart, whole="dashboard")
    name = segments.checked_name(data.get("name"), InvalidChart)
    range_ = data.get("range")
    if range_ is not None:
        windows.parse(range_, "range", InvalidChart)
    segment = data.get("segment")
    if segment is not None and not (
        isinstance(segment, str) and sharing.visible(Segment.objects.filter(pk=segment)).exists()
    ):
        raise InvalidChart(f"There is no segment {segment!r:.60}.", path="segment")
    definitions.check_shared(segment, "dashboard", "segment")
    return {"name": name, "tiles": _tiles(data.get("tiles", [])), "range": range_, "segment_id": segment}


def _tiles(data: Any) -> list[dict[str, str]]:
    if not isinstance(data, list) or len(data) > MOST:
        raise InvalidChart(f"It must be a list of at most {MOST} tiles.", path="tiles")
    read = []
    for number, one in enumerate(data):
        path = f"tiles[{number}]"
        if not isinstance(one, dict) or set(one) - {"chart", "size"} or not isinstance(one.get("chart"), str):
            raise InvalidChart('It must be {"chart":"cha_...","size":"..."}.', path=path)
        size = one.get("size", "medium")
        if size not in SIZES:
            raise InvalidChart(f"It must be one of {', '.join(SIZES)}.", path=f"{path}.size")
        read.append({"chart": one["chart"], "size": size})
    known = set(Chart.objects.filter(pk__in={one["chart"] for one in read}).values_list("pk", flat=True))
    for number, one in enumerate(read):
        if one["chart"] not in known:
            raise InvalidChart(f"There is no chart {one['chart']!r:.60}.", path=f"tiles[{number}].chart")
    return read
