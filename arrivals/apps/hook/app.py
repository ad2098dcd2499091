"""A subscription: each arrival is posted to the address of whoever subscribed, such as a Zap."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
from django.db import close_old_connections

from arrivals.apps.contract import Action, App, AuthField, Call, schema
from arrivals.apps.hook import ending
from arrivals.apps.hook.pace import Pace
from arrivals.apps.outbound import raise_for
from arrivals.apps.webhook.app import SIGNATURE, signature
from arrivals.audience.naming import nested
from arrivals.errors import Halted

TIMESTAMP = "X-Arrivals-Timestamp"
GONE = "The subscriber ended the subscription (410)."
pace = Pace()


async def deliver(call: Call) -> dict[str, Any]:
    """Post one arrival. Outputs: status.

    1. Wait for a turn: at most 30 calls a second.
    2. End the subscription, and stop, when it is over: switched off, or its integration key was revoked.
    3. Post it, signed. 410 means that nobody listens any more: the subscription ends at once.
    """
    workflow_id = str((call.context.get("workflow") or {}).get("id") or "")
    await pace.turn(workflow_id)
    over = await _db(ending.ended, workflow_id, call.auth.get("key", ""))
    if over:
        raise Halted(over)
    body = orjson.dumps(payload(call.inputs, call.context), default=str)
    headers = {"Content-Type": "application/json", **signed(call.auth["secret"], body, at=int(time.time()))}
    answer = await call.http.request("POST", call.auth["target_url"], headers=headers, body=body, key=call.key)
    if answer.status == 410:
        await _db(ending.end, workflow_id, GONE)
        raise Halted(GONE)
    raise_for(answer, "The subscriber")
    return {"status": answer.status}


def payload(inputs: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """What is posted: id, event, report, member, entry, entered_at (left_at), visitor, account, row (and response).

    The same as an item of the report's members or departures, so that both kinds of trigger speak of the same thing.
    """
    arrival = context.get("arrival") or {}
    member, entry = arrival.get("member"), arrival.get("entry")
    when = "left_at" if inputs["event"].endswith("_left_report") else "entered_at"
    return {
        "id": f"{member}:{entry}" if inputs.get("numbered") else member,
        "event": inputs["event"],
        "report": arrival.get("report"),
        "member": member,
        "entry": entry,
        when: arrival.get("at"),
        **{name: context[name] for name in ("visitor", "account", "response") if name in context},
        "row": nested(context.get("row") or {}),
    }


def signed(secret: str, body: bytes, *, at: int) -> dict[str, str]:
    """The headers that prove who sent ``body`` and when (Unix seconds): the signature is over ``{at}.{body}``."""
    return {TIMESTAMP: str(at), SIGNATURE: signature(secret, b"%d." % at + body)}


async def _db(function: Any, *arguments: Any) -> Any:
    def done() -> Any:
        close_old_connections()
        try:
            return function(*arguments)
        finally:
            close_old_connections()

    return await asyncio.to_thread(done)


APP = App(
    id="hook",
    name="Subscription",
    help="Posts arrivals to whoever subscribed over the API, such as a Zap. Subscribing sets all of this up.",
    connection="required",
    halts_without=True,
    auth=(
        AuthField("target_url", "Address", "Where the arrivals are posted.", secret=True, required=True),
        AuthField("secret", "Signing secret", f"Signs each body, with {TIMESTAMP}.", secret=True, required=True),
        AuthField("host", "Host", "The host of the address, to be told apart."),
        AuthField("key", "Integration key", "The id of the key that subscribed; with it the subscription ends."),
    ),
    actions=(
        Action(
            id="deliver",
            title="Deliver to the subscriber",
            help="Posts the arrival with the visitor, the account and the report's row.",
            schema=schema(
                ("event",),
                event={"type": "string", "title": "Event", "description": "What the subscriber is told it is."},
                numbered={"type": "boolean", "title": "Numbered", "description": "The id has the number of the entry."},
            ),
            run=deliver,
        ),
    ),
)
