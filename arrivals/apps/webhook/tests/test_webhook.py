"""The webhook: what is sent, how it is signed, what comes back."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from arrivals.apps.contract import Call
from arrivals.apps.outbound import Outbound
from arrivals.apps.webhook.app import send
from arrivals.errors import Permanent, Retryable
from tests.sink import Sink

CONTEXT = {
    "visitor": {"id": "ann"},
    "account": {"id": "acme"},
    "row": {"n": 1},
    "arrival": {"entry": 1},
    "workflow": {},
}


@pytest.fixture
async def http() -> AsyncIterator[Outbound]:
    one = Outbound()
    yield one
    await one.close()


def call(http: Outbound, auth: dict[str, str] | None = None, **inputs: Any) -> Call:
    return Call(inputs, auth or {}, "run_1:call", CONTEXT, http)


async def test_without_a_body_the_whole_arrival_is_sent(http: Outbound) -> None:
    with Sink() as sink:
        outputs = await send(call(http, url=f"{sink.url}/x?a=1", query={"b": "ü"}))
        [got] = sink.calls
    assert outputs == {"status": 200, "body": {"ok": True}, "truncated": False}
    assert (got.method, got.path, got.key) == ("POST", "/x?a=1&b=%C3%BC", "run_1:call")
    assert got.json == {"visitor": {"id": "ann"}, "account": {"id": "acme"}, "row": {"n": 1}, "arrival": {"entry": 1}}
    assert got.headers["content-type"] == "application/json"


QUERIES: list[tuple[str, dict[str, Any], str]] = [
    ("/x", {"a": 1}, "/x?a=1"),
    ("/x?", {"a": 1}, "/x?a=1"),
    ("/x?b=2", {"a": "ü &"}, "/x?b=2&a=%C3%BC+%26"),
    ("/x#part", {"a": 1}, "/x?a=1"),
    ("/x?b=2#part", {}, "/x?b=2"),
    ("", {"a": [1]}, "/?a=%5B1%5D"),
]


@pytest.mark.parametrize(("path", "query", "called"), QUERIES)
async def test_parameters_are_added_to_the_address(
    http: Outbound, path: str, query: dict[str, Any], called: str
) -> None:
    with Sink() as sink:
        await send(call(http, url=sink.url + path, query=query))
        assert sink.calls[0].path == called


@pytest.mark.parametrize("url", ["http://[::1", "ftp://x.example", "x.example", "", "http://u:p@x.example"])
async def test_a_wrong_address_is_refused_in_a_sentence(http: Outbound, url: str) -> None:
    with pytest.raises(Permanent, match="address"):
        await send(call(http, url=url, query={"a": 1}))


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_any_method_is_used(http: Outbound, method: str) -> None:
    with Sink() as sink:
        await send(call(http, url=sink.url, method=method, headers={"X-One": "1"}))
        assert (sink.calls[0].method, sink.calls[0].headers["x-one"]) == (method, "1")
        assert bool(sink.calls[0].body) == (method != "GET")


async def test_a_form_a_text_and_json_in_a_text(http: Outbound) -> None:
    with Sink() as sink:
        await send(call(http, url=sink.url, format="form", body={"a": "1 2", "b": 3}))
        await send(call(http, url=sink.url, format="text", body="hello"))
        await send(call(http, url=sink.url, body='{"already": "json"}'))
        await send(call(http, url=sink.url, body="just a text"))
        form, text, ready, quoted = sink.calls
    assert parse_qs(form.body.decode()) == {"a": ["1 2"], "b": ["3"]}
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (text.body, ready.json, quoted.json) == (b"hello", {"already": "json"}, "just a text")


async def test_a_secret_signs_the_exact_body(http: Outbound) -> None:
    with Sink() as sink:
        await send(call(http, {"secret": "sesame", "bearer_token": "t"}, url=sink.url, body={"ü": 1}))
        await send(call(http, {"username": "u", "password": "p"}, url=sink.url))
        signed, basic = sink.calls
    expected = "sha256=" + hmac.new(b"sesame", signed.body, hashlib.sha256).hexdigest()
    assert signed.headers["x-arrivals-signature"] == expected
    assert signed.headers["authorization"] == "Bearer t"
    assert basic.headers["authorization"] == "Basic dTpw"
    assert "x-arrivals-signature" not in basic.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"Content-Length": "1"},
        {"Idempotency-Key": "x"},
        {"Bad Name": "x"},
        {"X-A": "a\r\nX-B: b"},
        {"X-A": "a\nb"},
        {"X-A": "\x7f"},
        {"Transfer-Encoding": "chunked"},
        {"connection": "close"},
        {"TE": "trailers"},
        {"Upgrade": "x"},
        {"": "x"},
        {"X-A:": "x"},
        {"X-Ü": "x"},
    ],
)
async def test_headers_that_would_break_the_call_are_refused(http: Outbound, headers: dict[str, str]) -> None:
    with Sink() as sink:
        with pytest.raises(Permanent) as refusal:
            await send(call(http, url=sink.url, headers=headers))
        assert refusal.value.path.startswith("inputs.headers.")
        assert sink.calls == []


async def test_a_refusal_and_a_breakdown_are_told_apart(http: Outbound) -> None:
    with Sink() as sink:
        sink.status = 410
        with pytest.raises(Permanent, match="answered 410"):
            await send(call(http, url=sink.url))
        sink.status = 500
        with pytest.raises(Retryable, match="answered 500"):
            await send(call(http, url=sink.url))
