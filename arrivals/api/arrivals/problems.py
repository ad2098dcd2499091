"""Errors as the API tells them: RFC 9457, ``application/problem+json``, with a stable ``code``."""

import inspect
import logging
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from arrivals.errors import (
    ArrivalsError,
    Invalid,
    InvalidJson,
    MethodNotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
    Unavailable,
)

log = logging.getLogger("arrivals.api")
CONTENT_TYPE = "application/problem+json"


def response(error: ArrivalsError) -> HttpResponse:
    """The answer that tells of ``error``."""
    body = error.as_problem()
    answer = HttpResponse(status=error.status, content_type=CONTENT_TYPE)
    if error.retry_after is not None:
        answer["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, NotSignedIn):
        answer["WWW-Authenticate"] = "Bearer"
    answer.content = orjson.dumps(body)
    return answer


def translated(exception: Exception) -> ArrivalsError:
    """What the caller may know of ``exception``. Something unforeseen is logged and told without details."""
    match exception:
        case ArrivalsError() if type(exception) is not ArrivalsError:
            return exception
        case ValidationError():
            return _wrong_part(exception.errors[0])
        case AuthenticationError():
            return NotSignedIn("Send an integration key as `Authorization: Bearer arr_...`, or sign in.")
        case HttpError() if exception.status_code == 400:
            return InvalidJson("The body is not valid JSON.")
        case Http404():
            return NotFound("There is nothing at this address; /api/v2/docs lists what there is.")
        case RequestDataTooBig():
            return TooLarge("The body is larger than 20 MB; send it in parts.")
        case OperationalError() | InterfaceError():
            log.warning("A request could not ask the database: %s", exception)
            return Unavailable("The database cannot be asked now; try again in a moment.", retry_after=5)
    log.exception("A request failed unexpectedly.", exc_info=exception)
    return ArrivalsError("Something went wrong inside Arrivals; its log says what.")


def install(api: NinjaAPI) -> None:
    """Answer every exception of ``api`` with a problem."""

    def told(request: HttpRequest, exception: Any) -> HttpResponse:
        return response(translated(exception))

    for kind in (Exception, ArrivalsError, ValidationError, HttpError, Http404):
        api.add_exception_handler(kind, told)


def answered(view: Callable[..., Any]) -> Callable[..., Any]:
    """``view`` with what the framework itself refuses told as a problem too: methods, and NUL in an address."""

    def refused(request: HttpRequest) -> HttpResponse | None:
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return response(Invalid("The address holds the character NUL, which is not allowed."))
        return None

    def told(request: HttpRequest, answer: Any) -> Any:
        if answer.status_code != 405:
            return answer
        problem = response(MethodNotAllowed(f"{request.method} is not allowed here; allowed: {answer['Allow']}."))
        problem["Allow"] = answer["Allow"]
        return problem

    if inspect.iscoroutinefunction(view):

        @wraps(view)
        async def asynchronous(request: HttpRequest, *args: Any, **values: Any) -> Any:
            return refused(request) or told(request, await view(request, *args, **values))

        return asynchronous

    @wraps(view)
    def synchronous(request: HttpRequest, *args: Any, **values: Any) -> Any:
        return refused(request) or told(request, view(request, *args, **values))

    return synchronous


def not_found(request: HttpRequest) -> HttpResponse:
    """The view of every address of the API that leads nowhere."""
    return response(translated(Http404()))


def _wrong_part(error: dict[str, Any]) -> Invalid:
    where, *parts = error["loc"]
    if where == "body":
        parts = parts[1:]  # the name of the parameter of our own function
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return Invalid(f"{error['msg'].removeprefix('Value error, ')}.", path=path)
