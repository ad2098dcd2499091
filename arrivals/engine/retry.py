"""What a failed try of a step means for its run: a decision without I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from arrivals.errors import AppError, AuthorisationExpired, Halted, Throttled

# After the first try, the second comes 5 minutes later, and so on; after the last one the run has failed.
SCHEDULE = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6))
UNTOLD = 60  # seconds, when the other product asks to wait and does not say how long
LONGEST_WAIT = timedelta(hours=6)  # however long the other product asks to wait
THROTTLED_FOR = timedelta(days=7)  # a run that is only ever told to wait fails after this


@dataclass(frozen=True)
class Verdict:
    """The run's state, the step's status, when the run is due again (None: never by itself), the tries that count."""

    state: str
    status: str
    due: datetime | None
    tries: int


def after(error: AppError, *, tries: int, started_at: datetime, now: datetime) -> Verdict:
    """Decide on an error. ``tries`` are those of this step that counted, this one included."""
    if isinstance(error, Halted):
        return Verdict("halted", "halted", None, tries)
    if isinstance(error, AuthorisationExpired):
        return Verdict("held", "held", None, 0)
    if isinstance(error, Throttled) and now - started_at < THROTTLED_FOR:
        wait = min(timedelta(seconds=max(error.retry_after or UNTOLD, 1)), LONGEST_WAIT)
        return Verdict("scheduled", "scheduled", now + wait, tries - 1)
    if not error.permanent and tries <= len(SCHEDULE):
        return Verdict("scheduled", "scheduled", now + SCHEDULE[tries - 1], tries)
    return Verdict("failed", "failed", None, tries)
