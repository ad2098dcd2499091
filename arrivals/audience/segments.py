"""Segments: make, change, delete, preview. Blocks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arrivals.audience.models import Segment


@dataclass(frozen=True)
class Preview:
    """How many visitors the rules select now, and the ids of some."""

    count: int
    sample: list[str]


def create(name: str, rules: Any) -> Segment:
    """Raises InvalidRules (rules) or Invalid (name), with the path of the wrong part."""
    raise NotImplementedError


def get(segment_id: str) -> Segment:
    """Raises NotFound."""
    raise NotImplementedError


def change(segment_id: str, *, name: str | None = None, rules: Any = None) -> Segment:
    """Raises as ``create``; nothing is changed then."""
    raise NotImplementedError


def delete(segment_id: str) -> None:
    """Raises Conflict when a report or a segment uses it, naming which."""
    raise NotImplementedError


def preview(rules: Any, *, sample: int = 10, now: datetime | None = None) -> Preview:
    """Count the visitors of rules that need not be stored. Raises InvalidRules, CheckTimeout."""
    raise NotImplementedError


def as_dict(segment: Segment) -> dict[str, Any]:
    """id, name, rules, created_at, updated_at."""
    raise NotImplementedError
