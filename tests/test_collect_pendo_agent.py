"""Pendo's own web agent, unmodified, in a real browser against a real server.

The agent is not ours to ship: PENDO_AGENT_FOLDER names a folder in which somebody who may use it has run
``npm install @pendo/agent esbuild``.
"""

import functools
import http.server
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.server import Server
from tests.test_browser import CHROMIUM, FLAGS

FOLDER = os.environ.get("PENDO_AGENT_FOLDER", "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(
        not FOLDER or CHROMIUM is None,
        reason="Skipped: PENDO_AGENT_FOLDER names no folder with @pendo/agent, or there is no chromium.",
    ),
]
PAGE = """<!doctype html><title>Shop</title><button id="save" class="big">Save</button>
<form id="f"><input name="secret" value="hunter2"></form>
<script src="/agent.js"></script>
<script type="module">
window.agent = await pendoInitialize({apiKey: "KEY", env: "io", dataHost: "SERVER", contentHost: "SERVER",
  config: {dataHost: "SERVER", contentHost: "SERVER"}, visitor: {}, account: {}});
window.ready = true;
</script>"""
ENTRY = "import {initialize} from '@pendo/agent'; window.pendoInitialize = initialize;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("agent") / "home").set_up().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("site")
    page = PAGE.replace("KEY", server.setup["write_key"]).replace("SERVER", server.url)
    (root / "index.html").write_text(page)
    bundler = [str(Path(FOLDER) / "node_modules" / ".bin" / "esbuild"), "--bundle", f"--outfile={root / 'agent.js'}"]
    subprocess.run(bundler, input=ENTRY, text=True, cwd=FOLDER, check=True, capture_output=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()


def events(server: Server) -> list[dict[str, Any]]:
    with server.client() as client:
        found: list[dict[str, Any]] = client.get(f"/sources/{server.setup['source_id']}/events?limit=200").json()[
            "items"
        ]
        return found


def test_the_agent_delivers_all_that_it_sees(server: Server, site: str) -> None:
    told: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("requestfinished", lambda request: told.append(f"{request.method} {request.url[:90]}"))
        page.on("requestfailed", lambda request: told.append(f"failed {request.method} {request.url[:90]}"))
        page.goto(site)
        page.wait_for_function("window.ready")
        page.wait_for_timeout(1500)
        page.click("#save")
        page.evaluate(
            "agent.identify({visitor: {id: 'ada', email: 'ada@example.com', plan: 'pro'}, account: {id: 'acme', size: 50}})"
        )
        page.wait_for_timeout(500)
        page.evaluate("agent.track('export', {format: 'csv', n: 3})")
        page.click("#save")
        page.evaluate("history.pushState({}, '', '/cart')")
        page.wait_for_timeout(500)
        page.evaluate("agent.flushNow && agent.flushNow(true)")
        page.wait_for_timeout(3000)
        page.close(run_before_unload=True)
        browser.close()
    end = time.monotonic() + 20
    wanted = {("track", "export", "ada"), ("page", "/", "ada"), ("click", "button#save", "ada")}
    while time.monotonic() < end:
        kept = {(one["kind"], one["name"], one["visitor_id"]) for one in events(server)}
        if wanted <= kept or len(kept) > 6:
            break
        time.sleep(0.5)
    report = "\n".join(told)
    assert {("track", "export"), ("page", "/"), ("page", "/cart"), ("click", "button#save"), ("identify", "")} <= {
        one[:2] for one in kept
    }, f"{kept}\n{report}"
    assert ("track", "export", "ada") in kept, f"{kept}\n{report}"
    with server.client() as client:
        made = client.post("/segments/preview", json={"rules": {"all": [{"any": [
            {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}}).json()  # fmt: skip
        both = client.post("/segments/preview", json={"rules": {"all": [{"any": [
            {"kind": "event", "where": [{"property": "path", "op": "contains", "value": "button#save"}],
             "times": {"exactly": 3}}]}]}}).json()  # fmt: skip
    assert made == {"count": 1, "sample": ["ada"]}
    assert both == {"count": 1, "sample": ["ada"]}  # a focus and a click before she was known, a click after
    assert not any("hunter2" in str(one) for one in events(server))
    ours = [line for line in told if server.url in line and ("failed" in line or line.startswith("error"))]
    assert ours == [], report
