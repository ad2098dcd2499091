"""/usage: a month's tasks, by day, workflow and app."""

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router

from arrivals.api.arrivals.auth import READ
from arrivals.engine import tasks
from arrivals.errors import Invalid

router = Router()


def month_of(text: str) -> date | None:
    """The first day of a month that is written as 2026-11; None: it is empty. Raises Invalid."""
    if not text:
        return None
    try:
        if len(text) != 7:
            raise ValueError(text)
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise Invalid(f"It must be a month such as 2026-11; got {text!r:.40}.", path="month") from error


@router.get("", auth=READ, response=dict[str, Any])
def get_usage(request: HttpRequest, month: str = "") -> dict[str, Any]:
    """This month's tasks (actions that succeeded), or those of another `month` such as 2026-11: in all, beside the limit, by
    day, by workflow and by app."""
    return tasks.usage(month_of(month))
