"""Sources: make, find, rename, delete. Blocks (Django ORM)."""

import hashlib
import secrets
from typing import Any

from arrivals import clock
from arrivals.collect import switches
from arrivals.collect.models import Source
from arrivals.errors import Invalid, NotFound

LONGEST_NAME = 200
MOST_DAYS = 3_660
FIRST_APP = -323232


def create(name: str) -> tuple[Source, str]:
    """Make a source; return it and its track secret, which is shown this once.

    Raises:
        Invalid: the name is empty or longer than 200 characters.
    """
    secret = f"trk_{secrets.token_hex(20)}"
    source = Source.objects.create(
        name=_name(name),
        write_key=f"wk_{secrets.token_hex(16)}",
        track_secret_digest=hashlib.sha256(secret.encode()).hexdigest(),
        track_secret_hint=f"trk_…{secret[-4:]}",
    )
    return source, secret


def get(source_id: str) -> Source:
    """Raises NotFound."""
    found = Source.objects.filter(pk=source_id).first()
    if found is None:
        raise NotFound(f"There is no source {source_id!r:.60}.")
    return found


def all_sources() -> list[Source]:
    """All sources, the newest first."""
    return list(Source.objects.order_by("-id"))


def keys() -> dict[str, str]:
    """Write key -> source id, of all sources."""
    return dict(Source.objects.values_list("write_key", "id"))


def track_secrets() -> dict[str, str]:
    """SHA-256 of the track secret -> source id, of all sources."""
    return dict(Source.objects.values_list("track_secret_digest", "id"))


def app_id(source_id: str) -> int:
    """The number that stands for a source where Pendo's API wants an app's: 1 to 2**53 - 1, so that JavaScript holds it."""
    return int.from_bytes(hashlib.sha256(source_id.encode()).digest()[:8]) % (2**53 - 1) + 1


def by_app_id(number: int) -> Source | None:
    """The source of an app's number; -323232 is Pendo's name for the first app, here the oldest source."""
    found = Source.objects.order_by("created_at", "id")  # ids of one millisecond do not sort
    if number == FIRST_APP:
        return found.first()
    return next((one for one in found if app_id(one.id) == number), None)


def keep_for(source_id: str, days: Any) -> Source:
    """Keep the source's events for so many days, None for ever. Older ones are deleted each night, for good;
    the first time in the night that begins next, so that a slip can be put right until then.

    Raises:
        NotFound; Invalid: not a whole number from 1 to 3,660.
    """
    source = get(source_id)
    source.retention_days = checked_days(days)
    source.retention_set_at = clock.now()
    source.save(update_fields=["retention_days", "retention_set_at"])
    return source


def checked_days(days: Any) -> int | None:
    """How long events are kept. Raises Invalid."""
    if days is None or (isinstance(days, int) and not isinstance(days, bool) and 1 <= days <= MOST_DAYS):
        return days
    raise Invalid(
        f"It must be a whole number of days from 1 to {MOST_DAYS:,}, or null for ever.", path="retention_days"
    )


def rename(source_id: str, name: str) -> Source:
    """Raises NotFound, Invalid."""
    source = get(source_id)
    source.name = _name(name)
    source.save(update_fields=["name"])
    return source


def delete(source_id: str) -> None:
    """Delete the source: its write key is refused from now on. Its events stay in the warehouse."""
    get(source_id).delete()


def as_dict(source: Source) -> dict[str, Any]:
    """As the API shows it: id, name, write_key, track_secret_hint, agent (its switches), retention_days, created_at."""
    return {
        "id": source.id,
        "name": source.name,
        "write_key": source.write_key,
        "track_secret_hint": source.track_secret_hint,
        "agent": switches.of(source),
        "retention_days": source.retention_days,
        "created_at": clock.iso(source.created_at),
    }


def _name(name: Any) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= LONGEST_NAME:
        raise Invalid(f"The name must be a text of 1 to {LONGEST_NAME} characters.", path="name")
    return text
