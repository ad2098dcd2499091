"""The loop that executes due runs."""

from typing import Any, Protocol


class Actions(Protocol):
    """The apps' side (``arrivals.apps.catalogue.Catalogue``)."""

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
        """Do it once; return its outputs (JSON). ``key`` is the Idempotency-Key. Raises AppError and its kinds."""
        ...


class Runner:
    """Executes due runs, up to ``at_once`` at a time."""

    def __init__(self, actions: Actions, *, at_once: int = 100) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        """Claim nothing more and let the calls in flight end (at most 30 s)."""
        raise NotImplementedError

    def wake(self) -> None:
        """There may be new arrivals or runs; look now. May be called from any thread."""
        raise NotImplementedError
