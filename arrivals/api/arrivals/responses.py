"""/responses: answers to surveys, one item each."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router

from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ
from arrivals.audience import responses

router = Router()
Survey = Annotated[str, Query("", max_length=255, description="Only responses to this survey.")]
Since = Annotated[str, Query("", max_length=40, description="Only those from this time on, in ISO 8601.")]


@router.get("", auth=READ, response=pages.Page)
def list_responses(
    request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor, survey: Survey, since: Since
) -> dict[str, Any]:
    """The responses to one survey or to all, newest first, with score, reason and class; a second one of the same
    visitor is another item."""
    return pages.answer(responses.page(survey, since=since, limit=limit, cursor=cursor))
