"""/events: one event by an integration key, for programs that have no write key."""

import time
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja import Router, Status

from arrivals.api.arrivals.auth import SCOPED_WRITE, own, scope
from arrivals.api.arrivals.bodies import Body
from arrivals.collect import calls, sources, writer
from arrivals.errors import Invalid

router = Router()


class EventBody(Body):
    source: str = ""
    visitor_id: str
    event: str
    properties: dict[str, Any] = {}
    account_id: str | None = None
    timestamp: str | None = None
    message_id: str | None = None


@router.post("", auth=SCOPED_WRITE, response={201: dict[str, Any]})
async def track_event(request: HttpRequest, body: EventBody) -> Any:
    """Keep a track event; on disk when answered. `source` may be left out where there is one only; a repeated
    `message_id` counts once."""
    source_id = await sync_to_async(_source)(own(request, body.source) if body.source else scope(request))
    call = {
        "type": "track",
        "userId": body.visitor_id,
        "event": body.event,
        "properties": body.properties,
        "timestamp": body.timestamp,
        "messageId": body.message_id,
        "context": {"groupId": body.account_id},
    }
    event = calls.event(source_id, call, received_at=time.time_ns() // 1_000_000)
    [new] = await writer.current().write([event])
    return Status(201, {"message_id": event.message_id, "repeated": not new})


def _source(source_id: str) -> str:
    if source_id:
        return sources.get(source_id).id
    found = sources.all_sources()
    if len(found) != 1:
        raise Invalid(f"There are {len(found)} sources; say which.", path="source")
    return found[0].id
