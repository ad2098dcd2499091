"""A real Pendo subscription: its reports become ours (``origin``), and what workflows can do in it.

Source: Pendo's API reference (engageapi.pendo.io). Track events need the shared secret of the app in Pendo, which is
another than the integration key.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from arrivals.apps.contract import Action, App, AuthField, Call, schema
from arrivals.apps.outbound import Answer, raise_for
from arrivals.apps.pendo.client import HEADER, HOSTS, Client, base, refused
from arrivals.errors import CheckTimeout, Permanent, Retryable

VISITOR = {"type": "string", "title": "Visitor ID", "description": "As Pendo knows it.", "minLength": 1}
READ_ONLY = "The integration key may only read; make one with write access in Pendo."


async def test(call: Call) -> None:
    """Ask Pendo whether the key is valid. Raises AuthorisationExpired, AppError."""
    try:
        await Client(call.auth, call.http).verify()
    except (TimeoutError, CheckTimeout) as error:
        raise Retryable(f"{urlsplit(base(call.auth['url'])).hostname} did not answer in time.") from error


async def track(call: Call) -> dict[str, Any]:
    """Send one track event. Outputs: ok."""
    secret = call.auth.get("track_secret")
    if not secret:
        raise Permanent("The connection has no track event shared secret; put in the one of the app in Pendo.")
    inputs = call.inputs
    body = {
        "type": "track",
        "event": inputs["event"],
        "visitorId": inputs["visitor"],
        "timestamp": round(time.time() * 1000),
        **({"accountId": inputs["account"]} if inputs.get("account") else {}),
        **({"properties": inputs["properties"]} if inputs.get("properties") else {}),
    }
    answer = await _send(call, "POST", "/data/track", body, secret)
    if answer.status in {401, 403}:
        raise Permanent("Pendo does not accept the track event shared secret of this connection.")
    raise_for(answer, "Pendo")
    return {"ok": True}


async def set_metadata(call: Call) -> dict[str, Any]:
    """Set custom fields of a visitor. Outputs: updated."""
    body = [{"visitorId": call.inputs["visitor"], "values": call.inputs["values"]}]
    answer = await _write(call, "POST", "/api/v1/metadata/visitor/custom/value", body)
    data = _json(answer)
    if data.get("missing"):
        raise Permanent(f"Pendo does not know the visitor {call.inputs['visitor']!r:.80}.")
    if data.get("failed"):
        raise Permanent("Pendo did not take the values; the custom fields must exist there with fitting types.")
    return {"updated": data.get("updated", 0)}


async def add_to_segment(call: Call) -> dict[str, Any]:
    """Add a visitor to a segment that was made by upload. Outputs: ok."""
    body = {"patch": [{"op": "add", "path": "/visitors", "value": [call.inputs["visitor"]]}]}
    path = f"/api/v1/segment/{quote(call.inputs['segment'], safe='')}/visitor"
    answer = await _write(call, "PATCH", path, body)
    statuses = _json(answer).get("multistatus")
    for one in statuses if isinstance(statuses, list) else []:
        if isinstance(one, dict) and isinstance(one.get("status"), int) and one["status"] >= 400:
            raise Permanent(f"Pendo did not add the visitor: {str(one.get('message') or one['status'])[:200]}")
    return {"ok": True}


async def _write(call: Call, method: str, path: str, body: Any) -> Answer:
    """A call that needs write access: a 403 is either a key that may only read or one that is no longer accepted."""
    answer = await _send(call, method, path, body, call.auth["key"])
    if answer.status in {401, 403}:
        await test(call)
        raise Permanent(READ_ONLY)
    if answer.status == 409:
        raise Retryable("Pendo is busy with this segment.")
    raise_for(answer, "Pendo")
    return answer


async def _send(call: Call, method: str, path: str, body: Any, secret: str) -> Answer:
    headers = {HEADER: secret, "Content-Type": "application/json"}
    url = base(call.auth["url"]) + path
    return await call.http.request(method, url, headers=headers, body=orjson.dumps(body), key=call.key)


def _json(answer: Answer) -> dict[str, Any]:
    try:
        data = answer.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Retryable("Pendo's answer could not be read.")
    return data


def _check(fields: Mapping[str, str]) -> str | None:
    try:
        parts = urlsplit(base(fields["url"]))
        known = (
            bool(parts.hostname) and parts.scheme in {"http", "https"} and not parts.query and parts.username is None
        )
    except ValueError:
        known = False
    if not known or " " in fields["url"]:
        return f"The host must be an address such as {HOSTS['US']}."
    if not fields["key"].isascii() or " " in fields["key"]:
        return str(refused({"url": fields["url"], "key": "x"}).message)
    return None


APP = App(
    id="pendo",
    name="Pendo",
    help="Reports of a real Pendo subscription, and track events, metadata and segments there.",
    connection="required",
    auth=(
        AuthField(
            "url",
            "Host",
            "US app.pendo.io, US1 us1.app.pendo.io, EU app.eu.pendo.io, Japan app.jpn.pendo.io, Australia app.au.pendo.io, or any address with the same API.",
            required=True,
            choices=tuple(HOSTS.values()),
        ),
        AuthField(
            "key",
            "Integration key",
            "Made in Pendo under Settings > Integrations > Integration Keys. Reports need a key that may read.",
            secret=True,
            required=True,
        ),
        AuthField(
            "track_secret",
            "Track event shared secret",
            "Only for the action that sends track events: Settings > Subscription settings > the app, in Pendo.",
            secret=True,
        ),
    ),
    check=_check,
    test=test,
    tested_first=True,
    actions=(
        Action(
            id="track_event",
            title="Send a track event",
            help="Sends a track event of a visitor to Pendo.",
            schema=schema(
                ("event", "visitor"),
                event={"type": "string", "title": "Event", "description": "Its name in Pendo.", "minLength": 1},
                visitor=VISITOR,
                account={"type": "string", "title": "Account ID", "description": "May be left out."},
                properties={
                    "type": "object",
                    "title": "Properties",
                    "description": "As JSON; Pendo shows up to 512 bytes of them.",
                    "x-widget": "json",
                },
            ),
            run=track,
        ),
        Action(
            id="update_visitor",
            title="Update a visitor's metadata",
            help="Sets custom fields of a visitor in Pendo. Needs a key with write access.",
            schema=schema(
                ("visitor", "values"),
                visitor=VISITOR,
                values={
                    "type": "object",
                    "title": "Values",
                    "description": "Custom field and value, as JSON; the fields must exist in Pendo.",
                    "x-widget": "json",
                    "minProperties": 1,
                },
            ),
            run=set_metadata,
        ),
        Action(
            id="add_to_segment",
            title="Add a visitor to a segment",
            help="Adds a visitor to a segment made by upload in Pendo. Needs a key with write access.",
            schema=schema(
                ("segment", "visitor"),
                segment={"type": "string", "title": "Segment ID", "description": "From Pendo.", "minLength": 1},
                visitor=VISITOR,
            ),
            run=add_to_segment,
        ),
    ),
)
