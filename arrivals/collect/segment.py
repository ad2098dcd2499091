"""Segment's tracking API: /v1/{track,identify,group,page,screen,alias,batch,import} as an ASGI application."""

import asyncio
import base64
import binascii
import logging
import math
import time
from typing import Any

import msgspec
import orjson
from django.db import close_old_connections

from arrivals.collect import browsers, calls, http, sources
from arrivals.collect.event import Event
from arrivals.collect.http import Send
from arrivals.collect.writer import Writer
from arrivals.errors import (
    ArrivalsError,
    InvalidEvent,
    InvalidJson,
    MethodNotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
)

MOST_BODY = http.MOST_BODY
MOST_EVENT = http.MOST_EVENT
MOST_BATCH = http.MOST_BATCH
KEYS_SECONDS = 10.0  # how long a deleted source may still be accepted
SHORT = {"t": "track", "i": "identify", "g": "group", "p": "page", "s": "screen", "a": "alias", "b": "batch"}
BATCHES = {"batch", "import"}
KINDS = (*calls.TYPES, *calls.AGENT_TYPES)
log = logging.getLogger(__name__)


class Collector:
    """ASGI application. Knows the sources by write key and hands understood events to the writer."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._keys: dict[str, str] = {}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()
        self._noted = browsers.Noted()

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        try:
            if scope["method"] == "OPTIONS":
                await http.answer(send, 204, None)
                return
            status, answer = await self._take(scope, receive)
            await http.answer(send, status, answer)
        except ArrivalsError as error:
            await http.problem(send, error)
        except Exception:
            log.exception("A request to the collector failed.")
            await http.problem(send, ArrivalsError("Something went wrong inside Arrivals."))

    async def _take(self, scope: Any, receive: Any) -> tuple[int, Any]:
        kind = scope["path"].removeprefix("/v1/").strip("/")
        kind = SHORT.get(kind, kind)
        if kind not in BATCHES and kind not in KINDS:
            raise NotFound(
                f"There is no {scope['path']!r:.80}; there are /v1/{', /v1/'.join((*KINDS, *sorted(BATCHES)))}."
            )
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['path']} takes POST, not {scope['method']}.")
        headers = dict(scope["headers"])
        body = await http.body(scope, receive)
        data = _json(body)
        source_id = await self.source(_key(headers, data))
        received_at = time.time_ns() // 1_000_000
        if kind not in BATCHES:
            if len(body) > MOST_EVENT:
                raise TooLarge(f"The event has {len(body):,} bytes; one may have {MOST_EVENT:,}.")
            try:
                event = calls.event(source_id, data, received_at=received_at, kind=kind)
            except InvalidEvent as error:
                error.status = 400
                raise
            new = await self.writer.write([event])
            return 200, {"success": True, "accepted": 1, "repeated": 1 - sum(new), "refused": []}
        # Only our own agent runs in the browser that sends: a library's user agent says nothing of the visitor.
        browser = headers.get(b"user-agent", b"").decode("latin-1") if data.get("agent") == "web" else ""
        oversized, history = len(body) > MOST_EVENT, kind == "import"
        return await self._batch(source_id, data, received_at, oversized=oversized, browser=browser, history=history)

    async def _batch(
        self, source_id: str, data: dict[str, Any], received_at: int, *, oversized: bool, browser: str, history: bool
    ) -> tuple[int, Any]:
        batch = data.get("batch")
        if not isinstance(batch, list) or len(batch) > MOST_BATCH:
            raise InvalidEvent(f"It must be a list of at most {MOST_BATCH:,} events.", path="batch")
        shared = data.get("context") if isinstance(data.get("context"), dict) else {}
        events: list[Event] = []
        refused: list[dict[str, Any]] = []
        for index, one in enumerate(batch):
            try:
                if oversized and len(orjson.dumps(one)) > MOST_EVENT:
                    raise InvalidEvent(f"It has more than {MOST_EVENT:,} bytes.")
                if shared and isinstance(one, dict):
                    one = {
                        **one,
                        "context": {**shared, **one["context"]} if isinstance(one.get("context"), dict) else shared,
                    }
                events.append(calls.event(source_id, one, received_at=received_at, sent_at=data.get("sentAt")))
            except InvalidEvent as error:
                refused.append({"index": index, **error.as_dict()})
        if history:
            events = [msgspec.structs.replace(event, history=True) for event in events]
        told = self._noted.tell(events, browser, received_at) if browser else []
        new = await self.writer.write(events)
        self._noted.add(told)
        if browser and isinstance(dropped := data.get("dropped"), int) and 0 < dropped < 1_000_000:
            self.writer.dropped += dropped
        answer = {"success": not refused, "accepted": len(events), "repeated": len(new) - sum(new), "refused": refused}
        if refused and not events:
            sentence = "Every event of the batch was refused; refused says why."
            return 400, {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "code": "invalid_event",
                "detail": sentence,
                **answer,
            }
        return 200, answer

    async def source(self, key: str) -> str:
        """The source of a write key; a key that is not known is looked for at most once a second."""
        age = time.monotonic() - self._read_at
        if age > KEYS_SECONDS or (key not in self._keys and age > 1):
            async with self._reading:
                if time.monotonic() - self._read_at >= min(age, 1):
                    self._keys = await asyncio.to_thread(_read_keys)
                    self._read_at = time.monotonic()
        source_id = self._keys.get(key)
        if source_id is None:
            raise NotSignedIn(
                "The write key is missing or wrong; send it as the user name of Basic authentication or as writeKey."
            )
        return source_id


def _read_keys() -> dict[str, str]:
    close_old_connections()
    try:
        return sources.keys()
    finally:
        close_old_connections()


def _key(headers: dict[bytes, bytes], data: dict[str, Any]) -> str:
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    key = data.get("writeKey")
    return key if isinstance(key, str) else ""


def _json(body: bytes) -> dict[str, Any]:
    data = http.parsed(body)
    if not isinstance(data, dict):
        raise InvalidJson("The body must be a JSON object.")
    return data
