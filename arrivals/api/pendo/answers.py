"""Answers and errors of /api/v1: JSON, times in milliseconds."""

import csv as spreadsheet
import io
import logging
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from arrivals.api.arrivals.bodies import StrictParser
from arrivals.audience.rows import guarded
from arrivals.audience.rows import streamed as in_threads
from arrivals.errors import ArrivalsError, Invalid, InvalidJson, TooLarge

log = logging.getLogger("arrivals.api")
JSON = "application/json"


def answer(value: Any, status: int = 200) -> HttpResponseBase:
    """``value`` as JSON, or as it is when it is an answer already."""
    if isinstance(value, HttpResponseBase):
        return value
    return HttpResponse(dumped(value), status=status, content_type=JSON)


def dumped(value: Any) -> bytes:
    return orjson.dumps(value, default=_default, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)


def error(exception: Exception) -> HttpResponseBase:
    """The answer that tells of an error: ``{"code", "message"}``; 422 also has ``fields``, by the name of the part."""
    found = _translated(exception)
    body: dict[str, Any] = {"code": found.code, "message": found.message}
    if isinstance(found, Invalid):
        body["fields"] = {found.path or "body": found.message}
    answer = HttpResponse(dumped(body), status=found.status, content_type=JSON)
    if found.retry_after is not None:
        answer["Retry-After"] = str(max(1, math.ceil(found.retry_after)))
    return answer


def body(request: HttpRequest) -> Any:
    """The JSON of a request's body, whatever content type it names.

    Raises:
        InvalidJson: it is none, or holds NUL. TooLarge: over 20 MB.
    """
    try:
        return StrictParser().parse_body(request)
    except RequestDataTooBig as problem:
        raise TooLarge("The body is larger than 20 MB; send it in parts.") from problem
    except ValueError as problem:
        raise InvalidJson("The body is not valid JSON.") from problem


def array(request: HttpRequest, rows: Iterable[Any]) -> HttpResponseBase:
    """A JSON array, sent piece by piece. The first rows are made before the answer starts, so that an error has its
    status."""
    return streamed(request, _array(iter(rows)), JSON)


def csv(request: HttpRequest, name: str, rows: Iterable[list[Any]]) -> HttpResponseBase:
    """A CSV file, sent piece by piece; texts that a spreadsheet would take for formulas get an apostrophe in front."""
    answer = streamed(request, _lines(iter(rows)), "text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def streamed(request: HttpRequest, pieces: Iterator[bytes] | Iterator[str], content_type: str) -> HttpResponseBase:
    """An answer that is sent while it is made."""
    ready: Iterator[Any] = chain([next(iter(pieces), b"")], pieces)
    sent = in_threads(ready) if isinstance(request, ASGIRequest) else ready
    return StreamingHttpResponse(sent, content_type=content_type)


def _array(rows: Iterator[Any], block: int = 500) -> Iterator[bytes]:
    opened = False
    while True:
        some = [dumped(row) for _, row in zip(range(block), rows, strict=False)]
        start = b"," if opened and some else b"" if opened else b"["
        if len(some) < block:
            yield start + b",".join(some) + b"]"
            return
        opened = True
        yield start + b",".join(some)


def _lines(rows: Iterator[list[Any]], block: int = 500) -> Iterator[str]:
    while some := [row for _, row in zip(range(block), rows, strict=False)]:
        text = io.StringIO()
        writer = spreadsheet.writer(text, lineterminator="\r\n")
        writer.writerows([guarded(value) for value in row] for row in some)
        yield text.getvalue()


def _translated(exception: Exception) -> ArrivalsError:
    if isinstance(exception, ArrivalsError) and type(exception) is not ArrivalsError:
        return exception
    log.exception("A request failed unexpectedly.", exc_info=exception)
    return ArrivalsError("Something went wrong inside Arrivals; its log says what.")


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return str(value)
