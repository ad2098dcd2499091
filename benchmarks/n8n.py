"""Runs of 3 HTTP steps: n8n, and the engine beside it in one run: ``python -m benchmarks.n8n FOLDER [RUNS]``.

FOLDER has n8n installed, with the Node that is on the path: a ``package.json`` with
``{"dependencies": {"n8n": "2.8.4"}, "overrides": {"xlsx": "0.18.5"}}`` and ``npm install`` (3 minutes, 2 GB; without the override
it asks a vendor's own site). n8n runs as it does by itself: one process, its SQLite, history kept. Each run comes by its webhook, over
20 connections; measured is the time from the first request to the last call of a third step, after 50 runs to warm up. The engine has
as many runs of the same three calls waiting, as in ``benchmarks.engine``. Both call the same sink.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks import engine

CONNECTIONS = 20
PORT = 5699
WARM_UP = 50


def definition(url: str) -> dict[str, Any]:
    """The workflow as n8n imports it."""
    hook = {
        "parameters": {"httpMethod": "POST", "path": "bench", "options": {}},
        "type": "n8n-nodes-base.webhook", "typeVersion": 2, "position": [0, 0], "id": "hook", "name": "hook", "webhookId": "bench",
    }  # fmt: skip
    calls = [
        {
            "parameters": {
                "method": "POST", "url": f"{url}/{number}", "sendBody": True, "specifyBody": "json",
                "jsonBody": '={{ JSON.stringify({visitor: $("hook").item.json.body.visitor}) }}', "options": {},
            },
            "type": "n8n-nodes-base.httpRequest", "typeVersion": 4.2, "position": [200 + 200 * number, 0], "id": f"call{number}",
            "name": f"call{number}",
        }
        for number in range(engine.STEPS)
    ]  # fmt: skip
    names = ["hook", *(one["name"] for one in calls)]
    links = {
        before: {"main": [[{"node": after, "type": "main", "index": 0}]]} for before, after in itertools.pairwise(names)
    }
    return {
        "id": "bench",
        "name": "bench",
        "nodes": [hook, *calls],
        "connections": links,
        "settings": {},
        "active": False,
    }


class N8n:
    """n8n in a process of its own, with a folder of its own."""

    def __init__(self, installed: Path, home: Path) -> None:
        self.command = [str(installed / "node_modules" / ".bin" / "n8n")]
        self.environ = {
            **os.environ, "N8N_USER_FOLDER": str(home), "N8N_PORT": str(PORT), "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_DIAGNOSTICS_ENABLED": "false", "N8N_VERSION_NOTIFICATIONS_ENABLED": "false", "N8N_TEMPLATES_ENABLED": "false",
            "N8N_LOG_LEVEL": "error", "NODE_ENV": "production",
        }  # fmt: skip
        self.home, self.process = home, None

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self.command, *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"n8n {arguments[0]}: {done.stdout[-500:]} {done.stderr[-500:]}"

    async def start(self, url: str) -> None:
        path = self.home / "bench.json"
        path.write_text(json.dumps(definition(url)))
        self.run("import:workflow", f"--input={path}")
        self.run("publish:workflow", "--id=bench")
        self.process = subprocess.Popen(
            [*self.command, "start"], env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with aiohttp.ClientSession() as session:
            for _ in range(240):
                await asyncio.sleep(0.5)
                try:
                    async with session.post(f"http://127.0.0.1:{PORT}/webhook/bench", json={"visitor": "v"}) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    continue
        raise AssertionError("n8n did not start.")

    def memory(self) -> int:
        """Resident megabytes of its process."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)


async def theirs(last: Any, runs: int) -> float:
    """Seconds for ``runs`` runs that come by the webhook."""
    left = iter(range(runs))
    want = last.value + runs

    async def client(session: aiohttp.ClientSession) -> None:
        for number in left:
            async with session.post(f"http://127.0.0.1:{PORT}/webhook/bench", json={"visitor": f"v{number}"}) as answer:
                assert answer.status == 200, answer.status
                await answer.read()

    began = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(CONNECTIONS)))
    while last.value < want:
        await asyncio.sleep(0.01)
        assert time.perf_counter() - began < 600, "n8n did not end its runs"
    return time.perf_counter() - began


async def measured(n8n: N8n, url: str, last: Any, runs: int) -> None:
    await n8n.start(url)
    await theirs(last, WARM_UP)
    other = runs / await theirs(last, runs)
    print(f"n8n     {other:>10,.0f} runs/s   ({n8n.memory()} MB)", flush=True)
    mine = 10 * runs / await engine.ours(url, 10 * runs, last)
    print(f"engine  {mine:>10,.0f} runs/s   {mine / other:.0f} times as many", flush=True)


def main() -> None:
    installed, runs = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    folder = Path(tempfile.mkdtemp(prefix="arrivals-benchmark-"))
    (folder / "n8n").mkdir()
    sink, url, last = engine.sink_beside()
    engine.prepared(folder)
    n8n = N8n(installed, folder / "n8n")
    try:
        uvloop.run(measured(n8n, url, last, runs))
    finally:
        n8n.stop()
        sink.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
