"""The way out: which addresses may be reached, and what every kind of answer means."""

import asyncio
import dataclasses
import gzip
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from arrivals import clock, config
from arrivals.apps import addresses, outbound
from arrivals.apps.outbound import MOST_READ, MOST_SENT, Answer, Outbound
from arrivals.errors import AppError, Permanent, Retryable, Throttled

BOMB = gzip.compress(b"0" * 20_000_000)


@pytest.fixture
async def client() -> AsyncIterator[Outbound]:
    one = Outbound(seconds=1.0)
    yield one
    await one.close()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Private networks may not be reached, as is the default."""
    guarded = dataclasses.replace(config.current(), allow_private_networks=False)
    monkeypatch.setattr(config, "current", lambda: guarded)


@pytest.fixture
async def other() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """The other product: echoes, redirects, is slow, is huge."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        path = request.path
        if path == "/slow":
            await asyncio.sleep(2)
        if path == "/huge":
            return web.Response(body=b"x" * (MOST_READ + 5000))
        if path.startswith("/loop"):
            raise web.HTTPFound("/loop")
        if path == "/away":
            raise web.HTTPFound(f"http://localhost:{request.url.port}/end")
        if path == "/to":
            return web.Response(status=302, headers={"Location": request.query["place"]})
        if path == "/bomb":
            return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})
        if path == "/garbled":
            return web.Response(body=b"this is not gzip", headers={"Content-Encoding": "gzip"})
        if path == "/near":
            raise web.HTTPTemporaryRedirect("/end")
        if path == "/status":
            return web.Response(
                status=int(request.query["s"]), headers={"Retry-After": request.query.get("r", "")}, text="no"
            )
        return web.json_response({"method": request.method, "body": await request.text()})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    yield f"http://127.0.0.1:{port}", seen
    await runner.cleanup()


async def test_a_call_carries_its_key_and_says_who_calls(client: Outbound, other: Any) -> None:
    url, seen = other
    answer = await client.request("POST", f"{url}/x", headers={"X-A": "1"}, body=b"hello", key="run_1:tell")
    assert (answer.status, answer.json()) == (200, {"method": "POST", "body": "hello"})
    assert seen[0].headers["Idempotency-Key"] == "run_1:tell"
    assert seen[0].headers["User-Agent"].startswith("Arrivals/")
    assert seen[0].headers["X-A"] == "1"


