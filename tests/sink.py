"""A local HTTP server that keeps what it is sent: the other product, in tests."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request. ``key`` is its Idempotency-Key; ``at`` when it came, in ``time.monotonic()``."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = 0.0

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Sink:
    """Listens on a free loopback port from ``__enter__`` to ``__exit__``. ``calls`` grows as requests come.

    Each is answered after ``seconds``.
    """

    def __init__(self) -> None:
        self.calls: list[Received] = []
        self.status = 200
        self.seconds = 0.0
        self.answer = b'{"ok":true}'
        self.headers = {"Content-Type": "application/json"}
        calls, sink = self.calls, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                calls.append(Received(self.command, self.path, headers, body, time.monotonic()))
                if sink.seconds:
                    time.sleep(sink.seconds)
                answer = sink.answer
                self.send_response(sink.status)
                for name, value in sink.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET = do_PUT = do_DELETE = do_PATCH = handle_any

            def log_message(self, *_: Any) -> None: ...

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_: Any) -> None: ...  # a killed client breaks its connections: expected here

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "Sink":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
