"""What is brought in from the past is marked as such when it is kept, and whoever waits is told of each group."""

import hashlib
from typing import Any

import httpx
from asgiref.sync import sync_to_async

from arrivals.collect import imports, sources
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore

CALL = {"type": "track", "userId": "ada", "event": "bought"}


def kept(store: Warehouse) -> list[tuple[Any, ...]]:
    return store.query("SELECT name, history FROM events ORDER BY name")


async def test_imports_are_history_and_what_is_sent_is_not(fresh: Warehouse) -> None:
    source, _secret = await sync_to_async(sources.create)("Shop")
    writer, told = Writer(EventStore()), []
    await writer.start()
    writer.tell(lambda: told.append(1))
    transport = httpx.ASGITransport(app=Collector(writer))
    async with httpx.AsyncClient(transport=transport, base_url="http://t", auth=(source.write_key, "")) as client:
        for path in ("batch", "import"):
            sent = await client.post(f"/v1/{path}", json={"batch": [{**CALL, "event": f"by {path}"}]})
            assert sent.status_code == 200
    digest = hashlib.sha256(b"rows").hexdigest()
    found, _ = await sync_to_async(imports.begin)(source.id, filename="f", digest=digest, mapping=imports.SEGMENT)
    rows = [{"id": "1", "row": {**CALL, "event": "by a file", "messageId": "m1", "timestamp": "2026-11-01T12:00:00Z"}}]
    answer = await imports.add(found.id, offset=0, rows=rows, writer=writer)
    assert answer["refused"] == []
    await writer.stop()
    assert kept(fresh) == [("by a file", True), ("by batch", False), ("by import", True)]
    assert len(told) == 3
