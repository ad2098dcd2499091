"""/inbox: messages kept in the product."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ
from arrivals.apps import inbox_messages

router = Router()


@router.get("", auth=READ, response=pages.Page)
def list_inbox(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The messages, newest first."""
    return pages.answer(inbox_messages.page(limit=limit, cursor=cursor))
