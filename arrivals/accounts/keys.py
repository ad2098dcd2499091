"""Integration keys: make, verify, revoke. Blocks."""

from arrivals.accounts.models import IntegrationKey

PREFIX = "arr_"


def create(name: str, *, write: bool, by: str) -> tuple[IntegrationKey, str]:
    """Make a key; return it and its secret, which is shown this once."""
    raise NotImplementedError


def verify(secret: str) -> IntegrationKey | None:
    """The key of this secret when it is valid, with its time of last use noted (at most once a minute)."""
    raise NotImplementedError


def revoke(key_id: str) -> None:
    """Raises NotFound."""
    raise NotImplementedError
