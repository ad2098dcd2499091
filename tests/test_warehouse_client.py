"""The way to the warehouse."""

import pytest

from arrivals.errors import CheckTimeout
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.migrate import migrate


def test_values_are_bound_and_never_part_of_the_sql(fresh: Warehouse) -> None:
    nasty = "x'; DROP TABLE events; --\\"
    assert fresh.query("SELECT {a:String}, has({b:Array(String)}, {a:String})", {"a": nasty, "b": [nasty]}) == [
        (nasty, 1)
    ]


def test_a_query_that_takes_too_long_is_a_check_timeout(fresh: Warehouse) -> None:
    with pytest.raises(CheckTimeout):
        fresh.query("SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))", seconds=0.2)


def test_migrations_are_applied_once(fresh: Warehouse) -> None:
    assert migrate(fresh) == []


def test_the_suite_runs_on_the_database_it_says() -> None:
    import os

    from django.db import connection

    assert (
        connection.vendor
        == {"sqlite": "sqlite", "postgres": "postgresql"}[os.environ.get("ARRIVALS_TEST_DATABASE", "sqlite")]
    )
