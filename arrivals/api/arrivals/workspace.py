"""/workspace: the time zone and the start of the week."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Router

from arrivals.accounts import audit, workspace
from arrivals.api.arrivals.auth import ADMIN, READ, caller
from arrivals.api.arrivals.bodies import Body

router = Router()


class WorkspaceBody(Body):
    time_zone: str | None = None
    week_starts: str | None = None


@router.get("", auth=READ, response=dict[str, Any])
def get_workspace(request: HttpRequest) -> dict[str, Any]:
    """The time zone that days and dates are in, and the day that a week starts with."""
    return asdict(workspace.settings())


@router.put("", auth=ADMIN, response=dict[str, Any])
def change_workspace(request: HttpRequest, body: WorkspaceBody) -> dict[str, Any]:
    """Set `time_zone`, `week_starts` or both; what is left out stays."""
    changed = asdict(workspace.change(time_zone=body.time_zone, week_starts=body.week_starts))
    audit.note(caller(request).who, "workspace.change", "workspace", **changed)
    return changed
