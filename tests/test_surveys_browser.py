"""Surveys on a page of somebody else's site, in a real browser: shown to the right visitor, answered, arrived."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.server import Server
from tests.test_browser import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Skipped: no chromium is installed, so no survey was tried in a browser."
    ),
]
SHOP = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Shop</title>
{script}
<h1>Shop</h1><input id="before" aria-label="Search"><button id="buy">Buy</button>"""


class Site:
    """A shop on another origin, with a policy that allows scripts of Arrivals and nothing inline."""

    def __init__(self, server: Server) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                who = self.path.partition("?who=")[2]
                more = f' data-visitor="{who}"' if who else ""
                script = (
                    f'<script async src="{server.url}/agent.js" data-key="{server.setup["write_key"]}"{more}></script>'
                )
                if self.path == "/alone":
                    script = f'<script src="{server.url}/agent-surveys.js"></script>'
                page = SHOP.format(script=script)
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                policy = f"default-src 'none'; script-src {server.url}; connect-src {server.url}; style-src 'none'"
                self.send_header("content-security-policy", policy)
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        site.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    url = ""


SURVEYS: list[dict[str, Any]] = [
    {"key": "nps", "pages": [{"url": {"wildcard": "/orders/*"}}]},
    {"key": "csat", "kind": "csat", "reason": False, "pages": [{"url": {"exact": "/csat"}}], "look": {"position": "centre", "language": "de"}},
    {"key": "colour", "kind": "question", "texts": {"question": "Which colour?"}, "choices": ["Red", "Blue"], "anonymous": True,
     "pages": [{"url": {"contains": "colour"}}], "look": {"theme": "dark", "accent": "#ffcc00"}},
    {"key": "why", "kind": "question", "texts": {"question": "لماذا؟"}, "pages": [{"url": {"exact": "/why"}}], "look": {"language": "ar"}},
    {"key": "left", "pages": [{"url": {"wildcard": "/left/**"}}]},
    {"key": "feedback", "kind": "csat", "pages": [{"url": {"exact": "/never"}}]},
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With all surveys of this file: each has pages of its own, and the first is for those on the plan pro."""
    server = Server(tmp_path_factory.mktemp("surveys") / "home").set_up().start()
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    with server.client() as api:
        segment = api.post("/segments", json={"name": "Pro", "rules": rules}).json()["id"]
        for number, one in enumerate(SURVEYS):
            body = {"name": one["key"], "kind": "nps", "state": "live", "delay_seconds": 0, **one}
            made = api.post("/surveys", json={**body, "segment": None if number else segment})
            assert made.status_code == 201, made.text
            one["id"] = made.json()["id"]
    for who, plan in (("pro", "pro"), ("closer", "pro"), ("free", "free")):
        server.send({"type": "identify", "userId": who, "traits": {"plan": plan}}).raise_for_status()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(server: Server) -> Iterator[Site]:
    site = Site(server)
    yield site
    site.http.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Opens a page of the shop for a visitor; no page may log an error or break the site's policy."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def note(one: Any) -> None:
        if one.type == "error" and "favicon" not in one.location.get("url", ""):
            problems.append(one.text)

    def open_(path: str, who: str = "", context: BrowserContext | None = None, **options: Any) -> Page:
        if context is None:
            context = browser.new_context(**options)
            contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{site.url}{path}?who={who}" if who else f"{site.url}{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


def asked(page: Page) -> None:
    """Wait until the page has asked for its surveys, and give them time to appear."""
    ask = "performance.getEntriesByType('resource').filter((one) => one.name.includes('/v1/surveys')).length"
    until(1, lambda: [1] * page.evaluate(ask))
    page.wait_for_timeout(400)


def until(count: int, found: Callable[[], list[Any]]) -> list[Any]:
    end = time.monotonic() + 10
    while len(got := found()) < count and time.monotonic() < end:
        time.sleep(0.1)
    return got


def answers(server: Server, key: str, count: int = 1) -> list[tuple[Any, ...]]:
    """Visitor, score and reason of the responses to a survey, when there are as many."""

    def found() -> list[tuple[Any, ...]]:
        with server.client() as api:
            items = api.get("/responses", params={"survey": key}).json()["items"]
        return [(one["visitor_id"], one["score"], one["reason"]) for one in items]

    return until(count, found)


def counted(server: Server, who: str, key: str, **rule: Any) -> int:
    """How many events named as the survey a visitor has, by the count of a report."""
    column = {"count": "event", "name": key, "as": "n", **rule}
    with server.client() as api:
        report = api.post(
            "/reports", json={"name": "x", "range": {"ever": True}, "columns": ["visitor.id", column]}
        ).json()
        rows = api.get(f"/reports/{report['id']}/rows").json()["items"]
        api.delete(f"/reports/{report['id']}")
    return next((int(row["n"]) for row in rows if row["visitor.id"] == who), 0)


def results(server: Server, key: str) -> dict[str, Any]:
    id_ = next(one["id"] for one in SURVEYS if one["key"] == key)
    with server.client() as api:
        return dict(api.get(f"/surveys/{id_}/results").json())


def test_it_appears_on_its_page_only_to_those_in_its_segment_and_is_answered_by_keyboard(
    server: Server, opened: Callable[..., Page]
) -> None:
    free = opened("/orders/7", "free")
    asked(free)
    expect(free.get_by_role("dialog")).to_have_count(0)

    page = opened("/", "pro")
    asked(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#before").focus()
    page.evaluate("history.pushState(null, '', '/orders/7')")
    dialog = page.get_by_role("dialog", name="How likely are you to recommend us")
    expect(dialog).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "before"  # a corner takes no focus
    expect(page.get_by_role("status")).to_have_text("How likely are you to recommend us to a friend or colleague?")
    expect(dialog).to_match_aria_snapshot("""
      - dialog "How likely are you to recommend us to a friend or colleague?":
        - heading "How likely are you to recommend us to a friend or colleague?" [level=2]
        - radiogroup "How likely are you to recommend us to a friend or colleague?":
          - radio "0, Not likely at all"
          - radio "1"
          - radio "2"
          - radio "3"
          - radio "4"
          - radio "5"
          - radio "6"
          - radio "7"
          - radio "8"
          - radio "9"
          - radio "10, Extremely likely"
        - status
        - button "Close"
    """)
    for key in ("Tab", "Tab", "End", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.get_by_role("radio", name="10, Extremely likely")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="9", exact=True)).to_be_checked()
    expect(page.get_by_label("What is the main reason for your score?")).to_be_focused()
    assert answers(server, "nps") == [("pro", 9, None)]  # it is there before anything is said to it
    page.keyboard.type("Saves me an hour")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_have_text("Thank you!")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "before"

    assert until(1, lambda: [one for one in answers(server, "nps") if one[2]]) == [("pro", 9, "Saves me an hour")]
    with server.client() as api:
        report = api.post(
            "/reports",
            json={
                "name": "R",
                "kind": "response",
                "survey": "nps",
                "columns": ["visitor.id", "response.score", "response.reason", "response.class"],
            },
        ).json()
        rows = api.get(f"/reports/{report['id']}/rows").json()["items"]
    assert rows == [
        {"visitor.id": "pro", "response.score": 9, "response.reason": "Saves me an hour", "response.class": "promoter"}
    ]
    found = results(server, "nps")
    assert (found["responses"], found["shown"], found["answered"], found["score"]) == (1, 1, 1, 100)
    assert counted(server, "pro", "nps") == 3  # shown, score, reason

    page.goto(page.url)  # the same tab
    asked(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    other = opened("/orders/8", "pro")  # another browser
    asked(other)
    expect(other.get_by_role("dialog")).to_have_count(0)


def test_a_tab_that_closes_right_after_the_click_loses_nothing(server: Server, opened: Callable[..., Page]) -> None:
    page = opened("/orders/1", "closer")
    page.get_by_role("radio", name="3", exact=True).click()
    page.close(run_before_unload=True)
    assert until(1, lambda: [one for one in answers(server, "nps") if one[0] == "closer"]) == [("closer", 3, None)]


def test_in_the_middle_it_keeps_the_keyboard_and_closing_it_counts_as_shown_only(
    server: Server, opened: Callable[..., Page]
) -> None:
    page = opened("/csat", "ann", viewport={"width": 375, "height": 700})
    dialog = page.get_by_role("dialog", name="Wie zufrieden sind Sie?")
    expect(dialog).to_be_visible()
    expect(dialog).to_have_attribute("aria-modal", "true")
    expect(page.get_by_role("radio", name="1, Sehr unzufrieden")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Schließen")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("radio", name="1, Sehr unzufrieden")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert until(1, lambda: [1] * (counted(server, "ann", "csat") > 1)) == [1]
    assert counted(server, "ann", "csat", where=[{"property": "dismissed", "op": "is", "value": True}]) == 1
    found = results(server, "csat")
    assert (found["responses"], found["shown"], found["answered"], found["rate"]) == (0, 1, 0, 0)
    page.reload()
    asked(page)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_choices_on_a_phone_for_somebody_anonymous(server: Server, opened: Callable[..., Page]) -> None:
    page = opened("/a/colours", viewport={"width": 375, "height": 700}, has_touch=True)
    dialog = page.get_by_role("dialog", name="Which colour?")
    expect(dialog).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 375
    assert box["y"] + box["height"] <= 700
    page.get_by_role("radio", name="Blue").tap()
    expect(page.get_by_role("status")).to_have_text("Thank you!")
    [(who, score, said)] = answers(server, "colour")
    assert (who.startswith("anon_"), score, said) == (True, None, "Blue")
    assert results(server, "colour")["distribution"] == [{"value": "Red", "count": 0}, {"value": "Blue", "count": 1}]


def test_words_from_right_to_left(server: Server, opened: Callable[..., Page]) -> None:
    page = opened("/why", "bob", viewport={"width": 375, "height": 700})
    dialog = page.get_by_role("dialog", name="لماذا؟")
    expect(dialog).to_have_css("direction", "rtl")
    page.get_by_role("button", name="إرسال").click()
    expect(page.get_by_role("textbox", name="لماذا؟")).to_be_focused()  # nothing was said yet
    page.get_by_role("textbox", name="لماذا؟").fill("هكذا")
    page.get_by_role("button", name="إرسال").click()
    expect(page.get_by_role("status")).to_have_text("شكرًا لك!")
    close, card = page.get_by_role("button", name="إغلاق").bounding_box(), page.get_by_role("dialog").bounding_box()
    assert close is not None
    assert card is not None
    assert close["x"] < card["x"] + card["width"] / 2
    assert answers(server, "why") == [("bob", None, "هكذا")]


def test_one_that_was_left_open_is_there_on_the_next_page_and_counts_once(
    server: Server, opened: Callable[..., Page], site: Site
) -> None:
    page = opened("/left/a", "eve")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.evaluate("history.pushState(null, '', '/elsewhere')")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{site.url}/left/b?who=eve")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("radio", name="7", exact=True).click()
    assert answers(server, "left") == [("eve", 7, None)]
    assert counted(server, "eve", "left") == 2
    assert results(server, "left")["rate"] == 1


def test_who_signs_in_while_answering_goes_on_and_who_signs_out_takes_it_along(
    server: Server, opened: Callable[..., Page]
) -> None:
    page = opened("/b/colour")
    page.get_by_role("radio", name="Red").focus()
    page.evaluate("arrivals.identify('gus')")
    page.wait_for_timeout(300)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.evaluate("arrivals.reset()")
    expect(page.locator("arrivals-survey")).to_have_count(0)


def test_a_page_may_ask_for_one(server: Server, opened: Callable[..., Page]) -> None:
    page = opened("/", "fay")
    asked(page)
    page.evaluate("arrivals.showSurvey('feedback')")
    expect(page.get_by_role("dialog", name="How satisfied are you?")).to_be_visible()
    page.get_by_role("radio", name="4", exact=True).click()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.evaluate("arrivals.showSurvey('feedback')")  # again, since the page asks
    expect(page.get_by_role("dialog")).to_be_visible()
    assert answers(server, "feedback") == [("fay", 4, None)]
    page.evaluate("arrivals.teardown()")
    expect(page.locator("arrivals-survey")).to_have_count(0)


def test_the_form_shows_the_survey_as_it_will_look(server: Server, browser: Browser) -> None:
    problems: list[str] = []
    page = browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 900}).new_page()
    page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("/sign-in?next=/surveys/new")
    page.get_by_label("E-mail").fill(server.setup["email"])
    page.get_by_label("Password").fill(server.setup["password"])
    page.get_by_role("button", name="Sign in").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("How likely are you to recommend us")
    page.get_by_label("Language of the preview").select_option("de")
    expect(dialog).to_contain_text("Wie wahrscheinlich")
    page.get_by_label("A question").check()
    expect(page.get_by_label("Lowest")).to_be_hidden()
    page.get_by_label("Question", exact=True).fill("Which plan?")
    page.get_by_role("textbox", name="Choices").fill("Free\nPro")
    expect(dialog.get_by_role("radio")).to_have_count(2)
    expect(dialog).to_contain_text("Which plan?")
    page.get_by_role("textbox", name="Choices").fill("Free\nFree")
    expect(page.locator("#preview-problem")).to_contain_text("there twice")
    page.get_by_role("textbox", name="Choices").fill("Free\nPro")
    expect(page.locator("#preview-problem")).to_be_hidden()
    page.get_by_role("textbox", name="Key").fill("plan")
    page.get_by_label("Name", exact=True).fill("Plan")
    page.get_by_role("button", name="+ address").click()
    page.get_by_role("textbox", name="Address").nth(0).fill("/never-1")
    page.get_by_role("textbox", name="Address").nth(1).fill("/never-2/*")
    page.get_by_role("button", name="Save and go live").click()
    expect(page.locator("h1 .state")).to_have_text("live")
    with server.client() as api:
        [made] = [one for one in api.get("/surveys").json()["items"] if one["key"] == "plan"]
    assert made["choices"] == ["Free", "Pro"]
    assert made["pages"] == [{"url": {"wildcard": "/never-1"}}, {"url": {"wildcard": "/never-2/*"}}]
    for path in (f"/surveys/{made['id']}", f"/surveys/{made['id']}/edit", f"/surveys/{made['id']}/delete"):
        page.set_viewport_size({"width": 375, "height": 800})
        page.goto(path)
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
    assert problems == []


PAGES: list[tuple[dict[str, str], str, bool]] = [
    ({"exact": "/orders"}, "https://shop.example/orders", True),
    ({"exact": "/orders"}, "https://shop.example/orders/?a=1#x", True),
    ({"exact": "/orders"}, "https://shop.example/orders/7", False),
    ({"exact": "https://shop.example/orders"}, "https://other.example/orders", False),
    ({"exact": "//shop.example/orders"}, "http://shop.example/orders", True),
    ({"exact": "/orders?tab=a"}, "https://shop.example/orders?tab=a", True),
    ({"exact": "/orders?tab=a"}, "https://shop.example/orders?tab=b", False),
    ({"exact": "/#/orders"}, "https://shop.example/#/orders", True),
    ({"exact": "/#/orders"}, "https://shop.example/#/carts", False),
    ({"exact": "/größe"}, "https://shop.example/gr%C3%B6%C3%9Fe", True),
    ({"contains": "order"}, "https://shop.example/my-orders", True),
    ({"contains": "Order"}, "https://shop.example/my-orders", False),
    ({"wildcard": "/orders/*"}, "https://shop.example/orders/7", True),
    ({"wildcard": "/orders/*"}, "https://shop.example/orders/7/edit", False),
    ({"wildcard": "/orders/*"}, "https://shop.example/orders", False),
    ({"wildcard": "/orders/*/edit"}, "https://shop.example/orders/7/edit/", True),
    ({"wildcard": "/orders/**"}, "https://shop.example/orders/7/edit", True),
    ({"wildcard": "/orders/**"}, "https://shop.example/orders", True),
    ({"wildcard": "/orders/**"}, "https://shop.example/ordersheet", False),
    ({"wildcard": "/a.b*"}, "https://shop.example/aXbc", False),
    ({"wildcard": "https://*.example/x"}, "https://shop.example/x", True),
    ({"wildcard": "/x?tab=*"}, "https://shop.example/x?tab=3", True),
    ({"wildcard": "/x?tab=*"}, "https://shop.example/x?tab=3&b=1", False),
]


def test_rules_of_pages(opened: Callable[..., Page]) -> None:
    page = opened("/alone")
    ask = "([url, address]) => arrivalsSurveys.matches([{url}], address)"
    assert [one for one in PAGES if page.evaluate(ask, [one[0], one[1]]) != one[2]] == []
    assert page.evaluate("arrivalsSurveys.matches([], location.href)")
    assert not page.evaluate(
        "arrivalsSurveys.matches([{url: {wildcard: '/' + '*a'.repeat(400)}}], location.origin + '/' + 'a'.repeat(300) + 'b')"
    )
