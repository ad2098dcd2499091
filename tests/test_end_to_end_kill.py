"""SIGKILL at random moments while events, checks and runs go on, each time started again: nothing lost, nothing doubled.

On Postgres a second runner works beside it, any of the two processes is killed, or Postgres itself, as in a crash of its machine.
``SERVER_KILLS=100`` for a long run.
"""

import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import postgres
from tests.server import Server
from tests.sink import Received, Sink

pytestmark = pytest.mark.server
KILLS = int(os.environ.get("SERVER_KILLS", "6"))
SETTLE_SECONDS = 120 + 3 * KILLS
LEASE_SECONDS = 15
PAUSE = 0.5  # between two batches of a sender
DIGEST = 10
GATHER = 9  # the number of the step that is a digest


class Visitors(threading.Thread):
    """Sends batches without pause; a batch without an answer is sent again with the same message ids, as SDKs do."""

    def __init__(self, server: Server, name: str, *, pause: float = 0.02) -> None:
        super().__init__(daemon=True)
        self.server, self.prefix, self.pause = server, name, pause
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
            time.sleep(self.pause)


class Again(threading.Thread):
    """Does something again and again, whether or not the server is there."""

    def __init__(self, do: Callable[[], Any], *, pause: float) -> None:
        super().__init__(daemon=True)
        self.do, self.pause = do, pause
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.do()
            except httpx.HTTPError:
                pass
            time.sleep(self.pause)


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """One process. On SQLite it is the only one that there is, and frees at its start what the killed one held."""
    server = Server(tmp_path / "home", ARRIVALS_FLOOD="0").set_up()

    def kill(chance: random.Random) -> None:
        server.kill()
        server.start()

    proved([server], kill)


@pytest.mark.skipif(not os.environ.get("ARRIVALS_DATABASE_URL", "").startswith("postgres"), reason="needs Postgres")
def test_kills_of_two_runners_and_of_postgres_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    database = postgres.Postgres(Path(tempfile.mkdtemp()) / "postgres").start()
    url = {"ARRIVALS_DATABASE_URL": database.url}
    server = Server(tmp_path / "home", ARRIVALS_FLOOD="0", **url).set_up()
    second = server.beside(ARRIVALS_FLOOD="0")

    def kill(chance: random.Random) -> None:
        match chance.choice(("first", "second", "second", "both", "postgres")):
            case "first":
                server.kill()
                server.start()
            case "second":
                second.kill()
                second.start("--only", "runner")
            case "both":
                server.kill()
                second.kill()
                server.start()
                second.start("--only", "runner")
            case _:
                database.stop()
                time.sleep(chance.uniform(0.0, 3.0))
                database.start()

    try:
        proved([server, second], kill)
    finally:
        database.forget()


def proved(servers: list[Server], kill: Callable[[random.Random], None]) -> None:
    """Let visitors come while ``kill`` is called, then wait until all has ended and look at what came of it."""
    chance, server = random.Random(int(os.environ.get("SERVER_SEED", "11"))), servers[0]
    kills: list[tuple[float, float]] = []  # when each began, and when all was there again
    with Sink() as sink:
        server.start()
        for other in servers[1:]:
            other.start("--only", "runner")
        report, workflow = make(server, sink)
        visitors = [Visitors(server, name, pause=PAUSE) for name in ("a", "b")]
        workers = [
            *visitors,
            Again(lambda: check(server, report), pause=0.1),
            Again(lambda: thank(server, workflow), pause=0.5),
        ]
        for worker in workers:
            worker.start()
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.05, 1.2))
                began = time.monotonic()
                kill(chance)
                kills.append((began, time.monotonic()))
            time.sleep(1)
        finally:
            for worker in workers:
                worker.stopping.set()
            for worker in workers:
                worker.join(timeout=40)
        acknowledged = {visitor for worker in visitors for visitor in worker.acknowledged}
        try:
            assert len(acknowledged) > 5 * KILLS, "too little went on to show anything"
            runs = settle(server, report, workflow, at_least=len(acknowledged))
            on_report = everybody(server, report)
            with server.client() as client:
                tasks = client.get("/usage").raise_for_status().json()["tasks"]
        finally:
            for one in servers:
                one.stop()

    members = Counter(run["member"] for run in runs)
    assert acknowledged <= set(on_report), "an acknowledged event was lost"
    assert max(on_report.values()) == 1, "an event was counted twice"
    assert set(members) == set(on_report), "an arrival was lost"
    assert set(members.values()) == {1}, "a run was doubled"
    assert Counter(run["state"] for run in runs) == {"succeeded": len(runs)}
    calls: dict[str, list[Received]] = {}
    for call in sink.calls:
        calls.setdefault(call.key, []).append(call)
    sent = {key for key in calls if key.endswith(":sent")}
    assert set(calls) - sent == {f"{run['id']}:{step}" for run in runs for step in steps_of(run["member"])}
    assert sent <= {f"{run['id']}:sent" for run in runs}
    assert tasks == len(calls), "a task was counted twice, or not at all"
    gathered = Counter(who for key in sent for who in calls[key][0].json["of"].split(","))
    assert gathered == Counter(members), "an entry of a digest was lost or doubled"
    assert all(len({one.body for one in same}) == 1 for same in calls.values()), "one key was used for two calls"
    again = [same for same in calls.values() if len(same) > 1]
    for same in again:
        for first, second in pairwise(same):
            assert any(began - LEASE_SECONDS < first.at < ended and second.at > began for began, ended in kills), (
                "a call was made again that was not in flight at a kill"
            )
    repeated = sum(len(same) - 1 for same in again)
    assert repeated <= len(servers) * len(kills) * 120, "more calls were repeated than may be in flight"
    print(f"{len(kills)} kills, {len(runs)} runs, {len(calls)} calls, of which {repeated} were repeated; {len(sent)} digests")  # fmt: skip


