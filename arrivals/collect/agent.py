"""Our browser agent as an ASGI application: its scripts, the switches of a source, and which surveys there are."""

import asyncio
import gzip
import hashlib
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from django.db import close_old_connections

from arrivals.collect import http, switches
from arrivals.collect.http import Send
from arrivals.errors import ArrivalsError, MethodNotAllowed, NotFound, NotSignedIn

FOLDER = Path(__file__).parent / "static"
SCRIPTS = ("agent.js", "agent-surveys.js", "agent-picker.js")
SWITCHES, SURVEYS = "/v1/agent", "/v1/surveys"
PATHS = (*(f"/{name}" for name in SCRIPTS), SWITCHES, SURVEYS)
KEYS_SECONDS = 10.0  # how long a changed switch may go unnoticed
# A browser asks again after 5 minutes, and goes on with what it has meanwhile: a page never waits for the agent.
CACHED = (b"cache-control", b"public, max-age=300, stale-while-revalidate=86400")
NO_STORE = (b"cache-control", b"no-store")
PRIVATE = (b"access-control-allow-private-network", b"true")  # a public page, an Arrivals inside the network
log = logging.getLogger(__name__)


class Surveys(Protocol):
    """What is asked of the surveys: those that this visitor may see, as the agent gets them. Blocks."""

    def __call__(self, source_id: str, *, visitor: str, anonymous: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Script:
    """One script, plain and packed."""

    etag: bytes
    bodies: dict[str, bytes]


class Agent:
    """ASGI application of ``PATHS``. ``surveys`` None: there are none."""

    def __init__(self, surveys: Surveys | None = None) -> None:
        self._surveys = surveys
        self._scripts = {f"/{name}": _script(FOLDER / name) for name in SCRIPTS if (FOLDER / name).exists()}
        self._sources: dict[str, tuple[str, dict[str, Any]]] = {}
        self._read_at = -math.inf
        self._changes = 0
        self._reading = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        try:
            if scope["method"] == "OPTIONS":
                await http.answer(send, 204, None, extra=[PRIVATE])
            elif scope["method"] not in {"GET", "HEAD"}:
                raise MethodNotAllowed(f"{scope['path']} takes GET, not {scope['method']}.")
            elif scope["path"] in {SWITCHES, SURVEYS}:
                await self._told(scope, send)
            else:
                await self._script(scope, send)
        except ArrivalsError as error:
            await http.problem(send, error, b"GET, HEAD, OPTIONS")
        except Exception:
            log.exception("A request of the agent failed.")
            await http.problem(send, ArrivalsError("Something went wrong inside Arrivals."))

    async def _script(self, scope: Any, send: Send) -> None:
        script = self._scripts.get(scope["path"])
        if script is None:
            raise NotFound(f"There is no {scope['path']!r:.80}.")
        headers = dict(scope["headers"])
        wanted = headers.get(b"accept-encoding", b"").decode("latin-1").lower()
        encoding = next((one for one in ("br", "gzip") if one in script.bodies and _takes(wanted, one)), "")
        extra = [
            CACHED,
            (b"etag", script.etag),
            (b"vary", b"accept-encoding"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if script.etag in headers.get(b"if-none-match", b"") or headers.get(b"if-none-match") == b"*":
            await http.answer(send, 304, None, b"text/javascript; charset=utf-8", extra)
            return
        if encoding:
            extra.append((b"content-encoding", encoding.encode()))
        # The server leaves the body of an answer to HEAD out by itself.
        await http.answer(send, 200, script.bodies[encoding], b"text/javascript; charset=utf-8", extra)

    async def _told(self, scope: Any, send: Send) -> None:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        asked = {name: query.get(name, [""])[0] for name in ("key", "visitor", "anonymous")}
        source_id, told = await self._source(asked["key"])
        if scope["path"] == SURVEYS:
            found: list[dict[str, Any]] = []
            if self._surveys is not None:
                found = await asyncio.to_thread(
                    _closing, self._surveys, source_id, visitor=asked["visitor"], anonymous=asked["anonymous"]
                )
            told = {"surveys": found}
        await http.answer(send, 200, told, extra=[NO_STORE])

    async def _source(self, key: str) -> tuple[str, dict[str, Any]]:
        """Id and switches of the source of a write key; an unknown key is looked for at most once a second."""
        if self._old(key):
            async with self._reading:
                if self._old(key):
                    changes = switches.changes[0]
                    self._sources = await asyncio.to_thread(_closing, switches.by_key)
                    # Not before: a request that comes meanwhile must wait, and not be told what held until now.
                    self._changes, self._read_at = changes, time.monotonic()
        found = self._sources.get(key)
        if found is None:
            raise NotSignedIn("The write key is missing or wrong; send it as key.")
        return found

    def _old(self, key: str) -> bool:
        age = time.monotonic() - self._read_at
        return age > (KEYS_SECONDS if key in self._sources else 1) or self._changes != switches.changes[0]


def _script(path: Path) -> Script:
    plain = path.read_bytes()
    bodies = {"": plain, "gzip": gzip.compress(plain, 9, mtime=0)}
    if (packed := path.with_name(f"{path.name}.br")).exists():
        bodies["br"] = packed.read_bytes()
    return Script(b'W/"%s"' % hashlib.sha256(plain).hexdigest()[:20].encode(), bodies)


def _takes(accepted: str, encoding: str) -> bool:
    for one in accepted.split(","):
        name, _, quality = one.strip().partition(";")
        if name.strip() == encoding:
            return quality.replace(" ", "") not in {"q=0", "q=0.0"}
    return False


def _closing(call: Any, *given: Any, **named: Any) -> Any:
    close_old_connections()
    try:
        return call(*given, **named)
    finally:
        close_old_connections()
