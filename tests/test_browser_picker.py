"""The picker in a real browser, on a small site with a strict content security policy."""

import http.server
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.server import Server
from tests.test_browser import CHROMIUM, FLAGS
from tests.test_browser import pytestmark as pytestmark

HTML = """<!doctype html><html lang="en"><head><title>Orders of the shop</title>
<script async src="{url}/agent.js" data-key="{key}" data-flush-ms="20"></script><script async src="/site.js"></script></head>
<body><main><form id="checkout"><button type="button" class="buy-button css-1x2y3z"><svg width="16" height="16"><circle r="8"/></svg> Buy now</button>
<input name="note" aria-label="Note"></form><a id="away" href="/elsewhere">Away</a><button id="counter">Count</button><output id="count">0</output></main></body></html>"""
SCRIPT = """
document.getElementById("counter").addEventListener("click", () => { const o = document.getElementById("count"); o.textContent = Number(o.textContent) + 1; });
window.addEventListener("keydown", (event) => { document.body.dataset.keys = (document.body.dataset.keys || "") + event.key; });
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("picker") / "home").set_up().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(server: Server) -> Iterator[str]:
    """The address of a site that may load and connect to Arrivals, and nothing else: no inline style, no other host."""
    policy = f"default-src 'none'; script-src 'self' {server.url}; connect-src {server.url}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = self.path == "/site.js"
            text = SCRIPT if script else HTML.format(url=server.url, key=server.setup["write_key"])
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if script else "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def watched(page: Page, problems: list[str]) -> Page:
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    return page


def link(browser: Browser, server: Server, site: str, problems: list[str]) -> str:
    """What "Point on your site" gives somebody who is signed in."""
    page = watched(browser.new_context(base_url=server.url).new_page(), problems)
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(server.setup["email"])
    page.get_by_label("Password").fill(server.setup["password"])
    page.get_by_role("button", name="Sign in").click()
    page.goto("/features")
    page.get_by_role("link", name="Point on your site").click()
    page.get_by_label("A page of your site").fill(f"{site}/orders/7?x=1")
    page.get_by_role("button", name="Make the link").click()
    found = page.get_by_role("link", name="Open your site and point").get_attribute("href")
    assert found is not None
    assert found.startswith(f"{site}/orders/7?x=1#arrivals-picker=")
    return found


def clicks(server: Server) -> list[str]:
    with server.client() as client:
        events = client.get(f"/sources/{server.setup['source_id']}/events?limit=100").json()["items"]
    return [one["name"] for one in events if one["kind"] == "click"]


def test_somebody_points_names_and_ends(server: Server, site: str, browser: Browser) -> None:
    problems: list[str] = []
    visitor = watched(browser.new_context().new_page(), problems)
    visitor.goto(f"{site}/orders/3")
    visitor.wait_for_function("window.arrivals && arrivals.version")
    for _ in range(2):
        visitor.get_by_text("Buy now").click()
    visitor.locator("#counter").click()
    visitor.evaluate("arrivals.flush()")
    assert len(clicks(server)) == 3

    page = watched(browser.new_context(viewport={"width": 375, "height": 700}).new_page(), problems)
    page.goto(link(browser, server, site, problems))
    bar = page.get_by_role("dialog", name="Arrivals: name an element or a page")
    expect(bar).to_contain_text("Point at an element")
    assert "arrivals-picker" not in page.url

    # While it is there, the site does nothing, and nothing of it is captured.
    page.locator("#away").click()
    expect(bar).to_contain_text("a#away")
    expect(bar.get_by_role("status")).to_contain_text("0 clicks of 0 visitors in 30 days")
    assert page.url.endswith("/orders/7?x=1")
    bar.get_by_role("button", name="Point again").click()
    page.locator("#counter").click()
    expect(bar.get_by_role("status")).to_contain_text("1 click of 1 visitor in 30 days")
    assert page.locator("#count").inner_text() == "0"

    # An element inside of the button is the button.
    page.locator("svg").click()
    expect(bar.get_by_role("status")).to_contain_text("2 clicks of 1 visitor in 30 days")
    selector = bar.get_by_label("Selector")
    expect(selector).to_have_value("form#checkout button.buy-button")
    expect(bar.get_by_label("only with the text “Buy now”")).to_be_checked()
    expect(bar.get_by_label("Name")).to_have_value("Buy now")
    selector.fill("form#checkout >")
    expect(bar.get_by_role("status")).to_contain_text("The selector breaks off")
    selector.fill("form#checkout > button")
    expect(bar.get_by_role("status")).to_contain_text("2 clicks of 1 visitor")
    bar.get_by_label("Name").fill("Buy")
    bar.get_by_label("Name").press("Enter")
    expect(bar).to_contain_text("Saved: Buy")
    box = bar.bounding_box()
    assert box is not None
    assert (box["x"] >= 0, box["x"] + box["width"] <= 375) == (True, True)

    # The page, from the same place.
    bar.get_by_role("button", name="This page").click()
    expect(bar.get_by_label("Address")).to_have_value(f"{site}/orders/*")
    expect(bar.get_by_label("Name")).to_have_value("Orders of the shop")
    bar.get_by_label("Name").fill("Order")
    bar.get_by_role("button", name="Save").click()
    expect(bar).to_contain_text("Saved: Order")

    # The site can be used meanwhile; the picker is there on the next page too.
    bar.get_by_role("button", name="Use the site").click()
    page.locator("#counter").click()
    assert page.locator("#count").inner_text() == "1"
    page.locator("#away").click()
    page.wait_for_url("**/elsewhere")
    expect(bar).to_contain_text("Point at an element")
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)

    with server.client() as client:
        [feature] = client.get("/features").json()["items"]
        [named] = client.get("/pages").json()["items"]
        assert (feature["name"], feature["source"]) == ("Buy", server.setup["source_id"])
        assert feature["rules"] == [{"selector": "form#checkout > button", "text": {"is": "Buy now"}}]
        assert (named["name"], named["rules"]) == ("Order", [{"url": {"wildcard": f"{site}/orders/*"}}])
        assert client.get(f"/features/{feature['id']}").json()["usage"]["events"] == 2
    # Afterwards the site is as it was, also after a reload.
    page.locator("#counter").click()
    assert page.locator("#count").inner_text() == "1"
    page.reload()
    page.wait_for_function("window.arrivals && arrivals.version")
    page.locator("#counter").click()
    expect(bar).to_have_count(0)
    page.evaluate("arrivals.flush()")
    assert len(clicks(server)) == 7
    # The browser itself notes the one refusal, of the selector that broke off.
    assert [one for one in problems if "422" not in one] == []


def test_it_is_reached_by_keyboard_alone(server: Server, site: str, browser: Browser) -> None:
    problems: list[str] = []
    page = watched(browser.new_context().new_page(), problems)
    page.goto(link(browser, server, site, problems))
    bar = page.get_by_role("dialog", name="Arrivals: name an element or a page")
    expect(bar).to_be_visible()
    page.keyboard.press("Tab")  # to the first button of the site
    page.keyboard.press("Enter")
    expect(bar.get_by_label("Name")).to_be_focused()
    page.keyboard.type("By keys")
    page.keyboard.press("Enter")
    expect(bar).to_contain_text("Saved: By keys")
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    assert page.locator("body").get_attribute("data-keys") is None
    assert problems == []


def test_a_finger_takes_an_element_too(server: Server, site: str, browser: Browser) -> None:
    problems: list[str] = []
    phone = browser.new_context(has_touch=True, is_mobile=True, viewport={"width": 375, "height": 700})
    page = watched(phone.new_page(), problems)
    page.goto(link(browser, server, site, problems))
    bar = page.get_by_role("dialog", name="Arrivals: name an element or a page")
    expect(bar).to_be_visible()
    page.locator("#counter").tap()
    expect(bar.get_by_label("Selector")).to_have_value("button#counter")
    assert page.locator("#count").inner_text() == "0"
    assert problems == []


def test_a_link_that_is_too_old_says_so(server: Server, site: str, browser: Browser) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{site}/#arrivals-picker=not-a-token")
    bar = page.get_by_role("dialog", name="Arrivals: name an element or a page")
    page.locator("#away").click()
    expect(bar.get_by_role("status")).to_contain_text("The link is not valid")
    bar.get_by_role("button", name="End").click()
    expect(bar).to_have_count(0)
    answer = httpx.options(f"{server.url}/picker/look")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert re.match("The link is not valid", httpx.post(f"{server.url}/picker/save", content="{}").json()["detail"])


def test_a_captured_element_becomes_a_feature_with_its_numbers(server: Server, browser: Browser) -> None:
    problems: list[str] = []
    element = {
        "type": "click",
        "name": "a.help",
        "userId": "cy",
        "properties": {"path": ["a.help", "nav#side"], "text": "Help"},
    }
    assert server.send(element, {**element, "userId": "di"}).status_code == 200
    page = watched(browser.new_context(base_url=server.url).new_page(), problems)
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(server.setup["email"])
    page.get_by_label("Password").fill(server.setup["password"])
    page.get_by_role("button", name="Sign in").click()
    page.goto("/features/new")
    expect(page.locator("#preview")).to_contain_text("Fill in a rule")
    page.get_by_role("searchbox", name="Search").fill("help")
    expect(page.locator("#captured li")).to_have_count(1)
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_label("selector", exact=True)).to_have_value("nav#side a.help")
    expect(page.locator("#preview .count")).to_have_text("2")
    page.get_by_label("selector", exact=True).fill("nav#side a:hover")
    expect(page.locator("#preview [role=alert]")).to_contain_text("only :nth(n)")
    expect(page.locator(".group.wrong")).to_have_count(1)
    page.get_by_label("selector", exact=True).fill("nav a")
    expect(page.locator("#preview .count")).to_have_text("2")
    page.get_by_label("Name", exact=True).fill("Help link")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Help link")).to_be_visible()
    page.goto("/segments/new")
    page.get_by_label("kind").select_option("feature")
    page.locator("#builder input[placeholder=name]").fill("Help link")
    expect(page.locator("#preview .count")).to_have_text("2")
    assert problems == []
