"""What a workflow may do, as seen from the left of the line: the apps install themselves here at the start."""

from typing import Any, Protocol


class Catalogue(Protocol):
    """The apps' side (``arrivals.apps.catalogue.Catalogue``)."""

    def apps(self) -> list[dict[str, Any]]:
        """All apps as data: id, name, help, auth (list of fields), actions (id, title, help, schema, finds)."""
        ...

    def schema(self, app: str, action: str) -> dict[str, Any] | None:
        """The JSON Schema of an action's inputs, or None when there is no such action."""
        ...

    def needs_connection(self, app: str) -> bool: ...

    def connections(self) -> list[dict[str, str]]:
        """All connections: id, app, name. Blocks."""
        ...

    def connection_problem(self, app: str, connection_id: str) -> str | None:
        """A sentence when the connection is missing or of another app, else None. Blocks."""
        ...

    def connection(self, connection_id: str) -> tuple[str, bool] | None:
        """The name of a connection and whether it is accepted, or None when there is none. Blocks."""
        ...


_installed: list[Catalogue] = []


def install(catalogue: Catalogue) -> None:
    _installed[:] = [catalogue]


def catalogue() -> Catalogue:
    return _installed[0]
