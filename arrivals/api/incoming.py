"""/hooks/{token}: deliveries to the addresses of workflows. No key and no session: whoever knows the address may send."""

import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from arrivals import clock
from arrivals.api.arrivals import problems
from arrivals.apps import signing
from arrivals.engine import deliveries as made
from arrivals.engine import masks, starter
from arrivals.errors import Invalid, InvalidJson, MethodNotAllowed, NotAllowed, TooLarge, TooMany
from arrivals.workflows import deliveries
from arrivals.workflows.models import Delivery, Workflow

METHODS = ("POST", "PUT", "PATCH", "GET")
MOST_BYTES = 1_000_000
PER_SECOND = 30
KEYS = ("Idempotency-Key", "webhook-id", "X-Request-Id")  # the first that is there names the delivery
FORM = "application/x-www-form-urlencoded"
NOT_SHOWN = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding")
_buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
MOST_BUCKETS = 10_000


@csrf_exempt
def deliver(request: HttpRequest, token: str) -> HttpResponse:
    """Answer 202 with ``run`` (null for a sample, and where the workflow is paused) once the delivery is on disk."""
    try:
        answer = _deliver(request, token)
    except Exception as error:
        refusal = problems.response(problems.translated(error))
        if isinstance(error, MethodNotAllowed):
            refusal["Allow"] = ", ".join(METHODS)
        return refusal
    return HttpResponse(orjson.dumps(answer), status=202, content_type="application/json")


def _deliver(request: HttpRequest, token: str) -> dict[str, Any]:
    if request.method not in METHODS:
        raise MethodNotAllowed(f"{request.method} is not allowed here; allowed: {', '.join(METHODS)}.")
    address = deliveries.find(token)
    _paced(token)
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        raise TooLarge("A delivery has at most 1 MB.")
    body = _unpacked(request)
    _check_signature(request, address, body)
    content = {
        "method": request.method,
        "at": clock.iso(clock.now()),
        "body": _clean(_read(body, request.content_type or "", request.encoding or "utf-8")),
        "query": _clean(masks.masked(_pairs(request.META.get("QUERY_STRING", "")))),
        "headers": _clean(_headers(request.headers)),
    }
    key = next((request.headers[name] for name in KEYS if request.headers.get(name)), "")
    if len(key) > deliveries.LONGEST_KEY:
        raise Invalid(f"It must have at most {deliveries.LONGEST_KEY} characters.", path="Idempotency-Key")
    stored, repeated = made.accept(address.workflow, content, key)
    starter.wake()
    return _told(stored, repeated)


def _told(stored: Delivery, repeated: bool) -> dict[str, Any]:
    if stored.state == Delivery.State.SAMPLE:
        return {"run": None, "sample": True}
    if stored.state == Delivery.State.KEPT:
        return {"run": None, "kept": True, **({"repeated": True} if repeated else {})}
    return {"run": stored.run, **({"repeated": True} if repeated else {})}


def _paced(token: str) -> None:
    """Let 30 a second through, by address, in this process. Raises TooMany."""
    now = time.monotonic()
    room, at = _buckets.pop(token, (float(PER_SECOND), now))
    room = min(PER_SECOND, room + (now - at) * PER_SECOND)
    _buckets[token] = (max(0.0, room - 1), now)
    while len(_buckets) > MOST_BUCKETS:
        _buckets.popitem(last=False)
    if room < 1:
        raise TooMany(f"An address takes {PER_SECOND} deliveries a second.", retry_after=1)


def _unpacked(request: HttpRequest) -> bytes:
    body = request.body
    if len(body) > MOST_BYTES:
        raise TooLarge("A delivery has at most 1 MB.")
    if request.headers.get("Content-Encoding", "").lower() != "gzip":
        return body
    reader = zlib.decompressobj(wbits=31)
    try:
        unpacked = reader.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise Invalid("The body is not gzip.", path="Content-Encoding") from error
    if len(unpacked) > MOST_BYTES:
        raise TooLarge("A delivery has at most 1 MB when it is unpacked.")
    if not reader.eof:
        raise Invalid("The body is not gzip: it breaks off.", path="Content-Encoding")
    return unpacked


def _check_signature(request: HttpRequest, address: Any, body: bytes) -> None:
    workflow: Workflow = address.workflow
    header = deliveries.trigger(workflow).get("signature")
    if header and not signing.fits(address, request.headers.get(header, ""), [body, request.body]):
        raise NotAllowed(f"The header {header} is not the signature of this body.")


def _read(body: bytes, content_type: str, encoding: str) -> Any:
    """A body as data: JSON, a form as an object of its fields, else a text. One that begins like JSON and is, is JSON."""
    if not body:
        return None
    if content_type == FORM:
        return _pairs(body.decode("utf-8", "replace"))
    json = "json" in content_type
    if json or body.lstrip()[:1] in (b"{", b"["):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if json:
                raise InvalidJson("The body is not valid JSON.") from error
    try:
        return body.decode(encoding, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _pairs(text: str) -> dict[str, Any]:
    """The fields of a form or query; one that comes several times is a list."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=1_000):
        before = found.get(name)
        found[name] = value if before is None else [*before, value] if isinstance(before, list) else [before, value]
    return found


def _headers(given: Mapping[str, str]) -> dict[str, Any]:
    """Headers by small names, and with _ for -, as templates can name them; secrets masked for good."""
    shown = {name.lower(): value for name, value in given.items() if name.lower() not in NOT_SHOWN}
    masked = masks.masked(shown)
    return {name.replace("-", "_"): value for name, value in masked.items()}


def _clean(value: Any) -> Any:
    """The same without NUL, which not every store of text takes."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value
