"""A small Pendo on a loopback port: the token's test, reports, results, and whatever goes wrong with them."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

KEY = "4f1c7a9e-3b5d-4c8e-9a61-2d7e0f5b8c13"
VISITORS = {"id": "visitors", "name": "NPS responses", "target": "visitor", "definition": {"type": "visitor"}}
ACCOUNTS = {"id": "accounts", "name": "Big accounts", "target": "account"}
FUNNEL = {"id": "funnel", "name": "Sign-up", "type": "funnel", "target": "visitor"}

Misbehaviour = Callable[["Answer"], None]


class Answer:
    """What a misbehaviour may do to one request."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.handler = handler

    def send(self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        self.handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        self.handler.end_headers()
        self.handler.wfile.write(body)


def status(code: int, body: bytes = b"", **headers: str) -> Misbehaviour:
    return lambda answer: answer.send(code, body, **headers)


def half(answer: Answer) -> None:
    """The connection breaks in the middle of the body."""
    answer.send(200, b'[{"visitorId":"a"},{"visi', length=5000)
    answer.handler.close_connection = True


def slow(answer: Answer) -> None:
    """A few bytes, then nothing."""
    answer.handler.send_response(200)
    answer.handler.send_header("Content-Length", "5000")
    answer.handler.end_headers()
    answer.handler.wfile.write(b'[{"visitorId":"a"},')
    answer.handler.wfile.flush()
    time.sleep(1.5)
    answer.handler.close_connection = True


class FakePendo:
    """Serves ``rows`` (report id -> rows, or a function that yields pieces of the body) from ``__enter__`` to
    ``__exit__``. ``wrong`` replaces the answers to paths that contain its key. ``calls`` and ``sent`` are what came."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = [VISITORS, ACCOUNTS, FUNNEL]
        self.rows: dict[str, Any] = {"visitors": [], "accounts": []}
        self.wrong: dict[str, Misbehaviour] = {}
        self.valid: Any = True
        self.key = KEY
        self.calls: list[str] = []
        self.sent: list[tuple[str, str, str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                fake.calls.append(self.path)
                fake.answer(self, Answer(self))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                secret = self.headers.get("X-Pendo-Integration-Key", "")
                fake.sent.append((self.command, self.path, secret, json.loads(body)))
                fake.taken(Answer(self), self.path)

            do_PATCH = do_POST

            def log_message(self, *_: Any) -> None: ...

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None: ...  # a client that stops reading: expected here

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def visitors(self, *ids: str, **more: Any) -> None:
        """Put these on the visitor report, in place of those before."""
        self.rows["visitors"] = [{"visitorId": one, "accountId": "acme", **more} for one in ids]

    def answer(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        path = handler.path
        wrong = next((do for part, do in self.wrong.items() if part in path), None)
        if wrong is not None:
            return wrong(answer)
        if handler.headers.get("X-Pendo-Integration-Key") != self.key:
            return answer.send(403)
        if path == "/api/v1/token/verify":
            return answer.send(200, json.dumps({"valid": self.valid, "writeAccess": False}).encode())
        if path == "/api/v1/report":
            return answer.send(200, json.dumps(self.reports).encode())
        parts = path.split("/")
        rows = self.rows.get(unquote(parts[4])) if path.endswith("/results.json") else None
        if rows is None:
            return answer.send(404)
        if callable(rows):
            return _streamed(handler, rows())
        return answer.send(200, json.dumps(rows).encode())

    def taken(self, answer: Answer, path: str) -> None:
        wrong = next((do for part, do in self.wrong.items() if part in path), None)
        if wrong is not None:
            return wrong(answer)
        if path.endswith("/value"):
            return answer.send(200, b'{"total":1,"updated":1,"failed":0,"missing":[]}')
        if path.startswith("/api/v1/segment/"):
            return answer.send(200, b'{"multistatus":[{"operation":0,"status":200,"message":"ok"}]}')
        return answer.send(200)

    def __enter__(self) -> "FakePendo":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def many(number: int, prefix: str = "v") -> Callable[[], Iterable[bytes]]:
    """The body of ``number`` rows, made as it is sent."""

    def pieces() -> Iterable[bytes]:
        yield b"["
        for start in range(0, number, 1000):
            rows = [
                b'{"visitorId":"%s%07d","accountId":"acme","visitor_agent_email":"person@customer.example",'
                b'"visitor_auto_firstvisit":1700000000000,"daysActive":3,"nps_score":9,"nps_reason":"because it works"}'
                % (prefix.encode(), one)
                for one in range(start, min(start + 1000, number))
            ]
            yield (b"," if start else b"") + b",".join(rows)
        yield b"]"

    return pieces


def _streamed(handler: BaseHTTPRequestHandler, pieces: Iterable[bytes]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")
