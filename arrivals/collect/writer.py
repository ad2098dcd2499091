"""The one way into the warehouse: group commit. See ``Writer._run`` for the steps."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from arrivals.collect.event import Event
from arrivals.collect.known import SPAN_MS, Known, message_hash
from arrivals.errors import TooMany, Unavailable

log = logging.getLogger(__name__)
GROUP = 5_000
ROOM_SECONDS = 5.0  # how often the room on the disk is looked at
MENDED_MS = 3_600_000  # how far back a start makes good what a killed insert left out
LAST_MS = 7_258_118_400_000  # 2200-01-01


class Store(Protocol):
    """What the writer needs of the warehouse (``arrivals.warehouse.events.EventStore``). Every call blocks.

    ``append`` returns when all is on disk. It writes the events last: repeated after a crash in between, it ends the same.
    """

    def mend(self, since_ms: int) -> None: ...
    def room(self) -> bool: ...
    def hashes_since(self, since_ms: int) -> Any: ...
    def present(self, hashes: Sequence[int], *, first_ms: int, last_ms: int) -> set[tuple[str, str]]: ...
    def append(self, events: Sequence[Event], hashes: Sequence[int]) -> None: ...


@dataclass(frozen=True)
class Waiting:
    """The events of one request, and whom to tell."""

    events: Sequence[Event]
    history: bool
    done: asyncio.Future[list[bool]]


class Writer:
    """Takes the events of many requests, writes them together, and answers when they are on disk.

    ``room`` is how many events may wait: beyond it a request is refused before anything of it is kept. Whoever wants to
    know at once that something new can be read is called after each group: see ``tell``.
    """

    def __init__(self, store: Store, *, room: int = 20_000) -> None:
        self.store = store
        self.room = room
        self.queued = 0
        self.groups = self.written = self.refused = self.dropped = 0  # since the start, for the metrics
        self._waiting: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._stopping = self._torn = False
        self._roomy = True
        self._known: Known | None = None
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._told: list[Callable[[], None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    async def start(self) -> None:
        """Load the message ids of the past 7 days and begin."""
        self._known = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        self._task = asyncio.create_task(self._run())
        self._looking = asyncio.create_task(self._look_for_room())

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping = True
        self._wake.set()
        if self._looking is not None:
            self._looking.cancel()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    def tell(self, do: Callable[[], None]) -> None:
        """Call ``do`` on the event loop, after each group that is on disk; it must neither wait nor fail."""
        self._told.append(do)

    async def write(self, events: Sequence[Event], *, history: bool = False) -> list[bool]:
        """Return, when all are durable, for each event whether it is new (False: its message id was known).

        ``history`` compares with all events of the store and not only with the past 7 days (imports).

        Raises:
            TooMany: too many wait; nothing of this call was kept. Unavailable: the writer is stopping, the disk is nearly
                full, or the store failed (then this call may be repeated as it is: what was kept of it counts once).
        """
        if self._stopping or self._task is None:
            raise Unavailable("The collector is stopping; send it again in a moment.", retry_after=2)
        if not self._roomy:
            raise Unavailable(
                "The disk is nearly full, so no more events are taken; send it again later.", retry_after=60
            )
        if self.queued + len(events) > self.room and self.queued:
            raise TooMany("Too many events are waiting to be written; send this again in a moment.", retry_after=1)
        if not events:
            return []
        done: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(events, history, done))
        self.queued += len(events)
        self._wake.set()
        return await done

    async def _run(self) -> None:
        """Until stopped:

        1. Take all requests that wait, up to 5,000 events.
        2. Set aside events whose message id was seen: in this group, in the past 7 days, or (imports) ever.
        3. Insert the new ones: metadata and links first, the events last, each insert fsynced.
        4. Remember their message ids and answer the requests.
        Killed before 3 ends, the request has no answer, its sender repeats it, and steps 2 and 3 end what was begun.
        """
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                if self._stopping:
                    return
                self._wake.clear()
                await self._wake.wait()
            group = [self._waiting.popleft()]
            size = len(group[0].events)
            while self._waiting and size + len(self._waiting[0].events) <= GROUP:
                group.append(self._waiting.popleft())
                size += len(group[-1].events)
            try:
                answers = await loop.run_in_executor(self._thread, self._commit, group)
            except Exception:
                log.exception("Events could not be written; their senders were told to send them again.")
                answers = None
                self._torn = True
            self.queued -= size
            for number, waiting in enumerate(group):
                if waiting.done.cancelled():
                    continue
                if answers is None:
                    waiting.done.set_exception(
                        Unavailable("The event could not be written; send it again in a moment.", retry_after=5)
                    )
                else:
                    waiting.done.set_result(answers[number])
            for do in self._told:
                do()

    async def _look_for_room(self) -> None:
        """Refuse events while the disk is nearly full: a full one stops in the middle of an insert."""
        while True:
            try:
                roomy = await asyncio.to_thread(self.store.room)
                if roomy != self._roomy:
                    log.log(
                        logging.INFO if roomy else logging.ERROR,
                        "There is room on the disk again; events are taken." if roomy
                        else "The disk is nearly full: events are refused, and their senders told to try again later.",
                    )  # fmt: skip
                self._roomy = roomy
            except Exception:
                log.exception("It cannot be told how much room the disk has.")
            await asyncio.sleep(ROOM_SECONDS)

    def _load(self) -> Known:
        now = int(time.time() * 1000)
        self.store.mend(now - MENDED_MS)
        return Known(self.store.hashes_since(now - SPAN_MS), now)

    def _commit(self, group: list[Waiting]) -> list[list[bool]]:
        """Steps 2 to 4, in the writer's thread. After one that failed, what it may have left out is made good first."""
        assert self._known is not None
        if self._torn:
            self.store.mend(int(time.time() * 1000) - MENDED_MS)
            self._torn = False
        events = [event for waiting in group for event in waiting.events]
        hashes = [message_hash(event.source_id, event.message_id) for event in events]
        old = self._repeated(group, events, hashes)
        new: list[bool] = []
        seen: set[tuple[str, str, bool]] = set()
        for event in events:
            # Metadata without an event leaves no message id in the store, and may be written twice with the same result.
            counts = bool(event.kind)
            key = (event.source_id, event.message_id, counts)
            new.append(key not in seen and not (counts and key[:2] in old))
            seen.add(key)
        kept = [number for number, is_new in enumerate(new) if is_new]
        try:
            self.store.append([events[number] for number in kept], [hashes[number] for number in kept])
        finally:
            # Also when it failed: some of it may be on disk, and a known hash only makes the store be asked.
            self._known.add((hashes[number] for number in kept if events[number].kind), int(time.time() * 1000))
        self.groups += 1
        self.written += len(kept)
        answers, start = [], 0
        for waiting in group:
            answers.append(new[start : start + len(waiting.events)])
            start += len(waiting.events)
        return answers

    def _repeated(self, group: list[Waiting], events: list[Event], hashes: list[int]) -> set[tuple[str, str]]:
        """Source and message id of those that the store has. A known hash is only a suspicion: the store is asked."""
        assert self._known is not None
        old: set[tuple[str, str]] = set()
        if suspects := self._known.among(hashes):
            times = [event.ts for event, hash_ in zip(events, hashes, strict=True) if hash_ in suspects]
            # A repetition without a timestamp of its own is given a later one: look back as far as ids are known.
            old = self.store.present(sorted(suspects), first_ms=min(times) - SPAN_MS, last_ms=max(times) + SPAN_MS)
            # One whose first telling was of long ago, and whose second has no timestamp, is not there: look everywhere.
            told = {
                hash_ for event, hash_ in zip(events, hashes, strict=True) if (event.source_id, event.message_id) in old
            }
            if rest := suspects - told:
                old |= self.store.present(sorted(rest), first_ms=0, last_ms=LAST_MS)
        ours = [number for number, history in enumerate(_flags(group)) if history]
        if ours:
            # Told live, an event has a time by our clock, which is another by as much as its sender's was wrong.
            times = [events[number].ts for number in ours]
            first, last = min(times) - SPAN_MS, max(times) + SPAN_MS
            old |= self.store.present([hashes[number] for number in ours], first_ms=first, last_ms=last)
        return old


def _flags(group: list[Waiting]) -> list[bool]:
    return [waiting.history for waiting in group for _ in waiting.events]


_current: list[Writer] = []


def current() -> Writer:
    """The writer of this process.

    Raises:
        Unavailable: the collector runs in another process.
    """
    if not _current:
        raise Unavailable("This process does not take events; send them to the collector.", retry_after=5)
    return _current[0]


def use(writer: Writer) -> None:
    """Make ``writer`` the writer of this process."""
    _current[:] = [writer]
