"""Events that come up to 30 days late count where they belong, at once; and who is on a report by one arrives, once."""

import base64
import itertools
import json
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.audience import reports, rows, segments
from arrivals.audience.models import Report
from arrivals.collect import imports, pendo, sources
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from arrivals.watch import checks
from arrivals.watch.models import Arrival

Tell = Callable[..., Awaitable[None]]


@dataclass
class Wires:
    """Every way in, with the clocks that senders have. Each tells that ``visitor`` did "export" at a time."""

    client: httpx.AsyncClient
    pendo: httpx.AsyncClient
    writer: Writer
    source: str
    numbers: Any

    async def segment(self, visitor: str, at: datetime) -> None:
        """A queue that was offline: sent now."""
        call = {
            "type": "track",
            "userId": visitor,
            "event": "export",
            "messageId": f"{visitor}-{at}",
            "timestamp": clock.iso(at),
        }
        await self._batch(call, sent_at=clock.now())

    async def wrong_clock(self, visitor: str, at: datetime) -> None:
        """A sender whose clock is a year behind; sentAt says so."""
        behind = timedelta(days=365)
        call = {"type": "track", "userId": visitor, "event": "export", "messageId": f"{visitor}-{at}", "timestamp": clock.iso(at - behind)}  # fmt: skip
        await self._batch(call, sent_at=clock.now() - behind)

    async def agent(self, visitor: str, at: datetime) -> None:
        """Pendo's agent."""
        now = int(time.time() * 1000)
        told = {"type": "track", "track_event_name": "export", "browser_time": round(at.timestamp() * 1000), "visitor_id": visitor,
                "account_id": "acme", "url": "https://x.example/", "props": {}}  # fmt: skip
        packed = base64.urlsafe_b64encode(zlib.compress(json.dumps([told]).encode())).decode().rstrip("=")
        answer = await self.pendo.get(
            f"/data/ptm.gif/{self.pendo.base_url.host}", params={"v": "2.291.4", "ct": now, "jzb": packed}
        )
        assert answer.status_code == 200, answer.text

    async def file(self, visitor: str, at: datetime) -> None:
        """An import."""
        row = {
            "event": "export",
            "properties": {
                "time": round(at.timestamp() * 1000),
                "distinct_id": visitor,
                "$insert_id": f"{visitor}-{at}",
            },
        }
        digest = f"{next(self.numbers):064x}"
        begun, _ = await sync_to_async(imports.begin)(
            self.source, filename="x", digest=digest, mapping={"from": "mixpanel"}
        )
        answer = await imports.add(begun.id, offset=0, rows=[{"id": "r", "row": row}], writer=self.writer)
        assert answer["refused"] == []

    async def _batch(self, call: dict[str, Any], sent_at: datetime) -> None:
        answer = await self.client.post("/v1/batch", json={"batch": [call], "sentAt": clock.iso(sent_at)})
        assert answer.json()["refused"] == []


WIRES = ("segment", "wrong_clock", "agent", "file")


@pytest.fixture
async def wires(fresh: Warehouse) -> AsyncIterator[Wires]:
    source, _secret = await sync_to_async(sources.create)("Shop")
    store = EventStore()
    writer = Writer(store)
    await writer.start()
    collector = Collector(writer)
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=collector), base_url="http://t", auth=(source.write_key, "")) as client,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=pendo.Pendo(collector, store)), base_url=f"http://{source.write_key}") as data,
    ):  # fmt: skip
        yield Wires(client, data, writer, source.id, itertools.count(1))
    await writer.stop()


def exporters(times: dict[str, int], within: str = "30d", **more: Any) -> Report:
    """Those who did "export" so many times."""
    rule = {"kind": "track", "name": "export", "did": True, "times": times, "when": {"within": within}, **more}
    segment = segments.create(f"Exporters {time.time_ns()}", {"all": [{"any": [rule]}]})
    columns = ["visitor.id", "metric.events", "metric.days_active", "metric.first_visit", "metric.last_visit", {"count": "track", "name": "export", "as": "n"}]  # fmt: skip
    return reports.create({"name": "Exporters", "segment": segment.id, "range": {"within": within}, "columns": columns})


def ago(**span: float) -> datetime:
    return clock.now() - timedelta(**span)


def listed(report: Report) -> dict[str, Any]:
    return {one["visitor.id"]: one["n"] for one in rows.page(report).items}


def arrived(report: Report) -> list[tuple[str, str, int]]:
    return [(one.member, one.kind, one.entry) for one in Arrival.objects.filter(report_id=report.id).order_by("id")]


@pytest.mark.parametrize("wire", WIRES)
async def test_an_event_29_days_late_is_counted_at_once_and_makes_its_visitor_arrive_once(
    wires: Wires, wire: str
) -> None:
    tell: Tell = getattr(wires, wire)
    report = await sync_to_async(exporters)({"at_least": 2})
    await tell("ada", ago(hours=1))
    await tell("bob", ago(days=31))
    await sync_to_async(checks.check)(report.id)
    await tell("ada", ago(days=29, hours=20))
    await tell("bob", ago(days=30, hours=1))
    assert await sync_to_async(listed)(report) == {"ada": 2}  # before any check
    for _ in range(2):
        await sync_to_async(checks.check)(report.id)
    assert await sync_to_async(arrived)(report) == [("ada", "in", 1)]
    [row] = (await sync_to_async(rows.page)(report)).items
    assert (row["metric.events"], row["metric.days_active"]) == (2, 2)
    assert abs(clock.parse(row["metric.first_visit"]) - ago(days=29, hours=20)) < timedelta(seconds=20)
    assert abs(clock.parse(row["metric.last_visit"]) - ago(hours=1)) < timedelta(seconds=20)


