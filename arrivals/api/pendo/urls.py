"""The table of endpoints, and the way from an address to its view.

Ids may hold any character: the address is split at its slashes before it is unquoted, so that "%2F" in an id is part
of the id. An id that came with bare slashes is understood where no other endpoint has that address.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from arrivals.api.pendo import answers, token
from arrivals.errors import Invalid, MethodNotAllowed, NotFound

PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Endpoint:
    """One row of the table: ``method`` and ``path`` below /api/v1, its view, and what is supported."""

    method: str
    path: str
    view: Callable[..., Any]
    needs: str  # read or write
    supported: str


def _aggregation(request: HttpRequest) -> HttpResponseBase:
    view: Callable[[HttpRequest], HttpResponseBase] = import_module("arrivals.api.pendo.aggregation").view
    return view(request)


ENDPOINTS = (
    Endpoint("GET", "/token/verify", token.verify, "read", "Fully."),
    Endpoint("POST", "/aggregation", _aggregation, "read", "See [aggregation](aggregation.md)."),
)


@csrf_exempt
def dispatch(request: HttpRequest, **_values: str) -> HttpResponseBase:
    """The view of every address below /api/v1."""
    parts = _parts(request)
    if any("\x00" in part for part in parts) or "%00" in request.META.get("QUERY_STRING", ""):
        return answers.error(Invalid("The address holds the character NUL, which is not allowed.", path="path"))
    for match in (_exactly, _loosely):
        found = [(one, values) for one in ENDPOINTS if (values := match(one.path, parts)) is not None]
        if found:
            break
    else:
        return answers.error(NotFound("There is nothing at this address."))
    method = "GET" if request.method == "HEAD" else request.method
    for endpoint, values in found:
        if endpoint.method == method:
            answer: HttpResponseBase = endpoint.view(request, **values)
            return answer
    allowed = ", ".join(sorted({endpoint.method for endpoint, _ in found}))
    refused = answers.error(MethodNotAllowed(f"{request.method} is not allowed here; allowed: {allowed}."))
    refused["Allow"] = allowed
    return refused


urlpatterns = [path("api/v1", dispatch), re_path(r"^api/v1/.*$", dispatch)]


def _parts(request: HttpRequest) -> list[str]:
    """The parts of the address, from the bytes that were sent where the server keeps them."""
    raw = getattr(request, "scope", {}).get("raw_path")
    address = raw.decode("latin-1").partition("?")[0] if isinstance(raw, bytes) else ""
    if not address.startswith(PREFIX):
        return request.path.removeprefix(PREFIX).rstrip("/").split("/")
    return [unquote(part) for part in address.removeprefix(PREFIX).rstrip("/").split("/")]


def _exactly(template: str, parts: list[str]) -> dict[str, str] | None:
    wanted = template.strip("/").split("/")
    if len(wanted) != len(parts):
        return None
    values: dict[str, str] = {}
    for name, part in zip(wanted, parts, strict=True):
        if name.startswith("{"):
            if not part:
                return None
            values[name.strip("{}")] = part
        elif name != part:
            return None
    return values


def _loosely(template: str, parts: list[str]) -> dict[str, str] | None:
    """As ``_exactly``, with the first id of the template taking all parts that would be too many."""
    wanted = template.strip("/").split("/")
    more = len(parts) - len(wanted)
    place = next((number for number, name in enumerate(wanted) if name.startswith("{")), None)
    if more <= 0 or place is None:
        return None
    joined = "/".join(parts[place : place + more + 1])
    return _exactly(template, [*parts[:place], joined, *parts[place + more + 1 :]])
