"""What workflows do in a real Pendo, and what its refusals mean."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from arrivals.apps.contract import Call
from arrivals.apps.outbound import Outbound
from arrivals.apps.pendo.app import APP
from arrivals.apps.pendo.client import INVALID
from arrivals.apps.pendo.listed import read
from arrivals.errors import AppError, AuthorisationExpired, Permanent, Retryable, Throttled
from tests.fake_pendo import KEY, FakePendo, Misbehaviour, status


@pytest.fixture
def pendo() -> Iterator[FakePendo]:
    with FakePendo() as fake:
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[Outbound]:
    one = Outbound(seconds=2)
    yield one
    await one.close()


async def do(http: Outbound, pendo: FakePendo, action: str, **inputs: Any) -> dict[str, Any]:
    auth = {"url": pendo.url, "key": KEY, "track_secret": "secret"}
    run = next(one.run for one in APP.actions if one.id == action)
    return await run(Call(inputs, auth, "run_1:step", {}, http))


async def test_a_track_event_goes_with_its_own_secret(pendo: FakePendo, http: Outbound) -> None:
    inputs = {"event": "Called", "visitor": "ann", "account": "acme", "properties": {"by": "us"}}
    assert await do(http, pendo, "track_event", **inputs) == {"ok": True}
    [(method, path, secret, body)] = pendo.sent
    assert (method, path, secret) == ("POST", "/data/track", "secret")
    assert body.pop("timestamp") > 1_700_000_000_000
    assert body == {"type": "track", "event": "Called", "visitorId": "ann", "accountId": "acme", "properties": {"by": "us"}}  # fmt: skip


async def test_a_visitors_custom_fields_are_set(pendo: FakePendo, http: Outbound) -> None:
    assert await do(http, pendo, "update_visitor", visitor="ann", values={"called": True}) == {"updated": 1}
    values = [{"visitorId": "ann", "values": {"called": True}}]
    assert pendo.sent == [("POST", "/api/v1/metadata/visitor/custom/value", KEY, values)]


async def test_a_visitor_is_added_to_a_segment(pendo: FakePendo, http: Outbound) -> None:
    assert await do(http, pendo, "add_to_segment", segment="a/b", visitor="ann") == {"ok": True}
    patch = {"patch": [{"op": "add", "path": "/visitors", "value": ["ann"]}]}
    assert pendo.sent == [("PATCH", "/api/v1/segment/a%2Fb/visitor", KEY, patch)]


UPDATE = ("update_visitor", {"visitor": "ann", "values": {"a": 1}})
ADD = ("add_to_segment", {"segment": "s", "visitor": "ann"})
TRACK = ("track_event", {"event": "x", "visitor": "ann"})
REFUSALS: list[tuple[tuple[str, dict[str, Any]], Misbehaviour, type[AppError], str]] = [
    (UPDATE, status(403), Permanent, "may only read"),
    (UPDATE, status(429, Retry_After="7"), Throttled, "429"),
    (UPDATE, status(500), Retryable, "500"),
    (UPDATE, status(200, b"<html>"), Retryable, "could not be read"),
    (UPDATE, status(200, b'{"total":1,"updated":0,"failed":0,"missing":["ann"]}'), Permanent, "does not know the visitor"),
    (UPDATE, status(200, b'{"total":1,"updated":0,"failed":1}'), Permanent, "did not take the values"),
    (ADD, status(409), Retryable, "busy"),
    (ADD, status(404), Permanent, "404"),
    (ADD, status(200, b'{"multistatus":[{"status":400,"message":"no such visitor"}]}'), Permanent, "no such visitor"),
    (TRACK, status(403), Permanent, "track event shared secret"),
    (TRACK, status(503), Retryable, "503"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "wrong", "kind", "sentence"), REFUSALS)
async def test_every_refusal_says_what_to_do(
    pendo: FakePendo,
    http: Outbound,
    call: tuple[str, dict[str, Any]],
    wrong: Misbehaviour,
    kind: type[AppError],
    sentence: str,
) -> None:
    pendo.wrong.update({"/value": wrong, "/segment/": wrong, "/data/": wrong})
    action, inputs = call
    with pytest.raises(kind, match=sentence) as raised:
        await do(http, pendo, action, **inputs)
    assert type(raised.value) is kind


async def test_a_key_that_is_no_longer_valid_makes_the_connection_stale(pendo: FakePendo, http: Outbound) -> None:
    pendo.wrong["/value"] = status(403)
    pendo.key = "another"
    with pytest.raises(AuthorisationExpired, match=INVALID):
        await do(http, pendo, *UPDATE[:1], **UPDATE[1])


async def test_without_the_track_secret_nothing_is_sent(pendo: FakePendo, http: Outbound) -> None:
    with pytest.raises(Permanent, match="no track event shared secret"):
        await APP.actions[0].run(Call({"event": "x", "visitor": "a"}, {"url": pendo.url, "key": KEY}, "k", {}, http))
    assert pendo.sent == []


LISTED: list[tuple[dict[str, Any], str]] = [
    ({"type": "Visitor Report"}, "visitor"),
    ({"kind": "Report", "target": "accounts"}, "account"),
    ({"definition": {"type": "visitor"}}, "visitor"),
    ({"definition": {"config": {"columns": [{"fieldName": "accountId"}]}}}, "account"),
    ({"aggregation": {"fields": [{"field": "accountId"}, {"field": "visitorId"}]}}, "visitor"),
    ({"level": "parentAccount"}, ""),
    ({"type": "retention", "aggregation": {"fields": [{"field": "visitorId"}]}}, ""),
    ({"aggregation": None, "definition": [], "type": 7}, ""),
]


@pytest.mark.parametrize(("data", "kind"), LISTED)
def test_the_kind_of_a_report_is_read_from_what_pendo_says_of_it(data: dict[str, Any], kind: str) -> None:
    found = read({"id": "r", **data})
    assert found is not None
    assert (found.kind, bool(found.problem)) == (kind, not kind)
