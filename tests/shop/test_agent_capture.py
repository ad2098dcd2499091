"""What the agent captures by itself on the pages of a shop, and what it never takes."""

import json
from typing import Any

from tests.shop.conftest import Shop
from tests.shop.marks import BROWSER

pytestmark = BROWSER
# What somebody entered, or what stands in fields of the page.
SECRETS = (
    "grace@",
    "hunter2",
    "typed",
    "secret plan",
    "secretplan",
    "private note",
    "hiddenvalue",
    "4111",
    "new value",
)


def told(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["kind"], one["name"]) for one in events]


def test_page_views_come_with_address_title_session_and_campaign(shop: Shop) -> None:
    page = shop.open("/page/index.html?utm_source=news&utm_campaign=may")
    page.click("text=About us")
    page.wait_for_load_state()
    [first, click, second] = shop.until(3)
    assert [one["name"] for one in (first, second)] == ["/page/index.html", "/page/about.html"]
    assert (first["properties"]["title"], second["properties"]["title"]) == ("Shop", "About")
    assert second["properties"]["referrer"].endswith("/page/index.html?utm_source=news&utm_campaign=may")
    assert first["properties"]["referrer"] == ""
    # The campaign is the session's: what is bought on the third page still says what brought the visitor.
    assert {(one["properties"]["utm_source"], one["properties"]["utm_campaign"]) for one in (first, click, second)} == {
        ("news", "may")
    }
    assert len({one["properties"]["session"] for one in (first, click, second)}) == 1
    assert first["visitor_id"].startswith("anon_")
    with shop.server.client() as client:
        made = client.post("/segments/preview", json={"rules": {"all": [{"any": [
            {"kind": "visitor", "field": "auto.lastbrowsername", "op": "is", "value": "Chrome"}]}, {"any": [
            {"kind": "visitor", "field": "visitor.id", "op": "is", "value": first["visitor_id"]}]}]}}).json()  # fmt: skip
    assert made.get("count") == 1, made


def test_a_click_tells_the_element_and_where_it_stands(shop: Shop) -> None:
    page = shop.open()
    page.evaluate("document.querySelector('.price').style.display = 'none'")  # what is not seen is no text
    page.click("#save")
    page.click("circle")
    page.click("[data-testid=buy-lamp]")
    [_view, save, icon, mark] = shop.flushed(page)
    assert told([save, icon, mark]) == [
        ("click", "button#save"),
        ("click", 'button "Buy now"'),
        ("click", "button[data-testid=buy-lamp]"),
    ]
    assert save["properties"]["path"] == ["button#save", "main.list.wide", "body"]
    assert icon["properties"]["path"] == [
        "circle",
        "svg",
        "button.buy.big[type=button]",
        "li:nth(2)",
        "ul",
        "main.list.wide",
        "body",
    ]
    assert mark["properties"]["path"][0] == "button[data-testid=buy-lamp]"
    assert [one["properties"]["text"] for one in (save, icon, mark)] == ["Save all", "Buy now", "Buy"]


def test_what_is_entered_is_never_taken(shop: Shop) -> None:
    page = shop.open()
    page.click("input[name=email]")
    page.fill("input[name=email]", "new value")
    page.fill("input[name=password]", "new value")
    page.select_option("select", "secretplan")
    page.fill("textarea", "new value")
    page.click(".note")
    page.click("button.card")
    page.click("text=Order")
    page.wait_for_url("**/about.html**")
    events = shop.until(lambda found: ("page", "/page/about.html") in told(found))
    kinds = told(events)
    assert ("change", "input[name=email]") in kinds
    assert ("change", "input[name=password]") in kinds
    assert ("change", "select[name=plan]") in kinds
    assert ("submit", "form#checkout") in kinds
    assert ("click", "div.note") in kinds
    wire = shop.wire(page)
    assert "submit" in wire
    assert [secret for secret in SECRETS if secret in wire] == []