def steps_of(member: str) -> tuple[str, ...]:
    return ("first", "left" if member.startswith("a-") else "right", "each:0", "each:1", "second")


def make(server: Server, sink: Sink) -> tuple[str, str]:
    """A report of those who bought, and a workflow on it with a step of each kind that waits or branches, switched on."""

    def call(name: str, **more: str) -> dict[str, Any]:
        inputs = {"url": f"{sink.url}/{name}", "body": {"visitor": "{{ visitor.id }}", **more}}
        return {"id": name, "type": "action", "app": "webhook", "action": "send", "inputs": inputs}

    of_a = [{"any": [{"left": "{{ visitor.id }}", "op": "starts_with", "value": "a-"}]}]
    branches = [
        {"name": "Left", "all": of_a, "steps": [call("left")]},
        {"name": "Right", "fallback": True, "steps": [call("right")]},
    ]
    soon = '{{ arrival.at | date: "%s" | plus: 4 | date: "%Y-%m-%dT%H:%M:%SZ" }}'
    thanked = {"event": {"kind": "track", "name": "thanked"}}
    steps: list[dict[str, Any]] = [
        call("first"),
        {"id": "split", "type": "paths", "mode": "first", "branches": branches},
        {"id": "rest", "type": "delay", "until": soon},
        {"id": "turns", "type": "loop", "over": ["x", "y"], "steps": [call("each", item="{{ loop.item }}")]},
        {"id": "thanks", "type": "wait", "for": thanked, "timeout": "1m"},
        call("second"),
        {"id": "gather", "type": "digest", "release": {"count": DIGEST}, "entry": "{{ visitor.id }}"},
        call("sent", of="{{ steps.gather.entries | join: ',' }}"),
    ]
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
        trigger = {"kind": "visitor_in_report", "report": report}
        made = (
            client.post("/workflows", json={"name": "Tell", "trigger": trigger, "steps": steps})
            .raise_for_status()
            .json()
        )
        client.post(f"/workflows/{made['id']}/activate", json={"existing": "skip"}).raise_for_status()
        return report, made["id"]


def check(server: Server, report: str) -> None:
    """Press *check now*."""
    with server.client() as client:
        client.post(f"/reports/{report}/check", timeout=10).raise_for_status()


def thank(server: Server, workflow: str) -> None:
    """Send the event that runs wait for, of those that wait or are about to."""
    with server.client() as client:
        page = client.get(f"/workflows/{workflow}/runs", params={"limit": 200, "state": "delayed"}, timeout=10)
    waiting = [one["member"] for one in page.raise_for_status().json()["items"]]
    for start in range(0, len(waiting), 50):
        server.send(*({"type": "track", "event": "thanked", "userId": one} for one in waiting[start : start + 50]))


def all_runs(server: Server, workflow: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    cursor: str | None = ""
    with server.client() as client:
        while cursor is not None:
            given = {"limit": 1000, "cursor": cursor}
            page = client.get(f"/workflows/{workflow}/runs", params=given).raise_for_status().json()
            runs += page["items"]
            cursor = page["next"]
    return runs


def settle(server: Server, report: str, workflow: str, *, at_least: int) -> list[dict[str, Any]]:
    """Check once more, then wait until every run has ended (the leases of killed runners last 15 s)."""
    end = time.monotonic() + SETTLE_SECONDS
    checked = False
    while True:
        if not checked:  # a check that was killed holds the report for some seconds
            with server.client() as client:
                checked = client.post(f"/reports/{report}/check").is_success
        thank(server, workflow)
        runs = all_runs(server, workflow)
        if checked and len(runs) >= at_least and all(run["ended_at"] for run in runs):
            return runs
        if all(run["ended_at"] or (run["state"] == "delayed" and run["step"] == GATHER) for run in runs):
            with server.client() as client:
                client.post(f"/workflows/{workflow}/digests/gather/release")
        assert time.monotonic() < end, Counter((run["state"], run["step"]) for run in runs)
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
