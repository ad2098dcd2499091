"""SIGKILL at random moments while events, checks and runs go on, each time started again: nothing lost, nothing doubled."""

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import Server
from tests.sink import Sink

pytestmark = pytest.mark.server
KILLS = 30


class Visitors(threading.Thread):
    """Sends batches without pause; a batch without an answer is sent again with the same message ids, as SDKs do."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(daemon=True)
        self.server, self.prefix = server, name
        self.acknowledged: list[str] = []  # visitor ids whose event was acknowledged
        self.stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            visitors = [f"{self.prefix}-{number}-{index}" for index in range(5)]
            batch = [
                {
                    "type": "track",
                    "event": "bought",
                    "userId": visitor,
                    "messageId": f"m-{visitor}",
                    "properties": {"n": number},
                }
                for visitor in visitors
            ]
            while not self.stopping.is_set():
                try:
                    answer = self.server.send(*batch)
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    self.acknowledged += visitors
                    break
                time.sleep(0.05)
            number += 1
            time.sleep(0.02)


class Checks(threading.Thread):
    """Presses *check now* without pause."""

    def __init__(self, server: Server, report: str) -> None:
        super().__init__(daemon=True)
        self.server, self.report = server, report
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                with self.server.client() as client:
                    client.post(f"/reports/{self.report}/check", timeout=10)
            except httpx.TransportError:
                pass
            time.sleep(0.1)


def test_thirty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(11)
    with Sink() as sink:
        server = Server(tmp_path / "home", ARRIVALS_FLOOD="0").set_up().start()
        report, workflow = make(server, sink)
        workers = [Visitors(server, "a"), Visitors(server, "b"), Checks(server, report)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.05, 1.2))
                server.kill()
                server.start()
        finally:
            for worker in workers:
                worker.stopping.set()
            for worker in workers:
                worker.join(timeout=40)
        acknowledged = {visitor for worker in workers[:2] for visitor in worker.acknowledged}  # type: ignore[union-attr]
        try:
            assert len(acknowledged) > 100, "too little went on to show anything"
            runs = settle(server, report, workflow, at_least=len(acknowledged))
            on_report = everybody(server, report)
            with server.client() as client:
                tasks = client.get("/usage").raise_for_status().json()["tasks"]
        finally:
            server.stop()

    members = Counter(run["member"] for run in runs)
    assert acknowledged <= set(on_report), "an acknowledged event was lost"
    assert max(on_report.values()) == 1, "an event was counted twice"
    assert set(members) == set(on_report), "an arrival was lost"
    assert set(members.values()) == {1}, "a run was doubled"
    assert {run["state"] for run in runs} == {"succeeded"}
    assert tasks == 2 * len(runs), "a task was counted twice, or not at all"
    keys = Counter(call.key for call in sink.calls)
    assert set(keys) == {f"{run['id']}:{step}" for run in runs for step in ("first", "second")}
    bodies: dict[str, set[bytes]] = {}
    for call in sink.calls:
        bodies.setdefault(call.key, set()).add(call.body)
    assert all(len(same) == 1 for same in bodies.values()), "one key was used for two different calls"
    # Only calls in flight at a kill are made again: at most the runner's places, each time.
    assert sum(keys.values()) - len(keys) <= KILLS * 100


def make(server: Server, sink: Sink) -> tuple[str, str]:
    """A report of those who bought, and a workflow of two calls on it, switched on."""
    with server.client() as client:
        rules = {"all": [{"any": [{"kind": "track", "name": "bought"}]}]}
        segment = client.post("/segments", json={"name": "Buyers", "rules": rules}).raise_for_status().json()["id"]
        definition = {
            "name": "Buyers",
            "kind": "visitor",
            "segment": segment,
            "range": {"within": "30d"},
            "columns": ["visitor.id", {"count": "track", "name": "bought", "as": "times"}],
        }
        report = client.post("/reports", json=definition).raise_for_status().json()["id"]
        steps: list[dict[str, Any]] = [
            {
                "id": name,
                "type": "action",
                "app": "webhook",
                "action": "send",
                "inputs": {"url": f"{sink.url}/{name}", "body": {"visitor": "{{ visitor.id }}"}},
            }
            for name in ("first", "second")
        ]
        trigger = {"kind": "visitor_in_report", "report": report}
        made = (
            client.post("/workflows", json={"name": "Tell", "trigger": trigger, "steps": steps})
            .raise_for_status()
            .json()
        )
        client.post(f"/workflows/{made['id']}/activate", json={"existing": "skip"}).raise_for_status()
        return report, made["id"]


def settle(server: Server, report: str, workflow: str, *, at_least: int) -> list[dict[str, Any]]:
    """Check once more, then wait until every run has ended (the leases of killed runners last 15 s)."""
    end = time.monotonic() + 90
    with server.client() as client:
        client.post(f"/reports/{report}/check").raise_for_status()
        while True:
            runs: list[dict[str, Any]] = []
            cursor: str | None = ""
            while cursor is not None:
                page = (
                    client.get(f"/workflows/{workflow}/runs", params={"limit": 1000, "cursor": cursor})
                    .raise_for_status()
                    .json()
                )
                runs += page["items"]
                cursor = page["next"]
            if len(runs) >= at_least and all(run["ended_at"] for run in runs):
                return runs
            assert time.monotonic() < end, Counter(run["state"] for run in runs)
            time.sleep(0.5)


def everybody(server: Server, report: str) -> dict[str, int]:
    """Visitor -> times bought, of the whole report."""
    found: dict[str, int] = {}
    with server.client() as client:
        cursor: str | None = ""
        while cursor is not None:
            page = (
                client.get(f"/reports/{report}/rows", params={"limit": 1000, "cursor": cursor})
                .raise_for_status()
                .json()
            )
            found |= {row["visitor.id"]: row["times"] for row in page["items"]}
            cursor = page["next"]
    return found
