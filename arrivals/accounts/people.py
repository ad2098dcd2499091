"""People: make, change, sign in. Blocks."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from arrivals import clock
from arrivals.accounts import throttle
from arrivals.accounts.models import Person, SignInLink
from arrivals.errors import Conflict, Invalid, NotFound, NotSignedIn

MOST_REFUSALS = 10
REFUSED_WITHIN = timedelta(minutes=15)
LINK_PATH = "/sign-in/link/"


def create(email: str, *, password: str, role: str = "member", name: str = "") -> Person:
    """Make a person.

    Raises:
        Invalid: with path "email", "password", "role" or "name". Conflict: the address is taken.
    """
    address = _address(email)
    person = Person(email=address, role=_role(role), name=name.strip())
    if len(person.name) > 200:
        raise Invalid("The name must be a text of at most 200 characters.", path="name")
    person.set_password(_strong(password, person))
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"There is somebody with the address {address} already.") from error
    return person


def get(person_id: str) -> Person:
    """Raises NotFound."""
    found = Person.objects.filter(pk=person_id).first()
    if found is None:
        raise NotFound(f"There is no person {person_id!r:.60}.")
    return found


def all_people() -> list[Person]:
    """Everybody, in the order of the address."""
    return list(Person.objects.order_by("email"))


def anybody() -> bool:
    """Whether there is anybody at all; before that, Arrivals is not set up."""
    return Person.objects.exists()


def change_role(person_id: str, role: str) -> Person:
    """Make somebody an admin or a member.

    Raises:
        NotFound; Invalid: another role; Conflict: it is the last admin.
    """
    return _change(person_id, role=_role(role))


def deactivate(person_id: str) -> Person:
    """Keep somebody out from now on: their sessions and links end. Raises NotFound; Conflict: it is the last admin."""
    return _change(person_id, is_active=False)


def activate(person_id: str) -> Person:
    """Let somebody in again. Raises NotFound."""
    return _change(person_id, is_active=True)


def set_password(person_id: str, password: str) -> Person:
    """Set another password; all sessions of the person end. Raises NotFound; Invalid with path "password"."""
    person = get(person_id)
    person.set_password(_strong(password, person))
    person.save(update_fields=["password"])
    throttle.forget(throttle.subject("email", person.email))
    return person


def sign_in(email: str, password: str, *, address: str) -> Person:
    """The person of this address and password. An unknown address takes as long as a wrong password.

    Each attempt is counted before it is judged, so that many at the same time are not each the tenth.

    Raises:
        NotSignedIn: wrong address or password, or somebody who is kept out.
        TooMany: 10 refusals in 15 minutes for the e-mail address or from the network address; with ``retry_after``.
    """
    subjects = [throttle.subject("email", email.strip().lower()), throttle.subject("address", address)]
    for subject in subjects:
        throttle.check(subject, most=MOST_REFUSALS, within=REFUSED_WITHIN)
    throttle.note(*subjects)
    person = Person.objects.filter(email=email.strip().lower().replace("\x00", ""), is_active=True).first()
    if person is None:
        make_password(password)
    elif person.check_password(password):
        throttle.forget(*subjects)
        return person
    raise NotSignedIn("The e-mail address or the password is wrong.")


def link(person: Person, *, minutes: int = 60) -> str:
    """Make a one-time sign-in link; return its path (/sign-in/link/<token>)."""
    now = clock.now()
    SignInLink.objects.filter(expires_at__lt=now).delete()
    token = secrets.token_urlsafe(32)
    SignInLink.objects.create(digest=_digest(token), person=person, expires_at=now + timedelta(minutes=minutes))
    return LINK_PATH + token


def use_link(token: str) -> Person:
    """Use up a link. Of two who use it at the same moment one gets in.

    Raises:
        NotSignedIn: it is unknown, used or out of date, or the person is kept out.
    """
    now = clock.now()
    fresh = SignInLink.objects.filter(digest=_digest(token), used_at=None, expires_at__gt=now)
    if fresh.update(used_at=now) == 1:
        person = Person.objects.filter(signinlink__digest=_digest(token), is_active=True).first()
        if person is not None:
            return person
    raise NotSignedIn("This sign-in link is unknown, used or out of date; ask for another.")


def _change(person_id: str, **values: object) -> Person:
    with transaction.atomic():
        # All admins are locked, so that two who remove each other at the same moment do not both succeed.
        admins = set(
            Person.objects.select_for_update()
            .filter(role=Person.Role.ADMIN, is_active=True)
            .values_list("pk", flat=True)
        )
        person = get(person_id)
        for field, value in values.items():
            setattr(person, field, value)
        if person.pk in admins and len(admins) == 1 and not (person.is_admin and person.is_active):
            raise Conflict(f"{person.email} is the last admin; make somebody else an admin first.")
        person.save(update_fields=list(values))
        if not person.is_active:
            SignInLink.objects.filter(person=person).delete()
    return person


def _address(email: str) -> str:
    text = email.strip().lower()
    try:
        validate_email(text)
    except ValidationError as error:
        raise Invalid("It is not an e-mail address.", path="email") from error
    if len(text) > 254:
        raise Invalid("An e-mail address has at most 254 characters.", path="email")
    return text


def _role(role: str) -> str:
    if role not in Person.Role.values:
        raise Invalid(f"The role is {role!r:.40}; it must be admin or member.", path="role")
    return role


def _strong(password: str, person: Person) -> str:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), path="password") from error
    return password


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
