"""A small shop on a port of its own, whose pages have the agent of an Arrivals on another."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arrivals.collect import snippet

PAGES = Path(__file__).parent / "pages"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


class Site:
    """``/page/NAME`` is a file; every path under ``/spa`` is the single page. ``/setup.js`` is the snippet.

    ``options`` is what the pages give to ``initialize``; ``policy`` is sent as their content security policy.
    ``element`` puts the script element that needs no inline script in the place of the snippet.
    """

    def __init__(self, host: str, key: str) -> None:
        self.host, self.key = host, key
        self.options: dict[str, Any] = {}
        self.policy = ""
        self.element = False
        self.attributes = ""  # further ones of that element
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = site.page(urlsplit(self.path).path)
                self.send_response(200 if kind else 404)
                self.send_header("content-type", kind or "text/plain")
                self.send_header("cache-control", "no-cache")
                if site.policy:
                    self.send_header("content-security-policy", site.policy)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.do_GET()

            def log_message(self, *_given: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, path: str) -> tuple[str, str]:
        """Type and text of what lies at ``path``; an empty type: nothing."""
        if path == "/setup.js":
            options = json.dumps({"key": self.key, **self.options})
            return TYPES[".js"], f"{snippet.stub(self.host)}\narrivals.initialize({options});"
        name = "spa.html" if path.startswith("/spa") else path.removeprefix("/page/")
        file = PAGES / name
        if not file.is_file() or file.parent != PAGES:
            return "", "not here"
        text = file.read_text(encoding="utf-8")
        if self.element:
            text = text.replace(
                '<script src="/setup.js"></script>',
                snippet.element(self.host, self.key).replace("<script", f"<script {self.attributes}"),
            )
        return TYPES[file.suffix], text

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
