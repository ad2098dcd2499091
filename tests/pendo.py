"""A client of /api/v1 for tests, and golden files: a request and its answer, as clients meet them.

``GOLDEN=write`` writes the files anew; look at what changed before you keep it.
"""

import json
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from django.test import Client

from arrivals.accounts import keys
from arrivals.api.pendo import urls

FOLDER = Path(__file__).parent / "golden" / "v1"
HEADER = "x-pendo-integration-key"
JOB = re.compile(r"(?<=/visitors/)[^/]+(?=/)")


class Api:
    """Sends requests with a key. ``write``: with write access."""

    def __init__(self, *, write: bool = True) -> None:
        _, secret = keys.create("tests", write=write, by="ada@example.com")
        self.client = Client(headers={HEADER: secret})

    def raw(self, method: str, path: str, body: Any = None) -> Any:
        data = "" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        return self.client.generic(method, f"/api/v1{path}", data, content_type="application/json")

    def send(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.raw(method, path, body)
        content = b"".join(answer) if answer.streaming else answer.content
        assert answer.status_code == status, content
        if not content:
            return None
        return json.loads(content) if "json" in answer["Content-Type"] else content.decode()


def golden(api: Api, name: str, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    """Send a request, compare both with the golden file ``name``, and return the answer's body."""
    got = api.send(method, path, body, status=status)
    request: dict[str, Any] = {"method": method, "path": f"/api/v1{path}"}
    if body is not None:
        request["body"] = body
    seen = {"endpoint": endpoint(method, path), **_plain({"request": request, "status": status, "answer": got})}
    file = FOLDER / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(seen, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert seen == json.loads(file.read_text(encoding="utf-8"))
    return got


def endpoint(method: str, path: str) -> str:
    """The row of the table that a request belongs to, such as ``GET /visitor/{id}``; empty for none."""
    found = urls.matches([unquote(part) for part in path.partition("?")[0].strip("/").split("/")])
    return next((f"{one.method} {one.path}" for one, _ in found if one.method == method), "")


def _plain(value: Any) -> Any:
    """Without what differs from run to run: our ids, export jobs, the time of the test."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in {**value, **_random(value)}.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, int) and abs(value / 1000 - time.time()) < 600:
        return "<now>"
    if isinstance(value, str):
        value = re.sub(r"-\d{13}\b", "-<now>", value)
        return JOB.sub("<job>", re.sub(r"\b(seg|rep|lst|era|wf|run)_[0-9a-z]{24}", r"\1_…", value))
    return value


def _random(value: dict[str, Any]) -> dict[str, str]:
    """The values that are made up anew each time."""
    job = {"jobId": "<job>", "id": "<job>"} if "jobId" in value else {}
    return {**job, "eventId": "<event>"} if "eventId" in value else job
