"""The warehouse's tables are brought up to date under data, under inserts, and after being killed anywhere."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from arrivals import clock
from arrivals.warehouse import client, migrate
from arrivals.warehouse.client import Warehouse
from conftest import HOME

numbers = itertools.count()
EVENT = ("source_id", "message_hash", "message_id", "kind", "name", "visitor_id", "account_id", "ts", "received_at")


@pytest.fixture
def old() -> Iterator[Warehouse]:
    """A warehouse as the first version made it, with data of then."""
    store = Warehouse(f"chdb://{HOME / 'warehouse'}", database=f"old_{next(numbers)}")
    client.use(store)
    name = "0001_events.sql"
    store.command(
        "CREATE TABLE migrations (number UInt32, name String, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY number"
    )
    for statement in migrate.statements((migrate.FOLDER / name).read_text(encoding="utf-8")):
        store.command(statement)
    store.insert("migrations", [[1, name]], ["number", "name"])
    add(store, range(1_000))
    yield store
    store.command(f"DROP DATABASE `{store.database}`")
    store.close()


def add(store: Warehouse, range_: range) -> None:
    now = clock.now()
    rows = [["s", n, f"m{n}", "track", "x", f"v{n % 50}", f"a{n % 7}", now, now] for n in range_]
    store.insert("events", rows, EVENT)


def looks(store: Warehouse) -> tuple[Any, ...]:
    """The tables and what is in them."""
    tables = store.query(
        "SELECT name, engine_full, as_select FROM system.tables WHERE database = currentDatabase() "
        "AND name NOT LIKE '.%' ORDER BY name"
    )
    accounts = "SELECT account_id, visitor, min(first), max(last) FROM account_visitors GROUP BY ALL ORDER BY ALL"
    return (
        [(name, made.replace(store.database, "db"), chosen.replace(store.database, "db")) for name, made, chosen in tables],
        store.query(accounts),
        store.query("SELECT count(), uniqExact(message_id) FROM events"),
    )  # fmt: skip


def test_a_warehouse_of_the_first_version_is_brought_up_to_date_with_its_data(old: Warehouse) -> None:
    applied = migrate.migrate(old)
    assert applied[0] == "0002_membership.sql"
    tables, accounts, events = looks(old)
    assert len(accounts) == 350, "what was there before is in the tables that came later"
    assert events == [(1_000, 1_000)]
    assert "by_time" in str(old.query("SELECT name FROM system.projections WHERE database = currentDatabase()"))
    assert tables
    assert migrate.migrate(old) == []


class Died(BaseException):
    """Stands for kill -9: no handler of the product catches it."""


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "before it is noted"])
def test_killed_at_any_statement_the_next_start_ends_the_same(
    old: Warehouse, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """One kill at each statement, one after the other, as if the machine went down again and again."""
    done: set[str] = set()
    real = Warehouse.command

    def command(self: Warehouse, sql: str, parameters: Any = None, *, seconds: float = 600) -> None:
        new = sql not in done and "migration" not in sql
        if new and not after:
            done.add(sql)
            raise Died
        real(self, sql, parameters, seconds=seconds)
        if new:
            done.add(sql)
            raise Died

    kills = 0
    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "command", command)
        while True:
            try:
                migrate.migrate(old)
                break
            except Died:
                kills += 1
    assert kills == len(done) > 15
    broken = looks(old)
    whole = Warehouse(f"chdb://{HOME / 'warehouse'}", database=f"old_{next(numbers)}")
    migrate.migrate(whole)
    assert broken[0] == looks(whole)[0]
    assert (len(broken[1]), broken[2]) == (350, [(1_000, 1_000)])
    whole.command(f"DROP DATABASE `{whole.database}`")
    whole.close()


def test_events_that_come_in_meanwhile_are_in_the_new_tables_too(old: Warehouse) -> None:
    ended = threading.Event()
    batches = itertools.count(1)

    def insert() -> None:
        while not ended.is_set():
            start = next(batches) * 1_000
            add(old, range(start, start + 20))

    load = threading.Thread(target=insert)
    load.start()
    try:
        migrate.migrate(old)
    finally:
        ended.set()
        load.join()
    [(events, named)] = old.query(
        "SELECT count(), countIf((account_id, visitor) IN (SELECT account_id, visitor FROM account_visitors)) FROM events"
    )
    assert events == named > 1_000
