"""An event of Pendo's web agent, or of Pendo's track endpoint -> an Event, or the reason why it cannot be kept.

Source of the forms: the wire of Pendo's web agent 2.291.4 and Pendo's description of track events.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from arrivals.collect import calls, pendo_elements, pendo_polls
from arrivals.collect.calls import LONGEST_NAME, OLDEST_MS
from arrivals.collect.event import LONGEST_ID, Event, Field, as_json, identifier, metadata
from arrivals.collect.http import MOST_EVENT
from arrivals.errors import InvalidEvent

ANONYMOUS = "_PENDO_T_"
# The ids of Pendo's own snippet, for people who forgot to put theirs: they name nobody.
SAMPLE_VISITOR, SAMPLE_ACCOUNT = "VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID"
ACTIONS = ("click", "focus", "submit", "change")
GUIDE_SEEN = "guideSeen"
SKEWED_MS = 300_000  # a client's clock that differs by less is taken as right


def of_agent(
    source_id: str, batch: list[Any], *, received_at: int, sent_at: int | None, surveys: Mapping[str, str] | None = None
) -> tuple[list[Event], int]:
    """The events of one request of the agent, and how many could not be kept.

    ``sent_at`` is the client's clock at sending (``ct``), in milliseconds. ``surveys``: id of a guide -> the survey that
    it is. The agent gives no message ids: an event is known again by its content, so that a request sent once more
    counts once.
    """
    equal: Counter[str] = Counter()
    events, refused = [], 0
    for one in batch:
        try:
            events.append(_agent_event(source_id, one, received_at, sent_at, equal, surveys or {}))
        except InvalidEvent:
            refused += 1
    return events, refused


def of_track(source_id: str, data: Any, *, received_at: int) -> Event:
    """A track event of a server: type, event, visitorId, accountId, timestamp, properties, context.

    Raises:
        InvalidEvent: with the path of the wrong part.
    """
    if not isinstance(data, dict):
        raise InvalidEvent("It must be an object.")
    digest = _digest(data, 0)
    if data.get("type", "track") != "track":
        raise InvalidEvent(f"It must be track; got {str(data['type'])!r:.40}.", path="type")
    name = data.get("event")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InvalidEvent(f"It must be a text of 1 to {LONGEST_NAME} characters.", path="event")
    given = data.get("timestamp")
    context = _mapping(data.get("context"), "context")
    properties = _mapping(data.get("properties"), "properties")
    kind, name = calls.tracked(name, properties)
    return Event(
        source_id=source_id,
        message_id=digest if given is not None else secrets.token_hex(16),
        kind=kind,
        name=name,
        visitor_id=_visitor(data.get("visitorId"), "visitorId"),
        ts=received_at if given is None else _time(given, "timestamp", received_at, None),
        received_at=received_at,
        account_id=_account(data.get("accountId"), "accountId"),
        url=str(context.get("url") or "")[:4096],
        properties=as_json({**properties, **({"title": context["title"]} if context.get("title") else {})}),
    )


def of_guides(source_id: str, data: Any, *, received_at: int) -> Event:
    """What a request for guides says of its visitor: metadata and the id it had before; no event.

    Raises:
        InvalidEvent: there is no visitor in it.
    """
    data = _mapping(data, "jzb")
    told = _mapping(data.get("metadata"), "metadata")
    visitor, account = _visitor(data.get("visitorId"), "visitorId"), _account(data.get("accountId"), "accountId")
    return _meta(
        source_id,
        visitor,
        account,
        told,
        digest=_digest(data, 0),
        ts=received_at,
        received_at=received_at,
        alias=_alias(data.get("oldVisitorId"), visitor),
    )


def guides(batch: list[Any]) -> set[str]:
    """The ids of the guides that these events are about."""
    told = (one["props"] for one in batch if isinstance(one, dict) and isinstance(one.get("props"), dict))
    return {props["guide_id"] for props in told if isinstance(props.get("guide_id"), str)}


def _agent_event(
    source_id: str,
    one: Any,
    received_at: int,
    sent_at: int | None,
    equal: Counter[str],
    surveys: Mapping[str, str],
) -> Event:
    if not isinstance(one, dict):
        raise InvalidEvent("It must be an object.")
    kind = one.get("type")
    props = _mapping(one.get("props"), "props")
    digest = _digest(one, 0)
    equal[digest] += 1
    if equal[digest] > 1:  # two equal events in one request are two
        digest = _digest(one, equal[digest])
    visitor, account = _visitor(one.get("visitor_id"), "visitor_id"), _account(one.get("account_id"), "account_id")
    ts = _time(one.get("browser_time"), "browser_time", received_at, sent_at)
    if kind == "meta":
        return _meta(source_id, visitor, account, props, digest=digest, ts=ts, received_at=received_at)
    url = str(one.get("url") or "")[:4096]
    kind, name, properties = _content(str(kind), one, props, url, surveys)
    for key in ("utm", "sessionId", "tabId"):
        if one.get(key):
            properties.setdefault(key, one[key])
    told = as_json(properties)
    if len(told) > MOST_EVENT:
        raise InvalidEvent(f"It has more than {MOST_EVENT:,} bytes.", path="props")
    return Event(
        source_id=source_id,
        message_id=digest,
        kind=kind,
        name=name[:LONGEST_NAME],
        visitor_id=visitor,
        ts=ts,
        received_at=received_at,
        account_id=account,
        url=url,
        properties=told,
        alias_id=_alias(props.get("old_visitor_id"), visitor) if kind == "identify" else "",
    )


def _content(
    kind: str, one: dict[str, Any], props: dict[str, Any], url: str, surveys: Mapping[str, str]
) -> tuple[str, str, dict[str, Any]]:
    """Our kind, name and properties of an agent's event."""
    guide = str(props.get("guide_id") or "")
    if kind == "load":
        return "page", _page(url), dict(props)
    if kind == "identify":
        return "identify", "", {}
    if kind == "track":
        name = one.get("track_event_name") or props.get("track_event_name") or props.get("event")
        if not isinstance(name, str) or not name.strip():
            raise InvalidEvent("A track event needs its name.", path="track_event_name")
        return (*calls.tracked(name, props), dict(props))
    if kind == "pollResponse":
        return "survey_answered", surveys.get(guide, guide) or "poll", pendo_polls.answer(props)
    if kind == GUIDE_SEEN:
        return "survey_shown", surveys.get(guide, guide) or "guide", dict(props)
    if kind in ACTIONS:
        target, extra = props.get("target"), one.get("eventProperties")
        said = {"text": text} if (text := pendo_elements.text(target)) else {}
        properties = {"path": pendo_elements.path(target), **said, **(extra if isinstance(extra, dict) else {})}
        return kind, pendo_elements.name(target) or kind, properties
    if kind.startswith("guide"):
        return "guide", kind, dict(props)
    raise InvalidEvent(f"{kind!r:.40} is not a type of event.", path="type")


