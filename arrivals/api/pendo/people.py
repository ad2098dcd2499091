"""/visitor and /account: one of them, and what a visitor did."""

from datetime import UTC, datetime, timedelta
from typing import Any

from arrivals import clock
from arrivals.api.pendo.auth import Request, keyed
from arrivals.audience import profiles
from arrivals.errors import Invalid

LATEST_MS = 253_402_300_799_000  # the end of the year 9999


@keyed()
def visitor(request: Request, id: str) -> Any:
    """A visitor with all metadata."""
    return profiles.visitor(id, source_id=request.key.source_id)


@keyed()
def account(request: Request, id: str) -> Any:
    """An account with all metadata."""
    return profiles.account(id, source_id=request.key.source_id)


@keyed()
def history(request: Request, id: str) -> Any:
    """What a visitor did in the 24 hours from ``starttime`` (milliseconds; default: 24 hours ago)."""
    given = request.GET.get("starttime")
    start = clock.now() - timedelta(hours=24) if given is None else _moment(given)
    return profiles.history(id, start, source_id=request.key.source_id)


def _moment(text: str) -> datetime:
    if not (text.isascii() and text.isdigit() and int(text[:15]) <= LATEST_MS and len(text) <= 15):
        raise Invalid("It must be a time in milliseconds since 1970.", path="starttime")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
