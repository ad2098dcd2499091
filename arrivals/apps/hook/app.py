"""Delivers an arrival to the address of a subscriber. Made by ``POST /api/v2/hooks``, not by hand.

A subscriber that answers 410 has gone, and a subscriber whose integration key was deleted may hear no more: its
workflow is paused with the reason, and nothing is sent to it again.
"""

import asyncio
import time
from typing import Any

import orjson
from django.db import close_old_connections

from arrivals.accounts import keys
from arrivals.apps.contract import Action, App, AuthField, Call, schema
from arrivals.apps.outbound import raise_for
from arrivals.apps.webhook.app import SIGNATURE, signature
from arrivals.audience.naming import nested
from arrivals.errors import Conflict, Halted
from arrivals.workflows import activation

A_SECOND = 30  # what Zapier takes of one hook
GONE = 410
_next: dict[str, float] = {}


async def deliver(call: Call) -> dict[str, Any]:
    """Post ``{"id", "event", "member", "entry", "entered_at", "report", "visitor", "account", "row"}``, signed."""
    workflow = str(call.context.get("workflow", {}).get("id", ""))
    if not await asyncio.to_thread(_alive, call.auth.get("key", "")):
        await _end(workflow, "The integration key of this subscription was deleted.")
    url, arrival = call.auth["url"], call.context.get("arrival", {})
    body = orjson.dumps(
        {
            "id": f"{arrival.get('member')}:{arrival.get('kind', 'in')}:{arrival.get('entry')}",
            "event": call.inputs["event"],
            "member": arrival.get("member"),
            "entry": arrival.get("entry"),
            "entered_at": arrival.get("at"),
            "report": arrival.get("report"),
            "visitor": call.context.get("visitor"),
            "account": call.context.get("account"),
            "row": nested(call.context.get("row", {})),
        },
        default=str,
    )
    await _paced(url)
    headers = {"Content-Type": "application/json", SIGNATURE: signature(call.auth["secret"], body)}
    answer = await call.http.request("POST", url, headers=headers, body=body, key=call.key)
    if answer.status == GONE:
        await _end(workflow, "The subscriber said that it has gone (410).")
    raise_for(answer, url)
    return {"status": answer.status}


async def _paced(url: str) -> None:
    """Wait until this address may be called again: 30 times a second."""
    now = time.monotonic()
    at = max(now, _next.get(url, now))
    _next[url] = at + 1 / A_SECOND
    if len(_next) > 10_000:
        for one in [one for one, later in _next.items() if later < now]:
            del _next[one]
    await asyncio.sleep(at - now)


async def _end(workflow_id: str, reason: str) -> None:
    await asyncio.to_thread(_pause, workflow_id, reason)
    raise Halted(reason)


def _alive(key_id: str) -> bool:
    close_old_connections()
    try:
        return not key_id or keys.alive(key_id)
    finally:
        close_old_connections()


def _pause(workflow_id: str, reason: str) -> None:
    close_old_connections()
    try:
        activation.pause(workflow_id, reason=reason)
    except Conflict:
        pass  # it is paused already
    finally:
        close_old_connections()


APP = App(
    id="hook",
    name="Subscription",
    help="Delivers arrivals to a subscriber of the API, such as a Zap. It is made by subscribing, not by hand.",
    connection="required",
    auth=(
        AuthField("url", "Address", "Where the subscriber listens.", secret=True, required=True),
        AuthField("secret", "Signing secret", f"Signs each body in {SIGNATURE}.", secret=True, required=True),
        AuthField("key", "Integration key", "The id of the key that subscribed; empty for a person."),
    ),
    actions=(
        Action(
            id="deliver",
            title="Deliver",
            help="Posts the arrival to the subscriber: signed, tried again, at most 30 a second.",
            schema=schema(("event",), event={"type": "string", "title": "Event", "description": "What it is told as."}),
            run=deliver,
        ),
    ),
)
