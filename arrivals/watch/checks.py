"""One look at a report: steps 1 to 5 of design section 8. Blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """What a check found. ``ms`` is the time it took."""

    on_report: int
    entered: int
    left: int
    ms: int


def check(report_id: str, *, wait_seconds: float = 30) -> CheckResult:
    """Look at the report now, whoever watches it. Waits for a check that is under way to end.

    Raises:
        NotFound, CheckTimeout (old state kept, counted as an error of the report), Conflict (still under way).
    """
    raise NotImplementedError


@contextmanager
def claimed(report_id: str, *, wait_seconds: float = 30) -> Iterator[None]:
    """Hold the report's claim, so that no other check runs meanwhile (an activation needs that)."""
    raise NotImplementedError
    yield
