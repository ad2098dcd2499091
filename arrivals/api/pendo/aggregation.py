"""POST /api/v1/aggregation: a pipeline over the data. It reads, so a read-only key will do."""

import zlib
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from arrivals.api.arrivals.bodies import has_nul
from arrivals.api.pendo import answers
from arrivals.api.pendo.auth import Request, keyed
from arrivals.audience import aggregation
from arrivals.audience.aggregation import pipelines
from arrivals.errors import InvalidJson, InvalidPipeline, TooLarge

MOST_BODY = 2_000_000


@keyed()
def view(request: Request) -> HttpResponseBase:
    """Answer ``{"startTime": ms, "results": [rows]}``, or CSV where ``response.mimeType`` says so."""
    try:
        answer = aggregation.run(_body(request), source_id=request.key.source_id)
    except InvalidPipeline as error:
        return _refused(error)
    csv = answer.mime == pipelines.CSV
    made = answers.streamed(request, answer.pieces(), "text/csv; charset=utf-8" if csv else pipelines.JSON)
    if csv:
        made["Content-Disposition"] = 'attachment; filename="aggregation.csv"'
    return made


def _refused(error: InvalidPipeline) -> HttpResponse:
    """422, with the wrong part in ``fields``, as Pendo does, and a sentence."""
    path = error.path or "pipeline"
    sentence = f"{path} is required." if error.message == "Required" else f"{path}: {error.message}"
    body = {"code": error.code, "message": sentence, "fields": {path: error.message}}
    return HttpResponse(orjson.dumps(body), status=error.status, content_type=pipelines.JSON)


def _body(request: Request) -> Any:
    """The JSON of the body, whatever content type it names; packed by gzip or zlib, or not."""
    try:
        raw = request.body
    except RequestDataTooBig as error:
        raise TooLarge(f"The body has more than {MOST_BODY:,} bytes.") from error
    if raw[:2] == b"\x1f\x8b" or request.headers.get("content-encoding", "") in {"gzip", "deflate"}:
        raw = _unpacked(raw)
    if len(raw) > MOST_BODY:
        raise TooLarge(f"The body has more than {MOST_BODY:,} bytes.")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"The body is not JSON: {error}.") from error
    if has_nul(data):
        raise InvalidJson("A text in the body holds the character NUL.")
    return data


def _unpacked(raw: bytes) -> bytes:
    unpacker = zlib.decompressobj(47)
    try:
        return unpacker.decompress(raw, MOST_BODY + 1)
    except zlib.error as error:
        raise InvalidJson("The body is not packed as its content encoding says.") from error