def test_secrets_in_an_address_are_masked(shop: Shop) -> None:
    query = "q=lamp&reset_token=s3cret1&who=ada%40example.com&Password=s3cret2"
    page = shop.open(f"/page/index.html?{query}#/open?session=s3cret3&tab=2")
    page.click("text=About us")
    page.wait_for_url("**/about.html")
    [first, _click, _second] = shop.until(3)
    wire = shop.wire(page)
    assert "q=lamp&reset_token=masked&who=masked&Password=masked#/open?session=masked&tab=2" in wire
    assert not any(secret in wire for secret in ("s3cret", "ada@", "ada%40"))
    assert first["name"] == "/page/index.html#/open"


def test_a_page_may_change_or_drop_what_is_sent(shop: Shop) -> None:
    page = shop.open(ready=False)
    page.evaluate(
        """arrivals.updateOptions({beforeSend: (event) => event.event === "no" ? null : {...event, properties: {n: 1}}})"""
    )
    page.wait_for_function("arrivals.version")
    page.evaluate("arrivals.track('no'); arrivals.track('yes', {n: 2})")
    assert [(one["name"], one["properties"]) for one in shop.flushed(page) if one["kind"] == "track"] == [
        ("yes", {"n": 1})
    ]


def test_what_is_marked_is_left_out_or_masked(shop: Shop) -> None:
    page = shop.open()
    page.click("#hidden-thing")
    page.click("button.mail")
    [_view, mail] = shop.flushed(page)
    assert mail["name"] == "button.mail"
    assert "text" not in mail["properties"]
    assert "ada@example.com" not in json.dumps(mail)


def test_a_click_within_a_shadow_root_is_seen(shop: Shop) -> None:
    page = shop.open()
    page.evaluate(
        """document.querySelector("#host").attachShadow({mode: "open"}).innerHTML = "<button>Inner</button>" """
    )
    page.click("text=Inner")
    [_view, click] = shop.flushed(page)
    assert click["name"] == 'button "Inner"'
    assert click["properties"]["path"] == ["button", "div#host:nth(3)", "main.list.wide", "body"]


def test_a_single_page_tells_each_route_once(shop: Shop) -> None:
    page = shop.open("/spa")
    page.wait_for_timeout(100)  # the router's own replaceState is not a page
    for go in ("/spa/list", "/spa/cart", "/spa/old"):
        page.evaluate(f"go('{go}')")
        page.wait_for_timeout(100)
    page.go_back()
    page.wait_for_timeout(100)
    page.evaluate("location.hash = 'part'")  # a place in the page, not a page
    page.evaluate("history.replaceState({}, '', '?sort=price')")  # the router's state
    page.evaluate("location.hash = '#/settings'")
    page.wait_for_timeout(100)
    events = [one for one in shop.flushed(page) if one["kind"] == "page"]
    assert [one["name"] for one in events] == [
        "/spa",
        "/spa/list",
        "/spa/cart",
        "/spa/list",
        "/spa/cart",
        "/spa/cart#/settings",
    ]
    assert [one["properties"]["title"] for one in events][1:4] == ["List", "Cart", "List"]
    assert events[1]["properties"]["referrer"] == f"{shop.site.url}/spa"


def test_a_click_right_after_a_route_belongs_to_it(shop: Shop) -> None:
    page = shop.open("/spa")
    page.evaluate("go('/spa/list'); arrivals.track('looked')")
    assert told(shop.flushed(page)) == [("page", "/spa"), ("page", "/spa/list"), ("track", "looked")]


def test_each_kind_can_be_turned_off(shop: Shop) -> None:
    shop.site.options = {"autocapture": {"page": False, "change": False}}
    page = shop.open()
    page.click("#save")
    page.fill("input[name=email]", "x")
    page.evaluate("arrivals.pageLoad('/made/up')")
    page.evaluate("arrivals.updateOptions({autocapture: false})")
    page.click("#save")
    assert told(shop.flushed(page)) == [("click", "button#save"), ("page", "/made/up")]
