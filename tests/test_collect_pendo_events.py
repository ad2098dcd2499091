"""What the agent tells of an element, of an answer and of the browser, and that nothing it tells breaks the reading."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals.collect import browsers, pendo_elements, pendo_events, pendo_polls
from arrivals.errors import InvalidEvent


def element(tag: str, inside: Any = None, id_: str = "", cls: str = "", txt: str = "", **attrs: Any) -> dict[str, Any]:
    return {"tag": tag.upper(), "id": id_, "cls": cls, "txt": txt, "attrs": attrs, "parentElem": inside}


SAVE = element("button", id_="save", cls="big")
ELEMENTS: list[tuple[str, Any, str]] = [
    ("an id", SAVE, "button#save"),
    ("inside of it", element("b", element("span", SAVE), txt="all"), "button#save"),
    ("a mark", element("svg", element("button", **{"data-testid": "save"})), "button[data-testid=save]"),
    ("a field's name", element("input", name="email", value="ada@example.com"), "input[name=email]"),
    ("text", element("b", element("button", cls="btn", txt=""), txt=" Save \n all "), 'button "Save all"'),
    ("the longer text", element("b", element("a", txt="Save all"), txt="all"), 'a "Save all"'),
    ("never what was typed", element("textarea", txt="dear diary", cls="note"), "textarea.note"),
    ("never what was chosen", element("select", txt="12"), "select"),
    ("classes", element("button", cls="btn primary large"), "button.btn.primary"),
    ("a role", element("i", element("div", role="button", cls="menu")), "div.menu"),
    ("nothing to use", element("p", element("main"), txt="Hello"), 'p "Hello"'),
    ("no element", None, ""),
    ("not an element", "button", ""),
]


@pytest.mark.parametrize(("what", "target", "name"), ELEMENTS, ids=[one[0] for one in ELEMENTS])
def test_an_element_is_named_by(what: str, target: Any, name: str) -> None:
    assert pendo_elements.name(target) == name


def test_the_path_ends_at_a_depth() -> None:
    target: Any = None
    for _ in range(50):
        target = element("div", target)
    assert pendo_elements.path(target) == ["div"] * pendo_elements.MOST_CHAIN


ANSWERS: list[tuple[Any, str | None, dict[str, Any]]] = [
    (9, "NPSRating", {"response": 9, "score": 9}),
    ("9", "NPSRating", {"response": 9, "score": 9}),
    ("9", None, {"response": 9, "score": 9}),
    (70, "NumberScale", {"response": 70, "score": 70}),
    (70, None, {"response": 70}),
    ("Too slow", "NPSReason", {"response": "Too slow", "reason": "Too slow"}),
    ("Too slow", None, {"response": "Too slow", "reason": "Too slow"}),
    (7, "NPSReason", {"response": 7, "reason": "7"}),
    ("2", "FreeForm", {"response": "2", "reason": "2"}),
    (1, "YesNo", {"response": 1}),
    ("b", "PickList", {"response": "b"}),
    (["a", "b"], "MultiSelect", {"response": ["a", "b"]}),
    (True, None, {"response": True}),
    (None, None, {"response": None}),
]


@pytest.mark.parametrize(("response", "type_", "told"), ANSWERS)
def test_an_answer_is_a_score_or_a_reason_or_neither(response: Any, type_: str | None, told: dict[str, Any]) -> None:
    props = {"poll_id": "p", "poll_response": response, "poll_type": type_, "duration": None}
    assert pendo_polls.answer(props) == {"poll_id": "p", **({"poll_type": type_} if type_ else {}), **told}


WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS: list[tuple[str, str, str, str]] = [
    (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome", "131.0.0.0", "Windows"),
    (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/131.0 Safari/537 Edg/131.0.1", "Edge", "131.0.1", "Windows"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox", "132.0", "Linux"),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {WEBKIT} Version/17.1 Safari/605", "Safari", "17.1", "Mac OS X"),
    (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) {WEBKIT} CriOS/130.0 Mobile", "Chrome", "130.0", "iOS"),
    (f"Mozilla/5.0 (Linux; Android 14) {WEBKIT} Chrome/130.0 Mobile Safari/537.36", "Chrome", "130.0", "Android"),
]


@pytest.mark.parametrize(("agent", "name", "version", "system"), AGENTS)
def test_a_browser_is_told_by_its_agent(agent: str, name: str, version: str, system: str) -> None:
    told = {one.name: one.value for one in browsers.facts(agent, "https://app.example:8443/x")}
    assert told == {"lastuseragent": agent, "lastbrowsername": name, "lastbrowserversion": version,
                    "lastoperatingsystem": system, "lastservername": "app.example"}  # fmt: skip


def test_of_an_unknown_browser_only_what_is_known_is_told() -> None:
    assert [one.name for one in browsers.facts("curl/8", "http://[x/")] == ["lastuseragent"]
    assert browsers.facts("", "") == ()


def test_facts_are_forgotten_after_an_hour_and_when_others_come() -> None:
    noted, told = browsers.Noted(), browsers.facts("curl/8", "")
    assert not noted.has("ada", told, 0)
    noted.add([("ada", told, 0)])
    assert noted.has("ada", told, browsers.AGAIN_MS - 1)
    assert not noted.has("ada", told, browsers.AGAIN_MS)
    assert not noted.has("ada", browsers.facts("curl/9", ""), 1)


TYPES = (
    "load",
    "click",
    "focus",
    "submit",
    "change",
    "track",
    "identify",
    "meta",
    "pollResponse",
    "guideSeen",
    "guideX",
)
WORDS = ("type", "browser_time", "visitor_id", "account_id", "url", "props", "eventProperties", "track_event_name", "tabId",
         "target", "tag", "id", "cls", "attrs", "txt", "parentElem", "visitor", "account", "parentAccount", "old_visitor_id",
         "guide_id", "poll_response", "poll_type", "event", "visitorId", "accountId", "timestamp", "properties", "context",
         "metadata", "oldVisitorId")  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from((*TYPES, "_PENDO_T_x", "http://[x/", "--5", "1795000000000")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=8),
    max_leaves=20,
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES), "visitor_id": st.sampled_from(("ada", 7))},
    optional={word: JSON for word in WORDS if word not in ("type", "visitor_id")},
)


@settings(max_examples=80, deadline=None)
@given(st.lists(EVENTS | JSON, max_size=3))
def test_whatever_an_agent_sends_is_read_or_refused(batch: list[Any]) -> None:
    events, refused = pendo_events.of_agent("src", batch, received_at=1_795_000_000_000, sent_at=5)
    assert len(events) + refused == len(batch)
    assert all(one.visitor_id and one.ts <= one.received_at for one in events)
    pendo_events.guides(batch)


@settings(max_examples=60, deadline=None)
@given(JSON | EVENTS)
def test_whatever_a_server_sends_is_read_or_refused(data: Any) -> None:
    for read in (pendo_events.of_track, pendo_events.of_guides):
        with contextlib.suppress(InvalidEvent):
            assert read("src", data, received_at=1_795_000_000_000).visitor_id
