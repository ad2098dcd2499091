"""What all parts of one question to the warehouse share: its moment, its bound values, and whose rows may be read.

A question is about everybody, or about one person. Of one person only the rows of the keys that it is known by are read:
each table of events is ordered by them, so that such a question costs the same however many others there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.audience.binder import Binder
from arrivals.audience.windows import EVER, Window
from arrivals.warehouse import client

LINKS = "(SELECT alias, visitor FROM links FINAL)"
# "last" of a visitor of whom only metadata is known, never an event.
NEVER = "fromUnixTimestamp64Milli(0, 'UTC')"


@dataclass(frozen=True)
class Query:
    """A SELECT and its bound parameters, whose names start with a prefix so that queries can be joined."""

    sql: str
    parameters: dict[str, Any]


def linked() -> bool:
    """Whether any two identities were ever linked; without links the joins are left out."""
    return bool(client.warehouse().query("SELECT 1 FROM links LIMIT 1"))


class Asking:
    """``only``: the keys of the one person that is asked about, its own first; empty: everybody. ``account``: the hash of
    the account that this person belonged to at ``now``, where that is known already."""

    def __init__(
        self,
        now: datetime | None,
        prefix: str,
        *,
        only: Sequence[int] = (),
        links: bool | None = None,
        account: int | None = None,
    ) -> None:
        self.live = now is None
        self.now = clock.utc(now) if now else clock.now()
        self.bind = Binder(prefix, self.now)
        self.linked = linked() if links is None else links
        self.account = account
        self.keys = self.bind.add(list(only), "Array(UInt64)") if only else ""

    def times(self, window: Window = EVER) -> str:
        """The condition on events that they are in a span, and not after the moment of asking."""
        first, last = window.bounds(self.now)
        upper = f"ts <= {self.bind.time(last)}"
        return upper if first is None else f"ts >= {self.bind.time(first)} AND {upper}"

    def own(self, column: str = "visitor") -> str:
        """The condition that a row is of those who are asked about; "1" for everybody."""
        return f"{column} IN {self.keys}" if self.keys else "1"

    @property
    def links(self) -> str:
        """A SELECT in brackets of ``alias`` and ``visitor``, for those who are asked about."""
        return f"(SELECT alias, visitor FROM links FINAL WHERE alias IN {self.keys})" if self.keys else LINKS

    def owner(self, rows: str, select: str, tail: str = "", *, links: str = "") -> str:
        """A SELECT of ``visitor``, the person, and of ``select`` over ``rows`` (a SELECT with ``visitor``), there ``s``.

        ``links``: those that may be needed, where they are not only of those asked about.
        """
        listed = f", {select}" if select else ""
        if not self.linked:
            return f"SELECT s.visitor AS visitor{listed} FROM ({rows}) AS s {tail}".rstrip()
        return (
            f"SELECT coalesce(l.visitor, s.visitor) AS visitor{listed} FROM ({rows}) AS s "
            f"LEFT JOIN {links or self.links} AS l ON s.visitor = l.alias {tail}".rstrip()
        )

    def resolved(self, select: str) -> str:
        """The same set, each linked id replaced by its person."""
        return self.owner(select, "") if self.linked else select

    def everybody(self) -> str:
        """All visitors that there were at the moment of asking."""
        if self.live:
            return self.resolved(f"SELECT visitor FROM visitors WHERE {self.own()} GROUP BY visitor")
        there = f"min(first) <= {self.bind.time(EVER.bounds(self.now)[1])} OR max(last) = {NEVER}"
        return self.resolved(f"SELECT visitor FROM visitors WHERE {self.own()} GROUP BY visitor HAVING {there}")
