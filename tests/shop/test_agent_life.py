"""The agent comes and goes without a trace, and brings parts that are loaded later."""

from playwright.sync_api import Page, Playwright, Route

from tests.shop.conftest import Shop
from tests.shop.marks import BROWSER
from tests.test_browser import CHROMIUM, FLAGS

pytestmark = BROWSER
COUNTING = """window.alive = new Map();
for (const target of [EventTarget.prototype]) {
  const {addEventListener: add, removeEventListener: remove} = target;
  const count = (type, by) => alive.set(type, (alive.get(type) || 0) + by);
  target.addEventListener = function (type, ...rest) { count(type, 1); return add.call(this, type, ...rest); };
  target.removeEventListener = function (type, ...rest) { count(type, -1); return remove.call(this, type, ...rest); };
}
window.timers = new Set();
for (const name of ["Interval", "Timeout"]) {
  const set = window["set" + name], clear = window["clear" + name];
  window["set" + name] = (call, ...rest) => {
    const id = set(name === "Timeout" ? () => { timers.delete(id); call(); } : call, ...rest);
    timers.add(id);
    return id;
  };
  window["clear" + name] = (id) => { timers.delete(id); clear(id); };
}"""
ALIVE = "[Object.fromEntries([...alive].filter(([, number]) => number)), timers.size, String(history.pushState).includes('native'), document.scripts.length]"
# What the agent listens to and Playwright, which listens to much, does not.
OURS = ("popstate", "hashchange", "pagehide", "pageshow", "online", "visibilitychange")


def test_a_hundred_starts_and_ends_leave_nothing(shop: Shop) -> None:
    shop.context.add_init_script(COUNTING)
    shop.site.options = {"flushMs": 60_000}
    page = shop.open("/spa")
    page.wait_for_timeout(200)
    page.evaluate("arrivals.teardown()")
    page.wait_for_timeout(1_000)
    before = page.evaluate(ALIVE)
    key = shop.source["write_key"]
    page.evaluate(f"""(async () => {{
      for (let n = 0; n < 100; n++) {{
        arrivals.initialize({{key: "{key}", flushMs: 60000, autocapture: {{page: false}}}});
        history.pushState({{}}, "", "/spa/" + n);
        await 0;
        arrivals.teardown();
      }}
    }})()""")
    page.wait_for_timeout(1_000)
    assert page.evaluate(ALIVE) == before
    assert {name: before[0].get(name, 0) for name in OURS} == {
        **dict.fromkeys(OURS, 0),
        "popstate": 1,
    }  # the shop's own
    assert before[2] is True
    page.click("text=Cart")
    page.evaluate("arrivals.track('nobody hears it')")
    assert [one["kind"] for one in shop.kept() if one["kind"] != "page"] == []


def test_mistakes_of_the_page_are_warnings_and_nothing_else(shop: Shop) -> None:
    page = shop.open()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.type))
    page.evaluate("""() => { const circle = {}; circle.self = circle; const {track} = arrivals;
      arrivals.identify({visitor: {id: "ada-7", circle}}); track("round", {circle}); track(); track({}); track("huge", {x: "y".repeat(40000)});
      arrivals.pageLoad("http://["); arrivals.initialize({key: "again"}); arrivals.identify({visitor: {id: {}}});
      arrivals.updateOptions({beforeSend() { throw new Error("theirs"); }}); track("thrown");
      arrivals.updateOptions({beforeSend: null}); track("fine"); }""")
    page.wait_for_timeout(50)
    assert set(said) == {"warning"}
    assert [one["name"] for one in shop.flushed(page) if one["kind"] == "track"] == ["fine"]


def test_a_page_that_was_kept_for_the_way_back_goes_on(shop: Shop, playwright: Playwright) -> None:
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
    )
    shop.context = browser.new_context()
    shop.context.add_init_script("addEventListener('pageshow', (event) => { window.kept = event.persisted; })")
    page = shop.open("/page/about.html")
    page.evaluate("arrivals.track('before')")
    page.goto(f"{shop.site.url}/spa")
    page.wait_for_function("window.arrivals && arrivals.version")
    page.go_back(wait_until="commit")
    page.wait_for_function("window.kept === true")  # a lock that is held would keep it from that
    page.evaluate("arrivals.track('after')")
    events = shop.flushed(page)
    browser.close()
    assert [one["name"] for one in events] == ["/page/about.html", "before", "/spa", "/page/about.html", "after"]


