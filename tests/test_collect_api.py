"""The collector over HTTP: what is kept, what is refused and how, and that nothing else happens."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from arrivals.collect import sources
from arrivals.collect.segment import MOST_BODY, MOST_EVENT, Collector
from arrivals.collect.writer import Writer
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore


@pytest.fixture
async def collector(fresh: Warehouse) -> AsyncIterator[httpx.AsyncClient]:
    source, _secret = await sync_to_async(sources.create)("Shop")
    writer = Writer(EventStore())
    await writer.start()
    transport = httpx.ASGITransport(app=Collector(writer))
    async with httpx.AsyncClient(transport=transport, base_url="http://t", auth=(source.write_key, "")) as client:
        client.headers["x-write-key"] = source.write_key
        yield client
    await writer.stop()


def kept(store: Warehouse) -> list[tuple[Any, ...]]:
    return store.query(
        "SELECT kind, name, visitor_id, account_id, properties FROM events ORDER BY kind, name, visitor_id"
    )


TRACK = {"userId": "u1", "event": "export", "properties": {"n": 1}}


async def test_every_call_of_the_api_is_kept(collector: httpx.AsyncClient, fresh: Warehouse) -> None:
    calls: dict[str, dict[str, Any]] = {
        "track": TRACK,
        "identify": {"userId": "u1", "traits": {"plan": "pro", "address": {"city": "Oslo"}, "seats": 3}},
        "group": {"userId": "u1", "groupId": "acme", "traits": {"size": 50}},
        "page": {"anonymousId": "a1", "name": "Home", "properties": {"url": "https://x.example/"}},
        "screen": {"userId": 7, "name": "Start"},
        "alias": {"previousId": "a1", "userId": "u1"},
    }
    for path, body in calls.items():
        answer = await collector.post(f"/v1/{path}", json=body)
        assert (answer.status_code, answer.json()["success"]) == (200, True), answer.text
    assert [row[:4] for row in kept(fresh)] == [
        ("alias", "", "u1", ""),
        ("group", "", "u1", "acme"),
        ("identify", "", "u1", ""),
        ("page", "Home", "a1", ""),
        ("screen", "Start", "7", ""),
        ("track", "export", "u1", ""),
    ]
    fields = fresh.query("SELECT grp, field, visitor_id, value, type FROM visitor_fields ORDER BY field")
    assert fields == [
        ("agent", "address.city", "u1", "Oslo", "string"),
        ("agent", "plan", "u1", "pro", "string"),
        ("agent", "seats", "u1", "3", "number"),
    ]
    assert fresh.query("SELECT field, account_id, value FROM account_fields") == [("size", "acme", "50")]
    assert fresh.query("SELECT alias_id, visitor_id FROM links FINAL") == [("a1", "u1")]


async def test_an_answer_to_a_survey_is_told_by_its_name(collector: httpx.AsyncClient, fresh: Warehouse) -> None:
    body = {"userId": "u1", "event": "Survey Answered", "properties": {"survey": "nps", "score": 9, "reason": "Fast"}}
    await collector.post("/v1/track", json=body)
    assert [row[:2] for row in kept(fresh)] == [("survey_answered", "nps")]


async def test_a_batch_keeps_the_good_and_names_the_bad_by_index(
    collector: httpx.AsyncClient, fresh: Warehouse
) -> None:
    batch = [{"type": "track", **TRACK}, {"type": "track", "userId": "u2"}, {"type": "dance", "userId": "u3"}, 5]
    batch.append({"type": "track", **TRACK, "properties": {"x": "y" * MOST_EVENT}})
    answer = await collector.post("/v1/batch", json={"batch": batch})
    body = answer.json()
    assert (answer.status_code, body["accepted"]) == (200, 1)
    assert [(one["index"], one["code"], one.get("path")) for one in body["refused"]] == [
        (1, "invalid_event", "event"),
        (2, "invalid_event", "type"),
        (3, "invalid_event", None),
        (4, "invalid_event", None),
    ]
    assert len(kept(fresh)) == 1


async def test_a_repeated_message_id_counts_once(collector: httpx.AsyncClient, fresh: Warehouse) -> None:
    body = {"batch": [{"type": "track", **TRACK, "messageId": "m1"}, {"type": "track", **TRACK, "messageId": "m1"}]}
    first, second = await collector.post("/v1/batch", json=body), await collector.post("/v1/batch", json=body)
    assert (first.json()["repeated"], second.json()["repeated"]) == (1, 2)
    assert len(kept(fresh)) == 1


async def test_a_wrong_clock_is_put_right(collector: httpx.AsyncClient, fresh: Warehouse) -> None:
    times = {"timestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T01:00:00Z"}
    await collector.post("/v1/track", json={**TRACK, **times})
    await collector.post("/v1/track", json={**TRACK, "timestamp": "2999-01-01T00:00:00Z"})
    spans = fresh.query("SELECT toUInt32(round(dateDiff('second', ts, received_at) / 60)) AS m FROM events ORDER BY m")
    assert spans == [(0,), (60,)]


async def test_the_key_may_stand_in_the_body_and_the_body_be_packed(
    collector: httpx.AsyncClient, fresh: Warehouse
) -> None:
    body = gzip.compress(
        json.dumps({"batch": [{"type": "track", **TRACK}], "writeKey": collector.headers["x-write-key"]}).encode()
    )
    answer = await collector.post(
        "/v1/batch", content=body, headers={"content-encoding": "gzip", "content-type": "text/plain"}, auth=("", "")
    )
    assert answer.status_code == 401  # Basic with an empty name says: no key
    collector.auth = None  # type: ignore[assignment]
    answer = await collector.post(
        "/v1/batch", content=body, headers={"content-encoding": "gzip", "content-type": "text/plain"}
    )
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert len(kept(fresh)) == 1


async def test_a_browser_may_ask_first(collector: httpx.AsyncClient) -> None:
    answer = await collector.options("/v1/batch")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")


DEEP = json.loads("[" * 300 + "]" * 300)
BAD: list[tuple[str, str, Any, dict[str, str], int, str, str]] = [
    ("POST", "/v1/dance", TRACK, {}, 404, "not_found", "There is no '/v1/dance'"),
    ("GET", "/v1/track", None, {}, 405, "method_not_allowed", "takes POST, not GET"),
    ("POST", "/v1/track", b"{", {}, 400, "invalid_json", "not JSON"),
    ("POST", "/v1/track", b"[]", {}, 400, "invalid_json", "must be a JSON object"),
    ("POST", "/v1/track", b"x", {"content-encoding": "gzip"}, 400, "invalid_json", "not gzip"),
    ("POST", "/v1/track", b"x", {"content-encoding": "br"}, 400, "invalid_json", "allowed are gzip and deflate"),
    (
        "POST",
        "/v1/track",
        TRACK,
        {"authorization": "Basic bm9wZTo="},
        401,
        "not_signed_in",
        "write key is missing or wrong",
    ),
    ("POST", "/v1/track", TRACK, {"authorization": "Basic %%%"}, 401, "not_signed_in", "write key is missing or wrong"),
    ("POST", "/v1/track", {"event": "x"}, {}, 400, "invalid_event", "needs a userId or an anonymousId"),
    ("POST", "/v1/track", {"userId": "u"}, {}, 400, "invalid_event", "needs an event"),
    ("POST", "/v1/track", {"userId": "u", "event": "x" * 256}, {}, 400, "invalid_event", "1 to 255"),
    ("POST", "/v1/track", {"userId": {}, "event": "x"}, {}, 400, "invalid_event", "text or number"),
    ("POST", "/v1/track", {"userId": "u" * 513, "event": "x"}, {}, 400, "invalid_event", "at most 512"),
    ("POST", "/v1/track", {**TRACK, "properties": []}, {}, 400, "invalid_event", "must be an object"),
    ("POST", "/v1/track", {**TRACK, "timestamp": "soon"}, {}, 400, "invalid_event", "time in ISO 8601"),
    ("POST", "/v1/track", {**TRACK, "timestamp": "1999-01-01"}, {}, 400, "invalid_event", "older than 10 years"),
    ("POST", "/v1/track", {**TRACK, "properties": {"x": DEEP}}, {}, 400, "invalid_event", "too deep"),
    ("POST", "/v1/identify", {"userId": "u", "traits": {"x": DEEP}}, {}, 400, "invalid_event", "too deep"),
    ("POST", "/v1/group", {"userId": "u"}, {}, 400, "invalid_event", "needs a groupId"),
    ("POST", "/v1/alias", {"userId": "u"}, {}, 400, "invalid_event", "needs a previousId"),
    (
        "POST",
        "/v1/identify",
        {"userId": "u", "traits": {f"f{n}": n for n in range(201)}},
        {},
        400,
        "invalid_event",
        "may set 200",
    ),
    ("POST", "/v1/identify", {"userId": "u", "traits": {"": 1}}, {}, 400, "invalid_event", "1 to 128"),
    (
        "POST",
        "/v1/track",
        {**TRACK, "properties": {"x": "y" * MOST_EVENT}},
        {},
        413,
        "too_large",
        "one may have 32,768",
    ),
    ("POST", "/v1/batch", b" " * (MOST_BODY + 1), {}, 413, "too_large", "smaller batches"),
    (
        "POST",
        "/v1/batch",
        gzip.compress(b" " * (MOST_BODY + 1)),
        {"content-encoding": "gzip"},
        413,
        "too_large",
        "unpacked body",
    ),
    ("POST", "/v1/batch", {"batch": {}}, {}, 422, "invalid_event", "must be a list"),
    (
        "POST",
        "/v1/batch",
        {"batch": [{"type": "track"}]},
        {},
        400,
        "invalid_event",
        "Every event of the batch was refused",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "code", "sentence"), BAD)
async def test_bad_input_is_refused_and_nothing_is_kept(
    collector: httpx.AsyncClient,
    fresh: Warehouse,
    method: str,
    path: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    code: str,
    sentence: str,
) -> None:
    if "authorization" in headers:
        collector.auth = None  # type: ignore[assignment]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await collector.request(method, path, content=content, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert sentence in problem["detail"]
    assert kept(fresh) == []
    assert fresh.query("SELECT count() FROM visitor_fields") == [(0,)]


async def test_a_deleted_source_is_refused(
    collector: httpx.AsyncClient, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arrivals.collect import segment

    monkeypatch.setattr(segment, "KEYS_SECONDS", 0.0)
    assert (await collector.post("/v1/track", json=TRACK)).status_code == 200
    [source] = await sync_to_async(sources.all_sources)()
    await sync_to_async(sources.delete)(source.id)
    assert (await collector.post("/v1/track", json=TRACK)).status_code == 401


async def test_overload_and_stopping_say_when_to_come_back_and_keep_nothing(fresh: Warehouse) -> None:
    source, _secret = await sync_to_async(sources.create)("Shop")
    writer = Writer(EventStore(), room=10)
    await writer.start()
    transport = httpx.ASGITransport(app=Collector(writer))
    async with httpx.AsyncClient(transport=transport, base_url="http://t", auth=(source.write_key, "")) as client:
        writer.queued = 10  # as when ten events wait for a slow disk
        full = await client.post("/v1/track", json=TRACK)
        writer.queued = 0
        await writer.stop()
        stopping = await client.post("/v1/track", json=TRACK)
    assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (429, "too_many", "1")
    assert (stopping.status_code, stopping.json()["code"], stopping.headers["retry-after"]) == (503, "unavailable", "2")
    assert kept(fresh) == []
