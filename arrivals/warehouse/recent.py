"""What came in lately, and how far it is known: the table ``recent``. Blocks.

Views fill it with each insert of events, metadata and links; a row has a number, ``seq``, that never goes back while the
engine runs. A *mark* is such a number, of which it is known that everything with a lower one can be read. That is not so
at once: of an insert the view's rows may be seen before the events themselves, or the other way round. So a mark is
settled when every insert that was under way when it was taken has ended.

The order holds within an *epoch*. A new one begins when the engine starts (the tables are in its memory, and a killed
insert may have reached one table and not the other), when an insert fails, when rows are deleted or rewritten (each
such mutation, when it begins and when it is done), and whenever ``disturb`` is called.
"""

import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from arrivals.warehouse import client

# A change of rows that are there already changes who is on a report without anything new coming in.
TABLES = (
    "events",
    "visitors",
    "account_visitors",
    "visitor_fields",
    "account_fields",
    "links",
    "memberships",
    "erasing",
)
KEPT_MINUTES = 30  # rows that are older are dropped ...
MOST_MINUTES = 20  # ... so a mark may be used for this long
MILLISECONDS_SHIFT = 22  # a number holds its time, in milliseconds, above so many bits
FULL = 2_000_000  # the table's min_rows_to_keep: below it nothing is dropped for want of room
PENDING = 64
_failed: list[str] = []  # disturbances that could not be written down


class Marks:
    """Takes marks. One for a process and warehouse."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[tuple[int, set[str]]] = []
        self._settled = 0

    def settled(self) -> int:
        """The newest mark that is settled; 0 while none is."""
        store = client.warehouse()
        with self._lock:
            [(mark,)] = store.query("SELECT generateSnowflakeID()")
            # Asked for after the mark was taken: an insert that has a lower number and has not ended is among them.
            rows = store.query(
                "SELECT query_id FROM system.processes WHERE query_kind NOT IN ('Select', 'Explain', 'System')"
            )
            running = {str(one) for (one,) in rows}
            self._pending.append((int(mark), running))
            left = []
            for taken, before in self._pending:
                before &= running
                if before:
                    left.append((taken, before))
                else:
                    self._settled = max(self._settled, taken)
            self._pending = [one for one in left if one[0] > self._settled][-PENDING:]
            return self._settled


_marks: dict[int, Marks] = {}


def settled() -> int:
    """The newest settled mark of this process's warehouse; 0 while there is none."""
    store = client.warehouse()
    if id(store) not in _marks:
        _marks.clear()
        _marks[id(store)] = Marks()
    return _marks[id(store)].settled()


def epoch() -> str:
    """What names the present epoch. To be asked for before anything that is to be compared with it."""
    store = client.warehouse()
    sql = (
        "SELECT (SELECT arraySort(groupArray(toString(id))) FROM epochs), (SELECT groupBitXor(cityHash64(table, mutation_id, "
        "is_done)) FROM system.mutations WHERE database = currentDatabase() AND table IN {tables:Array(String)})"
    )
    [(ids, mutations)] = store.query(sql, {"tables": list(TABLES)})
    if not ids:
        disturb()
        [(ids, mutations)] = store.query(sql, {"tables": list(TABLES)})
    return hashlib.sha256(repr((ids, mutations, _failed)).encode()).hexdigest()


def disturb() -> None:
    """Begin a new epoch: every report is looked at in full the next time.

    For whoever changes what is stored in another way than by inserting rows or by a mutation (ALTER TABLE ... DELETE or
    UPDATE, DELETE FROM): drops partitions, or restores a copy. Only after the change can be seen.
    """
    named = uuid.uuid4()
    try:
        client.warehouse().insert("epochs", [[named]], ["id"])
    except Exception:
        _failed.append(str(named))
        raise


@contextmanager
def noted() -> Iterator[None]:
    """Around inserts of what is watched: one that fails may have been done in part, so it begins a new epoch."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # then it is remembered in this process; what failed first is told
            disturb()
        raise


def oldest() -> int:
    """The oldest mark since which everything is still there."""
    sql = (
        "SELECT bitShiftLeft(bitShiftRight(generateSnowflakeID(), 22) - {ms:UInt64}, 22), count(), min(seq) FROM recent"
    )
    [(by_time, rows, by_room)] = client.warehouse().query(sql, {"ms": MOST_MINUTES * 60_000})
    return max(int(by_time), int(by_room) if int(rows) >= FULL else 0)


def trim() -> None:
    """Drop what no mark may reach back to any more."""
    client.warehouse().command(
        "ALTER TABLE recent DELETE WHERE seq < bitShiftLeft(bitShiftRight(generateSnowflakeID(), 22) - {ms:UInt64}, 22)",
        {"ms": KEPT_MINUTES * 60_000},
    )
