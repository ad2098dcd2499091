"""Pendo's data host as an ASGI application: the beacons of its web agent, guides, configuration, track events.

A page that has Pendo's snippet needs only its data host changed. ``{key}`` in a path is the source's write key.
"""

import asyncio
import base64
import binascii
import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qs

from django.db import close_old_connections

from arrivals import config
from arrivals.collect import browsers, calls, http, pendo_events, sources
from arrivals.collect.event import Event
from arrivals.collect.http import Send
from arrivals.collect.segment import Collector
from arrivals.errors import ArrivalsError, InvalidEvent, InvalidJson, MethodNotAllowed, NotFound, NotSignedIn

BEACONS = ("ptm.gif", "guide.gif", "poll.gif", "agentic.gif", "log.gif")
IGNORED = ("agentic.gif", "log.gif")
DROPPED = ("errorlog", "rec", "recordingconf")
PATHS = (
    *(f"/data/{one}/{{key}}" for one in BEACONS),
    "/data/guide.json/{key}",
    "/data/track",
    "/data/segmentio/{key}",
    "/agent/static/{key}/config.json",
    "/agent/releases/{version}/guide.css",
    *(f"/data/{one}" for one in DROPPED),
)
MOST_BATCH = http.MOST_BATCH
REMEMBERED_SECONDS = 10.0
SURVEYS_SECONDS = 60.0
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
STYLE = b"._pendo-hidden_ { display: none; }\n"  # the agent asks its content host for a style sheet, and looks for this
NO_STORE = [(b"cache-control", b"no-store")]
PRIVATE = [(b"access-control-allow-private-network", b"true")]  # a public page, an Arrivals inside the network
log = logging.getLogger(__name__)


class Facts(Protocol):
    """What is asked of the warehouse (``arrivals.warehouse.events.EventStore``). Both block.

    ``blocked``: the visitors that must not be processed; asked at most every 10 s. ``surveys``: the id derived from a
    survey's name -> its name; asked at most once a minute, and only when a guide comes that is not known.
    """

    def blocked(self) -> set[str]: ...
    def surveys(self) -> dict[str, str]: ...


