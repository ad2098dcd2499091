"""Segment's archive of calls, and rows of its warehouse tables.

Sources: Segment's documentation of the Amazon S3 destination ("gzipped, newline-separated JSON containing the full
call information"), of the fields that all calls have (timestamp = receivedAt - (sentAt - originalTimestamp)), and of its
warehouse schemas (tables tracks, identifies, pages, screens, groups, aliases, users and one per event; snake case; the
context flattened to context_*; ``id`` is the messageId).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from arrivals.collect import calls
from arrivals.collect.event import Event
from arrivals.collect.formats.common import Given, moment, who, without

# Columns of a warehouse table that are neither properties nor traits.
OWN = {
    "id", "anonymous_id", "user_id", "event", "event_text", "received_at", "sent_at", "original_timestamp", "timestamp",
    "uuid", "uuid_ts", "previous_id", "group_id", "name", "loaded_at", "__type", "__version",
}  # fmt: skip
CENTURIES_MS = 200 * 365 * 86_400_000


def event(row: Mapping[str, Any], given: Given) -> Event:
    """One call. Its time is ``timestamp``, which Segment has put right by the sender's clock, or is put right here."""
    call = dict(row) if "type" in row or "receivedAt" in row else _of_table(row, given.table)
    call.update({name: who(call, name) or None for name in ("userId", "anonymousId")})
    call["timestamp"] = _time(call)
    for name in ("originalTimestamp", "sentAt"):
        call.pop(name, None)
    if call.get("messageId") is None:
        call["messageId"] = given.row_id
    read = calls.event(given.source_id, call, received_at=given.received_at, oldest_ms=CENTURIES_MS)
    # A row of the table users is what is known of somebody, and no call.
    return msgspec.structs.replace(read, kind="", properties="{}") if call.get("known") else read


def _time(call: Mapping[str, Any]) -> str | None:
    """In ISO 8601; calls without any time of their own happened when Segment received them."""
    original, sent, received = (call.get(name) for name in ("originalTimestamp", "sentAt", "receivedAt"))
    if call.get("timestamp") is not None:
        at = moment(call["timestamp"], "timestamp")
    elif original is not None and sent is not None and received is not None:
        at = moment(received, "receivedAt") - (moment(sent, "sentAt") - moment(original, "originalTimestamp"))
    elif original is not None or received is not None:
        at = moment(original if original is not None else received, "timestamp")
    else:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def _of_table(row: Mapping[str, Any], table: str) -> dict[str, Any]:
    """The call of a row of a warehouse table; which table it is, the columns say. Those of screens are like those of
    identifies: there the file's name says it."""
    called = "user_id" in row or "anonymous_id" in row  # the table users has neither
    context: dict[str, Any] = {}
    for key, value in row.items():
        if key.startswith("context_") and value is not None:
            _put(context, key.removeprefix("context_"), value)
    rest = {key: value for key, value in without(row).items() if key not in OWN and not key.startswith("context_")}
    if row.get("event_text") or row.get("event"):
        told: dict[str, Any] = {"type": "track", "event": row.get("event_text") or row["event"], "properties": rest}
    elif row.get("previous_id"):
        told = {"type": "alias", "previousId": row["previous_id"]}
    elif row.get("group_id"):
        named = {"name": row["name"]} if row.get("name") else {}
        told = {"type": "group", "groupId": row["group_id"], "traits": {**named, **rest}}
    elif called and ("path" in row or "url" in row):
        told = {"type": "page", "name": row.get("name"), "properties": rest}
    elif called and re.match(r"screens\b", table.lower()):
        told = {"type": "screen", "name": row.get("name"), "properties": rest}
    else:
        named = {"name": row["name"]} if row.get("name") else {}
        told = {"type": "identify", "traits": {**named, **rest}}
    times = {"timestamp": "timestamp", "original_timestamp": "originalTimestamp", "received_at": "receivedAt"}
    told.update({ours: row[theirs] for theirs, ours in times.items() if row.get(theirs) is not None})
    told.update({"userId": row.get("user_id"), "anonymousId": row.get("anonymous_id"), "context": context})
    if not called:
        told.update({"userId": row.get("id"), "known": True})
    elif row.get("id") is not None:
        told["messageId"] = row["id"]
    return told


def _put(context: dict[str, Any], name: str, value: Any) -> None:
    """context_page_url is context.page.url, context_group_id is context.groupId; the others stay as they are."""
    if name == "group_id":
        context["groupId"] = value
    elif name.startswith("page_"):
        context.setdefault("page", {})[name.removeprefix("page_")] = value
    elif name.startswith("traits_"):
        context.setdefault("traits", {})[name.removeprefix("traits_")] = value
    else:
        context[name] = value
