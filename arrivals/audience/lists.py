"""Lists of visitor ids, for the rule kind "list". Blocks."""

from collections.abc import Iterable
from typing import Any

from arrivals.audience.models import VisitorList


def create(name: str, visitor_ids: Iterable[str]) -> VisitorList:
    raise NotImplementedError


def replace(list_id: str, visitor_ids: Iterable[str]) -> VisitorList:
    raise NotImplementedError


def get(list_id: str) -> VisitorList:
    raise NotImplementedError


def delete(list_id: str) -> None:
    """Raises Conflict when a segment uses it, naming which."""
    raise NotImplementedError


def as_dict(visitor_list: VisitorList) -> dict[str, Any]:
    raise NotImplementedError
