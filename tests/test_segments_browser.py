"""The segment builder in a real browser: every kind as form controls, by keyboard too."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.server import Server
from tests.test_browser import page, pytestmark, send, server

__all__ = ("page", "pytestmark", "server")


def rules(page: Page) -> list[list[dict[str, object]]]:
    written = json.loads(page.locator("#rules").input_value())
    return [group["any"] for group in written["all"]]


@pytest.fixture
def builder(server: Server, page: Page) -> Page:
    send(server, server.setup["write_key"], "ada", "bob")
    page.goto("/segments/new")
    return page


def test_each_kind_is_made_with_controls_and_saved(builder: Page) -> None:
    page = builder
    rule = page.locator(".rule")
    rule.get_by_label("name").fill("export")
    rule.get_by_label("times", exact=True).select_option("range")
    rule.get_by_label("at most", exact=True).fill("9")
    rule.get_by_label("when").select_option("period")
    rule.get_by_role("button", name="+ where").click()
    rule.get_by_label("property").fill("n")
    rule.get_by_label("operator").select_option("gte")
    rule.get_by_label("value").fill("1")
    expect(page.locator("#preview")).to_contain_text("2 visitors now", timeout=20_000)
    expect(page.locator("#preview")).to_contain_text("Who did export 1 to 9 times this month where n is at least 1")
    for kind in ("metric", "account_metric", "list", "visitor", "account", "segment", "survey", "feature"):
        page.get_by_role("button", name="Add a rule to group 1").click()
        rule.last.get_by_label("kind").select_option(kind)
    made = rules(page)[0]
    assert made[0] == {
        "kind": "track",
        "name": "export",
        "times": {"at_least": 1, "at_most": 9},
        "when": {"period": "this_month"},
        "where": [{"property": "n", "op": "gte", "value": 1}],
    }
    assert made[1] == {
        "kind": "visitor",
        "field": "metric.days_active",
        "op": "gte",
        "value": 5,
        "when": {"within": "30d"},
    }
    assert [one["kind"] for one in made[2:]] == [
        "account",
        "list",
        "visitor",
        "account",
        "segment",
        "survey",
        "feature",
    ]
    metric = rule.nth(1)
    metric.get_by_label("metric").select_option("metric.frequency")
    metric.get_by_label("band").select_option("medium")
    assert rules(page)[0][1] == {"kind": "visitor", "field": "metric.frequency", "op": "is", "value": "medium"}
    for _ in range(7):
        rule.last.get_by_role("button", name="Remove rule").click()
    page.get_by_label("Name", exact=True).fill("Regulars")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Id of a visitor").fill("ada")
    page.get_by_role("button", name="Is it in?").click()
    expect(page.locator("#explained")).to_contain_text("frequency is medium (it is none)", timeout=20_000)


def test_a_redrawn_form_keeps_the_place_of_the_keyboard(builder: Page) -> None:
    page = builder
    page.locator(".rule").get_by_label("when").focus()
    page.keyboard.press("End")  # ever
    assert rules(page) == [[{"kind": "track", "name": "", "when": {"ever": True}}]]
    expect(page.locator(".rule").get_by_label("when")).to_be_focused()
    page.get_by_role("button", name="Add a group of rules").press("Enter")
    expect(page.get_by_role("group", name="Rule 1 of group 2").get_by_label("kind")).to_be_focused()


def test_properties_and_values_that_were_seen_are_offered(builder: Page) -> None:
    page = builder
    rule = page.locator(".rule")
    rule.get_by_label("name").fill("export")
    rule.get_by_role("button", name="+ where").click()
    rule.get_by_label("property").focus()
    expect(rule.locator(".where datalist").first.locator("option")).to_have_attribute("value", "n", timeout=20_000)
    rule.get_by_label("property").fill("n")
    rule.get_by_label("value").focus()
    expect(rule.locator(".where datalist").last.locator("option")).to_have_attribute("value", "1", timeout=20_000)
