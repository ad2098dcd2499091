"""A server, a browser, and for each test a source, a shop and a fresh browser profile."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.server import Server
from tests.shop.site import Site
from tests.test_browser import CHROMIUM, FLAGS

SOURCES = 55
# Playwright does not show bodies of requests that outlive their page: each page notes what it sends.
WIRE = """const real = window.fetch; window.fetch = (url, how) => {
  try {
    if (how && how.body) localStorage.setItem("wire", (localStorage.getItem("wire") || "") + how.body);
  } catch {}
  return real(url, how);
};"""


class Shop:
    """What a test needs: a page in the browser, the site, and what the server has kept."""

    def __init__(self, server: Server, source: dict[str, Any], context: BrowserContext, site: Site) -> None:
        self.server, self.source, self.context, self.site = server, source, context, site
        self.problems: list[str] = []

    def wire(self, page: Page) -> str:
        """All that the pages of this shop have sent, as it was sent."""
        return str(page.evaluate("localStorage.getItem('wire') || ''"))

    def open(self, path: str = "/page/index.html", *, ready: bool = True) -> Page:
        """A new tab at ``path``, where the agent is loaded."""
        page = self.context.new_page()
        page.on("console", lambda one: self.problems.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(self.site.url + path, wait_until="load" if ready else "domcontentloaded")
        if ready:
            page.wait_for_function("window.arrivals && arrivals.version")
        return page

    def kept(self) -> list[dict[str, Any]]:
        """All events of the source, in the order of their times."""
        with self.server.client() as client:
            answer = client.get(f"/sources/{self.source['id']}/events?limit=1000")
        return sorted(answer.json()["items"], key=lambda one: (one["at"], one["received_at"]))

    def until(self, enough: Callable[[list[dict[str, Any]]], bool] | int, seconds: float = 10) -> list[dict[str, Any]]:
        """Wait until the server has kept enough: so many, or what satisfies the function."""
        end = time.monotonic() + seconds
        while True:
            found = self.kept()
            if len(found) >= enough if isinstance(enough, int) else enough(found):
                return found
            assert time.monotonic() < end, f"{[(one['kind'], one['name']) for one in found]}\n{self.problems}"
            self.context.pages[-1].wait_for_timeout(100)  # a plain sleep would not let routes be answered

    def flushed(self, page: Page) -> list[dict[str, Any]]:
        """What the server has kept once the page has sent all that it held."""
        page.evaluate("arrivals.flush()")
        return self.kept()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("shop") / "home").set_up().start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def sources(server: Server) -> Iterator[dict[str, Any]]:
    """Made ahead: the collector looks for an unknown write key at most once a second."""
    with server.client() as client:
        made = [client.post("/sources", json={"name": f"Shop {number}"}).json() for number in range(SOURCES)]
    return iter(made)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def shop(server: Server, sources: Iterator[dict[str, Any]], browser: Browser) -> Iterator[Shop]:
    source = next(sources)
    context = browser.new_context()
    context.add_init_script(WIRE)
    site = Site(server.url, source["write_key"])
    shop = Shop(server, source, context, site)
    yield shop
    context.close()
    site.close()
    assert shop.problems == []
