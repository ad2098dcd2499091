"""Nothing lost, nothing twice: the server dies and comes back, the browser is offline, pages and tabs close."""

import re
import time
from collections import Counter
from typing import Any

from playwright.sync_api import Route

from tests.shop.conftest import Shop
from tests.shop.marks import BROWSER

pytestmark = BROWSER


def tracked(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(one["name"] for one in events if one["kind"] == "track")


def expected(*names: str) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


def test_what_is_captured_offline_survives_a_reload(shop: Shop) -> None:
    page = shop.open()
    shop.until(1)
    shop.context.set_offline(True)
    page.evaluate("for (let n = 0; n < 20; n++) arrivals.track('offline ' + n)")
    page.evaluate("arrivals.flush()")
    shop.context.route("**/v1/batch", lambda route: route.abort())  # the shop is reached again, the server is not
    shop.context.set_offline(False)
    page.reload()
    page.wait_for_function("arrivals.version")
    page.evaluate("arrivals.flush()")
    assert tracked(shop.kept()) == Counter()
    shop.context.unroute("**/v1/batch")
    page.evaluate("dispatchEvent(new Event('online'))")
    names = [f"offline {number}" for number in range(20)]
    events = shop.until(lambda found: set(names) <= set(tracked(found)))
    assert tracked(events) == expected(*names)
    shop.problems.clear()  # the browser says that it was offline


def test_the_last_things_before_a_page_goes_arrive(shop: Shop) -> None:
    shop.site.options = {"flushMs": 60_000}
    page = shop.open()
    page.evaluate("for (let n = 0; n < 25; n++) arrivals.track('last ' + n, {text: 'ü'.repeat(1_000)})")
    page.goto("about:blank")
    names = [f"last {number}" for number in range(25)]
    assert tracked(shop.until(26)) == expected(*names)
    page = shop.open()  # which does not know whether they arrived, and sends them again
    page.evaluate("arrivals.track('next')")
    events = shop.until(lambda found: "next" in tracked(found) or page.evaluate("arrivals.flush()"))
    assert tracked(events) == expected(*names, "next")


def test_more_than_a_leaving_page_may_send_is_sent_by_the_next(shop: Shop) -> None:
    shop.site.options = {"flushMs": 60_000}
    page = shop.open()
    page.evaluate("for (let n = 0; n < 20; n++) arrivals.track('big ' + n, {text: 'x'.repeat(20_000)})")
    page.goto("about:blank")
    shop.site.options = {}
    shop.open()
    names = [f"big {number}" for number in range(20)]
    assert tracked(shop.until(lambda found: len(tracked(found)) == 20)) == expected(*names)
    shop.problems.clear()


def test_the_queue_of_a_tab_that_died_is_taken_over_by_another(shop: Shop) -> None:
    dying, living = shop.open(), shop.open("/page/about.html")
    shop.until(2)
    shop.context.route("**/v1/batch", lambda route: route.abort())
    dying.evaluate("arrivals.track('last words')")
    dying.evaluate("arrivals.flush()")
    dying.close()
    living.wait_for_timeout(100)
    shop.context.unroute("**/v1/batch")
    assert tracked(shop.kept()) == Counter()
    third = shop.open("/page/about.html")
    third.wait_for_timeout(0)
    assert tracked(shop.until(lambda found: tracked(found) != Counter())) == expected("last words")
    shop.problems.clear()


NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {get: () => undefined})"
# What a tab leaves behind that was killed: an event, perhaps the time of its last sign of life, perhaps that it was sent.
LEFT = """({key, age, tried}) => {
  const prefix = "arrivals:" + key.slice(-8) + ":", at = Date.now() - 8 * 86400000;
  const event = {type: "track", messageId: "left-1", timestamp: new Date(at).toISOString(), anonymousId: "a", event: "left"};
  localStorage.setItem(prefix + "q:dead:" + at.toString(36) + ":0", JSON.stringify(event));
  if (age !== null) localStorage.setItem(prefix + "tab:dead", Date.now() - age);
  if (tried !== null) localStorage.setItem(prefix + "tq:dead:" + at.toString(36) + ":0", Date.now() - tried);
}"""


def left_by_a_dead_tab(shop: Shop, age: int | None = None, tried: int | None = None) -> None:
    page = shop.open("/page/about.html")
    page.evaluate("arrivals.flush().then(() => arrivals.teardown())")
    page.evaluate(LEFT, {"key": shop.source["write_key"], "age": age, "tried": tried})
    page.close()


def test_without_locks_a_tab_counts_as_dead_after_three_minutes_of_silence(shop: Shop) -> None:
    shop.context.add_init_script(NO_LOCKS)
    left_by_a_dead_tab(shop, age=60_000)
    page = shop.open(ready=False)
    page.clock.install()
    page.reload()
    page.wait_for_function("window.arrivals && arrivals.version")
    page.clock.run_for(10_000)
    assert tracked(shop.flushed(page)) == Counter()
    page.clock.run_for(150_000)
    page.evaluate("arrivals.flush()")
    assert tracked(shop.kept()) == expected("left")
    assert page.evaluate("Object.keys(localStorage).filter((one) => one.includes('dead'))") == []


