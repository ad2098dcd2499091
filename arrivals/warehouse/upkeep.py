"""What keeps the warehouse well for months: its disk, the parts of its tables, what is being merged. Blocks.

Every insert makes a part in each partition that it touches, and the engine merges parts in the background; with more than
``MOST_PARTS`` in one partition it makes inserts wait. See docs/operations.md.
"""

import shutil
from dataclasses import dataclass
from urllib.parse import urlsplit

from arrivals import config
from arrivals.warehouse import client

MEGABYTE = 1024 * 1024
LOW_SHARE = 0.1  # with less than this free, and less than ...
LOW_RESERVES = 10  # ... so many times the reserve, somebody should make room
MANY_PARTS = 300  # in one partition: merges do not keep up
MOST_PARTS = 1_000  # from here on the engine makes inserts wait (its setting parts_to_delay_insert)


@dataclass(frozen=True)
class Disk:
    """The disk of the event store, in bytes. ``reserve`` is to stay free."""

    free: int
    total: int
    reserve: int

    @property
    def full(self) -> bool:
        """Nearly: events are refused."""
        return self.free < self.reserve

    @property
    def low(self) -> bool:
        """Before it is nearly full."""
        return self.free < self.total * LOW_SHARE and self.free < self.reserve * LOW_RESERVES

    @property
    def sentence(self) -> str:
        """How it is, and what is to be done where it is low."""
        told = f"{_told(self.free)} of {_told(self.total)} are free"
        if self.full:
            return f"Only {told}: events are refused until there is more than {_told(self.reserve)}. Make room, or move the folder to a larger disk."
        if self.low:
            return f"Only {told}; with less than {_told(self.reserve)} events are refused. Make room."
        return f"{told}."


@dataclass(frozen=True)
class Table:
    """A table's active parts: how many in all, and in its fullest partition; rows, and bytes on disk."""

    name: str
    parts: int
    most: int
    rows: int
    size: int


def disk() -> Disk:
    """The disk of the event store: of the folder of an embedded one, else the fullest that the server has."""
    reserve = config.current().reserve_mb * MEGABYTE
    url = client.warehouse().url
    if url.startswith("chdb:"):
        usage = shutil.disk_usage(urlsplit(url).path)
        return Disk(usage.free, usage.total, reserve)
    rows = client.warehouse().query(
        "SELECT unreserved_space, total_space FROM system.disks WHERE total_space > 0 AND type = 'Local' ORDER BY unreserved_space LIMIT 1"
    )
    free, total = rows[0] if rows else (2**62, 2**62)  # on storage without an end
    return Disk(int(free), int(total), reserve)


def tables() -> list[Table]:
    """The tables of this warehouse that have parts, the largest first."""
    rows = client.warehouse().query(
        "SELECT table, sum(n), max(n), sum(held), sum(size) FROM (SELECT table, count() AS n, sum(rows) AS held, "
        "sum(bytes_on_disk) AS size FROM system.parts WHERE active AND database = currentDatabase() "
        "GROUP BY table, partition_id) GROUP BY table ORDER BY sum(size) DESC"
    )
    return [Table(str(name), *map(int, rest)) for name, *rest in rows]


def under_way() -> tuple[int, int]:
    """How many merges run, and how many changes of rows (mutations) are not done yet."""
    [(merges, mutations)] = client.warehouse().query(
        "SELECT (SELECT count() FROM system.merges WHERE database = currentDatabase()), "
        "(SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done)"
    )
    return int(merges), int(mutations)


def logs() -> list[tuple[str, int]]:
    """The engine's own logs that have an end to nothing: name and bytes, those over 100 MB. The embedded one keeps none."""
    rows = client.warehouse().query(
        "SELECT table, sum(bytes_on_disk) AS size FROM system.parts WHERE active AND database = 'system' AND table LIKE '%\\_log%' "
        "GROUP BY table HAVING size > 100000000 ORDER BY size DESC"
    )
    return [(str(name), int(size)) for name, size in rows]


def advice() -> list[str]:
    """What a person should do now, each as a sentence; empty when all is well."""
    found = []
    if (one := disk()).low or one.full:
        found.append(one.sentence)
    found += [
        f"The table {one.name} has {one.most:,} parts in one partition: merges do not keep up with small inserts. "
        "Send events in larger batches, or give the machine a faster disk."
        for one in tables()
        if one.most > MANY_PARTS
    ]
    found += [
        f"The engine's own log system.{name} takes {_told(size)}: limit it with ALTER TABLE system.{name} MODIFY TTL "
        "event_date + INTERVAL 7 DAY."
        for name, size in logs()
    ]
    return found


def _told(size: int) -> str:
    for unit, least in (("TB", 1024**4), ("GB", 1024**3), ("MB", MEGABYTE)):
        if size >= least:
            return f"{size / least:,.1f} {unit}"
    return f"{size:,} bytes"
