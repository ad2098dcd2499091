"""Who is here: an anonymous visitor, then somebody known; sessions; one browser, many tabs and subdomains."""

from typing import Any

from playwright.sync_api import Browser

from tests.shop.conftest import Shop
from tests.shop.marks import BROWSER

pytestmark = BROWSER


def count(shop: Shop, rule: dict[str, Any]) -> dict[str, Any]:
    """Who of this source fits the rule."""
    with shop.server.client() as client:
        found: dict[str, Any] = client.post("/segments/preview", json={"rules": {"all": [{"any": [rule]}]}}).json()
    return found


def test_what_the_anonymous_did_belongs_to_who_signs_in(shop: Shop) -> None:
    page = shop.open()
    name = f"looked-{shop.source['id']}"
    page.evaluate(f"arrivals.track('{name}')")
    page.evaluate(
        "arrivals.identify({visitor: {id: 'ada-1', plan: 'pro', address: {city: 'Bern'}}, account: {id: 'acme-1', size: 50}})"
    )
    page.evaluate(f"arrivals.track('{name}')")
    events = shop.flushed(page)
    assert [(one["kind"], one["visitor_id"][:5], one["account_id"]) for one in events] == [
        ("page", "anon_", ""),
        ("track", "anon_", ""),
        ("identify", "ada-1", "acme-1"),
        ("group", "ada-1", "acme-1"),
        ("track", "ada-1", "acme-1"),
    ]
    assert page.evaluate("arrivals.getVisitorId()") == "ada-1"
    twice = {"kind": "track", "name": name, "did": True, "times": {"exactly": 2}, "when": {"ever": True}}
    assert count(shop, twice) == {"count": 1, "sample": ["ada-1"]}
    with shop.server.client() as client:
        [visitor] = client.get("/visitors?id=ada-1").json()["items"]
    metadata = visitor["metadata"]["agent"]
    assert (metadata["plan"], metadata["address"]) == ("pro", {"city": "Bern"})


def test_who_is_known_is_told_once_a_session_and_stays_known(shop: Shop) -> None:
    shop.site.options = {"visitor": {"id": "grace-1", "plan": "pro"}, "account": {"id": "acme-2"}}
    page = shop.open()
    page.reload()
    page.wait_for_function("arrivals.version")
    shop.site.options = {}
    page.reload()
    page.wait_for_function("arrivals.version")
    events = shop.until(5)
    assert [(one["kind"], one["visitor_id"]) for one in shop.flushed(page)] == [
        ("identify", "grace-1"),
        ("group", "grace-1"),
        *[("page", "grace-1")] * 3,
    ], events
    page.evaluate("arrivals.updateOptions({visitor: {plan: 'team'}})")
    assert [one["properties"] for one in shop.flushed(page) if one["kind"] == "identify"][1:] == [{"plan": "team"}]


def test_after_reset_somebody_else_is_here(shop: Shop) -> None:
    page = shop.open()
    first = page.evaluate("arrivals.getVisitorId()")
    page.evaluate("arrivals.identify('ann-1'); arrivals.reset(); arrivals.track('a')")
    second = page.evaluate("arrivals.getVisitorId()")
    page.evaluate("arrivals.identify('bob-1', {team: 'b'}); arrivals.track('b')")
    page.evaluate("arrivals.identify('cid-1'); arrivals.track('c')")  # without a reset in between
    page.evaluate("arrivals.identify(undefined); arrivals.identify('null'); arrivals.track('d')")
    tracked = {one["name"]: one["visitor_id"] for one in shop.flushed(page) if one["kind"] == "track"}
    assert tracked == {"a": second, "b": "bob-1", "c": "cid-1", "d": "cid-1"}
    assert second.startswith("anon_")
    assert second != first
    sessions = {one["name"]: one["properties"]["session"] for one in shop.kept() if one["kind"] == "track"}
    assert sessions["a"] == sessions["b"] != sessions["c"] == sessions["d"]


def test_a_session_ends_after_half_an_hour_without_an_event_in_any_tab(shop: Shop) -> None:
    page = shop.open(ready=False)
    page.clock.install()
    page.reload()
    page.wait_for_function("arrivals.version")
    page.evaluate("arrivals.track('one')")
    page.clock.fast_forward("29:00")
    page.evaluate("arrivals.track('two')")
    page.clock.fast_forward("29:00")
    page.evaluate("arrivals.track('three')")
    page.clock.fast_forward("31:00")
    page.evaluate("arrivals.track('four')")
    tracked = {one["name"]: one["properties"]["session"] for one in shop.flushed(page) if one["kind"] == "track"}
    assert tracked["one"] == tracked["two"] == tracked["three"] != tracked["four"]


def test_tabs_share_visitor_and_session(shop: Shop) -> None:
    one, other = shop.open(), shop.open("/page/about.html")
    one.evaluate("arrivals.identify('ada-2')")
    other.wait_for_function("arrivals.getVisitorId() === 'ada-2'")
    other.evaluate("arrivals.track('from the other tab')")
    events = [*shop.flushed(one), *shop.flushed(other)]
    assert len({event["properties"]["session"] for event in events if event["kind"] != "identify"}) == 1
    assert {event["visitor_id"] for event in events if event["kind"] == "track"} == {"ada-2"}


def test_without_local_storage_a_cookie_keeps_who_it_is(shop: Shop) -> None:
    shop.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('forbidden'); }})"
    )
    page = shop.context.new_page()
    ids = []
    for _ in range(2):
        page.goto(f"{shop.site.url}/page/index.html")
        page.wait_for_function("window.arrivals && arrivals.version")
        ids.append(page.evaluate("arrivals.getVisitorId()"))
        page.evaluate("arrivals.flush()")
    assert ids[0] == ids[1] != ""
    assert [one["kind"] for one in shop.until(2)] == ["page", "page"]


def test_subdomains_share_a_visitor_where_that_is_wanted(shop: Shop, browser: Browser) -> None:
    shop.site.options = {"crossSubdomain": True}
    ids = []
    page = shop.context.new_page()
    for name in ("a", "b"):
        page.goto(f"http://{name}.shop.localhost:{shop.site.port}/page/index.html")
        page.wait_for_function("window.arrivals && arrivals.version")
        ids.append(page.evaluate("arrivals.getVisitorId()"))
        page.evaluate("arrivals.flush()")
    assert ids[0] == ids[1]
    [cookie] = [one for one in shop.context.cookies() if one["name"].endswith("_who")]
    assert (cookie["domain"], cookie["sameSite"]) == (".shop.localhost", "Lax")
    assert len({one["properties"]["session"] for one in shop.until(2)}) == 1
