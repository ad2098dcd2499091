"""Arrivals and departures, read. Blocks."""

from typing import Any

from arrivals.watch.models import Arrival


def page(report_id: str, *, limit: int = 50, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """Newest first: seq, member, kind, entry, at; and the cursor of the next page or None."""
    raise NotImplementedError


def after(report_id: str, seq: int, *, limit: int = 1000) -> list[Arrival]:
    """The arrivals and departures of a report after ``seq``, oldest first."""
    raise NotImplementedError


def last_seq(report_id: str) -> int:
    raise NotImplementedError
