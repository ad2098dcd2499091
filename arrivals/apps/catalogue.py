"""All apps there are, and the way to run one of their actions."""

from typing import Any


class Catalogue:
    """Implements ``workflows.actions.Catalogue`` and ``engine.runner.Actions``."""

    def apps(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def schema(self, app: str, action: str) -> dict[str, Any] | None:
        raise NotImplementedError

    def needs_connection(self, app: str) -> bool:
        raise NotImplementedError

    def connection_problem(self, app: str, connection_id: str) -> str | None:
        raise NotImplementedError

    async def run(
        self,
        app: str,
        action: str,
        *,
        connection_id: str,
        inputs: dict[str, Any],
        key: str,
        context: dict[str, Any],
    ) -> dict[str, Any]:
        raise NotImplementedError

    async def close(self) -> None:
        """Close the outbound client's sockets."""
        raise NotImplementedError
