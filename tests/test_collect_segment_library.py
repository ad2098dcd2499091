"""Segment's own library for Python, unchanged but for the host, against the collector on a real socket."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from segment.analytics.client import Client

from arrivals.collect import sources
from arrivals.collect.models import Source
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from tests.server import free_port


@pytest.fixture
def running(fresh: Warehouse) -> Iterator[tuple[str, Source]]:
    source, _secret = sources.create("Shop")
    port = free_port()
    ended = threading.Event()
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        writer = Writer(EventStore())
        await writer.start()
        server.append(uvicorn.Server(uvicorn.Config(Collector(writer), port=port, lifespan="off", log_level="error")))
        await server[0].serve()
        await writer.stop()

    thread = threading.Thread(target=lambda: (asyncio.run(serve()), ended.set()))
    thread.start()
    while not server or not server[0].started:
        ended.wait(0.02)
    yield f"http://127.0.0.1:{port}", source
    server[0].should_exit = True
    thread.join()


@pytest.mark.parametrize("gzip", [False, True])
def test_the_library_delivers_every_call_once(running: tuple[str, Source], fresh: Warehouse, gzip: bool) -> None:
    host, source = running
    problems: list[Exception] = []
    client = Client(
        source.write_key, host=host, gzip=gzip, on_error=lambda error, _items: problems.append(error), max_retries=1
    )
    client.identify("ann", {"plan": "pro", "email": "ann@example.com"})
    client.group("ann", "acme", {"size": 5})
    for number in range(250):
        client.track("ann", "export", {"n": number})
    client.page("ann", "docs", "Pricing", {"url": "https://x.example/pricing"})
    client.alias("old-ann", "ann")
    client.flush()
    client.join()
    assert not problems
    assert fresh.query("SELECT kind, count() FROM events GROUP BY kind ORDER BY kind") == [
        ("alias", 1),
        ("group", 1),
        ("identify", 1),
        ("page", 1),
        ("track", 250),
    ]
    assert fresh.query("SELECT alias_id, visitor_id FROM links FINAL") == [("old-ann", "ann")]
