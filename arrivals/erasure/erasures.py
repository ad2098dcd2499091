"""Erasures: asked for, and looked at. Blocks."""

from typing import Any

from arrivals.accounts import audit
from arrivals.erasure.models import Erasure
from arrivals.errors import Invalid, NotFound

KINDS = ("visitor", "account")
MOST = 5_000
LONGEST = 512
SHOWN = 100


def request(kind: str, members: Any, *, by: str, path: str = "members") -> Erasure:
    """Ask for the erasure of visitors or accounts (``kind``) by their ids. It is done in the background.

    Raises:
        Invalid: not a list of 1 to 5,000 ids, at ``path``.
    """
    if not isinstance(members, list) or not 0 < len(members) <= MOST:
        raise Invalid(f"Required: a list of 1 to {MOST:,} ids.", path=path)
    for number, one in enumerate(members):
        if not isinstance(one, str) or not 0 < len(one) <= LONGEST:
            raise Invalid(f"An id must be a text of 1 to {LONGEST} characters.", path=f"{path}[{number}]")
    unique = list(dict.fromkeys(members))
    made = Erasure.objects.create(kind=kind, members=unique, size=len(unique), requested_by=by)
    audit.note(by, "erasure.request", made.id, kind=kind, size=made.size)
    return made


def get(erasure_id: str) -> Erasure:
    """Raises NotFound."""
    found = Erasure.objects.filter(pk=erasure_id).first()
    if found is None:
        raise NotFound(f"There is no bulk delete {erasure_id!r:.60}.")
    return found


def recent() -> list[Erasure]:
    """The newest 100, the newest first."""
    return list(Erasure.objects.order_by("-id")[:SHOWN])
