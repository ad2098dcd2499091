"""Ingest with a durable answer, beside raw inserts: ``python -m benchmarks.collector [EVENTS]``.

The collector: a real server, 16 clients, each sending batches of 100 track events over HTTP and waiting for the answer, which
comes when they are fsynced. Raw: one client of the warehouse inserting equal rows into the same kind of tables (events, and the
view that keeps the visitors; the same fsync settings) in blocks of 1,000, all values ready in memory. Both in one run,
alternately, best of 3. Server and clients share the machine's cores.
"""

import asyncio
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


def bodies(events: int, turn: int) -> list[bytes]:
    """Request bodies of ``BATCH`` events each, with message ids of their own."""
    made = []
    for start in range(0, events, BATCH):
        batch = [
            {
                "type": "track",
                "event": f"feature_{number % 50}",
                "userId": f"visitor-{number % 20_000}",
                "messageId": f"{turn}-{number}",
                "properties": {"n": number, "plan": "pro"},
                "context": {"groupId": f"account-{number % 500}"},
            }
            for number in range(start, start + BATCH)
        ]
        made.append(orjson.dumps({"batch": batch}))
    return made


async def send(server: Server, requests: list[bytes]) -> float:
    """Seconds until every request was answered."""
    left = iter(requests)
    headers = {"Authorization": aiohttp.encode_basic_auth(server.setup["write_key"], "")}

    async def client(session: aiohttp.ClientSession) -> None:
        for body in left:
            while True:
                async with session.post(f"{server.url}/v1/batch", data=body, headers=headers) as answer:
                    await answer.read()
                    if answer.status == 200:
                        break
                    assert answer.status in {429, 503}, answer.status
                    await asyncio.sleep(0.05)

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
        return time.perf_counter() - began


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
        finally:
            server.stop()
        for kind, took in best.items():
            print(f"{kind:<12}{events / took:>10,.0f} events/s")
        print(f"ratio       {best['raw inserts'] / best['collector']:>10.2f} of the raw inserts")


if __name__ == "__main__":
    main()
