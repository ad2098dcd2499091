"""Charts in a real browser: made by the form with a live preview, opened down to the people, and put on a dashboard."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.server import Server
from tests.test_browser import page, pytestmark, server  # noqa: F401 (fixtures and marks)


def act(who: str, what: str, day: int) -> dict[str, Any]:
    return {"type": "track", "event": what, "userId": who, "timestamp": f"2026-01-{day:02}T12:00:00Z"}


@pytest.fixture
def shop(server: Server) -> None:  # noqa: F811
    """Three look around, two fill a cart, one pays."""
    done = [
        ("ann", "look", 5),
        ("ann", "cart", 6),
        ("ann", "pay", 7),
        ("bob", "look", 5),
        ("bob", "cart", 8),
        ("cid", "look", 9),
    ]
    server.send(*({**act(*one), "messageId": f"shop-{number}"} for number, one in enumerate(done))).raise_for_status()


def test_from_a_funnel_to_a_report_of_those_who_stopped(shop: None, page: Page) -> None:  # noqa: F811
    page.goto("/charts")
    page.get_by_role("link", name="New funnel").click()
    page.get_by_label("Name", exact=True).first.fill("Paying")
    for number, what in enumerate(("look", "cart")):
        page.locator(f"input[name=e-{number}-name]").fill(what)
    page.get_by_role("button", name="Add a step").click()
    page.locator("input[name=e-2-name]").fill("pay")
    page.locator("select[name=range]").select_option("ever:")
    expect(page.locator("#preview")).to_contain_text("3. pay")
    expect(page.locator("#preview")).to_contain_text("1 stopped here")
    page.locator("input[name=window]").fill("soon")
    expect(page.locator("#preview [role=alert]")).to_contain_text("soon")
    page.locator("input[name=window]").fill("7d")
    page.get_by_role("button", name="Save", exact=True).last.click()

    expect(page.locator("h1")).to_have_text("Paying")
    expect(page.locator("#result")).to_contain_text("66.7 % of the first")
    page.locator("#result .funnel").get_by_role("link", name="1 stopped here").last.click()
    expect(page.locator("#people")).to_have_text("1")
    expect(page.locator("table.rows")).to_contain_text("bob")
    page.get_by_role("button", name="Make a report of these").click()
    expect(page.locator("h1")).to_contain_text("Paying: stopped after step 2, cart")
    expect(page.locator("table.rows").first).to_contain_text("bob")
    expect(page.get_by_role("link", name="Start a workflow from this report")).to_be_visible()


def test_a_dashboard_loads_each_chart_and_takes_another_time_for_all(shop: None, page: Page) -> None:  # noqa: F811
    page.goto("/dashboards")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".board .drawing").first).to_be_visible()
    expect(page.locator(".board")).not_to_contain_text("Counting")
    page.locator("select[name=range]").select_option("dates")
    page.locator("input[name=start]").fill("2026-01-01")
    page.locator("input[name=end]").fill("2026-01-31")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".board .legend b").first).to_have_text("3")
    page.locator(".board .legend a").first.click()
    expect(page.locator("#people")).to_have_text("3")
    page.get_by_role("link", name="ann").click()
    expect(page.locator("h1")).to_contain_text("ann")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_charts_is_wider_than_a_phone(shop: None, page: Page, scheme: Any, tmp_path: Path) -> None:  # noqa: F811
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto("/dashboards")
    board = page.get_by_role("link", name="Overview").get_attribute("href")
    page.goto("/charts")
    charts = [one.get_attribute("href") for one in page.locator("table.rows a").all()]
    kinds = [f"/charts/new?kind={kind}" for kind in ("trend", "funnel", "retention", "paths", "nps")]
    for path in ("/dashboards", board, "/dashboards/new", f"{board}/edit", "/charts", *charts[:4], *kinds):
        page.goto(str(path))
        expect(page.locator("main")).not_to_contain_text("Counting")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
