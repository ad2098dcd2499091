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
from playwright.sync_api import Route, sync_playwright

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
PAGE = """<!doctype html><title>Shop</title><link rel="icon" href="data:,"><button id="save" class="big">Save</button> <a href="#all"><b>All things</b></a>
<form id="f"><input name="secret" value="hunter2"></form>
<script src="/agent.js"></script>
<script type="module">
window.agent = await pendoInitialize({apiKey: "KEY", env: "io", dataHost: "SERVER", contentHost: "SERVER",
  config: {dataHost: "SERVER", contentHost: "SERVER"}, visitor: {}, account: {}});
window.ready = true;
</script>"""
ENTRY = """import {initialize, TextCapture} from '@pendo/agent';
window.pendoInitialize = (options) => initialize({...options, plugins: [TextCapture]});"""
# As Pendo would deliver it; the agent then makes the answers and sends them itself.
GUIDE = {"id": "g-nps", "name": "NPS", "state": "public", "launchMethod": "api", "attributes": {}, "audience": [],
         "polls": [{"id": "p1", "attributes": {"type": "NPSRating"}, "numericResponses": True},
                   {"id": "p2", "attributes": {"type": "NPSReason"}}],
         "steps": [{"id": "s1", "guideId": "g-nps", "type": "lightbox", "content": "<p>How likely?</p>",
                    "pollIds": ["p1", "p2"], "attributes": {}}]}  # fmt: skip
ANSWERS = "[{pollId: 'p1', value: 9}, {pollId: 'p2', value: 'Saves an hour'}]"


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

        def with_guide(route: Route) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, json={**answer.json(), "guides": [GUIDE], "lastGuideStepSeen": {}})

        page.route("**/data/guide.json/**", with_guide)
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
        page.click("b")
        page.fill("input", "typed")
        page.evaluate("history.pushState({}, '', '/cart')")
        page.wait_for_timeout(500)
        page.evaluate(f"agent.findGuideById('g-nps').steps[0].response({ANSWERS})")
        page.evaluate("agent.showGuideById('g-nps')")
        page.wait_for_timeout(1000)
        assert page.evaluate("agent.isReady()")
        page.evaluate("agent.flushNow(true)")
        page.wait_for_timeout(3000)
        page.close(run_before_unload=True)
        browser.close()
    end = time.monotonic() + 20
    answers = [("survey_shown", "g-nps", "ada"), ("survey_answered", "g-nps", "ada")]
    wanted = {("track", "export", "ada"), ("page", "/cart", "ada"), ("click", 'a "All things"', "ada"), *answers}
    while time.monotonic() < end:
        kept = {(one["kind"], one["name"], one["visitor_id"]) for one in events(server)}
        if wanted <= kept:
            break
        time.sleep(0.5)
    report = "\n".join(told)
    assert {("track", "export"), ("page", "/"), ("page", "/cart"), ("click", "button#save"), ("identify", "")} <= {
        one[:2] for one in kept
    }, f"{kept}\n{report}"
    assert wanted <= kept, f"{kept}\n{report}"
    said = [one["properties"] for one in events(server) if one["kind"] == "survey_answered"]
    assert {("p1", 9, None), ("p2", None, "Saves an hour")} == {
        (one["poll_id"], one.get("score"), one.get("reason")) for one in said
    }
    with server.client() as client:
        made = client.post("/segments/preview", json={"rules": {"all": [{"any": [
            {"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}}).json()  # fmt: skip
        both = client.post("/segments/preview", json={"rules": {"all": [{"any": [
            {"kind": "event", "where": [{"property": "path", "op": "contains", "value": "button#save"}],
             "times": {"exactly": 3}}]}]}}).json()  # fmt: skip
    assert made == {"count": 1, "sample": ["ada"]}
    assert both == {"count": 1, "sample": ["ada"]}  # a focus and a click before she was known, a click after
    assert not any(secret in str(one) for one in events(server) for secret in ("hunter2", "typed"))
    # The picture of Pendo's badge under a guide is not ours to have.
    ours = [line for line in told if line.startswith(("failed", "error")) and "tiny-logo" not in line]
    assert ours == [], report
