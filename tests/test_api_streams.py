"""What /api/v2 does on the server's event loop: a CSV as it comes, and imports that answer when rows are on disk."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience import reports
from arrivals.collect import sources, writer
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from tests import events


class Caller(AsyncClient):
    """A client that sends its key with every request."""

    secret = ""

    def generic(self, *args: Any, **values: Any) -> Any:
        return super().generic(*args, **{**values, "headers": {"Authorization": f"Bearer {self.secret}"}})


@pytest.fixture
def api(fresh: Warehouse) -> AsyncClient:
    caller = Caller()
    _, caller.secret = keys.create("tests", write=True, by="ada@example.com")
    return caller


@pytest.fixture
async def collector(fresh: Warehouse) -> AsyncIterator[writer.Writer]:
    own = writer.Writer(EventStore())
    await own.start()
    writer.use(own)
    yield own
    await own.stop()
    writer._current.clear()


async def test_a_csv_of_several_pages_is_streamed_whole(api: AsyncClient, fresh: Warehouse) -> None:
    now = clock.now()
    await sync_to_async(events.add)(fresh, *[(f"v{number:04}", "page", "Home", now) for number in range(2500)])
    definition = {"name": "R", "range": {"within": "30d"}, "columns": ["visitor.id"]}
    report = await sync_to_async(reports.create)(definition)
    answer = await api.get(f"/api/v2/reports/{report.pk}/rows.csv")
    assert answer.status_code == 200
    assert answer.is_async
    pieces = [piece async for piece in answer]
    assert len(pieces) > 1
    assert b"".join(pieces).decode().splitlines() == ["visitor.id", *(f"v{number:04}" for number in range(2500))]


async def test_imported_rows_count_once_and_a_gap_is_refused(api: AsyncClient, collector: writer.Writer) -> None:
    source, _ = await sync_to_async(sources.create)("Shop")
    mapping = {
        "columns": {"visitor": "who", "ts": "when"},
        "constants": {"event": "purchase"},
        "date_format": "auto",
        "rest": "drop",
    }
    body = {"source": source.pk, "filename": "shop.csv", "digest": "0" * 64, "mapping": mapping}

    async def post(path: str, body: Any = None) -> tuple[int, Any]:
        answer = await api.post(f"/api/v2/imports{path}", body or {}, content_type="application/json")
        return answer.status_code, answer.json()

    status, begun = await post("", body)
    assert (status, begun["offset"], begun["state"]) == (201, 0, "running")
    assert (await post("", body)) == (200, begun)
    rows = [
        {"id": f"r{number}", "row": {"who": who, "when": "2026-01-01"}} for number, who in enumerate(["a", "b", ""])
    ]
    status, kept = await post(f"/{begun['id']}/rows", {"offset": 0, "rows": rows})
    assert (status, kept["offset"], kept["kept"], len(kept["refused"])) == (200, 3, 2, 1)
    status, again = await post(f"/{begun['id']}/rows", {"offset": 0, "rows": rows})
    assert (status, again["offset"], again["kept"]) == (200, 3, 0)
    status, gap = await post(f"/{begun['id']}/rows", {"offset": 5, "rows": rows})
    assert (status, gap["code"]) == (409, "conflict")
    assert (await post(f"/{begun['id']}/finish"))[1]["state"] == "done"
    assert (await post("/imp_x/rows", {"offset": 0, "rows": rows}))[0] == 404


async def test_where_the_collector_runs_elsewhere_an_import_has_to_wait(api: AsyncClient) -> None:
    writer._current.clear()
    answer = await api.post("/api/v2/imports/imp_x/rows", {"offset": 0, "rows": []}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
