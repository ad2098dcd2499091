"""Gives the tests a home folder, a control database and a warehouse of their own.

``ARRIVALS_TEST_DATABASE=postgres`` runs the suite on a Postgres that is started from the installed binaries.
One chDB folder belongs to one process, so there is one warehouse folder per session and one database per module.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import django.conf
import pytest
from hypothesis import settings as search

from tests import postgres

# Where there is a roomy folder in memory the tests write there: they end processes, never the machine, so that waiting
# for a disk proves nothing.
MEMORY = Path("/dev/shm")  # noqa: S108 only the tests' own folders are made in it
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 8 * 2**30:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
HOME = Path(tempfile.mkdtemp(prefix="arrivals-test-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
for name in [name for name in os.environ if name.startswith("ARRIVALS_") and name != "ARRIVALS_TEST_DATABASE"]:
    del os.environ[name]
os.environ["ARRIVALS_HOME"] = str(HOME)
os.environ["ARRIVALS_ALLOW_PRIVATE_NETWORKS"] = "true"
os.environ["DJANGO_SETTINGS_MODULE"] = "arrivals.settings"
DATABASE = os.environ.get("ARRIVALS_TEST_DATABASE", "sqlite")
MISSING = DATABASE == "postgres" and not postgres.BINARIES
if DATABASE == "postgres" and not MISSING:
    os.environ["ARRIVALS_DATABASE_URL"] = postgres.start(HOME / "postgres")

# The same examples each time, so that a suite that passed passes again; HYPOTHESIS_PROFILE=default looks for other ones.
search.register_profile("repeatable", derandomize=True)
search.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

django.setup()
# A password's hash takes half a second on purpose, which says nothing of what the tests are about.
django.conf.settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_sessionstart() -> None:
    """Says in one clear line that the suite does not run on a database that is not there."""
    if MISSING:
        pytest.exit("Skipped: Postgres is not installed, so the suite did not run on it.", returncode=0)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Keep the SQLite test database in a file: the product's threads each open it."""
    from django.conf import settings

    if DATABASE == "sqlite":
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(HOME / "test.db")


@pytest.fixture(scope="session", autouse=True)
def _only_rows_that_are_there_are_deleted(django_db_setup: None) -> None:
    """Emptying every table after each test, and making Django's permissions anew, takes longer than most tests."""
    from django.test import TransactionTestCase

    TransactionTestCase._fixture_teardown = lambda self: _empty()  # type: ignore[attr-defined]


@cache
def _filled() -> str:
    """The statement that tells which tables have rows."""
    from django.db import connection

    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    names = [connection.ops.quote_name(name) for name in tables]
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names)


def _empty() -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_filled())
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {name}")


@pytest.fixture(scope="session", autouse=True)
def _connections_end(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Ends what threads of the tests left connected, so that Postgres lets the test database be dropped."""
    yield
    with django_db_blocker.unblock():
        from django.db import connection

        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(autouse=True)
def _the_workspace_is_asked_again() -> Iterator[None]:
    """Lets no test see the time zone that another one set."""
    from arrivals.accounts import workspace

    workspace.forget()
    yield
    workspace.forget()


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest) -> Iterator["object"]:
    """The warehouse of this test module, empty at its start, and in use by the product."""
    from arrivals.warehouse import client, migrate

    own = client.Warehouse(f"chdb://{HOME / 'warehouse'}", database="test_" + request.module.__name__.replace(".", "_"))
    migrate.migrate(own)
    client.use(own)
    yield own
    own.command(f"DROP DATABASE `{own.database}`")
    own.close()


@pytest.fixture
def fresh(store: "object", transactional_db: None) -> "object":
    """The warehouse and the control database, both empty at the start of each test."""
    from arrivals.warehouse.client import Warehouse
    from tests import events

    assert isinstance(store, Warehouse)
    filled = store.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0")
    for table in {name for (name,) in filled}.intersection(events.TABLES):
        store.command(f"TRUNCATE TABLE {table}")
    return store


@pytest.fixture
async def started() -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Starts runners, and stops what a test leaves running."""
    from arrivals.engine.runner import Runner

    made: list[Runner] = []

    async def start(actions: Any, **options: Any) -> Runner:
        one = Runner(actions, **options)
        made.append(one)
        await one.start()
        return one

    yield start
    for one in made:
        if not one.stopped:
            await one.stop()
