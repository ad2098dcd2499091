"""Pendo's data host: what its agent and track endpoint send is kept once; the rest is refused, and nothing happens."""

import base64
import json
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from arrivals import ids
from arrivals.audience import segments
from arrivals.collect import pendo, sources
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.errors import TooMany
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore

NOW = int(time.time() * 1000)


@pytest.fixture
async def host(fresh: Warehouse) -> AsyncIterator[httpx.AsyncClient]:
    source, secret = await sync_to_async(sources.create)("Shop")
    store = EventStore()
    writer = Writer(store)
    await writer.start()
    transport = httpx.ASGITransport(app=pendo.Pendo(Collector(writer), store))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{source.write_key}") as client:
        client.headers["x-secret"] = secret
        yield client
    await writer.stop()


def packed(data: Any) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(data).encode())).decode().rstrip("=")


def agent(kind: str, visitor: str = "ada", at: int = NOW - 1000, **more: Any) -> dict[str, Any]:
    return {"type": kind, "browser_time": at, "visitor_id": visitor, "account_id": "acme",
            "url": "https://shop.example/cart?x=1", "props": {}, "tabId": "t1", **more}  # fmt: skip


async def get(host: httpx.AsyncClient, data: Any, beacon: str = "ptm", **query: Any) -> httpx.Response:
    key = host.base_url.host
    return await host.get(f"/data/{beacon}.gif/{key}", params={"v": "2.291.4", "ct": NOW, "jzb": packed(data), **query})


async def post(host: httpx.AsyncClient, data: Any, beacon: str = "ptm") -> httpx.Response:
    body = json.dumps({"events": packed(data)})
    return await host.post(
        f"/data/{beacon}.gif/{host.base_url.host}?v=2.291.4&ct={NOW}&s=9", content=body, headers={"content-type": "text/plain"}
    )  # fmt: skip


def kept(store: Warehouse) -> list[tuple[Any, ...]]:
    rows = store.query("SELECT kind, name, visitor_id, account_id, properties FROM events ORDER BY kind, name, ts")
    return [(*row[:4], json.loads(row[4])) for row in rows]


TARGET = {"tag": "BUTTON", "id": "save", "cls": "big", "attrs": {"value": "hunter2"}, "parentElem": {"tag": "FORM"}}
TYPES: list[tuple[str, dict[str, Any], tuple[str, str], dict[str, Any]]] = [
    ("load", {"props": {"title": "Cart"}}, ("page", "/cart"), {"title": "Cart"}),
    ("click", {"props": {"target": TARGET}}, ("click", "button#save"), {"path": ["button#save.big", "form"]}),
    ("focus", {"props": {"target": TARGET}}, ("focus", "button#save"), {"path": ["button#save.big", "form"]}),
    ("change", {"props": {"target": {"tag": "input"}}}, ("change", "input"), {"path": ["input"]}),
    ("submit", {"props": {"target": {"tag": "form"}}}, ("submit", "form"), {"path": ["form"]}),
    ("track", {"track_event_name": "export", "props": {"n": 3}}, ("track", "export"), {"n": 3}),
    ("guideSeen", {"props": {"guide_id": "g1"}}, ("survey_shown", "g1"), {"guide_id": "g1"}),
    ("guideDismissed", {"props": {"guide_id": "g1"}}, ("guide", "guideDismissed"), {"guide_id": "g1"}),
    ("pollResponse", {"props": {"guide_id": "g1", "poll_id": "p1", "poll_response": 9}},
     ("survey_answered", "g1"), {"guide_id": "g1", "poll_id": "p1", "response": 9, "score": 9}),
    ("pollResponse", {"props": {"guide_id": "g1", "poll_id": "p2", "poll_response": "Too slow"}},
     ("survey_answered", "g1"), {"guide_id": "g1", "poll_id": "p2", "response": "Too slow", "reason": "Too slow"}),
]  # fmt: skip


