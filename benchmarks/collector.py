"""Ingest with a durable answer, beside raw inserts: ``python -m benchmarks.collector [EVENTS]``.

The collector: a real server, 16 clients, each sending batches of 100 track events over HTTP and waiting for the answer, which
comes when they are fsynced. Raw: one client of the warehouse inserting equal rows into the same kind of tables (events, and the
view that keeps the visitors; the same fsync settings) in blocks of 1,000, all values ready in memory. Both in one run,
alternately, best of 3. Then for 1 to 64 clients, with batches and with single events: events/s, and how long an answer takes.
Server and clients share the machine's cores.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import orjson

from tests.server import Server

CLIENTS = 16
BATCH = 100
ROUNDS = 3
SECONDS = 8.0


def bodies(events: int, turn: int, size: int = BATCH) -> list[bytes]:
    """Request bodies of ``size`` events each, with message ids of their own."""
    made = []
    for start in range(0, events, size):
        batch = [
            {
                "type": "track",
                "event": f"feature_{number % 50}",
                "userId": f"visitor-{number % 20_000}",
                "messageId": f"{turn}-{number}",
                "properties": {"n": number, "plan": "pro"},
                "context": {"groupId": f"account-{number % 500}"},
            }
            for number in range(start, start + size)
        ]
        made.append(orjson.dumps({"batch": batch}))
    return made


async def send(
    server: Server,
    requests: list[bytes],
    *,
    clients: int = CLIENTS,
    seconds: float = 3600,
    took: list[float] | None = None,
) -> float:
    """Seconds until every request was answered, or until the time is over. ``took`` gets the seconds of each answer."""
    left, began = iter(requests), time.perf_counter()
    times = [] if took is None else took
    headers = {"Authorization": aiohttp.encode_basic_auth(server.setup["write_key"], "")}

    async def client(session: aiohttp.ClientSession) -> None:
        for body in left:
            asked = time.perf_counter()
            if asked - began > seconds:
                return
            while True:
                async with session.post(f"{server.url}/v1/batch", data=body, headers=headers) as answer:
                    await answer.read()
                    if answer.status == 200:
                        times.append(time.perf_counter() - asked)
                        break
                    assert answer.status in {429, 503}, answer.status
                    await asyncio.sleep(0.05)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        return time.perf_counter() - began


def sustained(server: Server) -> None:
    """A table: events/s and the time of a durable answer, for batches and single events and ever more clients."""
    turns = itertools.count(1_000)
    print(f"{'events a request':<18}{'clients':>8}{'events/s':>10}{'p50 ms':>8}{'p99 ms':>8}")
    for size, most in ((BATCH, 600_000), (1, 20_000)):
        for clients in (1, 4, 16, 64):
            took: list[float] = []
            requests = bodies(most, next(turns), size)
            spent = asyncio.run(send(server, requests, clients=clients, seconds=SECONDS, took=took))
            cuts = statistics.quantiles(took, n=100)
            rate = len(took) * size / spent
            print(f"{size:<18}{clients:>8}{rate:>10,.0f}{cuts[49] * 1000:>8.1f}{cuts[98] * 1000:>8.1f}", flush=True)


def raw(folder: Path, events: int, rows: int) -> float:
    """Seconds for inserting as many events in blocks of ``rows``."""
    from arrivals.collect import calls
    from arrivals.warehouse import client, migrate
    from arrivals.warehouse.events import _columns

    store = client.Warehouse(f"chdb://{folder / 'raw'}", database=f"raw_{time.time_ns()}")
    migrate.migrate(store)
    blocks = []
    now = int(time.time() * 1000)
    for start in range(0, events, rows):
        read = [
            calls.event(
                "src_raw",
                {
                    "type": "track",
                    "event": f"feature_{number % 50}",
                    "userId": f"visitor-{number % 20_000}",
                    "messageId": str(number),
                    "properties": {"n": number, "plan": "pro"},
                    "context": {"groupId": f"account-{number % 500}"},
                },
                received_at=now,
            )
            for number in range(start, min(start + rows, events))
        ]
        blocks.append(_columns(read, list(range(start, start + len(read)))))
    began = time.perf_counter()
    for columns in blocks:
        store.insert_columns("events", columns)
    took = time.perf_counter() - began
    store.command(f"DROP DATABASE `{store.database}`")
    return took


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        server = Server(folder / "home").set_up().start()
        try:
            asyncio.run(send(server, bodies(5_000, turn=99)))  # warms up
            best: dict[str, float] = {}
            for turn in range(ROUNDS):
                requests = bodies(events, turn)
                for kind, took in (
                    ("collector", asyncio.run(send(server, requests))),
                    ("raw inserts", raw(folder, events, rows=1_000)),
                ):
                    best[kind] = min(best.get(kind, took), took)
            for kind, took in best.items():
                print(f"{kind:<12}{events / took:>10,.0f} events/s")
            print(f"ratio       {best['raw inserts'] / best['collector']:>10.2f} of the raw inserts")
            sustained(server)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
