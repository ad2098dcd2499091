"""Messages of the built-in inbox, read. Blocks."""

from typing import Any


def page(*, limit: int = 50, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """Newest first: id, channel, title, text, visitor, run, at; and the cursor of the next page or None."""
    raise NotImplementedError
