"""What a browser, a person, a page or the source's switches may forbid, and a strict content security policy."""

from typing import Any

import pytest

from tests.shop.conftest import Shop
from tests.shop.marks import BROWSER

pytestmark = BROWSER
SIGNALS = {
    "Do Not Track": "Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1'})",
    "Global Privacy Control": "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})",
}


def stored(page: Any) -> list[str]:
    """Names of what the agent has left in the browser."""
    found: list[str] = page.evaluate("[...Object.keys(localStorage).filter((one) => one !== 'wire'), document.cookie]")
    return [one for one in found if one]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_of_the_browser_is_respected_where_that_is_wanted(shop: Shop, signal: str) -> None:
    shop.context.add_init_script(SIGNALS[signal])
    shop.site.options = {"respectDnt": True}
    page = shop.open()
    page.click("#save")
    page.evaluate("arrivals.track('x'); arrivals.identify('ada-3')")
    page.wait_for_timeout(300)
    page.reload()
    page.wait_for_function("arrivals.version")
    assert shop.flushed(page) == []
    assert (stored(page), page.evaluate("arrivals.getVisitorId()")) == ([], "")


def test_a_signal_of_the_browser_is_not_respected_unless_that_is_wanted(shop: Shop) -> None:
    shop.context.add_init_script(SIGNALS["Do Not Track"])
    page = shop.open()
    assert [one["kind"] for one in shop.until(1)] == ["page"]
    assert page.evaluate("arrivals.getVisitorId()").startswith("anon_")


def test_until_consent_nothing_is_collected_and_nothing_is_stored(shop: Shop) -> None:
    shop.site.options = {"consent": "pending", "visitor": {"id": "ada-4", "plan": "pro"}}
    page = shop.open()
    page.click("#save")
    page.evaluate("arrivals.track('before')")
    page.wait_for_timeout(200)
    assert stored(page) == []
    assert shop.wire(page) == ""
    page.evaluate("arrivals.optIn()")
    page.evaluate("arrivals.track('after')")
    assert [(one["kind"], one["visitor_id"]) for one in shop.flushed(page)] == [
        ("identify", "ada-4"),
        ("page", "ada-4"),
        ("track", "ada-4"),
    ]
    page.reload()  # it was said once
    page.wait_for_function("arrivals.version")
    assert [one["kind"] for one in shop.until(4)][3:] == ["page"]


def test_opting_out_deletes_all_and_is_remembered(shop: Shop) -> None:
    page = shop.open()
    page.evaluate("arrivals.track('one')")
    shop.until(2)
    page.evaluate("arrivals.track('two'); arrivals.optOut(); arrivals.track('three')")
    assert [one.split(":")[-1] for one in stored(page)] == ["consent"]
    page.reload()
    page.wait_for_function("arrivals.version")
    page.click("#save")
    page.wait_for_timeout(200)
    assert [one.split(":")[-1] for one in stored(page)] == ["consent"]
    page.evaluate("arrivals.optIn()")
    assert [one["name"] for one in shop.flushed(page)] == ["/page/index.html", "one", "/page/index.html"]


def test_opting_out_in_one_tab_ends_it_in_all(shop: Shop) -> None:
    one, other = shop.open(), shop.open("/page/about.html")
    shop.until(2)
    one.evaluate("arrivals.optOut()")
    other.wait_for_function("arrivals.getVisitorId() === ''")
    other.evaluate("arrivals.track('x'); arrivals.flush()")
    assert [one.split(":")[-1] for one in stored(other)] == ["consent"]
    assert len(shop.kept()) == 2


def test_texts_can_be_kept_out_on_the_whole_page(shop: Shop) -> None:
    shop.site.options = {"maskText": True}
    page = shop.open()
    page.click("button.buy")
    [_view, click] = shop.flushed(page)
    assert (click["name"], "text" in click["properties"]) == ("button.buy.big", False)


def test_the_switches_of_the_source_hold_from_the_first_page_on(shop: Shop) -> None:
    switches = {"autocapture": {"page": False}, "mask_text": True, "respect_dnt": True}
    with shop.server.client() as client:
        changed = client.put(f"/sources/{shop.source['id']}", json={"agent": switches})
        assert changed.json()["agent"] == {
            **switches,
            "autocapture": {"page": False, "click": True, "change": True, "submit": True},
        }
    shop.site.options = {"flushMs": 60_000}
    page = shop.open()
    page.click("button.buy")
    page.wait_for_function("Object.keys(localStorage).some((one) => one.endsWith(':switches'))")
    page.click("#save")
    assert [(one["kind"], one["name"]) for one in shop.flushed(page)] == [
        ("click", "button.buy.big"),
        ("click", "button#save"),
    ]


def test_the_agent_works_under_a_strict_content_security_policy(shop: Shop) -> None:
    shop.site.element = True
    shop.site.policy = (
        f"default-src 'none'; script-src 'self' {shop.server.url}; connect-src {shop.server.url}; img-src data:"
    )
    page = shop.open()
    page.click("#save")
    assert [(one["kind"], one["name"]) for one in shop.flushed(page)] == [
        ("page", "/page/index.html"),
        ("click", "button#save"),
    ]  # and the fixture sees that the console is silent
