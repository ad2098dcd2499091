"""Slack: both ways to post, and what each of its errors does to a run."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from arrivals import config
from arrivals.apps.contract import Call
from arrivals.apps.outbound import Outbound
from arrivals.apps.slack.app import LONGEST, send_message
from arrivals.apps.slack.app import test as try_connection
from arrivals.errors import AppError, AuthorisationExpired, Permanent, Retryable, Throttled


class Slack:
    """A Slack that answers as a test says."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.status, self.answer, self.headers = 200, {"ok": True, "channel": "C1", "ts": "1.2"}, {}
        self.text: str | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.path, await request.json(), dict(request.headers)))
        if self.text is not None:
            return web.Response(status=self.status, text=self.text, headers=self.headers)
        return web.json_response(self.answer, status=self.status, headers=self.headers)


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Slack, Outbound, str]]:
    one, http = Slack(), Outbound()
    app = web.Application()
    app.router.add_post("/{path:.*}", one.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    settings = dataclasses.replace(config.current(), slack_url=f"{url}/api")
    monkeypatch.setattr(config, "current", lambda: settings)
    yield one, http, url
    await http.close()
    await runner.cleanup()


def by_token(http: Outbound, **inputs: Any) -> Call:
    return Call({"text": "hi", "channel": "#nps", **inputs}, {"bot_token": "xoxb-1"}, "run_1:tell", {}, http)


async def test_a_bot_posts_to_the_channel(slack: Any) -> None:
    one, http, _url = slack
    assert await send_message(by_token(http)) == {"channel": "C1", "ts": "1.2"}
    path, body, headers = one.seen[0]
    assert (path, body) == ("/api/chat.postMessage", {"text": "hi", "channel": "#nps"})
    assert headers["Authorization"] == "Bearer xoxb-1"
    assert headers["Idempotency-Key"] == "run_1:tell"
    await try_connection(by_token(http))
    assert one.seen[1][0] == "/api/auth.test"


async def test_an_incoming_webhook_posts_too(slack: Any) -> None:
    one, http, url = slack
    one.text = "ok"
    call = Call({"text": "x" * (LONGEST + 5)}, {"webhook_url": f"{url}/services/T/B/x"}, "k", {}, http)
    assert await send_message(call) == {"ok": True}
    assert len(one.seen[0][1]["text"]) == LONGEST


async def test_a_bot_needs_a_channel(slack: Any) -> None:
    one, http, _url = slack
    with pytest.raises(Permanent) as refusal:
        await send_message(by_token(http, channel=""))
    assert (refusal.value.path, one.seen) == ("inputs.channel", [])


ERRORS: list[tuple[str, type[AppError], str]] = [
    ("invalid_auth", AuthorisationExpired, "reconnect"),
    ("account_inactive", AuthorisationExpired, "reconnect"),
    ("token_revoked", AuthorisationExpired, "reconnect"),
    ("token_expired", AuthorisationExpired, "reconnect"),
    ("not_authed", AuthorisationExpired, "reconnect"),
    ("ratelimited", Throttled, "wait"),
    ("internal_error", Retryable, "could not take"),
    ("service_unavailable", Retryable, "could not take"),
    ("channel_not_found", Permanent, "invite the bot"),
    ("not_in_channel", Permanent, "invite it"),
    ("is_archived", Permanent, "archived"),
    ("missing_scope", Permanent, "chat:write"),
    ("something_new", Permanent, "something_new"),
]


@pytest.mark.parametrize(("code", "kind", "sentence"), ERRORS)
async def test_each_error_of_slack_means_one_thing(slack: Any, code: str, kind: type[AppError], sentence: str) -> None:
    one, http, _url = slack
    one.answer, one.headers = {"ok": False, "error": code}, {"Retry-After": "30"}
    with pytest.raises(AppError) as raised:
        await send_message(by_token(http))
    assert type(raised.value) is kind
    assert sentence in raised.value.message
    assert raised.value.retry_after == (30 if kind is Throttled else None)
    assert "xoxb" not in raised.value.message


STATUSES: list[tuple[int, str, type[AppError]]] = [
    (429, "", Throttled),
    (500, "<html>", Retryable),
    (200, "<html>", Retryable),
    (404, "", Permanent),
]


@pytest.mark.parametrize(("status", "text", "kind"), STATUSES)
async def test_an_answer_that_is_not_slacks_is_judged_by_its_status(
    slack: Any, status: int, text: str, kind: type[AppError]
) -> None:
    one, http, _url = slack
    one.status, one.text = status, text
    with pytest.raises(AppError) as raised:
        await send_message(by_token(http))
    assert type(raised.value) is kind


WEBHOOK: list[tuple[int, str, type[AppError]]] = [
    (404, "no_service", AuthorisationExpired),
    (403, "invalid_token", AuthorisationExpired),
    (410, "channel_is_archived", AuthorisationExpired),
    (400, "no_text", Permanent),
    (404, "channel_not_found", Permanent),
    (500, "rollup_error", Retryable),
    (429, "", Throttled),
]


@pytest.mark.parametrize(("status", "text", "kind"), WEBHOOK)
async def test_each_error_of_an_incoming_webhook_means_one_thing(
    slack: Any, status: int, text: str, kind: type[AppError]
) -> None:
    one, http, url = slack
    one.status, one.text = status, text
    with pytest.raises(AppError) as raised:
        await send_message(Call({"text": "hi"}, {"webhook_url": f"{url}/services/x"}, "k", {}, http))
    assert type(raised.value) is kind
