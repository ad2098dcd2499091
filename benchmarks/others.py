"""DuckDB and PostgreSQL with the same events, for benchmarks that ask them the same questions.

DuckDB takes part where it is installed (``pip install duckdb``; it is no requirement of ours), PostgreSQL where its binaries
are. Both get one table of events with the types, the order and the indexes that somebody who knows them would choose.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arrivals.warehouse.client import Warehouse

Ask = Callable[[str], list[tuple[Any, ...]]]
EXPORT = (
    "SELECT visitor_id, account_id, name, ts, JSONExtractFloat(properties, 'revenue') AS revenue FROM events ORDER BY visitor_id, ts",
    "SELECT visitor_id, any(value) AS plan FROM visitor_fields WHERE grp = 'agent' AND field = 'plan' GROUP BY visitor_id",
)
TABLES = ("events", "plans")


def duckdb(store: Warehouse, folder: Path) -> Ask | None:
    """A DuckDB of two threads in ``folder``, loaded, with rows sorted by visitor and time; None: it is not installed."""
    if importlib.util.find_spec("duckdb") is None:
        print("DuckDB is not installed, so it was not asked (pip install duckdb).")
        return None
    import duckdb as engine  # type: ignore[import-not-found]

    began = time.perf_counter()
    connection = engine.connect(str(folder / "duck.db"), config={"threads": 2, "memory_limit": "8GB"})
    connection.execute("SET TimeZone = 'UTC'")
    for table, sql in zip(TABLES, EXPORT, strict=True):
        path = folder / f"{table}.parquet"
        store.command(f"INSERT INTO FUNCTION file('{path}', 'Parquet') {sql}", seconds=3600)
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{path}')")
        path.unlink()
    print(f"DuckDB loaded in {time.perf_counter() - began:.0f} s")
    return lambda sql: [tuple(row) for row in connection.execute(sql).fetchall()]


def postgres(store: Warehouse, folder: Path) -> Ask | None:
    """A PostgreSQL of its own with 4 GB of shared buffers, loaded, indexed, analysed; None: it is not installed."""
    from tests import postgres as server

    if server.BINARIES is None:
        print("PostgreSQL is not installed, so it was not asked.")
        return None
    import psycopg

    began = time.perf_counter()
    home = Path(tempfile.mkdtemp(prefix="arrivals-benchmark-"))  # the server outlives the folder of the benchmark
    home.chmod(0o755)
    connection = psycopg.connect(server.start(home / "postgres"), autocommit=True)
    execute: Any = connection.execute
    execute("SET TimeZone = 'UTC'")
    execute("SET work_mem = '512MB'")
    execute("SET maintenance_work_mem = '2GB'")
    execute("SET effective_cache_size = '12GB'")
    execute("CREATE TABLE events (visitor_id text, account_id text, name text, ts timestamptz, revenue float8)")
    execute("CREATE TABLE plans (visitor_id text PRIMARY KEY, plan text)")
    for table, sql in zip(TABLES, EXPORT, strict=True):
        path = folder / f"{table}.csv"
        store.command(f"INSERT INTO FUNCTION file('{path}', 'CSV') {sql}", seconds=3600)
        with (
            connection.cursor() as cursor,
            path.open("rb") as file,
            cursor.copy(f"COPY {table} FROM STDIN CSV".encode()) as copy,
        ):
            while block := file.read(1 << 20):
                copy.write(block)
        path.unlink()
    execute("CREATE INDEX ON events (visitor_id, ts)")
    execute("CREATE INDEX ON events (name, ts) INCLUDE (visitor_id)")
    execute("VACUUM ANALYZE")
    print(f"PostgreSQL loaded in {time.perf_counter() - began:.0f} s")
    return lambda sql: list(execute(sql).fetchall())
