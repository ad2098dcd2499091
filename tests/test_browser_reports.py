"""A report's form and a visitor's page in a real browser, by pointer and by keyboard."""

import httpx
from playwright.sync_api import Page, expect

from tests.server import Server
from tests.test_browser import page, pytestmark, server  # noqa: F401 - fixtures and marks of all browser tests


def test_columns_are_picked_renamed_and_ordered(server: Server, page: Page) -> None:  # noqa: F811
    server.send({"type": "identify", "userId": "ada", "traits": {"email": "ada@example.com"}})
    server.send({"type": "track", "event": "export", "userId": "ada"})
    page.goto("/reports/new")
    page.get_by_label("Name", exact=True).fill("Picked")
    page.get_by_label("range", exact=True).select_option("this_month")
    search = page.get_by_label("Search columns")
    search.fill("track exp")
    search.press("Enter")
    search.fill("email")
    page.get_by_role("button", name="agent.email").click()
    expect(page.get_by_role("button", name="agent.email")).to_have_attribute("aria-pressed", "true")
    rows = page.locator("#columns .chosen li")
    expect(rows).to_have_count(6)
    rows.last.get_by_label("name in rows").fill("mail")
    rows.last.get_by_label("name in rows").press("Alt+ArrowUp")
    expect(rows.nth(4)).to_contain_text("visitor.agent.email")
    rows.nth(4).get_by_role("button", name="Move visitor.agent.email up").press("Enter")
    rows.nth(1).drag_to(rows.nth(0), source_position={"x": 12, "y": 18})
    expect(rows.nth(0)).to_contain_text("account.id")
    rows.nth(2).get_by_role("button", name="Remove metric.last_visit").click()
    page.get_by_label("Shared with everyone").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text("private")
    heads = page.locator("table.rows").first.locator("th")
    expect(heads).to_have_text(["account.id", "visitor.id", "mail", "metric.days_active", "count_export"])
    heads.last.get_by_role("link").click()
    expect(heads.last).to_have_attribute("aria-sort", "descending")

    page.get_by_role("link", name="ada", exact=True).click()
    expect(page.locator("#timeline")).to_contain_text("export")
    page.get_by_label("identify", exact=True).check()
    expect(page.locator("#timeline")).not_to_contain_text("export")
    page.get_by_role("searchbox").fill("ada@")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("h1")).to_have_text("ada")


def test_these_pages_fit_on_a_phone(server: Server, page: Page) -> None:  # noqa: F811
    long = "a" * 120
    server.send({"type": "track", "event": "x", "userId": long, "properties": {"text": "b" * 300}})
    server.send({"type": "group", "userId": long, "groupId": long, "traits": {"n" * 60: "c" * 200}})
    assert httpx.get(f"{server.url}/health").status_code in (200, 404)
    page.set_viewport_size({"width": 375, "height": 800})
    for path in (f"/visitors/{long}", f"/accounts/{long}", "/visitors", "/accounts", "/search?q=a", "/reports/new"):
        page.goto(path)
        page.wait_for_timeout(80)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
