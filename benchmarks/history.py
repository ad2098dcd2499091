"""The pages of the history with 10 million step runs: ``python -m benchmarks.history [RUNS]``.

3,333,334 runs of 3 steps (20 workflows of unequal size; 1 % failed, 2 % delayed, a few held), on SQLite or what ``ARRIVALS_DATABASE_URL`` says.
Measured is the question behind each page, best and worst of 7, after each other; the goal is under 100 ms.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import engine

BLOCK = 20_000
WORKFLOWS = 20


def fill(runs: int) -> list[Any]:
    """Make workflows, runs and step runs; return the workflows, the one with the most runs first."""
    import random

    from django.db import connection, transaction

    from arrivals import clock, ids
    from arrivals.audience import reports
    from arrivals.engine import store
    from arrivals.workflows import workflows

    json, no = ("%s::jsonb", "false") if connection.vendor == "postgresql" else ("%s", "0")

    chance = random.Random(5)
    report = reports.create({"name": "Benchmark", "range": {"ever": True}})
    steps = [
        {
            "id": f"s{n}",
            "type": "action",
            "app": "inbox",
            "action": "post_message",
            "inputs": {"text": "{{ visitor.id }}"},
        }
        for n in range(3)
    ]
    trigger = {"kind": "visitor_in_report", "report": report.id}
    made = [workflows.create({"name": f"W{n}", "trigger": trigger, "steps": steps}) for n in range(WORKFLOWS)]
    now, span = clock.now(), timedelta(days=90)
    runs_sql = (
        "INSERT INTO engine_run (id, workflow_id, version_id, member, about, kind, entry, replay, replay_of, state, due, owner, step, turn, tries, "
        "input, error, held_for, connection_id, created_at, started_at, ended_at, trimmed) VALUES (%s, %s, %s, %s, %s, 'in', 1, 0, '', %s, %s, '', 3, "
        f"'', 0, {json}, {json}, '', '', %s, %s, %s, {no})"
    )
    steps_sql = (
        "INSERT INTO engine_steprun (run_id, number, turn, step, status, tries, inputs, outputs, started_at, ended_at) "
        f"VALUES (%s, %s, '', %s, 'succeeded', 1, {json}, {json}, %s, %s)"
    )
    later = store.moment(now + span)
    for start in range(0, runs, BLOCK):
        rows, steps_of = [], []
        for number in range(start, min(start + BLOCK, runs)):
            at = now - span * (1 - number / runs)
            state = chance.choices(("succeeded", "failed", "delayed", "held"), (96.99, 1, 2, 0.01))[0]
            told = store.moment(at)
            ended = store.moment(at + timedelta(seconds=1)) if state in ("succeeded", "failed") else None
            error = (
                '{"code":"permanent","message":"The channel #c%s is gone."}' % (number % 50)
                if state == "failed"
                else None
            )
            workflow = made[int(WORKFLOWS * chance.random() ** 3)]
            visitor = f"visitor-{int(500_000 * chance.random() ** 2)}"
            id_ = ids.at("run", at)[:-12] + f"{number:012d}"
            rows.append(
                (
                    id_, workflow.pk, workflow.version_id, f"{visitor}-{number}", visitor, state, later if state == "delayed" else None,
                    f'{{"visitor":{{"id":"{visitor}"}}}}', error, told, told, ended,
                )
            )  # fmt: skip
            steps_of += [
                (id_, n, f"s{n}", f'{{"text":"{visitor}"}}', f'{{"id":"msg_{number}_{n}"}}', told, told)
                for n in range(3)
            ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(runs_sql, rows)
            cursor.executemany(steps_sql, steps_of)
    return made


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3_333_334
    folder = Path(tempfile.mkdtemp(prefix="arrivals-benchmark-"))
    engine.prepared(folder)
    from django.db import connection

    from arrivals import clock
    from arrivals.engine import history
    from arrivals.engine import runs as read

    try:
        began = time.perf_counter()
        made = fill(runs)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        print(f"{runs:,} runs in {time.perf_counter() - began:.0f} s, {connection.vendor}")
        large, small = made[0].id, made[-1].id
        month = clock.now() - timedelta(days=60)
        middle = history.page(history.Filter(until=month), limit=50)
        asked: list[tuple[str, Callable[[], Any]]] = [
            ("all, first page", lambda: history.page(history.Filter())),
            ("all, a page in the middle", lambda: history.page(history.Filter(), cursor=middle.next or "")),
            ("of a large workflow", lambda: history.page(history.Filter(workflow=large))),
            ("failed, of all", lambda: history.page(history.Filter(state="failed"))),
            ("failed, of a small workflow", lambda: history.page(history.Filter(state="failed", workflow=small))),
            ("held, of a large workflow", lambda: history.page(history.Filter(state="held", workflow=large))),
            ("delayed, 60 days ago", lambda: history.page(history.Filter(state="delayed", until=month))),
            ("under way", lambda: history.page(history.Filter(state="running"))),
            ("of a visitor", lambda: history.page(history.Filter(visitor="visitor-4711"))),
            ("errors that say #c7", lambda: history.page(history.Filter(error="#c7"))),
            ("steps that say a rare word, 2 s at most", lambda: history.page(history.Filter(text="msg_77_1"))),
            ("numbers by state, of all", lambda: history.counts()),
            ("numbers by state, of a large workflow", lambda: history.counts(large)),
            ("one run with its steps", lambda: read.get(middle.items[0]["id"])),
        ]
        for name, question in asked:
            times = []
            for _ in range(7):
                began = time.perf_counter()
                question()
                times.append((time.perf_counter() - began) * 1000)
            print(f"{name:<42}{min(times):>8.1f} ms   at worst {max(times):>8.1f} ms", flush=True)
        if connection.vendor == "sqlite":
            print(f"{os.path.getsize(connection.settings_dict['NAME']) / 2**30:.1f} GB on disk")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
