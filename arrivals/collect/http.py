"""What the collector's wire formats share of HTTP: reading a body with a limit, answering, telling an error."""

import math
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from arrivals.errors import ArrivalsError, InvalidJson, TooLarge

Send = Callable[[dict[str, Any]], Awaitable[None]]
MOST_BODY = 500 * 1024
MOST_EVENT = 32 * 1024
MOST_BATCH = 5_000
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-pendo-integration-key"),
    (b"access-control-expose-headers", b"retry-after"),
    (b"access-control-max-age", b"86400"),
]


async def body(scope: Any, receive: Any) -> bytes:
    """The request's body, unpacked as its content encoding says, of at most ``MOST_BODY`` bytes.

    Raises:
        TooLarge; InvalidJson: it breaks off, or is not packed as its encoding says.
    """
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidJson("The connection ended before the body did.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MOST_BODY:
            raise TooLarge(f"The body has more than {MOST_BODY:,} bytes; send smaller batches.")
        if not message.get("more_body"):
            break
    raw = b"".join(chunks)
    encoding = dict(scope["headers"]).get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if encoding in {"", "identity"}:
        return raw
    if encoding not in {"gzip", "deflate"}:
        raise InvalidJson(f"The content encoding {encoding!r:.40} is not known; allowed are gzip and deflate.")
    return unpacked(raw, 47 if encoding == "gzip" else 15, encoding)


def unpacked(raw: bytes, window: int, name: str) -> bytes:
    """``raw`` without its compression; ``window`` as zlib has it. Raises InvalidJson, TooLarge."""
    try:
        unpacker = zlib.decompressobj(window)
        done = unpacker.decompress(raw, MOST_BODY + 1)
    except zlib.error as error:
        raise InvalidJson(f"The body is not {name}.") from error
    if not unpacker.eof and len(done) <= MOST_BODY:
        raise InvalidJson(f"The body is not {name}: it breaks off.")
    if len(done) > MOST_BODY:
        raise TooLarge(f"The unpacked body has more than {MOST_BODY:,} bytes; send smaller batches.")
    return done


def parsed(content: bytes) -> Any:
    """The JSON of a body. Raises InvalidJson."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"The body is not JSON: {error}.") from error


async def answer(
    send: Send, status: int, data: Any, kind: bytes = b"application/json", extra: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with ``data`` as JSON; None: nothing; bytes: as they are."""
    content = b"" if data is None else data if isinstance(data, bytes) else orjson.dumps(data)
    headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode()), *CORS, *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def problem(send: Send, error: ArrivalsError, allow: bytes = b"POST, OPTIONS") -> None:
    """RFC 9457, as everywhere."""
    extra = []
    if error.retry_after is not None:
        extra.append((b"retry-after", str(math.ceil(error.retry_after)).encode()))
    if error.status == 405:
        extra.append((b"allow", allow))
    await answer(send, error.status, error.as_problem(), b"application/problem+json", extra)