def _page(url: str) -> str:
    try:
        return urlsplit(url).path or "/"
    except ValueError as error:
        raise InvalidEvent("It is not an address.", path="url") from error


def _meta(
    source_id: str,
    visitor: str,
    account: str,
    told: dict[str, Any],
    *,
    digest: str,
    ts: int,
    received_at: int,
    alias: str = "",
) -> Event:
    parent = _fields(told, "parentAccount")
    about_account = _fields(told, "account") if account else ()
    if account and parent:
        about_account += tuple(Field(one.group, f"parent.{one.name}", one.value, one.type) for one in parent)
    return Event(
        source_id=source_id,
        message_id=digest,
        kind="",
        name="",
        visitor_id=visitor,
        ts=ts,
        received_at=received_at,
        account_id=account,
        visitor_fields=_fields(told, "visitor"),
        account_fields=about_account,
        alias_id=alias,
    )


def _fields(told: Mapping[str, Any], whose: str) -> tuple[Field, ...]:
    values = _mapping(told.get(whose), whose)
    return metadata("agent", {key: value for key, value in values.items() if key.strip() and key != "id"}, whose)


def _alias(old: Any, visitor: str) -> str:
    """Only an anonymous id becomes somebody's: a second person who signs in on a machine is another person."""
    is_anonymous = isinstance(old, str) and old.startswith(ANONYMOUS) and len(old) <= LONGEST_ID
    return str(old) if is_anonymous and old != visitor and not visitor.startswith(ANONYMOUS) else ""


def _visitor(value: Any, path: str) -> str:
    id_ = identifier(value, path)
    if not id_:
        raise InvalidEvent("It is missing.", path=path)
    return f"{ANONYMOUS}{SAMPLE_VISITOR}" if id_ == SAMPLE_VISITOR else id_


def _account(value: Any, path: str) -> str:
    id_ = identifier(value, path)
    return "" if id_ == SAMPLE_ACCOUNT else id_


def _time(value: Any, path: str, received_at: int, sent_at: int | None) -> int:
    """When it happened, by our clock: shifted where the client's clock is wrong, never after its receipt."""
    if value is None:
        return received_at
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -(2**53) < value < 2**53:
        raise InvalidEvent(f"It must be a time in milliseconds since 1970; got {str(value)!r:.40}.", path=path)
    moment = int(value)
    if sent_at is not None and abs(received_at - sent_at) > SKEWED_MS:
        moment += received_at - sent_at
    if moment < received_at - OLDEST_MS:
        raise InvalidEvent("It is older than 10 years.", path=path)
    return min(moment, received_at)


def _mapping(value: Any, path: str) -> dict[str, Any]:
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent("It must be an object.", path=path)
    return value


def _digest(data: Mapping[str, Any], number: int) -> str:
    try:
        told = orjson.dumps([data, number], option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise InvalidEvent("It is nested too deeply.") from error
    return hashlib.sha256(told).hexdigest()[:40]
