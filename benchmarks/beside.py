"""What benchmarks of questions share: a warehouse full of synthetic events, and the best of several rounds."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from arrivals.warehouse.client import Warehouse

ROUNDS = 7


def best(
    question: Callable[[], Any], *, rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """Least milliseconds of several rounds by ``clock``, and the answer."""
    least, answer = float("inf"), None
    for _ in range(rounds):
        began = clock()
        answer = question()
        least = min(least, (clock() - began) * 1000)
    return least, answer


def resident(field: str = "VmRSS") -> int:
    """Megabytes of memory that the process has now, or with "VmHWM" had at most since ``forget_peak`` (Linux)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith(field))


def forget_peak() -> None:
    """Let the peak of ``resident`` begin anew."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


@contextmanager
def loaded(visitors: int = 0) -> Iterator[Warehouse]:
    """An Arrivals of its own in a folder of its own, with as many events as the command's first argument says, of so many
    visitors (0: of one in 40 events)."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    folder = tempfile.mkdtemp(prefix="arrivals-benchmark-")
    os.environ.update(ARRIVALS_HOME=folder, DJANGO_SETTINGS_MODULE="arrivals.settings")
    import django

    django.setup()
    from django.core.management import call_command

    from arrivals import clock
    from arrivals.warehouse import client, migrate
    from benchmarks import generate

    call_command("migrate", verbosity=0)
    store = client.warehouse()
    migrate.migrate(store)
    began = time.perf_counter()
    generate.generate(store, clock.now(), events=events, visitors=visitors or max(events // 40, 1))
    print(
        f"generated {events:,} events in {time.perf_counter() - began:.0f} s, {resident('VmHWM')} MB of memory at most"
    )
    try:
        yield store
    finally:
        store.close()
        shutil.rmtree(folder, ignore_errors=True)
