"""Runs of 3 HTTP steps: the engine beside a bare loop, in one run: ``python -m benchmarks.engine [RUNS] [ROUNDS]``.

The bare loop is what any engine must do at least: claim in batches, make the call, record each step durably before the
next, with group commit, on SQLite with the same settings (WAL, synchronous=FULL), 100 at once, aiohttp, uvloop. The engine
does that with its leases, templates, schemas, masks, history and guarded client. Both call one local sink in a process
of its own. Measured alternately, best of ROUNDS (3) each.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

AT_ONCE = 100
STEPS = 3


def sink(port: Any, last: Any) -> None:
    """Answers every POST at once, and counts the calls of the last step."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        last.value += request.path == f"/{STEPS - 1}"
        return web.json_response({"ok": True})

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.value = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        await asyncio.Event().wait()

    uvloop.run(serve())


def sink_beside() -> tuple[Any, str, Any]:
    """The sink in a process of its own: that, its address, and the number of last steps that it saw."""
    port, last = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
    other = multiprocessing.Process(target=sink, args=(port, last), daemon=True)
    other.start()
    while not port.value:
        time.sleep(0.05)
    return other, f"http://127.0.0.1:{port.value}", last


async def bare(folder: Path, url: str, runs: int) -> float:
    """Seconds for ``runs`` runs in the bare loop."""
    path = folder / "bare.db"
    path.unlink(missing_ok=True)
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE run (id INTEGER PRIMARY KEY, state TEXT, step INTEGER, due REAL);"
        "CREATE TABLE step (run INTEGER, n INTEGER, out TEXT, at REAL, PRIMARY KEY (run, n));"
        "CREATE INDEX run_due ON run (due) WHERE state IN ('queued', 'running');"
    )
    database.execute("BEGIN")
    database.executemany("INSERT INTO run VALUES (?, 'queued', 0, 0)", [(number,) for number in range(runs)])
    database.execute("COMMIT")
    waiting: list[tuple[tuple[Any, ...], asyncio.Future[None]]] = []
    more = asyncio.Event()

    def claim(limit: int) -> list[int]:
        now = time.time()
        return [
            row[0]
            for row in database.execute(
                "UPDATE run SET state = 'running', due = ? WHERE id IN (SELECT id FROM run WHERE state IN ('queued', 'running') "
                "AND due <= ? ORDER BY due LIMIT ?) RETURNING id",
                (now + 15, now, limit),
            ).fetchall()
        ]

    def write(items: list[tuple[Any, ...]]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO step VALUES (?, ?, ?, ?)", [item[:4] for item in items])
        database.executemany("UPDATE run SET step = ?, state = ?, due = ? WHERE id = ?", [item[4:] for item in items])
        database.execute("COMMIT")

    async def commit() -> None:
        while True:
            await more.wait()
            more.clear()
            group, waiting[:] = waiting[:], []
            if group:
                await loop.run_in_executor(thread, write, [item for item, _ in group])
                for _, done in group:
                    done.set_result(None)

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        for step in range(STEPS):
            headers = {"Idempotency-Key": f"{number}:{step}", "Content-Type": "application/json"}
            async with session.post(f"{url}/{step}", data=json.dumps({"visitor": number}), headers=headers) as answer:
                out = (await answer.read()).decode()
            done: asyncio.Future[None] = loop.create_future()
            now = time.time()
            state = "done" if step == STEPS - 1 else "running"
            waiting.append(((number, step, out, now, step + 1, state, now + 15, number), done))
            more.set()
            await done

    began = time.perf_counter()
    committing = asyncio.create_task(commit())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
        active: set[asyncio.Task[None]] = set()
        left = runs
        while left or active:
            if left and len(active) < AT_ONCE:
                for number in await loop.run_in_executor(thread, claim, AT_ONCE - len(active)):
                    active.add(asyncio.create_task(one(session, number)))
                    left -= 1
            finished, active = await asyncio.wait(active, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
    took = time.perf_counter() - began
    committing.cancel()
    database.close()
    return took


async def ours(url: str, runs: int, last: Any) -> float:
    """Seconds for ``runs`` runs in the engine, from its start to the last one's end. ``last``: the last steps that the sink saw,
    so that the database, which takes longer to say it the more runs it has, is only asked at the end."""
    from arrivals.apps.catalogue import Catalogue
    from arrivals.engine.models import Run
    from arrivals.engine.runner import Runner

    await asyncio.to_thread(prepare, url, runs)
    catalogue = Catalogue()
    runner = Runner(catalogue, at_once=AT_ONCE)
    seen = last.value
    began = time.perf_counter()
    await runner.start()
    while last.value - seen < runs or await asyncio.to_thread(lambda: Run.objects.exclude(state="succeeded").exists()):
        await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    await runner.stop()
    await catalogue.close()
    return took


def prepare(url: str, runs: int) -> None:
    """One workflow of three webhook steps, and its runs, waiting."""
    from arrivals.audience import reports
    from arrivals.engine.models import Run
    from arrivals.workflows import workflows

    Run.objects.all().delete()
    report = reports.create({"name": "Benchmark", "range": {"ever": True}})
    steps = [
        {
            "id": f"call_{n}",
            "type": "action",
            "app": "webhook",
            "action": "send",
            "inputs": {"url": f"{url}/{n}", "body": {"visitor": "{{ visitor.id }}"}},
        }
        for n in range(STEPS)
    ]
    workflow = workflows.create(
        {"name": "Benchmark", "trigger": {"kind": "visitor_in_report", "report": report.id}, "steps": steps}
    )
    given = {"visitor": {"id": "v"}, "account": {}, "row": {}, "arrival": {}}
    rows = [
        Run(
            workflow=workflow,
            version_id=workflow.version_id or 0,
            member=f"v{n}",
            entry=1,
            input={**given, "visitor": {"id": f"v{n}"}},
        )
        for n in range(runs)
    ]
    Run.objects.bulk_create(rows, batch_size=1000)


def prepared(folder: Path) -> None:
    """An Arrivals of its own in ``folder``."""
    os.environ.update(
        ARRIVALS_HOME=str(folder), ARRIVALS_ALLOW_PRIVATE_NETWORKS="true", DJANGO_SETTINGS_MODULE="arrivals.settings"
    )
    import django

    django.setup()
    from django.core.management import call_command

    from arrivals import process
    from arrivals.warehouse import client, migrate

    call_command("migrate", verbosity=0)
    migrate.migrate(client.warehouse())
    process.settle_memory()  # as the server does


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    folder = Path(tempfile.mkdtemp(prefix="arrivals-benchmark-"))
    other, url, last = sink_beside()
    prepared(folder)
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, took in (
            ("bare", uvloop.run(bare(folder, url, runs))),
            ("engine", uvloop.run(ours(url, runs, last))),
        ):
            best[name] = min(best.get(name, took), took)
    for name, took in best.items():
        print(f"{name:<8}{runs / took:>10,.0f} runs/s")
    print(f"ratio   {best['bare'] / best['engine']:>10.2f} of the bare loop")
    other.kill()
    from arrivals.warehouse import client

    client.warehouse().close()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
