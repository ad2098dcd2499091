"""Integration keys: make, verify, revoke. Blocks.

Only the SHA-256 of a key is kept: it is random and long, so a slow hash would protect nothing more. It is looked up
by that hash, so the time of an answer says nothing about the characters of a key.
"""

import hashlib
import secrets
import string
from datetime import timedelta

from django.db.models import Q

from arrivals import clock
from arrivals.accounts import throttle
from arrivals.accounts.models import IntegrationKey
from arrivals.errors import Invalid, NotFound

PREFIX = "arr_"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 40
LONGEST_NAME = 200
MOST_WRONG = 60
WRONG_WITHIN = timedelta(minutes=5)
NOTE_EVERY = timedelta(minutes=1)


def create(name: str, *, write: bool, by: str) -> tuple[IntegrationKey, str]:
    """Make a key; return it and its secret, which is shown this once.

    Raises:
        Invalid: the name is empty or longer than 200 characters (path "name").
    """
    text = name.strip()
    if not 0 < len(text) <= LONGEST_NAME:
        raise Invalid(f"The name of a key must be a text of 1 to {LONGEST_NAME} characters.", path="name")
    secret = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    key = IntegrationKey.objects.create(
        name=text, digest=_digest(secret), hint=f"{PREFIX}…{secret[-4:]}", write=write, created_by=by
    )
    return key, secret


def all_keys() -> list[IntegrationKey]:
    """All keys, the newest first, with the revoked ones."""
    return list(IntegrationKey.objects.order_by("-id"))


def verify(secret: str, *, address: str = "") -> IntegrationKey | None:
    """The key of this secret when it is valid, with its time of last use noted (at most once a minute).

    ``address``: where the request comes from; its wrong keys are counted. A right key is let in however many wrong
    ones came from there: they cannot be guessed, and a forgotten client shall not lock out its neighbours.

    Raises:
        TooMany: the key is wrong, and so were 60 from this address in 5 minutes.
    """
    key = IntegrationKey.objects.filter(digest=_digest(secret), revoked_at=None).first()
    if key is None:
        if address:
            subject = throttle.subject("key", address)
            throttle.check(subject, most=MOST_WRONG, within=WRONG_WITHIN)
            throttle.note(subject)
        return None
    now = clock.now()
    if key.last_used_at is None or key.last_used_at < now - NOTE_EVERY:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_EVERY)
        IntegrationKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
    return key


def alive(key_id: str) -> bool:
    """Whether this key would be let in now."""
    return IntegrationKey.objects.filter(pk=key_id, revoked_at=None).exists()


def revoke(key_id: str) -> None:
    """Refuse the key from now on. A key that is revoked already stays so.

    Raises:
        NotFound: there is no such key.
    """
    if not IntegrationKey.objects.filter(pk=key_id).exists():
        raise NotFound(f"There is no integration key {key_id!r:.60}.")
    IntegrationKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=clock.now())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
