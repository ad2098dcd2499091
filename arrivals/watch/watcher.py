"""The loop that looks at due reports by itself."""

from collections.abc import Callable


class Watcher:
    """Claims due reports and checks them, a few at a time. ``on_check`` is called (from any thread) with the id of a
    report after each check of it."""

    def __init__(self, *, on_check: Callable[[str], None] | None = None, at_once: int = 2) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        """Let the checks under way end (at most 30 s)."""
        raise NotImplementedError
