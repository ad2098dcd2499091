"""Slack: messages by an incoming webhook, or by a bot's token with chat.postMessage.

Source of the errors: Slack's documentation of chat.postMessage and of incoming webhooks.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from arrivals import clock, config
from arrivals.apps.contract import Action, App, AuthField, Call, schema
from arrivals.apps.outbound import Answer, raise_for, wait
from arrivals.engine.bucket import Limits
from arrivals.errors import AppError, AuthorisationExpired, Permanent, Retryable, Throttled

LONGEST = 40_000  # Slack cuts longer texts
EXPIRED = {"invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed", "org_login_required"}
PASSING = {
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "message_limit_exceeded",
}
ADVICE = {
    "channel_not_found": "there is no such channel, or the bot cannot see it: invite the bot to it",
    "not_in_channel": "the bot is not in the channel: invite it",
    "is_archived": "the channel is archived",
    "missing_scope": "the bot's token lacks the scope chat:write",
    "no_text": "the text is empty",
    "msg_too_long": "the text is too long",
    "restricted_action": "the workspace does not let this bot post there",
    "invalid_blocks": "the blocks are not valid",
}
GONE = {"no_service", "invalid_token", "no_team", "team_disabled", "no_active_hooks"}


async def send_message(call: Call) -> dict[str, Any]:
    """Post one message. Outputs: channel and ts (with a bot's token), or ok."""
    inputs = call.inputs
    body: dict[str, Any] = {"text": _shortened(inputs["text"])}
    for name in ("blocks", "thread_ts", "unfurl_links"):
        if name in inputs:
            body[name] = inputs[name]
    if call.auth.get("webhook_url"):
        return await _by_webhook(call, body)
    if not inputs.get("channel"):
        raise Permanent("A bot's token needs a channel.", path="inputs.channel")
    answer = await _method(call, "chat.postMessage", {**body, "channel": inputs["channel"]})
    return {"channel": answer.get("channel"), "ts": answer.get("ts")}


async def test(call: Call) -> None:
    """Ask Slack whether the token is accepted; an incoming webhook cannot be tried without a message."""
    if call.auth.get("bot_token"):
        await _method(call, "auth.test", {})


async def _by_webhook(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    url = call.auth["webhook_url"]
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = await call.http.request("POST", url, headers=headers, body=orjson.dumps(body), key=call.key)
    said = answer.text.strip()
    if said in GONE or (answer.status in {403, 404, 410} and said not in {"action_prohibited", "channel_not_found"}):
        raise AuthorisationExpired(
            f"Slack no longer accepts this incoming webhook ({said[:60] or answer.status}); make a new one."
        )
    if answer.status >= 400 and said in ADVICE:
        raise Permanent(f"Slack refused the message: {ADVICE[said]} ({said}).")
    raise_for(answer, "Slack")
    return {"ok": True}


async def _method(call: Call, method: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call a method of Slack's API at ARRIVALS_SLACK_URL."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Authorization": f"Bearer {call.auth.get('bot_token', '')}",
    }
    url = f"{config.current().slack_url}/{method}"
    answer = await call.http.request("POST", url, headers=headers, body=orjson.dumps(body), key=call.key)
    try:
        data = answer.json()
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict) or "ok" not in data:
        raise_for(answer, "Slack")
        raise Retryable("Slack's answer could not be read.")
    if not data["ok"]:
        raise _error(str(data.get("error", "")), answer)
    return data


def _error(code: str, answer: Answer) -> AppError:
    if code == "ratelimited" or answer.status == 429:
        return Throttled("Slack asked to wait.", retry_after=wait(answer.headers.get("retry-after", ""), clock.now()))
    if code in EXPIRED:
        return AuthorisationExpired(f"Slack no longer accepts the bot's token ({code}); reconnect it.")
    if code in PASSING:
        return Retryable(f"Slack could not take the message ({code}).")
    advice = f": {ADVICE[code]}" if code in ADVICE else ""
    return Permanent(f"Slack refused the message{advice} ({code[:60]}).")


def _check(fields: Mapping[str, str]) -> str | None:
    url, token = fields.get("webhook_url"), fields.get("bot_token")
    if bool(url) == bool(token):
        return "Give either an incoming webhook's address or a bot's token."
    if url and urlsplit(url).scheme not in {"http", "https"}:
        return "The incoming webhook's address must begin with https://."
    if token and not token.startswith("xox"):
        return "A bot's token begins with xoxb-."
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"


APP = App(
    id="slack",
    name="Slack",
    help="Posts messages to Slack channels.",
    connection="required",
    auth=(
        AuthField(
            "webhook_url",
            "Incoming webhook's address",
            "Posts to the one channel it was made for. Or give a bot's token.",
            secret=True,
        ),
        AuthField(
            "bot_token",
            "Bot's token",
            "xoxb-..., of an app with the scope chat:write that was invited to the channel.",
            secret=True,
        ),
    ),
    check=_check,
    test=test,
    # "Several hundred messages per minute" of a workspace, says Slack's documentation of its rate limits.
    limits=Limits(calls=300, seconds=60, at_once=20),
    actions=(
        Action(
            id="send_message",
            title="Send a message",
            help="Posts a message to a channel.",
            schema=schema(
                ("text",),
                channel={
                    "type": "string",
                    "title": "Channel",
                    "description": "#name or id; needed with a bot's token.",
                },
                text={
                    "type": "string",
                    "title": "Text",
                    "description": "The message, in Slack's markup.",
                    "x-widget": "textarea",
                },
                blocks={
                    "type": "array",
                    "title": "Blocks",
                    "description": "Slack's Block Kit, as JSON.",
                    "x-widget": "json",
                },
                thread_ts={"type": "string", "title": "Thread", "description": "The ts of the message to answer."},
                unfurl_links={"type": "boolean", "title": "Show previews of links", "description": "true or false."},
            ),
            run=send_message,
        ),
    ),
)
