"""Who calls, and what they may do: an integration key in Pendo's header, or as a bearer token.

What needs write access is not decided by the method: an aggregation is a POST that reads.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from arrivals.accounts import keys, viewer
from arrivals.accounts.models import IntegrationKey
from arrivals.api.pendo import answers
from arrivals.errors import NotAllowed, TooMany

HEADER = "x-pendo-integration-key"
View = Callable[..., HttpResponseBase]


class Request(HttpRequest):
    """A request that was let in, with its ``key``."""

    key: IntegrationKey


def keyed(*, write: bool = False, whole: bool = False) -> Callable[[Callable[..., Any]], View]:
    """Let in who has an integration key; the view finds it as ``request.key``.

    ``write``: the key needs write access. ``whole``: the view tells of (or changes) all sources at once, so a key that
    is for one source only is refused. What the view raises or returns is answered as ``answers`` does.
    """

    def decorate(view: Callable[..., Any]) -> View:
        @wraps(view)
        def guarded(request: Any, *args: Any, **values: Any) -> HttpResponseBase:
            try:
                key = keys.verify(
                    secret(request),
                    address=request.META.get("REMOTE_ADDR", ""),
                    client=request.headers.get("User-Agent", ""),
                )
            except TooMany as error:
                return answers.error(error)
            if key is None:
                return HttpResponse(status=403)  # empty, as Pendo's
            try:
                if write and not key.write:
                    raise NotAllowed(f"The integration key {key.hint} may only read; use one with write access.")
                if whole and key.source_id:
                    raise NotAllowed(f"The integration key {key.hint} is for one source only; this spans all of them.")
                request.key = key
                viewer.look(viewer.Viewer())  # a key is no person, also beside a session
                return answers.answer(view(request, *args, **values))
            except Exception as error:
                return answers.error(error)

        guarded.csrf_exempt = True  # type: ignore[attr-defined]
        return guarded

    return decorate


def secret(request: HttpRequest) -> str:
    """The secret that a request carries, or an empty text."""
    own = request.headers.get(HEADER)
    if own is not None:
        return own.strip()
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def who(request: Request) -> str:
    """The caller as the audit log names it."""
    return f"key:{request.key.hint}"
