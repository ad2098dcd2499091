"""What ``arrivals export`` wrote: events, visitors, accounts and links, back in."""

from collections.abc import Mapping
from typing import Any

import orjson

from arrivals.collect import event as events
from arrivals.collect.event import KINDS, Event, Field
from arrivals.collect.formats.common import Given, mapping, moment, text
from arrivals.errors import InvalidEvent


def event(row: Mapping[str, Any], given: Given) -> Event:
    """One row of any of the files; which it is, its columns say. Rows of ledgers belong to the reports of one install."""
    if "message_id" in row:
        return _event(row, given)
    if "alias_id" in row:
        return _known(row, given, text(row, "visitor_id"), alias_id=text(row, "alias_id"))
    if "visitor_id" in row and "fields" in row:
        return _known(row, given, text(row, "visitor_id"), visitor_fields=_fields(row))
    if "account_id" in row and "fields" in row:
        # Nobody did this: an account's metadata is written with no visitor's.
        return _known(row, given, "", account_id=text(row, "account_id"), account_fields=_fields(row))
    raise InvalidEvent("It is not a row of events, visitors, accounts or links.")


def _event(row: Mapping[str, Any], given: Given) -> Event:
    kind = row.get("kind")
    if kind not in KINDS:
        raise InvalidEvent(f"The kind must be one of {', '.join(KINDS)}; got {kind!r:.40}.", path="kind")
    visitor = text(row, "visitor_id")
    if not visitor:
        raise InvalidEvent("The visitor is empty.", path="visitor_id")
    return Event(
        source_id=given.source_id,
        message_id=text(row, "message_id") or given.row_id,
        kind=kind,
        name=str(row.get("name") or ""),
        visitor_id=visitor,
        ts=min(moment(row.get("ts"), "ts"), given.received_at),
        received_at=given.received_at,
        account_id=text(row, "account_id"),
        url=str(row.get("url") or ""),
        properties=orjson.dumps(mapping(row, "properties")).decode(),
    )


def _known(row: Mapping[str, Any], given: Given, visitor: str, **more: Any) -> Event:
    """What is known without anything having been done."""
    at = row.get("updated_at")
    return Event(
        source_id=given.source_id,
        message_id=given.row_id,
        kind="",
        name="",
        visitor_id=visitor,
        ts=moment(at, "updated_at") if at else given.received_at,
        received_at=given.received_at,
        **more,
    )


def _fields(row: Mapping[str, Any]) -> tuple[Field, ...]:
    found = []
    for group, inner in mapping(row, "fields").items():
        for name, value in inner.items() if isinstance(inner, dict) else ():
            found.append(Field(group, name, *events.text(value)))
    return tuple(found)
