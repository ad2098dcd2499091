"""/bulkdelete: visitors and accounts erased for good, and how far that is."""

from typing import Any

from arrivals.api.pendo import answers
from arrivals.api.pendo.auth import Request, keyed, who
from arrivals.erasure import erasures
from arrivals.erasure.models import Erasure
from arrivals.errors import Invalid


@keyed(write=True, whole=True)
def visitors(request: Request) -> Any:
    """Erase visitors: ``{"visitors": [ids]}``."""
    return _requested(request, "visitor")


@keyed(write=True, whole=True)
def accounts(request: Request) -> Any:
    """Erase accounts: ``{"accounts": [ids]}``."""
    return _requested(request, "account")


@keyed(whole=True)
def recent(request: Request) -> Any:
    """The newest 100 requests."""
    return [shape(one) for one in erasures.recent()]


@keyed(whole=True)
def status(request: Request, id: str) -> Any:
    """How far a request is."""
    return shape(erasures.get(id))


def shape(erasure: Erasure) -> dict[str, Any]:
    """A request without the ids that it names."""
    return {
        "id": erasure.id,
        "kind": erasure.kind,
        "status": erasure.state,
        "count": erasure.size,
        "createdAt": erasure.created_at,
        "startedAt": erasure.started_at,
        "completedAt": erasure.completed_at,
    }


def _requested(request: Request, kind: str) -> Any:
    body = answers.body(request)
    if not isinstance(body, dict):
        raise Invalid(f"The body must be an object with {kind}s.", path="body")
    return {"id": erasures.request(kind, body.get(f"{kind}s"), by=who(request), path=f"{kind}s").id}
