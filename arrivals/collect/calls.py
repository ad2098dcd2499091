"""A call of Segment's tracking API -> an Event, or the reason why it cannot be kept.

Source of the forms: Segment's specification of the tracking methods and of its HTTP API.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from arrivals import clock
from arrivals.collect.event import LONGEST_ID as LONGEST_ID
from arrivals.collect.event import Event, Field, as_json, identifier, metadata
from arrivals.errors import InvalidEvent

TYPES = ("track", "identify", "group", "page", "screen", "alias")
# What only our agent sends.
AGENT_TYPES = ("click", "change", "submit", "survey_shown", "survey_answered")
LONGEST_NAME = 255
OLDEST_MS = 10 * 365 * 86_400_000
SURVEY_EVENTS = {"Survey Answered": "survey_answered", "Survey Shown": "survey_shown"}


def event(
    source_id: str, data: Any, *, received_at: int, sent_at: Any = None, kind: str = "", oldest_ms: int = OLDEST_MS
) -> Event:
    """Read one call. ``kind`` is the type where the address says it; else ``data["type"]`` does.

    ``received_at`` is in milliseconds. ``sent_at`` is the batch's, for calls that have none of their own.

    Raises:
        InvalidEvent: with the path of the wrong part.
    """
    if not isinstance(data, dict):
        raise InvalidEvent("It must be an object.")
    kind = kind or data.get("type") or ""
    if kind not in TYPES and kind not in AGENT_TYPES:
        raise InvalidEvent(
            f"It must be one of {', '.join((*TYPES, *AGENT_TYPES))}; got {str(kind)!r:.40}.", path="type"
        )
    context = _mapping(data, "context")
    user, anonymous = _id(data, "userId"), _id(data, "anonymousId")
    if not user and not anonymous:
        raise InvalidEvent("A call needs a userId or an anonymousId.", path="userId")
    properties = _mapping(data, "properties")
    traits = _mapping(data, "traits")
    account = _id(data, "groupId") or _id(context, "groupId", "context.")
    alias, overrides = (anonymous if user and anonymous and anonymous != user else ""), False
    name, known = "", _mapping(context, "traits", "context.")
    account_fields: tuple[Field, ...] = ()
    visitor_fields: tuple[Field, ...] = metadata("agent", known, "context.traits") if known else ()
    if kind == "track":
        kind, name, properties = _track(data, properties)
    elif kind in AGENT_TYPES:
        name = _named(data)
    elif kind in {"page", "screen"}:
        name = str(data.get("name") or properties.get("title") or properties.get("path") or "")[:LONGEST_NAME]
    elif kind == "identify":
        visitor_fields += metadata("agent", traits)
        properties = traits
    elif kind == "group":
        if not account:
            raise InvalidEvent("A group call needs a groupId.", path="groupId")
        account_fields, properties = metadata("agent", traits), traits
    else:
        alias, overrides = _id(data, "previousId"), True
        if not alias or not user:
            raise InvalidEvent(
                "An alias call needs a previousId and a userId.", path="previousId" if user else "userId"
            )
    page = _mapping(context, "page", "context.")
    return Event(
        source_id=source_id,
        message_id=_id(data, "messageId") or secrets.token_hex(16),
        kind=kind,
        name=name,
        visitor_id=user or anonymous,
        ts=_time(data, received_at, sent_at, oldest_ms),
        received_at=received_at,
        account_id=account,
        url=str(properties.get("url") or page.get("url") or "")[:4096],
        properties=as_json(properties),
        visitor_fields=visitor_fields,
        account_fields=account_fields,
        alias_id=alias,
        overrides=overrides,
    )


def _track(data: Mapping[str, Any], properties: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Kind, name and properties; an answer to a survey is told by its event's name and its property survey."""
    name = data.get("event")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InvalidEvent(f"A track call needs an event, a text of 1 to {LONGEST_NAME} characters.", path="event")
    return (*tracked(name, properties), properties)


def _named(data: Mapping[str, Any]) -> str:
    """What the agent calls an element, or the key of a survey."""
    name = data.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InvalidEvent(f"It must be a text of 1 to {LONGEST_NAME} characters.", path="name")
    return name.strip()


def tracked(name: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    """Our kind and name of a track event, which may be what happened to a survey."""
    survey = properties.get("survey")
    if name in SURVEY_EVENTS and isinstance(survey, str) and 0 < len(survey) <= LONGEST_NAME:
        return SURVEY_EVENTS[name], survey
    return "track", name.strip()


def _time(data: Mapping[str, Any], received_at: int, sent_at: Any, oldest_ms: int) -> int:
    """When it happened, by our clock: receivedAt - (sentAt - timestamp), never after its receipt."""
    given = data.get("originalTimestamp") or data.get("timestamp")
    if given is None:
        return received_at
    moment = _moment(given, "timestamp")
    sent = data.get("sentAt") or sent_at
    if sent is not None:
        moment = received_at - (_moment(sent, "sentAt") - moment)
    if moment < received_at - oldest_ms:
        raise InvalidEvent("It is older than 10 years.", path="timestamp")
    return min(moment, received_at)


def _moment(value: Any, path: str) -> int:
    try:
        if isinstance(value, str):
            return round(clock.parse(value).timestamp() * 1000)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return round(datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        pass
    raise InvalidEvent(
        f"It must be a time in ISO 8601 such as 2026-01-31T12:00:00Z; got {str(value)!r:.40}.", path=path
    )


def _id(data: Mapping[str, Any], name: str, prefix: str = "") -> str:
    return identifier(data.get(name), f"{prefix}{name}")


def _mapping(data: Mapping[str, Any], name: str, prefix: str = "") -> dict[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent("It must be an object.", path=f"{prefix}{name}")
    return value
