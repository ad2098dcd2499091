"""On whose behalf the present request is answered: what is private is found by its owner and by admins only.

Work that nobody asked for (checks, runs) has no viewer and finds everything. An integration key belongs to no person:
it finds only what is shared.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from arrivals.accounts.models import Person


@dataclass(frozen=True)
class Viewer:
    """``person``: the id of who is signed in, empty for a key or a stranger. ``admin``: finds everything."""

    person: str = ""
    admin: bool = False


_current: ContextVar[Viewer | None] = ContextVar("viewer", default=None)


def current() -> Viewer | None:
    """Who looks; None where no request is answered."""
    return _current.get()


def look(viewer: Viewer | None) -> None:
    """What follows of this request is for ``viewer``."""
    _current.set(viewer)


@contextmanager
def looking(viewer: Viewer | None) -> Iterator[None]:
    """As ``look``, for a while."""
    before = _current.get()
    _current.set(viewer)
    try:
        yield
    finally:
        _current.set(before)


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, after that of sessions: every request has a viewer, and none outlives its request."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        viewer = Viewer(user.id, user.is_admin) if isinstance(user, Person) and user.is_active else Viewer()
        with looking(viewer):
            return get_response(request)

    return answered
