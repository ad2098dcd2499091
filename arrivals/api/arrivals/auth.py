"""Who calls, and what they may do: an integration key in either header, or a session.

An operation names its need: READ (any key, anybody signed in), WRITE (a key with write access, anybody signed in) or
ADMIN (a key with write access, an admin). What needs which is not decided by the method: a preview is a POST that
reads.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from arrivals.accounts import keys
from arrivals.accounts.models import Person
from arrivals.errors import NotAllowed, NotSignedIn

HEADER = "x-pendo-integration-key"
SAFE = ("GET", "HEAD", "OPTIONS")


class Need(IntEnum):
    """What an operation asks of its caller."""

    READ = 0
    WRITE = 1
    ADMIN = 2


@dataclass(frozen=True)
class Caller:
    """``who`` as the audit log names it: an e-mail address, or ``key:`` and the hint of the key.

    ``key`` is the id of that key, ``write`` whether it may change something.
    """

    who: str
    key: str = ""
    write: bool = True


class Bearer(AuthBase):
    """An integration key as `Authorization: Bearer arr_...`."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, need: Need) -> None:
        self.need = need
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        return _of_key(request, secret.strip(), self.need) if scheme.lower() == "bearer" else None


class Header(AuthBase):
    """An integration key as `x-pendo-integration-key: arr_...`."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = HEADER

    def __init__(self, need: Need) -> None:
        self.need = need
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller | None:
        secret = request.headers.get(HEADER)
        return None if secret is None else _of_key(request, secret.strip(), self.need)


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
        if self.need is Need.ADMIN and not person.is_admin:
            raise NotAllowed("Only an admin may do this; you are a member.")
        return Caller(person.email)


def _callbacks(need: Need) -> list[Any]:
    return [Bearer(need), Header(need), Session(need)]


READ = _callbacks(Need.READ)
WRITE = _callbacks(Need.WRITE)
ADMIN = _callbacks(Need.ADMIN)


def caller(request: HttpRequest) -> Caller:
    """Who made a request that was let in."""
    found: Any = getattr(request, "auth", None)
    assert isinstance(found, Caller)
    return found


def admitted(request: HttpRequest) -> bool:
    """Whether the caller may read, for views outside of the API's operations. Raises as the callbacks do."""
    return any(callback(request) for callback in READ)


def _of_key(request: HttpRequest, secret: str, need: Need) -> Caller:
    key = keys.verify(secret, address=request.META.get("REMOTE_ADDR", ""))
    if key is None:
        raise NotSignedIn("The integration key is wrong or revoked.")
    if need is not Need.READ and not key.write:
        raise NotAllowed(f"The integration key {key.hint} may only read; use one with write access.")
    return Caller(f"key:{key.hint}", key.id, key.write)
