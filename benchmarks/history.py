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

    from arrivals import clock, ids
    from arrivals.audience import reports
    from arrivals.engine.models import Run, StepRun
    from arrivals.workflows import workflows

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
    for start in range(0, runs, BLOCK):
        rows, steps_of = [], []
        for number in range(start, min(start + BLOCK, runs)):
            at = now - span * (1 - number / runs)
            state = chance.choices(("succeeded", "failed", "delayed", "held"), (96.99, 1, 2, 0.01))[0]
            ended = at + timedelta(seconds=1) if state in ("succeeded", "failed") else None
            error = (
                {"code": "permanent", "message": f"The channel #c{number % 50} is gone."} if state == "failed" else None
            )
            workflow = made[int(WORKFLOWS * chance.random() ** 3)]
            visitor = f"visitor-{int(500_000 * chance.random() ** 2)}"
            run = Run(
                id=ids.at("run", at)[:-12] + ids.new("x")[-12:], workflow=workflow, version_id=workflow.version_id, member=f"{visitor}-{number}",
                about=visitor, entry=1, state=state, due=now + span if state == "delayed" else None, step=3, error=error,
                input={"visitor": {"id": visitor}}, created_at=at, started_at=at, ended_at=ended,
            )  # fmt: skip
            rows.append(run)
            steps_of += [
                StepRun(
                    run=run, number=n, step=f"s{n}", status="succeeded", inputs={"text": visitor}, outputs={"id": f"msg_{number}_{n}"},
                    started_at=at, ended_at=at,
                )
                for n in range(3)
            ]  # fmt: skip
        Run.objects.bulk_create(rows)
        StepRun.objects.bulk_create(steps_of)
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
