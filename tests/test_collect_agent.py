"""What the collector does for the browser agent: its kinds of events, its scripts, the switches of a source."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from arrivals.collect import agent, calls, sources, switches
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
CLICK = {
    "type": "click",
    "anonymousId": "anon_1",
    "messageId": "m1",
    "name": "button#save",
    "properties": {"path": ["button#save", "body"], "text": "Save", "session": "s1", "title": "Shop"},
    "context": {"page": {"url": "https://shop.example/cart"}},
}


class Host:
    """Both applications as the process serves them, with a source."""

    def __init__(self, write_key: str, source_id: str, writer: Writer) -> None:
        self.key, self.source_id, self.writer = write_key, source_id, writer
        self.named: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, str]] = []
        collector, ours = Collector(writer), agent.Agent(surveys=self._surveys)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (ours if scope["path"] in agent.PATHS else collector)(scope, receive, send)

        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t")

    def _surveys(self, source_id: str, *, visitor: str, anonymous: str) -> list[dict[str, Any]]:
        self.asked.append((source_id, visitor, anonymous))
        return self.named

    async def batch(self, *events: dict[str, Any], browser: str = CHROME, **more: Any) -> httpx.Response:
        body = json.dumps({"writeKey": self.key, "agent": "web", "batch": list(events), **more})
        headers = {"content-type": "text/plain", "user-agent": browser}
        return await self.client.post("/v1/batch", content=body, headers=headers)


@pytest.fixture
async def host(fresh: Warehouse) -> AsyncIterator[Host]:
    source, _secret = await sync_to_async(sources.create)("Shop")
    writer = Writer(EventStore())
    await writer.start()
    host = Host(source.write_key, source.id, writer)
    yield host
    await host.client.aclose()
    await writer.stop()


async def test_the_kinds_of_the_agent_are_kept(host: Host, fresh: Warehouse) -> None:
    said = {"survey_id": "sur_1", "score": 9}
    events = [
        CLICK,
        {**CLICK, "type": "change", "messageId": "m2", "name": "input[name=email]"},
        {**CLICK, "type": "submit", "messageId": "m3", "name": "form#checkout"},
        {**CLICK, "type": "survey_shown", "messageId": "m4", "name": "nps", "properties": {"survey_id": "sur_1"}},
        {**CLICK, "type": "survey_answered", "messageId": "m5", "name": "nps", "properties": said},
    ]
    answer = await host.batch(*events, *events)
    assert answer.json() == {"success": True, "accepted": 10, "repeated": 5, "refused": []}
    found = fresh.query("SELECT kind, name, visitor_id, url FROM events ORDER BY message_id")
    assert [one[0] for one in found] == list(calls.AGENT_TYPES)
    assert {one[2:] for one in found} == {("anon_1", "https://shop.example/cart")}
    [(properties,)] = fresh.query("SELECT properties FROM events WHERE kind = 'click'")
    assert json.loads(properties) == CLICK["properties"]


@pytest.mark.parametrize("kind", calls.AGENT_TYPES)
async def test_each_of_them_may_come_alone(host: Host, kind: str, fresh: Warehouse) -> None:
    answer = await host.client.post(f"/v1/{kind}", json=CLICK, auth=(host.key, ""))
    assert answer.status_code == 200
    assert fresh.query("SELECT kind, name FROM events") == [(kind, "button#save")]


@pytest.mark.parametrize("name", [None, "", "  ", 5, "x" * 256])
async def test_one_without_a_name_is_refused(host: Host, name: Any, fresh: Warehouse) -> None:
    answer = await host.batch({**CLICK, "name": name}, {**CLICK, "messageId": "m2"})
    [refused] = answer.json()["refused"]
    assert (refused["index"], refused["path"]) == (0, "name")
    assert fresh.query("SELECT count() FROM events") == [(1,)]


async def test_a_page_view_of_the_agent_tells_the_browser_and_one_of_a_library_does_not(
    host: Host, fresh: Warehouse
) -> None:
    page = {**CLICK, "type": "page", "name": "/cart"}
    await host.batch(page)
    await host.batch({**page, "messageId": "m2", "anonymousId": "anon_2"}, agent="other")
    found = fresh.query(
        "SELECT visitor_id, field, value FROM visitor_fields WHERE field IN ('lastbrowsername', 'lastservername') ORDER BY field"
    )
    assert found == [("anon_1", "lastbrowsername", "Chrome"), ("anon_1", "lastservername", "shop.example")]


async def test_what_browsers_gave_up_is_counted(host: Host) -> None:
    await host.batch(CLICK, dropped=6)
    for nonsense in (-1, "6", None, 10**9):
        await host.batch(CLICK, dropped=nonsense)
    assert host.writer.dropped == 6


async def test_the_script_is_served_packed_and_kept_by_caches(host: Host) -> None:
    plain = await host.client.get("/agent.js", headers={"accept-encoding": "identity"})
    packed = await host.client.get("/agent.js", headers={"accept-encoding": "gzip"})
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == (agent.FOLDER / "agent.js").read_bytes()
    brotli = await host.client.get("/agent.js", headers={"accept-encoding": "gzip, deflate, br"})
    assert brotli.headers["content-encoding"] == "br"
    assert int(brotli.headers["content-length"]) < int(packed.headers["content-length"]) < len(plain.content)
    refused = await host.client.get("/agent.js", headers={"accept-encoding": "gzip;q=0, br; q=0"})
    assert "content-encoding" not in refused.headers
    for one in (plain, packed, brotli):
        assert one.headers["access-control-allow-origin"] == "*"
        assert one.headers["cross-origin-resource-policy"] == "cross-origin"
        assert one.headers["vary"] == "accept-encoding"
        assert one.headers["cache-control"] == "public, max-age=300, stale-while-revalidate=86400"
    again = await host.client.get("/agent.js", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await host.client.get("/agent.js", headers={"if-none-match": '"x"'})
    assert other.status_code == 200


def test_the_agent_has_under_12_kilobytes() -> None:
    assert len(gzip.compress((agent.FOLDER / "agent.js").read_bytes(), 9)) < 12 * 1024


async def test_the_switches_are_told_by_write_key_and_changed_at_once(host: Host) -> None:
    asked = {"key": host.key}
    assert (await host.client.get("/v1/agent", params=asked)).json() == {
        "autocapture": {"page": True, "click": True, "change": True, "submit": True},
        "mask_text": False,
        "respect_dnt": False,
    }
    source = await sync_to_async(sources.get)(host.source_id)
    await sync_to_async(switches.change)(source, {"mask_text": True, "autocapture": {"change": False}})
    told = await host.client.get("/v1/agent", params=asked)
    assert (told.json()["mask_text"], told.json()["autocapture"]["change"]) == (True, False)
    assert (told.headers["cache-control"], told.headers["access-control-allow-origin"]) == ("no-store", "*")


async def test_a_request_beside_the_first_after_a_change_is_not_told_what_held_before(host: Host) -> None:
    asked = {"key": host.key}
    await host.client.get("/v1/agent", params=asked)
    source = await sync_to_async(sources.get)(host.source_id)
    await sync_to_async(switches.change)(source, {"mask_text": True})
    paths = ("/v1/surveys", "/v1/agent", "/v1/agent")  # as a page asks
    answers = await asyncio.gather(*(host.client.get(path, params=asked) for path in paths))
    assert [one.json()["mask_text"] for one in answers[1:]] == [True, True]


async def test_the_surveys_are_asked_for_this_visitor(host: Host) -> None:
    asked = {"key": host.key, "visitor": "ada", "anonymous": "anon_1"}
    assert (await host.client.get("/v1/surveys", params=asked)).json() == {"surveys": []}
    host.named = [{"id": "sur_1"}]
    assert (await host.client.get("/v1/surveys", params=asked)).json() == {"surveys": [{"id": "sur_1"}]}
    assert host.asked == [(host.source_id, "ada", "anon_1")] * 2


REFUSALS = [
    ("GET", "/v1/agent", 401, "not_signed_in"),
    ("GET", "/v1/agent?key=wk_x", 401, "not_signed_in"),
    ("GET", "/v1/surveys?key=wk_x", 401, "not_signed_in"),
    ("POST", "/v1/agent?key=wk_x", 405, "method_not_allowed"),
    ("DELETE", "/agent.js", 405, "method_not_allowed"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), REFUSALS)
async def test_what_is_refused(host: Host, method: str, path: str, status: int, code: str) -> None:
    answer = await host.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_any_page_may_ask(host: Host) -> None:
    for path in agent.PATHS:
        answer = await host.client.options(path)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"mask": True}, "agent.mask"),
        ({"autocapture": {"focus": True}}, "agent.autocapture.focus"),
        ({"autocapture": True}, "agent.autocapture"),
        ({"mask_text": "yes"}, "agent.mask_text"),
        ({"respect_dnt": 1}, "agent.respect_dnt"),
        ([], "agent"),
    ],
)
@pytest.mark.django_db
def test_a_wrong_switch_is_refused_with_its_place(given: Any, path: str) -> None:
    source, _secret = sources.create("Shop")
    with pytest.raises(Invalid) as refused:
        switches.change(source, given)
    assert refused.value.path == path
    assert sources.get(source.id).agent == {}