CLOSED = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "192.0.0.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "240.0.0.1",
    "::ffff:169.254.169.254", "::ffff:100.64.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:a00:1::1", "2001:0:7f00::1",
    "::7f00:1", "::ffff:0:7f00:1", "fe80::1%eth0", "100::1", "2001:db8::1", "192.0.2.1", "169.254.0.1", "172.31.255.255",
]  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_closed_addresses_are_refused(closed: None, address: str) -> None:
    assert not addresses.allowed(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_open_addresses_are_allowed(closed: None, address: str) -> None:
    assert addresses.allowed(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1", "0x7f.1"]
)
async def test_no_spelling_of_loopback_is_reached(closed: None, client: Outbound, other: Any, host: str) -> None:
    url, seen = other
    with pytest.raises(AppError):
        await client.request("GET", f"http://{host}:{url.rpartition(':')[2]}/x")
    assert seen == []


async def test_a_name_that_resolves_to_a_closed_address_is_refused_when_the_socket_opens(
    closed: None, client: Outbound, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = other
    port = int(url.rpartition(":")[2])

    async def rebound(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
    with pytest.raises(Permanent, match="ARRIVALS_ALLOW_PRIVATE_NETWORKS"):
        await client.request("GET", f"http://innocent.example:{port}/x")
    assert seen == []


URLS = [
    "ftp://x.example/",
    "file:///etc/passwd",
    "x.example",
    "http://",
    "http://user:pw@x.example/",
    "http://x.example:99999/",
    "http://[::1",
    "http://a\\b/",
    "http://a..b/",
    "http:///x",
    "http://x.example:0/",
    "http://user@x.example/",
    "//x.example/",
    "",
]


@pytest.mark.parametrize("url", URLS)
async def test_a_wrong_address_is_refused_in_a_sentence(client: Outbound, url: str) -> None:
    with pytest.raises(Permanent, match="address"):
        await client.request("GET", url)


async def test_a_redirect_is_followed_for_get_and_only_a_few_times(client: Outbound, other: Any) -> None:
    url, seen = other
    assert (await client.request("GET", f"{url}/near")).json()["method"] == "GET"
    with pytest.raises(Permanent, match="more than 3 times"):
        await client.request("GET", f"{url}/loop")
    with pytest.raises(Permanent, match="not followed for POST"):
        await client.request("POST", f"{url}/near", body=b"x")
    assert len(seen) == 2 + 4 + 1


PLACES: list[tuple[str, str]] = [
    ("http://[::1", "redirects to an address that is not valid"),
    ("ftp://x.example/", "must begin with http"),
    ("file:///etc/passwd", "must begin with http"),
    ("http://user:pw@x.example/", "must not hold a user or password"),
    ("http://a\\\\b/", "not valid"),
]


@pytest.mark.parametrize(("place", "sentence"), PLACES)
async def test_a_redirect_to_a_wrong_address_is_refused(
    client: Outbound, other: Any, place: str, sentence: str
) -> None:
    with pytest.raises(Permanent, match=sentence):
        await client.request("GET", f"{other[0]}/to?place={quote(place)}")


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{port}/end", "http://localhost:{port}/end", "http://[::ffff:7f00:1]:{port}/end"]
)
async def test_a_redirect_to_a_closed_address_is_refused(
    client: Outbound, other: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    url, seen = other
    first = f"{url}/to?place={quote(place.format(port=url.rpartition(':')[2]))}"
    allowed = addresses.allowed
    monkeypatch.setattr(addresses, "allowed", lambda address: not seen or allowed(address))  # the first hop is open
    guarded = dataclasses.replace(config.current(), allow_private_networks=False)
    monkeypatch.setattr(config, "current", lambda: guarded)
    with pytest.raises(Permanent, match="ARRIVALS_ALLOW_PRIVATE_NETWORKS"):
        await client.request("GET", first)
    assert len(seen) == 1


async def test_an_open_connection_to_a_closed_address_is_not_used_again(
    client: Outbound, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = other
    port = url.rpartition(":")[2]
    await client.request("GET", f"http://localhost:{port}/x")
    guarded = dataclasses.replace(config.current(), allow_private_networks=False)
    monkeypatch.setattr(config, "current", lambda: guarded)
    with pytest.raises(Permanent, match="ARRIVALS_ALLOW_PRIVATE_NETWORKS"):
        await client.request("GET", f"http://127.0.0.1:{port}/x")
    assert len(seen) == 1


async def test_an_answer_that_cannot_be_unpacked_or_is_no_tls_is_an_error_in_a_sentence(
    client: Outbound, other: Any
) -> None:
    url, _ = other
    with pytest.raises(Retryable, match="broke off"):
        await client.request("GET", f"{url}/garbled")
    with pytest.raises(Permanent, match="TLS"):
        await client.request("GET", f"{url.replace('http:', 'https:')}/x")


async def test_a_packed_answer_is_cut_when_unpacked(client: Outbound, other: Any) -> None:
    assert len(BOMB) < MOST_READ
    answer = await client.request("GET", f"{other[0]}/bomb")
    assert (len(answer.body), answer.truncated) == (MOST_READ, True)


HEADERS: list[dict[str, str]] = [{"X-A": "1\r\nX-B: 2"}, {"X-A\r\nX-B": "1"}, {"X-A": "1\n"}]


@pytest.mark.parametrize("headers", HEADERS)
async def test_a_header_of_two_lines_is_never_sent(client: Outbound, other: Any, headers: dict[str, str]) -> None:
    url, seen = other
    with pytest.raises(Permanent, match="not valid"):
        await client.request("GET", f"{url}/x", headers=headers)
    assert seen == []


ANSWERS: list[tuple[str, type[AppError], float | None]] = [
    ("s=429&r=7", Throttled, 7),
    ("s=429&r=Mon,+01+Jan+2001+00:00:00+GMT", Throttled, 1),
    ("s=429&r=", Throttled, 60),
    ("s=408", Retryable, None),
    ("s=500", Retryable, None),
    ("s=404", Permanent, None),
]


@pytest.mark.parametrize(("query", "kind", "seconds"), ANSWERS)
async def test_what_an_answer_means_over_the_wire(
    client: Outbound, other: Any, query: str, kind: type[AppError], seconds: float | None
) -> None:
    url, _ = other
    answer = await client.request("POST", f"{url}/status?{query}", body=b"x")
    with pytest.raises(AppError) as raised:
        outbound.raise_for(answer, f"{url}/status")
    assert (type(raised.value), raised.value.retry_after) == (kind, seconds)
    assert raised.value.message == f"127.0.0.1 answered {answer.status}: no"


async def test_credentials_do_not_follow_to_another_origin(client: Outbound, other: Any) -> None:
    url, seen = other
    await client.request("GET", f"{url}/away", headers={"Authorization": "Bearer x"})
    assert "Authorization" in seen[0].headers
    assert "Authorization" not in seen[1].headers


async def test_sizes_and_times_are_limited(client: Outbound, other: Any) -> None:
    url, seen = other
    answer = await client.request("GET", f"{url}/huge")
    assert (len(answer.body), answer.truncated) == (MOST_READ, True)
    with pytest.raises(Permanent, match="at most"):
        await client.request("POST", f"{url}/x", body=b"x" * (MOST_SENT + 1))
    with pytest.raises(Retryable, match="did not answer within"):
        await client.request("GET", f"{url}/slow")
    assert len(seen) == 2


async def test_nobody_there_may_be_there_later(client: Outbound) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Retryable, match="cannot be reached"):
        await client.request("GET", f"http://127.0.0.1:{port}/")
    with pytest.raises(Retryable, match="cannot be resolved"):
        await client.request("GET", "http://does-not-exist.invalid/")


async def test_proxies_of_the_environment_are_not_used(
    client: Outbound, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _seen = other
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await client.request("GET", f"{url}/x")).status == 200


STATUSES: list[tuple[int, str, type[AppError] | None, float | None]] = [
    (200, "", None, None),
    (204, "", None, None),
    (429, "7", Throttled, 7),
    (429, "", Throttled, 60),
    (429, "soon", Throttled, 60),
    (503, "9", Throttled, 9),
    (408, "", Retryable, None),
    (500, "", Retryable, None),
    (502, "", Retryable, None),
    (400, "", Permanent, None),
    (401, "", Permanent, None),
    (404, "", Permanent, None),
    (422, "", Permanent, None),
    (304, "", Permanent, None),
]


@pytest.mark.parametrize(("status", "wait", "error", "seconds"), STATUSES)
def test_a_status_decides_whether_it_is_tried_again(status: int, wait: str, error: Any, seconds: float | None) -> None:
    answer = Answer(status, {"retry-after": wait} if wait else {}, b"no")
    if error is None:
        outbound.raise_for(answer, "x.example")
        return
    with pytest.raises(AppError) as raised:
        outbound.raise_for(answer, "x.example")
    assert type(raised.value) is error
    assert raised.value.retry_after == seconds
    assert f"x.example answered {status}: no" in raised.value.message


def test_a_date_to_wait_for_is_understood() -> None:
    now = clock.parse("2026-11-24T12:00:00Z")
    later = now + timedelta(seconds=90)
    assert outbound.wait(later.strftime("%a, %d %b %Y %H:%M:%S GMT"), now) == 90
    assert outbound.wait("Mon, 01 Jan 2001 00:00:00 GMT", now) == 1
