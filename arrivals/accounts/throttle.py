"""Slows guessing: counts refusals by subject in the control database, so that all processes count together. Blocks."""

from datetime import timedelta

from arrivals import clock
from arrivals.accounts.models import SignInFailure
from arrivals.errors import TooMany

LONGEST = 300
KEPT = timedelta(hours=1)


def subject(kind: str, value: str) -> str:
    """The subject as it is stored: ``email:...``, ``address:...`` or ``key:...``."""
    return f"{kind}:{value}".replace("\x00", "")[:LONGEST]


def note(*subjects: str) -> None:
    """Count one refusal for each subject, and forget the old ones."""
    now = clock.now()
    SignInFailure.objects.filter(at__lt=now - KEPT).delete()
    SignInFailure.objects.bulk_create([SignInFailure(subject=one, at=now) for one in subjects])


def forget(*subjects: str) -> None:
    """Start to count these subjects anew."""
    SignInFailure.objects.filter(subject__in=subjects).delete()


def check(one: str, *, most: int, within: timedelta) -> None:
    """Refuse to go on once ``one`` was refused ``most`` times within ``within``.

    Raises:
        TooMany: with ``retry_after``, the seconds until the oldest of these refusals no longer counts.
    """
    now = clock.now()
    recent = SignInFailure.objects.filter(subject=one, at__gt=now - within).order_by("-at")
    times = list(recent.values_list("at", flat=True)[:most])
    if len(times) >= most:
        wait = max(1, int((times[-1] + within - now).total_seconds()) + 1)
        minutes = -(-wait // 60)
        raise TooMany(
            f"Too many were refused; try again in {minutes} minute{'s' if minutes > 1 else ''}.", retry_after=wait
        )
