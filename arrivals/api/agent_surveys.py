"""``GET /v1/surveys``: which surveys a visitor may be shown now, told to our agent. An ASGI application.

The write key is public, so this answers whoever asks. It tells the surveys themselves, and nothing of the visitor but
that their turn has come.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs

from django.db import close_old_connections

from arrivals import clock
from arrivals.audience import survey_pages, survey_turns, surveys
from arrivals.audience.models import Page, Survey
from arrivals.collect import agent, http
from arrivals.collect.event import LONGEST_ID
from arrivals.collect.http import Send
from arrivals.errors import ArrivalsError, Invalid, MethodNotAllowed, Unavailable

PATH = agent.SURVEYS
REMEMBERED_SECONDS = 5.0  # how long a survey that was paused may still be shown
AGAIN_SECONDS = 300  # when the agent asks again on a page that stays open
THREADS = 2
MOST_WAITING = 200
NO_STORE = [(b"cache-control", b"no-store")]
log = logging.getLogger(__name__)
T = TypeVar("T")


class Surveys:
    """``source`` gives the source of a write key, and raises NotSignedIn for one that is not known."""

    def __init__(self, source: Callable[[str], Awaitable[str]]) -> None:
        self._source = source
        self._live: list[Survey] = []
        self._pages: dict[str, Page] = {}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()
        self._waiting = 0
        # Threads of its own, so that many visitors who ask keep nothing else waiting.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="surveys")

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        try:
            if scope["method"] == "OPTIONS":
                await http.answer(send, 204, None, extra=[agent.PRIVATE])
                return
            if scope["method"] != "GET":
                raise MethodNotAllowed(f"{PATH} takes GET, not {scope['method']}.")
            await http.answer(send, 200, await self._told(scope), extra=NO_STORE)
        except ArrivalsError as error:
            await http.problem(send, error, b"GET, OPTIONS")
        except Exception:
            log.exception("A request for surveys failed.")
            await http.problem(send, ArrivalsError("Something went wrong inside Arrivals."))

    async def _told(self, scope: Any) -> dict[str, Any]:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        given = {name: query.get(name, [""])[0].strip() for name in ("key", "visitor", "anonymous", "language", "show")}
        for name in ("visitor", "anonymous"):
            if len(given[name]) > LONGEST_ID:
                raise Invalid(f"It must be a text of at most {LONGEST_ID} characters.", path=name)
        source_id = await self._source(given["key"])
        mine = [one for one in await self._definitions() if surveys.in_source(one, source_id)]
        if given["show"]:  # the page itself asks for this one, whoever it is
            mine = [one for one in mine if one.key == given["show"]]
        elif mine:
            mine = await self._due(mine, given["visitor"], given["anonymous"])
        languages = [given["language"], *_accepted(scope)]
        told = []
        for one in mine:
            where = survey_pages.told(one.definition["pages"], self._pages, source_id)
            if given["show"] or where is not None:
                told.append(surveys.for_agent(one.id, surveys.definition(one), languages, where or []))
        return {"surveys": told, "again": AGAIN_SECONDS}

    async def _definitions(self) -> list[Survey]:
        if time.monotonic() - self._read_at > REMEMBERED_SECONDS:
            async with self._reading:
                if time.monotonic() - self._read_at > REMEMBERED_SECONDS:
                    self._live, self._pages = await self._thread(_live)
                    self._read_at = time.monotonic()
        return self._live

    async def _due(self, mine: list[Survey], visitor: str, anonymous: str) -> list[Survey]:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Many visitors ask for surveys at once; ask again later.", retry_after=AGAIN_SECONDS)
        self._waiting += 1
        try:
            return await self._thread(
                lambda: survey_turns.of(mine, visitor=visitor, anonymous=anonymous, now=clock.now())
            )
        finally:
            self._waiting -= 1

    async def _thread(self, work: Callable[[], T]) -> T:
        def connected() -> T:
            close_old_connections()
            try:
                return work()
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._threads, connected)


def _live() -> tuple[list[Survey], dict[str, Page]]:
    """The surveys that are live, and the pages that they name."""
    found = surveys.live()
    return found, survey_pages.of(found)


def _accepted(scope: Any) -> list[str]:
    """The languages of the browser, the best first as browsers send them."""
    header = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
    return [one.partition(";")[0].strip() for one in header.split(",")[:20] if one.strip()]
