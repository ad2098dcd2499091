"""SIGKILL while events come in and start runs, and runs wait for events: each event has one run, and each run ends.

``SERVER_KILLS=100`` for a long run.
"""

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import makers
from tests.server import Server
from tests.test_end_to_end_kill import Visitors

pytestmark = pytest.mark.server
KILLS = int(os.environ.get("SERVER_KILLS", "2"))


def runs(server: Server, workflow: str) -> list[dict[str, Any]]:
    with server.client() as api:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = api.get(f"/workflows/{workflow}/runs", params={"limit": 1000, "cursor": cursor}).json()
            found += page["items"]
            if not page["next"]:
                return found
            cursor = page["next"]


def until(server: Server, workflow: str, state: str, number: int) -> list[dict[str, Any]]:
    """All runs, when there are so many and all are in this state, or after a while."""
    end = time.monotonic() + 60 + KILLS
    while True:
        found = runs(server, workflow)
        if (len(found) >= number and all(one["state"] == state for one in found)) or time.monotonic() > end:
            return found
        time.sleep(0.3)


def test_each_event_starts_one_run_whatever_dies_and_the_event_that_a_run_waits_for_wakes_it(tmp_path: Path) -> None:
    chance = random.Random(5)
    server = Server(tmp_path / "home").set_up().start()
    steps = [
        {"id": "w", "type": "wait", "for": {"event": {"kind": "track", "name": "done"}}, "timeout": "1d"},
        makers.post("{{ steps.w.happened }}", "tell"),
    ]
    trigger = {"kind": "event", "event": {"kind": "track", "name": "bought"}}
    with server.client() as api:
        made = api.post("/workflows", json={"name": "W", "trigger": trigger, "reentry": "each_return", "steps": steps})
        workflow = made.raise_for_status().json()["id"]
        api.post(f"/workflows/{workflow}/activate", json={"existing": "skip"}).raise_for_status()
    visitors = Visitors(server, "a", pause=0.1)
    visitors.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.3, 1.5))
        server.kill()
        server.start()
    while len(visitors.acknowledged) <= 50:
        time.sleep(0.1)
    visitors.stopping.set()
    visitors.join()
    known = set(visitors.acknowledged)
    found = until(server, workflow, "delayed", len(known))
    for start in range(0, len(found), 50):
        server.send(
            *({"type": "track", "event": "done", "userId": one["visitor"]} for one in found[start : start + 50])
        )
    server.kill()
    server.start()
    found = until(server, workflow, "succeeded", len(known))
    server.stop()
    times = Counter(one["visitor"] for one in found)
    assert len(known) > 50
    assert known <= set(times), "an acknowledged event was lost"
    assert set(times.values()) == {1}, "a run was doubled"
    assert Counter(one["state"] for one in found) == {"succeeded": len(found)}
