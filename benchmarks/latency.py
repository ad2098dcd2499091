"""From an event to the action that it starts: ``python -m benchmarks.latency [SECONDS] [RATE]``.

A real server on an empty folder takes RATE (200) events a second in batches of ten, each batch by a request of its own, for
SECONDS (20). One event of each batch starts a workflow on events; one makes a visitor new on a report, whose workflow starts
without waiting for the next check (that comes each hour here). Both call a local sink. The time is from before the request is
sent to the call's arrival, of the visitor that both are about.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.server import Server

BATCH = 10
WARM_SECONDS = 3  # not counted
KINDS = ("event", "report")


class Sink:
    """Notes when it was called for whom, by the path."""

    def __init__(self) -> None:
        self.at: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
        at = self.at

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                now = time.perf_counter()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                at[self.path.strip("/")].setdefault(body["visitor"], []).append(now)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def prepare(server: Server, sink: Sink) -> None:
    """A segment, a report, and the two workflows, on."""
    joined = {"kind": "track", "name": "joined", "did": True}
    bought = {"kind": "track", "name": "bought"}
    with server.client() as api:

        def post(path: str, data: dict[str, Any]) -> Any:
            return api.post(path, json=data).raise_for_status().json()

        segment = post("/segments", {"name": "Joined", "rules": {"all": [{"any": [joined]}]}})["id"]
        report = post("/reports", {"name": "Joined", "kind": "visitor", "segment": segment, "range": {"within": "30d"},
                                   "columns": ["visitor.id"]})["id"]  # fmt: skip
        triggers = ({"kind": "event", "event": bought}, {"kind": "visitor_in_report", "report": report})
        for kind, trigger in zip(KINDS, triggers, strict=True):
            inputs = {"url": f"{sink.url}/{kind}", "body": {"visitor": "{{ visitor.id }}"}}
            steps = [{"id": "call", "type": "action", "app": "webhook", "action": "send", "inputs": inputs}]
            made = post("/workflows", {"name": kind, "trigger": trigger, "reentry": "each_return", "steps": steps})
            post(f"/workflows/{made['id']}/activate", {"existing": "skip"})


def send(server: Server, seconds: float, rate: int) -> dict[str, dict[str, float]]:
    """Send events at the rate, whatever the answers take; when each visitor's event was sent, by kind."""
    sent: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    refused: list[int] = []
    every, begin = BATCH / rate, time.perf_counter()
    limits = httpx.Limits(max_connections=64)
    with httpx.Client(limits=limits) as http:

        def one(batch: list[dict[str, Any]]) -> None:
            answer = server.send(*batch, client=http)
            if answer.status_code != 200:
                refused.append(answer.status_code)

        threads = []
        for number in range(int(seconds / every)):
            time.sleep(max(0.0, begin + number * every - time.perf_counter()))
            names = [("bought", f"b{number}"), ("joined", f"j{number}")]
            names += [("noise", f"n{(number * BATCH + other) % 5000}") for other in range(BATCH - 2)]
            batch = [{"type": "track", "event": name, "userId": visitor} for name, visitor in names]
            for kind, (_, visitor) in zip(KINDS, names, strict=False):
                sent[kind][visitor] = time.perf_counter()
            threads.append(threading.Thread(target=one, args=(batch,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
    if refused:
        print(f"{len(refused)} batches were refused: {sorted(set(refused))}")
    return sent


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as folder:
        server, sink = Server(Path(folder) / "home", ARRIVALS_CHECK_MINUTES="60", ARRIVALS_FLOOD="0").set_up(), Sink()
        server.start()
        try:
            prepare(server, sink)
            sent = send(server, WARM_SECONDS + seconds, rate)
            end = time.monotonic() + 30
            while time.monotonic() < end and any(len(sink.at[kind]) < len(sent[kind]) for kind in KINDS):
                time.sleep(0.1)
        finally:
            server.stop()
    print(
        "| workflow on | runs | p50 ms | p95 ms | p99 ms | most ms | missing | twice |\n|---|---|---|---|---|---|---|---|"
    )
    for kind in KINDS:
        begin = min(sent[kind].values()) + WARM_SECONDS
        took = [
            (sink.at[kind][visitor][0] - at) * 1000
            for visitor, at in sent[kind].items()
            if at >= begin and visitor in sink.at[kind]
        ]
        parts = statistics.quantiles(took, n=100)
        missing = len(sent[kind].keys() - sink.at[kind].keys())
        twice = sum(len(calls) > 1 for calls in sink.at[kind].values())
        said = [f"{one:.0f}" for one in (parts[49], parts[94], parts[98], max(took))]
        print(f"| {kind} | {len(took)} | {' | '.join(said)} | {missing} | {twice} |")


if __name__ == "__main__":
    main()
