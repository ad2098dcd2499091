"""Connections: stored, encrypted credentials. Blocks."""

from typing import Any

from arrivals.apps.models import Connection


def create(app: str, name: str, fields: dict[str, str]) -> Connection:
    """Raises InvalidConnection with the path of the wrong field."""
    raise NotImplementedError


def get(connection_id: str) -> Connection:
    """Raises NotFound."""
    raise NotImplementedError


def change(connection_id: str, *, name: str | None = None, fields: dict[str, str] | None = None) -> Connection:
    """Fields that are left out stay as they are. New credentials make a stale connection ok again and release the
    runs that were held for it."""
    raise NotImplementedError


def delete(connection_id: str) -> None:
    """Raises Conflict when a workflow uses it, naming which."""
    raise NotImplementedError


def as_dict(connection: Connection) -> dict[str, Any]:
    """id, app, name, state, reason, fields (public ones, and "•••• + last 4" for secrets), created_at, updated_at."""
    raise NotImplementedError


def check_keys() -> None:
    """Refuse to start when a connection was encrypted with a key that is no longer set. Raises InvalidSetting."""
    raise NotImplementedError
