"""Integration keys: make, verify, rotate, revoke. Blocks.

Only the SHA-256 of a key is kept: it is random and long, so a slow hash would protect nothing more. It is looked up
by that hash, so the time of an answer says nothing about the characters of a key. Nothing is kept in memory: whoever
asks reads the row, so that a key that is revoked is refused by all processes from the next request on.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from arrivals import clock, ids
from arrivals.accounts import key_forms, throttle, wrong_keys
from arrivals.accounts.models import IntegrationKey
from arrivals.errors import Conflict, Invalid, NotFound

LONGEST_NAME = 200
LONGEST_LIFE = timedelta(days=3660)
MOST_WRONG = 60
WRONG_WITHIN = timedelta(minutes=5)
NOTE_EVERY = timedelta(minutes=1)
OVERLAPS = {"0": timedelta(0), "1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}


def create(
    name: str,
    *,
    write: bool,
    by: str,
    form: str = key_forms.OURS,
    source_id: str = "",
    expires_at: datetime | None = None,
) -> tuple[IntegrationKey, str]:
    """Make a key; return it and its secret, which is shown this once.

    ``source_id``: the only source it may see, "" for all; that there is such a source is for the caller to check.
    ``form``: one of ``key_forms.FORMS``.

    Raises:
        Invalid: the name is empty or longer than 200 characters, the form is unknown, or the end is not in the future
            or more than 3,660 days away (path "name", "form" or "expires_at").
    """
    text = name.strip()
    if not 0 < len(text) <= LONGEST_NAME:
        raise Invalid(f"The name of a key must be a text of 1 to {LONGEST_NAME} characters.", path="name")
    if "\x00" in text:
        raise Invalid("The name of a key holds the character NUL, which is not allowed.", path="name")
    if expires_at is not None and not clock.now() < expires_at <= clock.now() + LONGEST_LIFE:
        raise Invalid("The end of a key must be in the future, at most 3,660 days from now.", path="expires_at")
    secret, hint = key_forms.make(form)
    key = IntegrationKey.objects.create(
        name=text,
        digest=_digest(secret),
        hint=hint,
        form=form,
        write=write,
        source_id=source_id,
        expires_at=expires_at,
        created_by=by,
    )
    return key, secret


def expiry(text: str) -> datetime | None:
    """When a key ends that was given ``text``: a time in ISO 8601, a date (it lasts through that day, UTC), "" never.

    Raises:
        Invalid: it is neither (path "expires_at").
    """
    given = text.strip()
    if not given:
        return None
    try:
        moment = clock.parse(given)
        return moment + timedelta(days=1) if len(given) <= len("2027-01-31") else moment
    except (ValueError, OverflowError) as error:
        raise Invalid("It must be a date or a time in ISO 8601, such as 2027-01-31.", path="expires_at") from error


def get(key_id: str) -> IntegrationKey:
    """Raises NotFound."""
    found = IntegrationKey.objects.filter(pk=key_id).first()
    if found is None:
        raise NotFound(f"There is no integration key {key_id!r:.60}.")
    return found


def all_keys() -> list[IntegrationKey]:
    """All keys, the newest first, with the revoked ones."""
    return list(IntegrationKey.objects.order_by("-id"))


def alive(key_id: str) -> bool:
    """Whether what this key started may go on: it is neither revoked nor expired, or its successor may go on.

    So a subscription survives a rotation with an overlap, since the successor holds the same access, and ends when
    either key is revoked. Rotated without an overlap the old key is revoked.
    """
    key = IntegrationKey.objects.filter(pk=key_id).first()
    while key is not None and key.state == key.State.EXPIRED and key.replaced_by:
        key = IntegrationKey.objects.filter(pk=key.replaced_by).first()
    return key is not None and key.state == key.State.ACTIVE


def verify(secret: str, *, address: str = "", client: str = "") -> IntegrationKey | None:
    """The key of this secret when it is valid, with its time of last use noted (at most once a minute).

    ``address``: where the request comes from; its wrong keys are counted. A right key is let in however many wrong
    ones came from there: they cannot be guessed, and a forgotten client shall not lock out its neighbours.
    ``client``: how the program names itself (User-Agent), kept with the last use.

    Raises:
        TooMany: the key is wrong, and so were 60 from this address in 5 minutes.
    """
    key = IntegrationKey.objects.filter(digest=_digest(secret)).first()
    if key is None or key.state != key.State.ACTIVE:
        _refuse(key, address)
        return None
    now = clock.now()
    # Right after a rotation it is noted at once: whether the old key is still used is what its owner waits for.
    unnoted = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_EVERY) | Q(last_used_at__lte=F("replaced_at"))
    noted = {"last_used_at": now, "last_used_from": address[:64], "last_used_by": client.replace("\x00", "")[:200]}
    if key.last_used_at is None or key.last_used_at < now - NOTE_EVERY or (key.replaced_at and not key.still_used):
        IntegrationKey.objects.filter(unnoted, pk=key.pk).update(**noted)
        key.last_used_at = now
    return key


def refusal(secret: str) -> str:
    """Why ``verify`` found no key, in a sentence. Only who holds the secret of a real key learns more than "wrong"."""
    key = IntegrationKey.objects.filter(digest=_digest(secret)).first()
    if key is None or key.state == key.State.ACTIVE:
        return "The integration key is wrong."
    if key.replaced_by:
        return f"The integration key {key.hint} was rotated and works no longer; use the one that took its place."
    if key.state == key.State.REVOKED:
        return f"The integration key {key.hint} is revoked."
    assert key.expires_at is not None
    return f"The integration key {key.hint} expired at {clock.iso(key.expires_at)}; an admin makes a new one."


def rotate(key_id: str, *, overlap: str, by: str) -> tuple[IntegrationKey, str]:
    """Make the successor of a key, with its name, access, scope and form; return it and its secret, shown this once.

    The old key goes on for ``overlap``, one of ``OVERLAPS``. The successor of a key that had an end lasts as long as
    the old one was made to.

    Raises:
        NotFound. Invalid: the overlap (path "overlap"). Conflict: the key is revoked, expired or rotated already.
    """
    if overlap not in OVERLAPS:
        raise Invalid(f"It must be one of {', '.join(OVERLAPS)}.", path="overlap")
    with transaction.atomic():
        old = get(key_id)
        now = clock.now()
        end = now + OVERLAPS[overlap]
        ends = {"revoked_at": now} if overlap == "0" else {"expires_at": min(end, old.expires_at or end)}
        successor = ids.integration_key()
        free = IntegrationKey.objects.filter(_unended(), pk=old.pk, replaced_by="")
        if not free.update(replaced_by=successor, replaced_at=now, **ends):
            state = old.state if old.state != old.State.ACTIVE else "rotated already"
            raise Conflict(f"The integration key {old.hint} is {state}; make a new one instead.")
        secret, hint = key_forms.make(old.form)
        key = IntegrationKey.objects.create(
            id=successor,
            name=old.name,
            digest=_digest(secret),
            hint=hint,
            form=old.form,
            write=old.write,
            source_id=old.source_id,
            expires_at=now + (old.expires_at - old.created_at) if old.expires_at else None,
            created_by=by,
        )
    return key, secret


def revoke(key_id: str) -> None:
    """Refuse the key from now on. A key that is revoked already stays so.

    Raises:
        NotFound: there is no such key.
    """
    IntegrationKey.objects.filter(pk=get(key_id).pk, revoked_at=None).update(revoked_at=clock.now())


def as_dict(key: IntegrationKey) -> dict[str, Any]:
    """As the API shows it, without anything of its secret but the hint; ``source`` is null for all sources."""
    times = ("created_at", "expires_at", "revoked_at", "last_used_at", "replaced_at", "refused_at")
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "form": key.form,
        "write": key.write,
        "source": key.source_id or None,
        "state": str(key.state),
        "created_by": key.created_by,
        "last_used_from": key.last_used_from or None,
        "last_used_by": key.last_used_by or None,
        "replaced_by": key.replaced_by or None,
        "refused_from": key.refused_from or None,
        **{name: clock.iso(at) if (at := getattr(key, name)) else None for name in times},
    }


def _unended() -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=clock.now()))


def _refuse(ended: IntegrationKey | None, address: str) -> None:
    wrong_keys.count(address)
    now = clock.now()
    if ended is not None and (ended.refused_at is None or ended.refused_at < now - NOTE_EVERY):
        IntegrationKey.objects.filter(pk=ended.pk).update(refused_at=now, refused_from=address[:64])
    if address:
        subject = throttle.subject("key", address)
        throttle.check(subject, most=MOST_WRONG, within=WRONG_WITHIN)
        throttle.note(subject)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
