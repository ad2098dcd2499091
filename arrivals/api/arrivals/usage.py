"""/usage: a month's tasks, by day, workflow and app."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from arrivals.api.arrivals.auth import READ
from arrivals.engine import tasks

router = Router()


@router.get("", auth=READ, response=dict[str, Any])
def get_usage(request: HttpRequest, month: str = "") -> dict[str, Any]:
    """This month's tasks (actions that succeeded), or those of another `month` such as 2026-11: in all, beside the limit, by
    day, by workflow and by app."""
    return tasks.usage(tasks.parse(month))