def test_a_patch_of_the_history_that_came_later_stays(shop: Shop) -> None:
    page = shop.open("/spa")
    page.evaluate("""() => { const ours = history.pushState; window.pushed = 0;
      history.pushState = function (...given) { pushed++; return ours.apply(this, given); }; }""")
    page.evaluate("arrivals.flush().then(() => arrivals.teardown())")
    page.evaluate("go('/spa/list')")
    page.wait_for_timeout(100)
    assert page.evaluate("[pushed, location.pathname]") == [1, "/spa/list"]
    assert [one["name"] for one in shop.kept()] == ["/spa"]


def test_calls_before_the_agent_is_there_wait_for_it(shop: Shop) -> None:
    held: list[Route] = []
    shop.context.route("**/agent.js", lambda route: held.append(route))
    page = shop.open(ready=False)
    assert page.evaluate("[typeof arrivals.track, arrivals.version]") == ["function", None]
    page.evaluate("arrivals.identify('early-1', {plan: 'pro'}); arrivals.track('early', {n: 1})")
    held[0].continue_()
    page.wait_for_function("arrivals.version")
    assert [(one["kind"], one["visitor_id"]) for one in shop.flushed(page)][1:] == [
        ("identify", "early-1"),
        ("track", "early-1"),
    ]


def test_options_may_stand_in_the_script_element(shop: Shop) -> None:
    shop.site.element = True
    shop.site.attributes = (
        'data-visitor="ada-8" data-account="acme-8" data-mask-text data-autocapture="false" data-flush-ms="20"'
    )
    page = shop.open()
    page.click("#save")
    page.evaluate("arrivals.track('x')")
    assert [(one["kind"], one["visitor_id"], one["account_id"]) for one in shop.until(3)] == [
        (kind, "ada-8", "acme-8") for kind in ("identify", "group", "track")
    ]


BUNDLE = """arrivals._extend("NAME", (context) => {
  window.given = {pages: [], visitors: 0, ...context};
  const stop = context.onPage((url) => given.pages.push(new URL(url).pathname));
  context.onVisitor(() => given.visitors++);
  context.emit("survey_shown", "nps", {survey_id: "sur_1"});
  return () => { stop(); window.ended = true; };
});"""


def script(name: str) -> dict[str, str]:
    return {"content_type": "text/javascript", "body": BUNDLE.replace("NAME", name)}


def started(page: Page) -> None:
    page.wait_for_function("window.given")


def test_surveys_are_loaded_only_where_the_server_names_one(shop: Shop) -> None:
    asked: list[str] = []
    shop.context.on("request", lambda request: asked.append(request.url))
    page = shop.open()
    page.evaluate("arrivals.flush()")
    page.wait_for_timeout(300)
    assert not any("agent-surveys.js" in url for url in asked)
    answer = {"surveys": [{"id": "sur_1"}]}
    cors = {"access-control-allow-origin": "*"}
    shop.context.route("**/v1/surveys?*", lambda route: route.fulfill(json=answer, headers=cors))
    shop.context.route("**/agent-surveys.js", lambda route: route.fulfill(**script("surveys")))
    page = shop.open("/spa")
    started(page)
    page.evaluate("go('/spa/list')")
    page.evaluate("arrivals.identify('ada-6')")
    page.wait_for_timeout(100)
    assert page.evaluate("[given.key, given.host, given.surveys, given.pages, given.visitors, given.visitor()]") == [
        shop.source["write_key"],
        shop.server.url,
        [{"id": "sur_1"}],
        ["/spa", "/spa/list"],
        1,
        "ada-6",
    ]
    [shown] = [one for one in shop.flushed(page) if one["kind"] == "survey_shown"]
    assert (shown["name"], shown["properties"]["survey_id"]) == ("nps", "sur_1")
    page.evaluate("arrivals.teardown()")
    assert page.evaluate("[window.ended, document.querySelectorAll('script[src*=surveys]').length]") == [True, 0]


def test_the_picker_is_loaded_by_its_token_which_leaves_the_address(shop: Shop) -> None:
    shop.context.route("**/agent-picker.js", lambda route: route.fulfill(**script("picker")))
    page = shop.open("/page/index.html#arrivals-picker=tok.en-1")
    started(page)
    assert page.evaluate("[given.token, location.hash]") == ["tok.en-1", ""]
    page.evaluate("window.given = null")
    page.click("text=About us")
    page.wait_for_url("**/about.html")
    started(page)  # the token stays for this tab
    assert page.evaluate("given.token") == "tok.en-1"
    page.evaluate("arrivals.flush()")
    assert "tok.en" not in shop.wire(page)
