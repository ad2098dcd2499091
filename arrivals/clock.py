"""The one place that asks for the time. Every time in the product is aware and in UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_standing: ContextVar[datetime | None] = ContextVar("_standing", default=None)
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def now() -> datetime:
    """Return the current time as an aware datetime in UTC."""
    return _standing.get() or datetime.now(tz=UTC)


@contextmanager
def standing(moment: datetime) -> Iterator[None]:
    """For the block, and in this thread only, it is ``moment``: for questions that are put together for one moment."""
    token = _standing.set(utc(moment))
    try:
        yield
    finally:
        _standing.reset(token)


def utc(value: datetime) -> datetime:
    """Return ``value`` in UTC.

    Raises:
        ValueError: ``value`` has no time zone, so its meaning would be a guess.
    """
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone.")
    return value.astimezone(UTC)


def parse(text: str) -> datetime:
    """Read an ISO 8601 date or time as an aware datetime in UTC; a bare date or a time without zone is UTC.

    Raises:
        ValueError: ``text`` is not a date or time in ISO 8601.
    """
    value = datetime.fromisoformat(text.strip())
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def iso(value: datetime) -> str:
    """Write a time the way all our answers do: ``2026-11-24T12:00:00.123Z``."""
    return utc(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def minute(value: datetime) -> str:
    """Write a time in a sentence: ``2026-11-24 13:00 UTC``."""
    return f"{utc(value):%Y-%m-%d %H:%M} UTC"


def duration(text: str) -> timedelta:
    """Read ``"30m"``, ``"12h"`` or ``"7d"``, a whole number above 0 and a unit.

    Raises:
        ValueError: ``text`` is anything else, or longer than 3,660 days.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not (number.isascii() and number.isdigit()) or not 0 < len(number) < 9:
        raise ValueError(f"{text!r} is not a duration: write a whole number and m, h or d, such as 30d.")
    length = timedelta(**{UNITS[unit]: int(number)})
    if not timedelta(0) < length <= timedelta(days=3660):
        raise ValueError(f"{text!r} is not between 1m and 3660d.")
    return length