class Pendo:
    """ASGI application of ``/data/`` and ``/agent/``."""

    def __init__(self, collector: Collector, facts: Facts) -> None:
        self._collector = collector
        self._writer = collector.writer
        self._facts = facts
        self._stopped: set[str] = set()
        self._surveys: dict[str, str] = {}
        self._surveys_at = 0.0
        self._noted = browsers.Noted()
        self._secrets: dict[str, str] = {}
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        try:
            if scope["method"] == "OPTIONS":
                await http.answer(send, 204, None, extra=PRIVATE)
                return
            await self._route(scope, receive, send)
        except NotSignedIn:
            await http.answer(send, 403, None)  # with an empty body, as Pendo refuses a key
        except ArrivalsError as error:
            if isinstance(error, InvalidEvent | InvalidJson):
                error.status = 400
            await http.problem(send, error, b"GET, POST, OPTIONS")
        except Exception:
            log.exception("A request to Pendo's paths failed.")
            await http.problem(send, ArrivalsError("Something went wrong inside Arrivals."))

    async def _route(self, scope: Any, receive: Any, send: Send) -> None:
        match [part for part in scope["path"].split("/") if part]:
            case ["data", beacon, key] if beacon in BEACONS:
                await self._beacon(scope, receive, send, beacon, key)
            case ["data", "guide.json", key]:
                await self._guides(scope, receive, send, key)
            case ["data", "track"]:
                await self._track(scope, receive, send)
            case ["data", "segmentio", key]:
                await self._segment(scope, receive, send, key)
            case ["agent", "static", key, "config.json"]:
                await self._collector.source(key)
                host = config.current().public_url
                told = {"apiKey": key, "dataHost": host, "contentHost": host, "guides": {"delay": False}}
                await http.answer(send, 200, told, extra=NO_STORE)
            case ["agent", "releases", _, "guide.css"]:
                await http.answer(send, 200, STYLE, b"text/css")
            case ["data", dropped, *_] if dropped in DROPPED:
                await http.body(scope, receive)
                await http.answer(send, 200, {}, extra=NO_STORE)
            case _:
                raise NotFound(f"There is no {scope['path']!r:.80}; there are {', '.join(PATHS)}.")

    async def _beacon(self, scope: Any, receive: Any, send: Send, beacon: str, key: str) -> None:
        """Events of the agent, by GET in the address or by POST in the body. A request without any is a probe."""
        source_id = await self._collector.source(key)
        packed, sent_at = await _packed(scope, receive)
        if packed and beacon not in IGNORED:
            batch = _unpacked(packed)
            if not isinstance(batch, list):
                batch = [batch]
            if len(batch) > MOST_BATCH:
                raise InvalidEvent(f"It must be a list of at most {MOST_BATCH:,} events.", path="jzb")
            now, surveys = _now(), await self._names(pendo_events.guides(batch))
            events, refused = pendo_events.of_agent(source_id, batch, received_at=now, sent_at=sent_at, surveys=surveys)
            if refused:
                log.info("%d of %d events of an agent could not be kept.", refused, len(batch))
                self._writer.refused += refused
            stopped = await self._stop_list()
            agent = dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1")
            await self._write([one for one in events if one.visitor_id not in stopped], agent, now)
        await http.answer(send, 200, GIF, b"image/gif", NO_STORE)

    async def _write(self, events: list[Event], agent: str, now: int) -> None:
        """Write them; page views say what browser it is, where that was not written lately."""
        new = self._noted.tell(events, agent, now)
        await self._writer.write(events)
        self._noted.add(new)

    async def _guides(self, scope: Any, receive: Any, send: Send, key: str) -> None:
        """There are no guides of Pendo here; the request brings metadata, and an answer makes the agent ready."""
        source_id = await self._collector.source(key)
        packed, _sent_at = await _packed(scope, receive)
        if packed:
            event = pendo_events.of_guides(source_id, _unpacked(packed), received_at=_now())
            if event.visitor_id in await self._stop_list():
                await http.answer(send, 451, None)
                return
            if event.visitor_fields or event.account_fields or event.alias_id:
                await self._writer.write([event])
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("id", [""])[0]
        told = {
            "guides": [],
            **({"id": asked[:64]} if asked else {}),
            "throttling": {"count": 1, "interval": 1, "unit": "Hour", "enabled": False},
        }
        await http.answer(send, 200, told, extra=NO_STORE)

    async def _track(self, scope: Any, receive: Any, send: Send) -> None:
        """Track events of servers, with the source's track secret."""
        _only(scope, "POST")
        headers = dict(scope["headers"])
        digest = hashlib.sha256(headers.get(b"x-pendo-integration-key", b"")).hexdigest()
        await self._refresh(missing=digest not in self._secrets)
        if digest not in self._secrets:
            raise NotSignedIn
        data = http.parsed(await http.body(scope, receive))
        batch = data if isinstance(data, list) else [data]
        if not batch or len(batch) > MOST_BATCH:
            raise InvalidEvent(f"It must be an event, or a list of 1 to {MOST_BATCH:,}.")
        now, events = _now(), []
        for index, one in enumerate(batch):
            try:
                events.append(pendo_events.of_track(self._secrets[digest], one, received_at=now))
            except InvalidEvent as error:  # of a list nothing is kept, so that it can be mended and sent again
                where = f"[{index}].{error.path}".rstrip(".") if isinstance(data, list) else error.path
                raise InvalidEvent(error.message, path=where) from error
        stopped = await self._stop_list()
        new = await self._writer.write([one for one in events if one.visitor_id not in stopped])
        await http.answer(send, 200, {"success": True, "accepted": len(events), "repeated": len(new) - sum(new)})

    async def _segment(self, scope: Any, receive: Any, send: Send, key: str) -> None:
        """Calls as Segment's servers pass them on: one, or a list, or a batch."""
        _only(scope, "POST")
        source_id = await self._collector.source(key)
        data = http.parsed(await http.body(scope, receive))
        batch = data.get("batch") if isinstance(data, dict) and "batch" in data else data
        batch = batch if isinstance(batch, list) else [batch]
        if len(batch) > MOST_BATCH:
            raise InvalidEvent(f"It must be a list of at most {MOST_BATCH:,} calls.", path="batch")
        events = [calls.event(source_id, one, received_at=_now()) for one in batch]
        new = await self._writer.write(events)
        await http.answer(send, 200, {"success": True, "accepted": len(events), "repeated": len(new) - sum(new)})

    async def _names(self, guides: set[str]) -> dict[str, str]:
        """The surveys by the ids of their guides, read again when there is a new guide."""
        if guides - self._surveys.keys() and (
            not self._surveys_at or time.monotonic() - self._surveys_at > SURVEYS_SECONDS
        ):
            self._surveys_at = time.monotonic()
            self._surveys = await asyncio.to_thread(self._facts.surveys)
        return self._surveys

    async def _stop_list(self) -> set[str]:
        await self._refresh(missing=False)
        return self._stopped

    async def _refresh(self, *, missing: bool) -> None:
        """Read track secrets and the visitors not to be processed, at most every 10 s (1 s for an unknown secret)."""
        age = time.monotonic() - self._read_at
        if self._read_at and age <= (1 if missing else REMEMBERED_SECONDS):
            return
        async with self._reading:
            if not self._read_at or time.monotonic() - self._read_at >= min(age, 1):
                self._secrets, self._stopped = await asyncio.to_thread(_read, self._facts.blocked)
                self._read_at = time.monotonic()


def _read(blocked: Callable[[], set[str]]) -> tuple[dict[str, str], set[str]]:
    close_old_connections()
    try:
        return sources.track_secrets(), blocked()
    finally:
        close_old_connections()


async def _packed(scope: Any, receive: Any) -> tuple[str, int | None]:
    """The packed events of a request, and the client's clock at its sending in milliseconds."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    packed = query.get("jzb", [""])[0]
    if scope["method"] == "POST":
        # Bodies of sendBeacon come as text/plain: what they are is not asked.
        raw = await http.body(scope, receive)
        data = http.parsed(raw) if raw else {}
        packed = data.get("events") or data.get("jzb") or packed if isinstance(data, dict) else packed
        if not isinstance(packed, str):
            raise InvalidJson("events must be a text: JSON, packed by zlib, in base64url.")
    elif scope["method"] != "GET":
        raise MethodNotAllowed(f"{scope['path']} takes GET and POST, not {scope['method']}.")
    clock = query.get("ct", [""])[0]
    return packed, int(clock) if clock.isdecimal() and len(clock) < 16 else None


def _unpacked(packed: str) -> Any:
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidJson("jzb is not base64url.") from error
    return http.parsed(http.unpacked(raw, 15, "packed by zlib"))


def _only(scope: Any, method: str) -> None:
    if scope["method"] != method:
        raise MethodNotAllowed(f"{scope['path']} takes {method}, not {scope['method']}.")


def _now() -> int:
    return time.time_ns() // 1_000_000