@pytest.mark.parametrize("order", list(itertools.permutations((0.1, 12, 29))))
async def test_the_order_in_which_events_come_does_not_matter(wires: Wires, order: tuple[float, ...]) -> None:
    report = await sync_to_async(exporters)({"at_least": 3})
    await sync_to_async(checks.check)(report.id)
    for number, days in enumerate(order):
        await wires.segment("ada", ago(days=days))
        result = await sync_to_async(checks.check)(report.id)
        assert (result.entered, result.on_report) == (int(number == 2), int(number == 2))
    assert await sync_to_async(arrived)(report) == [("ada", "in", 1)]
    [row] = (await sync_to_async(rows.page)(report)).items
    assert (row["n"], row["metric.days_active"]) == (3, 3)


@pytest.mark.parametrize("wire", WIRES)
async def test_a_late_event_that_is_told_twice_counts_once(wires: Wires, wire: str) -> None:
    report = await sync_to_async(exporters)({"at_least": 1})
    at = ago(days=29)
    for _ in range(2):
        await getattr(wires, wire)("ada", at)
    assert await sync_to_async(listed)(report) == {"ada": 1}


async def test_a_late_event_may_take_somebody_off_a_report(wires: Wires) -> None:
    report = await sync_to_async(exporters)({"exactly": 1})
    await sync_to_async(checks.check)(report.id)
    await wires.segment("ada", ago(days=1))
    await sync_to_async(checks.check)(report.id)
    await wires.segment("ada", ago(days=29))
    await sync_to_async(checks.check)(report.id)
    assert await sync_to_async(arrived)(report) == [("ada", "in", 1), ("ada", "out", 1)]


async def test_a_late_event_of_a_long_past_range_is_in_it(wires: Wires) -> None:
    day = ago(days=29).date().isoformat()
    between = {"between": [day, day]}
    report = await sync_to_async(reports.create)({"name": "That day", "range": between, "columns": ["visitor.id", {"count": "track", "name": "export", "as": "n"}]})  # fmt: skip
    await sync_to_async(checks.check)(report.id)
    await wires.file("ada", clock.parse(f"{day}T12:00:00Z"))
    assert (await sync_to_async(checks.check)(report.id)).entered == 1
    assert await sync_to_async(listed)(report) == {"ada": 1}


async def test_an_account_arrives_by_a_late_event_of_a_visitor_of_it(wires: Wires) -> None:
    report = await sync_to_async(reports.create)({"name": "Companies", "kind": "account", "range": {"within": "30d"}, "columns": ["account.id"]})  # fmt: skip
    await sync_to_async(checks.check)(report.id)
    await wires.agent("ada", ago(days=31))
    assert (await sync_to_async(checks.check)(report.id)).entered == 0
    await wires.agent("ada", ago(days=29))
    assert (await sync_to_async(checks.check)(report.id)).entered == 1
    assert await sync_to_async(arrived)(report) == [("acme", "in", 1)]


async def test_a_late_answer_to_a_survey_arrives_once_and_keeps_its_time(wires: Wires) -> None:
    report = await sync_to_async(reports.create)({"name": "NPS", "kind": "response", "survey": "nps", "range": {"within": "30d"}, "columns": ["visitor.id", "response.at", "response.score"]})  # fmt: skip
    await sync_to_async(checks.check)(report.id)
    at = ago(days=29)
    call = {"type": "track", "userId": "ada", "event": "Survey Answered", "messageId": "s1", "timestamp": clock.iso(at), "properties": {"survey": "nps", "score": 3}}  # fmt: skip
    for _ in range(2):
        answer = await wires.client.post("/v1/batch", json={"batch": [call]})
        assert answer.status_code == 200
        await sync_to_async(checks.check)(report.id)
    assert await sync_to_async(arrived)(report) == [("s1", "in", 1)]
    [row] = (await sync_to_async(rows.page)(report)).items
    assert (row["response.at"], row["response.score"]) == (clock.iso(at), 3)


async def test_a_late_past_of_somebody_anonymous_puts_its_visitor_on_the_report_once(wires: Wires) -> None:
    report = await sync_to_async(exporters)({"at_least": 2})
    await sync_to_async(checks.check)(report.id)
    await wires.segment("ada", ago(days=1))
    await wires.segment("anon", ago(days=29))
    assert (await sync_to_async(checks.check)(report.id)).entered == 0
    link = {
        "type": "identify",
        "userId": "ada",
        "anonymousId": "anon",
        "messageId": "link",
        "timestamp": clock.iso(ago(days=28)),
    }
    assert (await wires.client.post("/v1/batch", json={"batch": [link]})).json()["success"]
    for _ in range(2):
        await sync_to_async(checks.check)(report.id)
    assert await sync_to_async(arrived)(report) == [("ada", "in", 1)]