def test_without_locks_a_page_that_is_left_hands_its_queue_on_at_once(shop: Shop) -> None:
    shop.context.add_init_script(NO_LOCKS)
    page = shop.open()
    page.evaluate("arrivals.flush()")
    shop.context.route("**/v1/batch", lambda route: route.abort())
    page.evaluate("arrivals.track('handed on')")
    page.evaluate("arrivals.flush()")
    page.goto("about:blank")
    shop.context.unroute("**/v1/batch")
    shop.open("/page/about.html")
    assert tracked(shop.until(lambda found: tracked(found) != Counter())) == expected("handed on")
    shop.problems.clear()


def test_what_may_have_arrived_so_long_ago_that_it_would_count_twice_is_given_up(shop: Shop) -> None:
    day = 86_400_000
    for tried, kept in ((7 * day, Counter()), (6 * day, expected("left")), (None, expected("left"))):
        left_by_a_dead_tab(shop, tried=tried)
        page = shop.open()
        page.wait_for_function("!Object.keys(localStorage).some((one) => one.includes(':q:'))")
        assert tracked(shop.flushed(page)) == kept, tried
        page.close()


def test_two_tabs_send_each_their_own(shop: Shop) -> None:
    shop.site.options = {"flushMs": 60_000}
    one, other = shop.open(), shop.open()
    one.evaluate("for (let n = 0; n < 10; n++) arrivals.track('one ' + n)")
    other.evaluate("for (let n = 0; n < 10; n++) arrivals.track('other ' + n)")
    one.evaluate("arrivals.flush()")
    assert "other 1" not in tracked(shop.kept())
    names = [f"{tab} {number}" for tab in ("one", "other") for number in range(10)]
    assert tracked(shop.flushed(other)) == expected(*names)


def test_a_server_that_asks_to_wait_is_not_asked_before(shop: Shop) -> None:
    asked: list[float] = []

    def busy(route: Route) -> None:
        asked.append(time.monotonic())
        cors = {"access-control-allow-origin": "*", "access-control-expose-headers": "retry-after"}
        if len(asked) == 1:
            route.fulfill(status=429, headers={**cors, "retry-after": "3"}, json={})
        else:
            route.continue_()

    shop.context.route("**/v1/batch", busy)
    page = shop.open()
    page.evaluate("arrivals.track('patient')")
    assert tracked(shop.until(2, seconds=15)) == expected("patient")
    assert 2.9 <= asked[1] - asked[0] <= 5
    shop.problems.clear()


def test_what_is_refused_is_not_sent_again(shop: Shop) -> None:
    shop.site.options = {"debug": True}
    said: list[str] = []
    page = shop.open()
    page.on("console", lambda message: said.append(message.text))
    page.evaluate(
        "arrivals.updateOptions({beforeSend: (event) => event.event === 'bad' ? {...event, event: ''} : event})"
    )
    page.evaluate("arrivals.track('good'); arrivals.track('bad')")
    assert tracked(shop.flushed(page)) == expected("good")
    page.wait_for_timeout(100)
    assert any("refused" in one for one in said), said
    assert page.evaluate("Object.keys(localStorage).filter((one) => one.includes(':q:'))") == []


def test_a_wrong_key_is_not_tried_for_ever(shop: Shop) -> None:
    shop.site.key = "wk_wrong"
    page = shop.open()
    page.evaluate("arrivals.flush()")
    assert page.evaluate("Object.keys(localStorage).filter((one) => one.includes(':q:'))") == []
    assert shop.problems  # the browser shows the 401
    shop.problems.clear()


def given_up(shop: Shop) -> float:
    """How many events browsers have told to have given up."""
    with shop.server.client() as client:
        found = re.search(r"^arrivals_agent_dropped (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def test_a_full_queue_drops_the_oldest_and_tells_how_many(shop: Shop) -> None:
    before = given_up(shop)
    page = shop.open()
    page.evaluate("arrivals.flush()")
    shop.context.route("**/v1/batch", lambda route: route.abort())
    page.evaluate("arrivals.identify('ada-5'); for (let n = 0; n < 1005; n++) arrivals.track('n' + n)")
    shop.context.unroute("**/v1/batch")
    page.evaluate("dispatchEvent(new Event('online'))")
    events = shop.until(lambda found: "n1004" in tracked(found), seconds=20)
    assert tracked(events) == expected(*(f"n{number}" for number in range(6, 1005)))
    assert sum(one["kind"] == "identify" for one in shop.kept()) == 1  # history hangs on it: it goes last
    assert given_up(shop) - before == 6
    shop.problems.clear()


def test_a_server_that_is_killed_and_comes_back_has_all_once(shop: Shop) -> None:
    shop.site.options = {"flushMs": 20}
    one, other = shop.open(), shop.open("/spa")
    names: list[str] = []

    def act(count: int) -> None:
        for _ in range(count):
            names.append(f"t{len(names)}")
            page = (one, other)[len(names) % 2]
            page.evaluate(f"arrivals.track('{names[-1]}')")

    for _ in range(2):
        act(30)
        shop.server.kill()  # while requests are on their way
        act(20)
        one.reload()  # the agent is not to be had now: what was captured stays
        shop.server.start()
        one.reload()
        one.wait_for_function("window.arrivals && arrivals.version")
        other.evaluate("dispatchEvent(new Event('online'))")
        act(10)
    events = shop.until(lambda found: set(names) <= set(tracked(found)), seconds=25)
    assert tracked(events) == expected(*names)
    assert set(Counter(event["message_id"] for event in events).values()) == {1}
    shop.problems.clear()  # the browser says that nobody answered
