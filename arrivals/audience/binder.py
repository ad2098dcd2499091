"""The values of a query in the making."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace


class Keys:
    """Numbers that are bound as one text. The client puts together a list, and escapes a str, piece by piece, which
    takes longer than many a question; of any other object it takes the text as it is."""

    def __init__(self, keys: Iterable[int]) -> None:
        self.text = f"[{','.join([str(int(one)) for one in keys])}]"

    def __str__(self) -> str:
        return self.text


class Binder:
    """Collects the values of a query under unique names, so that none of them ever stands in the SQL.

    ``now`` is the moment that relative times count from (default: the present). ``zone`` is the IANA name of the time
    zone that days are of (default: the workspace's).
    """

    def __init__(self, prefix: str, now: datetime | None = None, zone: str = "") -> None:
        self.prefix = prefix
        self.now = now or clock.now()
        self._zone = zone
        self.parameters: dict[str, Any] = {}

    @property
    def zone(self) -> str:
        return self._zone or workspace.time_zone()

    def add(self, value: Any, kind: str) -> str:
        """Bind ``value``; return its placeholder for a ClickHouse type such as String or Array(Float64)."""
        name = f"{self.prefix}{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def keys(self, keys: Iterable[int]) -> str:
        """Bind any number of keys."""
        return self.add(Keys(keys), "Array(UInt64)")

    def time(self, milliseconds: int) -> str:
        """Bind milliseconds since 1970 as a time."""
        return f"fromUnixTimestamp64Milli({self.add(milliseconds, 'Int64')}, 'UTC')"

    def day(self, ts: str) -> str:
        """The day, in the time zone, of a time (an SQL expression)."""
        return f"toDate32({ts}, {self.add(self.zone, 'String')})"
