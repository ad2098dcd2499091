"""Who calls, and what they may do: an integration key in either header, or a session.

An operation names its need: READ (any key, anybody signed in), WRITE (a key with write access, anybody signed in),
ADMIN (a key with write access, an admin) or PERSON (an admin who is signed in, and no key). What needs which is not
decided by the method: a preview is a POST that reads.

A key of one source is refused by all of these. An operation that it may use says so by SCOPED_READ or SCOPED_WRITE
and then keeps to ``scope(request)``; a source that is named in the address is checked here.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from arrivals.accounts import keys, viewer
from arrivals.accounts.models import Person
from arrivals.errors import NotAllowed, NotSignedIn

HEADER = "x-pendo-integration-key"
SAFE = ("GET", "HEAD", "OPTIONS")


class Need(IntEnum):
    """What an operation asks of its caller."""

    READ = 0
    WRITE = 1
    ADMIN = 2
    PERSON = 3


class Scoped(Enum):
    """Whether a key of one source may use an operation."""

    REFUSED = "refused"
    ALLOWED = "allowed"


@dataclass(frozen=True)
class Caller:
    """``who`` as the audit log names it: an e-mail address, or ``key:`` and the hint of the key.

    ``key`` is the id of that key, ``write`` whether it may change something, ``source_id`` the only source that it may
    see ("": all).
    """

    who: str
    key: str = ""
    write: bool = True
    source_id: str = ""


class Bearer(AuthBase):
    """An integration key as `Authorization: Bearer arr_...`."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, need: Need, scoped: Scoped) -> None:
        self.need, self.scoped = need, scoped
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        return _of_key(request, secret.strip(), self) if scheme.lower() == "bearer" else None


class Header(AuthBase):
    """An integration key as `x-pendo-integration-key: arr_...`."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = HEADER

    def __init__(self, need: Need, scoped: Scoped) -> None:
        self.need, self.scoped = need, scoped
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        secret = request.headers.get(HEADER)
        return None if secret is None else _of_key(request, secret.strip(), self)


class Session(AuthBase):
    """Somebody signed in on the pages; a request that may change something also needs the X-CSRFToken header."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME
    csrf = True

    def __init__(self, need: Need) -> None:
        self.need = need
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        person = request.user
        if not isinstance(person, Person) or not person.is_active:
            return None
        if request.method not in SAFE and check_csrf(request) is not None:
            raise NotAllowed("The X-CSRFToken header is missing or wrong; send the token of your session with it.")
        if self.need >= Need.ADMIN and not person.is_admin:
            raise NotAllowed("Only an admin may do this; you are a member.")
        return Caller(person.email)


def _callbacks(need: Need, scoped: Scoped = Scoped.REFUSED) -> list[Any]:
    return [Bearer(need, scoped), Header(need, scoped), Session(need)]


READ = _callbacks(Need.READ)
WRITE = _callbacks(Need.WRITE)
ADMIN = _callbacks(Need.ADMIN)
PERSON = _callbacks(Need.PERSON)
SCOPED_READ = _callbacks(Need.READ, Scoped.ALLOWED)
SCOPED_WRITE = _callbacks(Need.WRITE, Scoped.ALLOWED)


def caller(request: HttpRequest) -> Caller:
    """Who made a request that was let in."""
    found: Any = getattr(request, "auth", None)
    assert isinstance(found, Caller)
    return found


def scope(request: HttpRequest) -> str:
    """The id of the only source that the caller may see, "" for all."""
    return caller(request).source_id


def own(request: HttpRequest, source_id: str) -> str:
    """``source_id``, when the caller may see that source. Raises NotAllowed."""
    asking = caller(request)
    _check_source(asking.who.removeprefix("key:"), asking.source_id, source_id)
    return source_id


def admitted(request: HttpRequest) -> bool:
    """Whether the caller may read about the API, for views outside of its operations. Raises as the callbacks do."""
    return any(callback(request) for callback in SCOPED_READ)


def _of_key(request: HttpRequest, secret: str, asked: Bearer | Header) -> Caller:
    key = keys.verify(secret, address=request.META.get("REMOTE_ADDR", ""), client=request.headers.get("User-Agent", ""))
    if key is None:
        raise NotSignedIn(keys.refusal(secret))
    if asked.need is Need.PERSON:
        raise NotAllowed("An integration key cannot manage keys; an admin who is signed in does.")
    if asked.need is not Need.READ and not key.write:
        raise NotAllowed(f"The integration key {key.hint} may only read; use one with write access.")
    if key.source_id:
        if asked.scoped is Scoped.REFUSED:
            raise NotAllowed(
                f"The integration key {key.hint} belongs to the source {key.source_id}, and this spans sources; "
                "use a key for all sources."
            )
        named = request.resolver_match.kwargs.get("source_id") if request.resolver_match else None
        if named is not None:
            _check_source(key.hint, key.source_id, named)
    viewer.look(viewer.Viewer())  # a key is no person, also beside a session
    return Caller(f"key:{key.hint}", key.id, key.write, key.source_id)


def _check_source(hint: str, only: str, source_id: str) -> None:
    if only not in ("", source_id):
        raise NotAllowed(f"The integration key {hint} belongs to another source, {only}.")
