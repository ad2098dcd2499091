"""Which reports are checked by themselves, and how often. Blocks."""

from typing import Any

from arrivals.watch.models import Watch


def start(report_id: str, *, minutes: int | None = None) -> Watch:
    """Check this report by itself from now on. ``minutes``: default from ARRIVALS_CHECK_MINUTES."""
    raise NotImplementedError


def stop(report_id: str) -> None:
    raise NotImplementedError


def as_dict(report_id: str) -> dict[str, Any]:
    """active, minutes, next_due, checked_at, on_report, errors, error; for a report never watched too."""
    raise NotImplementedError
