"""Pages of a list: newest first, from a cursor on, as ``{"items": [...], "next": cursor or null}``."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from django.db.models import Model, QuerySet
from ninja import Query, Schema

from arrivals.audience import cursors
from arrivals.errors import Invalid

Limit = Annotated[int, Query(50, ge=1, le=1000, description="How many items, 1 to 1,000.")]
Cursor = Annotated[str, Query("", max_length=2000, description="`next` of the page before; empty for the first.")]
ID = re.compile(r"[a-z]+_[0-9a-z]{24}")


class Page(Schema):
    """One page of a list. ``next`` is the cursor of the page after it, or null at the end."""

    items: list[dict[str, Any]]
    next: str | None = None


def of(things: QuerySet[Any], as_dict: Callable[[Any], dict[str, Any]], limit: int, cursor: str) -> dict[str, Any]:
    """One page of things whose ids sort by the time of making.

    Raises:
        Invalid: the cursor is not ours.
    """
    if cursor:
        if not ID.fullmatch(cursor):
            raise Invalid(cursors.WRONG, path="cursor")
        things = things.filter(pk__lt=cursor)
    found: list[Model] = list(things.order_by("-pk")[: limit + 1])
    following = str(found[limit - 1].pk) if len(found) > limit else None
    return answer(([as_dict(one) for one in found[:limit]], following))


def answer(page: tuple[list[dict[str, Any]], str | None]) -> dict[str, Any]:
    """A page that another part made, as the API shows it."""
    return {"items": page[0], "next": page[1]}
