"""The one way into the warehouse: group commit. See the docstring of ``Writer.run`` for the steps."""

from collections.abc import Sequence
from typing import Protocol

from arrivals.collect.event import Event


class Store(Protocol):
    """What the writer needs of the warehouse (``arrivals.warehouse.events.EventStore``). Every call blocks, and
    returns when the rows are on disk."""

    def recent(self, since_ms: int) -> "object": ...
    def known(self, hashes: Sequence[int], ids: Sequence[str], since_ms: int) -> set[int]: ...
    def append(self, events: Sequence[Event]) -> None: ...


class Writer:
    """Takes events of many requests, writes them together, and answers when they are on disk."""

    def __init__(self, store: Store, *, room: int = 20_000) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        """Write what is queued, then end."""
        raise NotImplementedError

    async def write(self, events: Sequence[Event], *, history: bool = False) -> list[bool]:
        """Return, when all are durable, for each event whether it is new (False: its message id was known).

        ``history`` compares with all events of the store and not only with the past 7 days (imports).

        Raises:
            Unavailable: the queue is full or the writer is stopping; nothing of this call was kept.
        """
        raise NotImplementedError


_current: list[Writer] = []


def current() -> Writer:
    """The writer of this process. Raises Unavailable where the collector runs elsewhere."""
    from arrivals.errors import Unavailable

    if not _current:
        raise Unavailable("This process does not take events; send them to the collector.", retry_after=5)
    return _current[0]


def use(writer: Writer) -> None:
    _current[:] = [writer]
