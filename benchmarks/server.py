"""Idle memory of the whole process, and the time of each page: ``python -m benchmarks.server``.

Starts a real server on an empty folder, waits, reads its resident memory; then loads 20,000 events of 2,000 visitors with
a segment, a report and a workflow that has run, signs in, and asks for each page 60 times in turn, one at a time. The
time is taken by the client on loopback, so it is a little more than the server's own.
"""

import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.server import Server

TIMES = 60
VISITORS = 2000


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes), from the kernel."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024 / 1e6


def load(server: Server) -> dict[str, str]:
    """Events, a segment, a report and a workflow with runs; the paths of the pages to ask for."""
    with httpx.Client() as http:
        for start in range(0, VISITORS, 50):
            batch: list[dict[str, Any]] = []
            for number in range(start, start + 50):
                visitor = f"visitor-{number:05}"
                batch.append(
                    {"type": "identify", "userId": visitor, "traits": {"plan": "pro" if number % 3 else "free"}}
                )
                batch += [
                    {"type": "track", "event": "export", "userId": visitor, "properties": {"n": n}} for n in range(9)
                ]
            server.send(*batch, client=http).raise_for_status()
    with server.client() as api:
        rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
        segment = api.post("/segments", json={"name": "Pro", "rules": rules}).raise_for_status().json()["id"]
        columns = ["visitor.id", "visitor.agent.plan", {"count": "track", "name": "export", "as": "exports"}]
        definition = {
            "name": "Pro",
            "kind": "visitor",
            "segment": segment,
            "range": {"within": "30d"},
            "columns": columns,
        }
        report = api.post("/reports", json=definition).raise_for_status().json()["id"]
        step = {
            "id": "tell",
            "type": "action",
            "app": "inbox",
            "action": "post_message",
            "inputs": {"text": "{{ visitor.id }}"},
        }
        trigger = {"kind": "visitor_in_report", "report": report}
        workflow = (
            api.post("/workflows", json={"name": "Tell", "trigger": trigger, "steps": [step]})
            .raise_for_status()
            .json()["id"]
        )
        api.post(f"/workflows/{workflow}/activate", json={"existing": "run"}).raise_for_status()
        while (
            not (runs := api.get(f"/workflows/{workflow}/runs", params={"limit": 1}).json()["items"])
            or not runs[0]["ended_at"]
        ):
            time.sleep(0.5)
        time.sleep(5)
    return {
        "home": "/",
        "sources": "/sources",
        "source": f"/sources/{server.setup['source_id']}",
        "segments": "/segments",
        "segment": f"/segments/{segment}",
        "reports": "/reports",
        "report": f"/reports/{report}",
        "workflows": "/workflows",
        "workflow": f"/workflows/{workflow}",
        "runs": f"/workflows/{workflow}/runs",
        "run": f"/runs/{runs[0]['id']}",
        "inbox": "/inbox",
        "connections": "/connections",
        "keys": "/settings/keys",
    }


def sign_in(server: Server) -> httpx.Client:
    http = httpx.Client(base_url=server.url, follow_redirects=True)
    http.get("/sign-in").raise_for_status()
    form = {
        "email": server.setup["email"],
        "password": server.setup["password"],
        "csrfmiddlewaretoken": http.cookies["arrivals_csrf"],
    }
    http.post("/sign-in", data=form, headers={"Referer": f"{server.url}/sign-in"}).raise_for_status()
    return http


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "home").set_up().start()
        try:
            assert server.process is not None
            time.sleep(20)
            print(f"idle memory: {resident_mb(server.process.pid):.0f} MB")
            pages = load(server)
            http = sign_in(server)
            times: dict[str, list[float]] = {name: [] for name in pages}
            for turn in range(TIMES + 3):
                for name, path in pages.items():
                    began = time.perf_counter()
                    http.get(path).raise_for_status()
                    if turn >= 3:  # the first rounds fill caches
                        times[name].append((time.perf_counter() - began) * 1000)
            print(f"{'page':<14}{'p50 ms':>8}{'p95 ms':>8}")
            for name, took in times.items():
                print(f"{name:<14}{statistics.median(took):>8.1f}{statistics.quantiles(took, n=20)[18]:>8.1f}")
            together = [one for took in times.values() for one in took]
            print(f"{'all':<14}{statistics.median(together):>8.1f}{statistics.quantiles(together, n=20)[18]:>8.1f}")
            print(f"memory after: {resident_mb(server.process.pid):.0f} MB")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
