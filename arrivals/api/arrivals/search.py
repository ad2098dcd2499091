"""/search: visitors and accounts by the beginning of an id, an e-mail address or a name."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from arrivals.api.arrivals.auth import READ
from arrivals.audience import persons

router = Router()


@router.get("", auth=READ, response=dict[str, Any])
def search(request: HttpRequest, q: str = Query(..., min_length=1, max_length=512)) -> dict[str, Any]:
    """Up to 20 `visitors` and 20 `accounts` whose id, or field email or name, begins with `q`, whatever the case; the
    exact one first. `why` says what was found."""
    return persons.search(q)
