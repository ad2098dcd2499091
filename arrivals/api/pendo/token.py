"""/token: whether a key is valid."""

from typing import Any

from arrivals.api.pendo.auth import Request, keyed


@keyed()
def verify(request: Request) -> Any:
    """Whether the key is valid and may write."""
    return {"valid": True, "writeAccess": request.key.write}
