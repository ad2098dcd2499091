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

from arrivals.collect.calls import LONGEST_ID, LONGEST_NAME, OLDEST_MS
from arrivals.collect.event import Event, Field, metadata
from arrivals.errors import InvalidEvent

ANONYMOUS = "_PENDO_T_"
# The ids of Pendo's own snippet, for people who forgot to put theirs: they name nobody.
SAMPLE_VISITOR, SAMPLE_ACCOUNT = "VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID"
ACTIONS = ("click", "focus", "submit", "change")
GUIDE_SEEN = "guideSeen"
SKEWED_MS = 300_000  # a client's clock that differs by less is taken as right
MOST_CHAIN = 20


def of_agent(source_id: str, batch: list[Any], *, received_at: int, sent_at: int | None) -> tuple[list[Event], int]:
    """The events of one request of the agent, and how many could not be kept.

    ``sent_at`` is the client's clock at sending (``ct``), in milliseconds. The agent gives no message ids: an event is
    known again by its content, so that a request sent once more counts once.
    """
    equal: Counter[str] = Counter()
    events, refused = [], 0
    for one in batch:
        try:
            events.append(_agent_event(source_id, one, received_at, sent_at, equal))
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
    if data.get("type", "track") != "track":
        raise InvalidEvent(f"It must be track; got {str(data['type'])!r:.40}.", path="type")
    name = data.get("event")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InvalidEvent(f"It must be a text of 1 to {LONGEST_NAME} characters.", path="event")
    given = data.get("timestamp")
    context = _mapping(data.get("context"), "context")
    properties = _mapping(data.get("properties"), "properties")
    return Event(
        source_id=source_id,
        message_id=_digest(data, 0) if given is not None else secrets.token_hex(16),
        kind="track",
        name=name.strip(),
        visitor_id=_visitor(data.get("visitorId"), "visitorId"),
        ts=received_at if given is None else _time(given, "timestamp", received_at, None),
        received_at=received_at,
        account_id=_account(data.get("accountId"), "accountId"),
        url=str(context.get("url") or "")[:4096],
        properties=_json({**properties, **({"title": context["title"]} if context.get("title") else {})}),
    )


def of_guides(source_id: str, data: Any, *, received_at: int) -> Event:
    """What a request for guides says of its visitor: metadata and the id it had before; no event.

    Raises:
        InvalidEvent: there is no visitor in it.
    """
    data = _mapping(data, "jzb")
    told = _mapping(data.get("metadata"), "metadata")
    visitor, account = _visitor(data.get("visitorId"), "visitorId"), _account(data.get("accountId"), "accountId")
    return _meta(source_id, visitor, account, told, received_at, received_at, _alias(data.get("oldVisitorId"), visitor))


def _agent_event(source_id: str, one: Any, received_at: int, sent_at: int | None, equal: Counter[str]) -> Event:
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
        return _meta(source_id, visitor, account, props, ts, received_at, "")
    url = str(one.get("url") or "")[:4096]
    kind, name, properties = _content(str(kind), one, props, url)
    for key in ("utm", "sessionId", "tabId"):
        if one.get(key):
            properties.setdefault(key, one[key])
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
        properties=_json(properties),
        alias_id=_alias(props.get("old_visitor_id"), visitor) if kind == "identify" else "",
    )


def _content(kind: str, one: dict[str, Any], props: dict[str, Any], url: str) -> tuple[str, str, dict[str, Any]]:
    """Our kind, name and properties of an agent's event."""
    if kind == "load":
        return "page", urlsplit(url).path or "/", dict(props)
    if kind == "identify":
        return "identify", "", {}
    if kind == "track":
        name = one.get("track_event_name") or props.get("track_event_name") or props.get("event")
        if not isinstance(name, str) or not name.strip():
            raise InvalidEvent("A track event needs its name.", path="track_event_name")
        return "track", name.strip(), dict(props)
    if kind == "pollResponse":
        return "survey_answered", str(props.get("guide_id") or "poll"), _answer(props)
    if kind == GUIDE_SEEN:
        return "survey_shown", str(props.get("guide_id") or "guide"), dict(props)
    if kind in ACTIONS:
        path = _path(props.get("target"))
        extra = one.get("eventProperties")
        return kind, path[0] if path else kind, {"path": path, **(extra if isinstance(extra, dict) else {})}
    if kind.startswith("guide"):
        return "guide", kind, dict(props)
    raise InvalidEvent(f"{kind!r:.40} is not a type of event.", path="type")


def _answer(props: dict[str, Any]) -> dict[str, Any]:
    """An answer to a poll: a number from 0 to 10 is a score, a text is a reason; "response" is what was sent."""
    given = props.get("poll_response")
    kept = {key: value for key, value in props.items() if key != "poll_response" and value is not None}
    number = given if isinstance(given, int | float) and not isinstance(given, bool) else None
    if number is None and isinstance(given, str) and given.strip().isdecimal() and len(given.strip()) <= 2:
        number = int(given)  # some agents send the number as they read it from the page
    kept["response"] = given if number is None else number
    if number is not None and 0 <= number <= 10:
        kept["score"] = number
    elif isinstance(given, str):
        kept["reason"] = given
    return kept


def _path(target: Any) -> list[str]:
    """The element and its parents as short selectors: ``button#save``. Never what a field holds."""
    path: list[str] = []
    while isinstance(target, dict) and len(path) < MOST_CHAIN:
        tag = str(target.get("tag") or "").lower()[:40]
        attributes = target.get("attrs")
        attrs: dict[str, Any] = attributes if isinstance(attributes, dict) else {}
        id_ = target.get("id") or attrs.get("id")
        classes = str(target.get("cls") or attrs.get("class") or "").split()
        mark = f"#{id_}" if id_ else "".join(f".{one}" for one in classes[:2])
        path.append(f"{tag}{mark}"[:120])
        target = target.get("parentElem")
    return [one for one in path if one]


def _meta(
    source_id: str, visitor: str, account: str, told: dict[str, Any], ts: int, received_at: int, alias: str
) -> Event:
    parent = _fields(told, "parentAccount")
    about_account = _fields(told, "account") if account else ()
    if account and parent:
        about_account += tuple(Field(one.group, f"parent.{one.name}", one.value, one.type) for one in parent)
    return Event(
        source_id=source_id,
        message_id="",
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
    id_ = _id(value, path)
    if not id_:
        raise InvalidEvent("It is missing.", path=path)
    return f"{ANONYMOUS}{SAMPLE_VISITOR}" if id_ == SAMPLE_VISITOR else id_


def _account(value: Any, path: str) -> str:
    id_ = _id(value, path)
    return "" if id_ == SAMPLE_ACCOUNT else id_


def _id(value: Any, path: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise InvalidEvent(f"It must be a text or number of at most {LONGEST_ID} characters.", path=path)
    return value.strip()


def _time(value: Any, path: str, received_at: int, sent_at: int | None) -> int:
    """When it happened, by our clock: shifted where the client's clock is wrong, never after its receipt."""
    if value is None:
        return received_at
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 20:
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
    told = orjson.dumps([data, number], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(told).hexdigest()[:40]


def _json(properties: Mapping[str, Any]) -> str:
    return orjson.dumps(properties).decode() if properties else "{}"
