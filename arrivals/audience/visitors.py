"""What is known of visitors: for pickers and tables. Blocks."""

from typing import Any


def fields() -> list[str]:
    """The metadata fields seen so far as ``visitor.<group>.<field>`` and ``account.<group>.<field>``, sorted."""
    raise NotImplementedError


def names(kind: str) -> list[str]:
    """The names seen for a kind of event ("track", "page", "survey_answered"), the most frequent first, at most 500."""
    raise NotImplementedError


def recent_events(source_id: str, *, limit: int = 50, minutes: int = 60) -> list[dict[str, Any]]:
    """The newest events of a source by time of receipt: at, received_at, kind, name, visitor_id, account_id,
    message_id, properties (as an object)."""
    raise NotImplementedError