@pytest.mark.parametrize("send", [get, post])
@pytest.mark.parametrize(("kind", "more", "told", "properties"), TYPES)
async def test_every_type_of_event_is_kept(
    host: httpx.AsyncClient, fresh: Warehouse, send: Any, kind: str, more: Any, told: Any, properties: Any
) -> None:
    answer = await send(host, [agent(kind, **more)])
    assert (answer.status_code, answer.headers["content-type"], answer.content[:3]) == (200, "image/gif", b"GIF")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert kept(fresh) == [(*told, "ada", "acme", {**properties, "tabId": "t1"})]


async def test_a_request_sent_again_counts_once_and_two_equal_events_are_two(
    host: httpx.AsyncClient, fresh: Warehouse
) -> None:
    batch = [agent("click", props={"target": TARGET})] * 2 + [agent("load"), agent("load", at=NOW - 900)]
    for number in range(3):
        assert (await get(host, batch, rt=number)).status_code == 200
    assert [row[0] for row in kept(fresh)] == ["click", "click", "page", "page"]


async def test_an_anonymous_visitor_is_linked_when_it_is_identified(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    await get(host, [agent("load", visitor="_PENDO_T_abcdefghijk")])
    await get(host, [agent("identify", props={"old_visitor_id": "_PENDO_T_abcdefghijk"})])
    # Another person who signs in on the same machine is another person.
    await get(host, [agent("identify", visitor="bob", props={"old_visitor_id": "ada"})])
    rules = {"all": [{"any": [{"kind": "page", "name": "/cart"}]}]}
    found = await sync_to_async(segments.preview)(rules)
    assert (found.count, found.sample) == (1, ["ada"])


async def test_metadata_comes_by_events_and_with_the_question_for_guides(
    host: httpx.AsyncClient, fresh: Warehouse
) -> None:
    meta = {
        "visitor": {"id": "ada", "plan": "pro"},
        "account": {"id": "acme", "size": 50},
        "parentAccount": {"id": "g"},
    }
    await get(host, [agent("meta", props=meta)])
    told = {"visitorId": "bob", "accountId": "acme", "metadata": {"visitor": {"id": "bob", "plan": "free"}}, "url": "x"}
    answer = await host.get(f"/data/guide.json/{host.base_url.host}", params={"id": 1, "jzb": packed(told)})
    assert (answer.status_code, answer.json()["guides"], answer.json()["id"]) == (200, [], "1")
    assert fresh.query("SELECT visitor_id, field, value FROM visitor_fields FINAL ORDER BY ALL") == [
        ("ada", "plan", "pro"),
        ("bob", "plan", "free"),
    ]
    assert fresh.query("SELECT account_id, field, value FROM account_fields FINAL") == [("acme", "size", "50")]
    assert kept(fresh) == []


async def test_the_ids_of_the_sample_snippet_name_nobody(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    await get(host, [{**agent("load", visitor="VISITOR-UNIQUE-ID"), "account_id": "ACCOUNT-UNIQUE-ID"}])
    [(_, _, visitor, account, _)] = kept(fresh)
    assert visitor.startswith("_PENDO_T_")
    assert account == ""


async def test_a_visitor_not_to_be_processed_is_told_so_and_not_kept(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    fresh.insert("visitor_fields", [["pendo", "donotprocess", "ada", "true", "boolean", NOW]],
                 ["grp", "field", "visitor_id", "value", "type", "at"])  # fmt: skip
    answer = await host.get(f"/data/guide.json/{host.base_url.host}", params={"jzb": packed({"visitorId": "ada"})})
    assert answer.status_code == 451
    await get(host, [agent("load"), agent("load", visitor="bob")])
    assert [row[2] for row in kept(fresh)] == ["bob"]


async def test_a_wrong_clock_is_set_right(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    day, now = 86_400_000, int(time.time() * 1000)
    await get(host, [agent("load", at=now + day - 5000)], ct=now + day)
    [(ts, received)] = fresh.query("SELECT toUnixTimestamp64Milli(ts), toUnixTimestamp64Milli(received_at) FROM events")
    assert received - ts == 5000


async def test_what_cannot_be_kept_does_not_take_the_rest_with_it(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    batch = [agent("load"), {"type": "load"}, "x", agent("dance"), agent("load", visitor="v" * 600), None]
    batch += [
        agent("load", url="http://[x/"),
        {**agent("load"), "browser_time": "--5"},
        agent("load", props={"x": deep}),
    ]
    batch += [agent("track", track_event_name="big", props={"x": "y" * 40_000})]
    assert (await post(host, batch)).status_code == 200
    assert len(kept(fresh)) == 1


async def test_track_events_of_servers(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    event = {"type": "track", "event": "invoice paid", "visitorId": "ada", "accountId": "acme", "timestamp": NOW - 9,
             "properties": {"total": 9.5}, "context": {"url": "https://x.example/"}}  # fmt: skip
    secret = {"X-Pendo-Integration-Key": host.headers["x-secret"]}
    for _ in range(2):
        answer = await host.post("/data/track", json=event, headers=secret)
        assert answer.status_code == 200
    assert answer.json() == {"success": True, "accepted": 1, "repeated": 1}
    assert kept(fresh) == [("track", "invoice paid", "ada", "acme", {"total": 9.5})]


async def test_metadata_that_is_written_in_one_go_is_all_kept(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    names = [f"v{number}" for number in range(5)]
    batch = [agent("meta", visitor=name, props={"visitor": {"id": name, "plan": name}}) for name in names]
    await get(host, batch)
    assert fresh.query("SELECT visitor_id, value FROM visitor_fields FINAL ORDER BY ALL") == [
        (one, one) for one in names
    ]


async def test_page_views_tell_of_the_browser_but_not_each_time(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    host.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"
    rows = []
    for number in range(2):
        await get(host, [agent("load", at=NOW - number)])
        rows += fresh.query("SELECT count() FROM visitor_fields WHERE grp = 'auto'")
    assert rows == [(5,), (5,)]
    told = dict(fresh.query("SELECT field, value FROM visitor_fields FINAL WHERE grp = 'auto' AND visitor_id = 'ada'"))
    assert told.pop("lastuseragent", "").startswith("Mozilla/5.0")
    assert told == {"lastbrowsername": "Chrome", "lastbrowserversion": "131.0.0.0", "lastoperatingsystem": "Linux",
                    "lastservername": "shop.example"}  # fmt: skip


async def test_an_answer_is_of_the_survey_whose_guide_it_names(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    told = {"survey": "nps", "score": 3}
    await get(host, [agent("track", track_event_name="Survey Answered", props=told)])
    props = {"guide_id": ids.derived("guide", "nps"), "poll_id": "p1", "poll_response": 9, "poll_type": "NPSRating"}
    await get(host, [agent("pollResponse", props=props)], beacon="poll")
    await get(host, [agent("guideSeen", props={"guide_id": ids.derived("guide", "nps")})], beacon="guide")
    assert [row[:2] for row in kept(fresh)] == [("survey_answered", "nps")] * 2 + [("survey_shown", "nps")]


BOMB = base64.urlsafe_b64encode(zlib.compress(b"0" * 50_000_000)).decode().rstrip("=")
BAD: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/data/ptm.gif/KEY?jzb=*", {}, 400),
    ("GET", "/data/ptm.gif/KEY?jzb=aGVsbG8", {}, 400),
    ("GET", f"/data/ptm.gif/KEY?jzb={packed({'x': 1})[:-6]}", {}, 400),
    ("POST", "/data/ptm.gif/KEY", {"content": "no json"}, 400),
    ("POST", "/data/ptm.gif/KEY", {"json": {"events": BOMB}}, 413),
    ("POST", "/data/ptm.gif/KEY", {"json": {"events": [1]}}, 400),
    ("PUT", "/data/ptm.gif/KEY", {}, 405),
    ("GET", "/data/ptm.gif/wrong?jzb=x", {}, 403),
    ("GET", "/data/guide.json/wrong", {}, 403),
    ("GET", "/agent/static/wrong/config.json", {}, 403),
    ("GET", "/data/else", {}, 404),
    ("GET", "/data/track", {}, 405),
    ("POST", "/data/track", {"json": {"event": "x", "visitorId": "a"}}, 403),
    ("POST", "/data/track", {"json": {"event": "x", "visitorId": "a"}, "headers": {"x-pendo-integration-key": "no"}}, 403),
    ("POST", "/data/track", {"json": {"event": "", "visitorId": "a"}, "secret": True}, 400),
    ("POST", "/data/track", {"json": {"event": "x"}, "secret": True}, 400),
    ("POST", "/data/track", {"json": {"event": "x", "visitorId": "a", "timestamp": "noon"}, "secret": True}, 400),
    ("POST", "/data/track", {"json": {"type": "page", "event": "x", "visitorId": "a"}, "secret": True}, 400),
    ("POST", "/data/track", {"json": [{"event": "x", "visitorId": "a"}, {}], "secret": True}, 400),
    ("POST", "/data/segmentio/KEY", {"json": {"type": "dance"}}, 400),
    ("POST", "/data/segmentio/KEY", {"json": [{"type": "track", "userId": "a", "event": "x"}] * 5001}, 400),
    ("GET", "/agent/else", {}, 404),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
async def test_bad_input_is_refused_and_nothing_is_kept(
    host: httpx.AsyncClient, fresh: Warehouse, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    body = dict(body)
    if body.pop("secret", False):
        body["headers"] = {"x-pendo-integration-key": host.headers["x-secret"]}
    answer = await host.request(method, path.replace("KEY", host.base_url.host), **body)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.content == b""
    else:
        assert answer.json()["detail"]
    assert kept(fresh) == []


async def test_other_origins_may_ask(host: httpx.AsyncClient) -> None:
    answer = await host.options("/data/ptm.gif/x")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "content-type" in answer.headers["access-control-allow-headers"]
    config = await host.get(f"/agent/static/{host.base_url.host}/config.json")
    assert config.json()["apiKey"] == host.base_url.host
    assert answer.headers["access-control-allow-private-network"] == "true"
    style = await host.get("/agent/releases/2.291.4/guide.css")
    assert (style.status_code, style.headers["content-type"], style.content) == (200, "text/css", pendo.STYLE)
    for path in ("/data/errorlog", "/data/rec/x", "/data/recordingconf/y"):
        assert (await host.post(path, content=b"anything")).status_code == 200


async def test_overload_is_told_before_anything_is_lost(
    host: httpx.AsyncClient, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any, **__: Any) -> None:
        raise TooMany("Too many events are waiting to be written; send this again in a moment.", retry_after=1)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", full)
        answer = await get(host, [agent("load")])
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert (await get(host, [agent("load")])).status_code == 200
    assert len(kept(fresh)) == 1


async def test_what_could_not_be_written_is_refused_and_sent_again_counts_once(
    host: httpx.AsyncClient, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fresh.insert_columns

    def broken(table: str, columns: Any) -> None:
        if table == "events":
            raise OSError("no space left on device")
        whole(table, columns)

    batch = [agent("load"), agent("click", props={"target": TARGET})]
    with monkeypatch.context() as patch:
        patch.setattr(fresh, "insert_columns", broken)
        answer = await get(host, batch)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    for number in (1, 2):
        assert (await get(host, batch, rt=number)).status_code == 200
    assert [row[0] for row in kept(fresh)] == ["click", "page"]
    # The browser was not noted as written when it was not.
    assert fresh.query("SELECT count() > 0 FROM visitor_fields WHERE grp = 'auto'") == [(1,)]


async def test_segments_webhook_is_taken(host: httpx.AsyncClient, fresh: Warehouse) -> None:
    call = {"type": "track", "event": "export", "userId": "ada", "messageId": "m1"}
    answer = await host.post(f"/data/segmentio/{host.base_url.host}", json=call)
    assert answer.json()["accepted"] == 1
    assert [row[:3] for row in kept(fresh)] == [("track", "export", "ada")]
