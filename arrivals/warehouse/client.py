"""The way to the warehouse: a pool of clients, each used by one thread at a time.

A ClickHouse client is a serial queue (a writer would wait behind every read), so a call checks one out, uses it alone
and puts it back. All calls block: on an event loop, run them in a thread. Values travel as bound parameters only:
``{name:Type}`` in the SQL, the value in ``parameters``.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, LifoQueue
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from arrivals import config
from arrivals.errors import CheckTimeout, Unavailable

SETTINGS = {"join_use_nulls": 1, "max_partitions_per_insert_block": 0}
# Little is read there, and many threads take longer to begin than to read it.
ALONE = {**SETTINGS, "max_threads": 1}
TIMEOUT_CODE = 159
DATABASE = "arrivals"
ELSEWHERE = "The event store is in another process."


class Warehouse:
    """One warehouse. ``url`` is chdb:///folder or a ClickHouse server's; ``database`` holds the tables."""

    here = True  # whether this process can ask it

    def __init__(self, url: str, *, database: str = "", size: int = 8) -> None:
        self.url = url
        self.database = database or _database(url)
        self._idle: LifoQueue[Any] = LifoQueue()
        self._room = threading.BoundedSemaphore(size)
        self._all: list[Any] = []
        self._types: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._lock = threading.Lock()
        self._sessions: list[Session] = []  # those that nobody uses now

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 30
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a SELECT.

        Raises:
            CheckTimeout: it took longer than ``seconds``.
            Unavailable: the warehouse cannot be reached, or every client is busy for 60 s.
        """
        with self._client() as client, _translated():
            answer = client.query(sql, parameters=dict(parameters or {}), settings=_limits(seconds))
            return list(map(tuple, answer.result_rows))

    def blocks(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 600
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a SELECT block by block, so that a long answer never stands in memory as a whole.

        The client stays checked out until the iterator is exhausted or closed. Raises as ``query`` does.
        """
        with self._client() as client, _translated():
            stream = client.query_row_block_stream(sql, parameters=dict(parameters or {}), settings=_limits(seconds))
            with stream:
                for block in stream:
                    yield [tuple(row) for row in block]

    def strings(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 600
    ) -> Iterator[Sequence[bytes]]:
        """Yield the values of the one String column of a SELECT as bytes, block by block; as ``blocks``, but quicker."""
        with self._client() as client, _translated():
            stream = client.query_column_block_stream(
                sql, parameters=dict(parameters or {}), settings=_limits(seconds), query_formats={"String": "bytes"}
            )
            with stream:
                for block in stream:
                    yield block[0]

    def insert(self, table: str, rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> None:
        """Insert rows in one block; on return they are on disk (the tables' fsync settings). Nothing for no rows."""
        if rows:
            with self._client() as client, _translated():
                client.insert(table, rows, column_names=list(columns))

    def insert_columns(self, table: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Insert column by column, which is quicker for many rows; durable on return as ``insert`` is."""
        if columns and len(next(iter(columns.values()))):
            names = tuple(columns)
            with self._client() as client, _translated():
                # Asked for once: otherwise each insert first asks what the table's columns are, which takes as long.
                types = self._types.get((table, names))
                if types is None:
                    types = client.create_insert_context(table, list(names)).column_types
                    self._types[table, names] = types
                data = list(columns.values())
                client.insert(table, data, column_names=list(names), column_types=types, column_oriented=True)

    def numbers(self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 600) -> Any:
        """The columns of a SELECT, all of one type of number, as one numpy array: row after row."""
        with self._client() as client, _translated():
            found = client.query_np(sql, parameters=dict(parameters or {}), settings=_limits(seconds))
            return found.reshape(-1)

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 600) -> None:
        """Run a statement that returns nothing, such as INSERT ... SELECT."""
        with self._client() as client, _translated():
            client.command(sql, parameters=dict(parameters or {}), settings=_limits(seconds))

    def close(self) -> None:
        """Close every client. The embedded engine ends with its last client."""
        with self._lock:
            clients, self._all = self._all, []
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()
        self._idle = LifoQueue()
        for client in clients:
            client.close()

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """One client of one's own for the block: the temporary tables that it makes last as long."""
        with self._lock:
            own = self._sessions.pop() if self._sessions else Session(self)
        try:
            yield own
        except BaseException:
            own.close()
            raise
        own.clear()
        with self._lock:
            self._sessions.append(own)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        if not self._room.acquire(timeout=60):
            raise Unavailable("The warehouse is busy; try again in a moment.", retry_after=5)
        try:
            try:
                client = self._idle.get_nowait()
            except Empty:
                client = self._connect()
            try:
                yield client
            finally:
                self._idle.put(client)
        finally:
            self._room.release()

    def _connect(self) -> Any:
        with self._lock, _translated():
            if not self._all:
                first = self._open("default")
                first.command(f"CREATE DATABASE IF NOT EXISTS `{self.database}`")
                self._all.append(first)  # kept open: the embedded engine ends with its last client
            client = self._open(self.database)
            self._all.append(client)
            return client

    def _open(self, database: str) -> Any:
        if self.url.startswith("chdb:"):
            return clickhouse_connect.get_client(dsn=self.url, database=database, settings=SETTINGS, tz_mode="aware")
        # Without a session, calls of several clients do not wait for one another on the server.
        return clickhouse_connect.get_client(
            dsn=self.url, database=database, settings=SETTINGS, tz_mode="aware", autogenerate_session_id=False
        )


class Session(Warehouse):
    """The same warehouse through one client only, so that temporary tables last from call to call: see ``near``."""

    def __init__(self, main: Warehouse) -> None:
        super().__init__(main.url, database=main.database, size=1)
        self.temporary: list[str] = []

    def temporarily(self, table: str, columns: str, engine: str) -> None:
        """Make a table that only this session sees, in the place of the one of that name."""
        self.command(f"CREATE TEMPORARY TABLE {table} ({columns}) ENGINE = {engine}")
        self.temporary.append(table)

    def clear(self) -> None:
        """Drop the tables that it made."""
        while self.temporary:
            self.command(f"DROP TEMPORARY TABLE {self.temporary.pop()}")

    def _connect(self) -> Any:
        with self._lock, _translated():
            only = self._open(self.database)
            self._all.append(only)
            return only

    def _open(self, database: str) -> Any:
        if self.url.startswith("chdb:"):
            return clickhouse_connect.get_client(dsn=self.url, database=database, settings=ALONE, tz_mode="aware")
        return clickhouse_connect.get_client(
            dsn=self.url, database=database, settings=ALONE, tz_mode="aware", autogenerate_session_id=True
        )


class Elsewhere(Warehouse):
    """Stands for an embedded warehouse that another process has: here nothing can be asked of it."""

    here = False

    @contextmanager
    def session(self) -> Iterator["Session"]:
        raise Unavailable(ELSEWHERE, retry_after=5)
        yield

    @contextmanager
    def _client(self) -> Iterator[Any]:
        raise Unavailable(ELSEWHERE, retry_after=5)
        yield


_current: list[Warehouse] = []
_instead: ContextVar[Warehouse | None] = ContextVar("_instead", default=None)


@contextmanager
def instead(store: Warehouse) -> Iterator[None]:
    """For the block, and in this thread only, ``store`` is the warehouse that questions go to."""
    token = _instead.set(store)
    try:
        yield
    finally:
        _instead.reset(token)


def warehouse() -> Warehouse:
    """The warehouse of this process, by its settings. Ask each time; do not keep it."""
    if (other := _instead.get()) is not None:
        return other
    if not _current:
        use(Warehouse(config.current().warehouse_url))
    return _current[0]


def use(store: Warehouse) -> None:
    """Make ``store`` the warehouse of this process (each test module has a database of its own)."""
    _current[:] = [store]


def _database(url: str) -> str:
    path = urlsplit(url).path.strip("/")
    return DATABASE if url.startswith("chdb:") or not path else path


def _limits(seconds: float) -> dict[str, Any]:
    return {"max_execution_time": seconds}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        text = str(error)
        if "TIMEOUT_EXCEEDED" in text or f"Code: {TIMEOUT_CODE}" in text:
            raise CheckTimeout(retry_after=60) from error
        raise
    except (ConnectionError, OSError) as error:
        raise Unavailable("The warehouse cannot be reached.", retry_after=5) from error
