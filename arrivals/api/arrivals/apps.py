"""/apps: what workflows can do, and what connections need."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ
from arrivals.workflows import actions

router = Router()


@router.get("", auth=READ, response=pages.Page)
def list_apps(request: HttpRequest) -> dict[str, Any]:
    """All apps: the fields of a connection (`auth`) and the actions with the JSON Schema of their inputs."""
    return pages.answer((actions.catalogue().apps(), None))
