"""Delayed runs: what they cost and how soon due ones are picked: ``python -m benchmarks.delayed [RUNS] [postgres]``.

A million runs stand in the store as their delay of up to 31 days left them: a row each, and one for the delay in the history. A
runner is started beside them. Told are the memory of the process before and after, a run; the bytes on disk, a run; and for 200
runs that become due at moments of the next ten seconds, how long after that their next step was done.
"""

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

DUE = 200
SECONDS = 10.0
RUN = """
INSERT INTO engine_run (id, workflow_id, version_id, member, kind, entry, replay, replay_of, state, due, owner, step, turn, tries,
  input, held_for, connection_id, created_at, started_at)
SELECT 'run_' || {padded}, %s, %s, 'visitor-' || n, 'in', 1, 0, '', 'delayed', {due}, '', 1, '', 0, {input}, '', '', {now}, {now}
FROM {numbers}
"""
STEP = """
INSERT INTO engine_steprun (run_id, number, turn, step, status, tries, inputs, outputs, started_at, ended_at)
SELECT id, 0, '', 'wait', 'succeeded', 1, {inputs}, {outputs}, created_at, created_at FROM engine_run WHERE step = 1
"""
INPUT = (
    '{"visitor":{"id":"visitor-000000","email":"someone@example.com","name":"Some One","plan":"pro"},"account":{"id":"acme"},'
    '"row":{"visitor_id":"visitor-000000","nps_score":6,"nps_reason":"It is slow in the morning"},"arrival":{"entry":1}}'
)


class Apps:
    """Notes when each run's next step is done."""

    def __init__(self) -> None:
        self.done: dict[str, float] = {}

    async def run(self, app: str, action: str, *, key: str, **_: Any) -> dict[str, Any]:
        self.done[key.partition(":")[0]] = time.time()
        return {}

    async def mark_stale(self, connection_id: str, reason: str) -> None: ...


def fill(runs: int) -> None:
    """The rows, made by the database itself."""
    from django.db import connection, transaction

    from arrivals.workflows import workflows

    steps = [
        {"id": "wait", "type": "delay", "for": "31d"},
        {
            "id": "tell",
            "type": "action",
            "app": "inbox",
            "action": "post_message",
            "inputs": {"text": "{{ visitor.id }}"},
        },
    ]
    made = workflows.create({"name": "Delayed", "trigger": {"kind": "manual"}, "steps": steps})
    given = [made.id, made.version_id]
    if connection.vendor == "postgresql":
        numbers, padded, now = f"generate_series(1, {runs}) AS n", "lpad(n::text, 24, '0')", "now()"
        due, json = "now() + interval '1 day' + n * interval '2 seconds'", "::jsonb"
    else:
        numbers = (
            f"(WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < {runs}) SELECT n FROM up)"
        )
        padded, now, json = "printf('%%024d', n)", "strftime('%%Y-%%m-%%d %%H:%%M:%%f000')", ""
        due = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', '+1 day', '+' || (n * 2) || ' seconds')"
    with transaction.atomic(), connection.cursor() as cursor:
        text = RUN.format(padded=padded, due=due, input=f"'{INPUT}'{json}", now=now, numbers=numbers)
        cursor.execute(text, given)
        outputs = '{"until":"2026-12-26T12:00:00.000Z"}'
        cursor.execute(STEP.format(inputs=f'\'{{"for":"31d"}}\'{json}', outputs=f"'{outputs}'{json}"))


def on_disk() -> int:
    """Bytes of the tables of runs and their indexes (of all of the file on SQLite)."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size('engine_run') + pg_total_relation_size('engine_steprun')")
            return int(cursor.fetchone()[0])
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])


def memory() -> int:
    """Resident bytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def schedule() -> dict[str, float]:
    """Let some of the runs become due at moments that are spread over the next seconds; return those."""
    from django.db import transaction

    from arrivals.engine.models import Run

    chosen = list(Run.objects.filter(step=1).order_by("id").values_list("id", flat=True)[:DUE])
    begin = time.time() + 5
    moments = {id_: begin + SECONDS * index / DUE for index, id_ in enumerate(chosen)}
    with transaction.atomic():
        for id_, at in moments.items():
            Run.objects.filter(pk=id_).update(due=datetime.fromtimestamp(at, tz=UTC))
    assert time.time() < begin, "The machine is too busy to measure anything."
    return moments


async def picked(apps: Apps) -> tuple[list[float], int]:
    """Seconds from due to done for each, sorted, and the bytes by which the process grew meanwhile."""
    from arrivals.engine.runner import Runner

    before = memory()
    runner = Runner(apps)  # type: ignore[arg-type]
    await runner.start()
    moments = await asyncio.to_thread(schedule)
    while len(apps.done) < len(moments) and time.time() < max(moments.values()) + 60:
        await asyncio.sleep(0.1)
    grown = memory() - before
    await runner.stop()
    return sorted(apps.done[id_] - at for id_, at in moments.items()), grown


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="arrivals-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(ARRIVALS_HOME=str(folder), DJANGO_SETTINGS_MODULE="arrivals.settings")
    if "postgres" in sys.argv:
        from tests import postgres

        os.environ["ARRIVALS_DATABASE_URL"] = postgres.start(folder / "postgres")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    asyncio.run(picked_nothing())
    empty = on_disk()
    began = time.perf_counter()
    fill(runs)
    print(f"{runs:,} delayed runs made in {time.perf_counter() - began:.0f} s")
    print(f"on disk     {(on_disk() - empty) / runs:>8.0f} bytes a run")
    took, grown = uvloop.run(picked(Apps()))
    print(f"memory      {grown / runs:>8.2f} bytes a run ({grown / 2**20:.1f} MB in all)")
    print(
        f"picked      p50 {took[len(took) // 2]:.3f} s, p95 {took[int(len(took) * 0.95)]:.3f} s, last {took[-1]:.3f} s"
    )


async def picked_nothing() -> None:
    """A runner once, so that what it loads is not counted."""
    from arrivals.engine.runner import Runner

    runner = Runner(Apps())  # type: ignore[arg-type]
    await runner.start()
    await asyncio.sleep(1)
    await runner.stop()


if __name__ == "__main__":
    main()
