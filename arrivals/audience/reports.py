"""Reports: make, change, delete. Blocks."""

from typing import Any

from arrivals.audience.models import Report


def create(definition: Any) -> Report:
    """``definition``: name, kind, segment, range, columns (design, section 7). Raises InvalidReport with the path."""
    raise NotImplementedError


def get(report_id: str) -> Report:
    """Raises NotFound."""
    raise NotImplementedError


def change(report_id: str, definition: Any) -> Report:
    raise NotImplementedError


def delete(report_id: str) -> None:
    """Raises Conflict when a workflow uses it, naming which (rows that refer to it are protected)."""
    raise NotImplementedError


def as_dict(report: Report) -> dict[str, Any]:
    """id, name, kind, segment, range, columns, created_at, updated_at."""
    raise NotImplementedError


def labels(report: Report) -> list[str]:
    """The keys of a row, in the order of the columns: ``as`` where given, else the column's name."""
    raise NotImplementedError
