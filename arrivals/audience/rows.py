"""The rows of a report: a page, chosen visitors, or all as CSV. Blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.audience.models import Report


@dataclass(frozen=True)
class Page:
    """``items``: one dict per visitor, keys as ``reports.labels``; ``next``: the cursor of the next page or None."""

    items: list[dict[str, Any]]
    next: str | None


def page(report: Report, *, limit: int = 50, cursor: str = "") -> Page:
    """Rows in the order of the visitor id. Raises Invalid for a wrong cursor or a limit outside 1..1000."""
    raise NotImplementedError


def count(report: Report) -> int:
    """How many visitors are on the report now."""
    raise NotImplementedError


def context(report: Report, visitor_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the templates of a run see, for up to 1,000 visitors, keyed by visitor id.

    Each is ``{"visitor": {"id", "<group>": {"<field>": value}}, "account": {"id", "<group>": {...}}, "row": {label: value}}``,
    with the report's columns computed for the visitor whether or not it is (still) on the report. Dotted field names
    are nested objects. Times are ISO 8601 texts.
    """
    raise NotImplementedError


def csv(report: Report) -> Iterator[str]:
    """The whole report as CSV text, piece by piece, header first; cells that a spreadsheet would take for a formula
    are guarded with an apostrophe."""
    raise NotImplementedError
