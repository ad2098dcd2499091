"""/dashboards: several charts on one page."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Definition, without
from arrivals.audience import dashboards
from arrivals.audience.models import Dashboard

router = Router()


@router.get("", auth=READ, response=pages.Page)
def list_dashboards(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The dashboards, newest first."""
    return pages.of(Dashboard.objects.all(), dashboards.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_dashboard(request: HttpRequest, body: Definition) -> Any:
    """Make a dashboard: `name`, `tiles` (each a `chart` and its `size`), and a `range` and `segment` for all of them."""
    dashboard = dashboards.create(body)
    audit.note(caller(request).who, "dashboard.create", dashboard.id, name=dashboard.name)
    return Status(201, dashboards.as_dict(dashboard))


@router.get("/{dashboard_id}", auth=READ, response=dict[str, Any])
def get_dashboard(request: HttpRequest, dashboard_id: str) -> dict[str, Any]:
    """One dashboard. Its charts' numbers are asked for one by one: `GET /charts/{chart_id}/result`."""
    return dashboards.as_dict(dashboards.get(dashboard_id))


@router.put("/{dashboard_id}", auth=WRITE, response=dict[str, Any])
def change_dashboard(request: HttpRequest, dashboard_id: str, body: Definition) -> dict[str, Any]:
    """Put another definition in the place of the present one."""
    dashboard = dashboards.change(dashboard_id, without(body, "id", "created_at", "updated_at"))
    audit.note(caller(request).who, "dashboard.change", dashboard_id, name=dashboard.name)
    return dashboards.as_dict(dashboard)


@router.delete("/{dashboard_id}", auth=WRITE, response={204: None})
def delete_dashboard(request: HttpRequest, dashboard_id: str) -> Any:
    """Delete a dashboard; its charts stay."""
    dashboards.delete(dashboard_id)
    audit.note(caller(request).who, "dashboard.delete", dashboard_id)
    return Status(204, None)
