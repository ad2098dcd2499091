"""PostHog's batch exports (JSON lines, Parquet) and exports as CSV, of events and of persons.

Sources: PostHog's documentation of batch exports to S3 (the models events and persons: uuid, event, distinct_id,
person_id, properties, person_properties, elements_chain, timestamp, created_at; properties are JSON text in Parquet), of
identifying users ($identify with $anon_distinct_id, $create_alias, $merge_dangerously, $device_id beside $user_id), of group
analytics ($groups, $groupidentify, $group_set); and posthog/models/element (how a chain of elements is written).
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from arrivals.collect.event import Event
from arrivals.collect.formats import elements
from arrivals.collect.formats.common import Given, account_of, make, mapping, moment, text, title_of, who, without
from arrivals.errors import InvalidEvent

USED = {"click": "click", "change": "change", "submit": "submit", "touch": "click"}
MERGES = {"$identify": "$anon_distinct_id", "$create_alias": "alias", "$merge_dangerously": "alias"}
LEFT_OUT = (
    "$set", "$set_once", "$unset", "$elements", "$elements_chain", "$groups", "token", "distinct_id", "$el_text",
    "$anon_distinct_id", "$group_set", "$event_type", "$sent_at", "$insert_id", "$time",
)  # fmt: skip
# Elements are set apart by semicolons outside of quotes; an element is tag.class.class:name="value"name="value".
ELEMENT = re.compile(r'(?:[^";]|"(?:\\.|[^"\\])*")+')
ATTRIBUTE = re.compile(r'([^"=]+)="((?:\\.|[^"\\])*)"')
LONGEST_CHAIN = 20_000


def event(row: Mapping[str, Any], given: Given) -> Event:
    """One event, or one person. The person's properties of that moment are metadata of that time."""
    told = {**mapping(row, "properties"), **_flat(row, "properties.")}
    if "event" not in row:
        return _person(row, told, given)
    name = str(row.get("event") or "")
    if not name.strip():
        raise InvalidEvent("The row has no event.", path="event")
    if row.get("timestamp") in (None, ""):
        raise InvalidEvent("The event has no timestamp.", path="timestamp")
    distinct = who(row, "distinct_id")
    groups = mapping(told, "$groups")
    if name == "$groupidentify":
        type_, key = str(told.get("$group_type") or ""), told.get("$group_key")
        groups = {type_: key}
        if distinct in {f"${type_}_{key}", f"{type_}_{key}"}:  # what libraries of servers write where nobody acts
            distinct = ""
    _type, account = account_of(groups, given)
    kind, called, properties = _what(name, told, text_of(row, "elements_chain") or _chain_of(row))
    alias = who(told, MERGES[name]) if name in MERGES else ""
    if not alias and distinct and distinct == text(told, "$user_id"):
        alias = who(told, "$device_id")
    return make(
        given,
        message_id=text(row, "uuid") or text(row, "id"),
        kind=kind,
        name=called,
        user=distinct,
        anonymous="",
        ts=moment(row["timestamp"], "timestamp"),
        properties=properties,
        account=account,
        url=told.get("$current_url") or "",
        traits=_traits(row, told),
        account_traits=mapping(told, "$group_set"),
        alias=alias,
        overrides=name in {"$create_alias", "$merge_dangerously"},
    )


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A text of any length."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _chain_of(row: Mapping[str, Any]) -> str:
    """The chain as exports to warehouses have it: in the column ``elements``, perhaps as JSON text once or twice."""
    chain = text_of(row, "elements")
    while chain.startswith('"'):
        try:
            chain = orjson.loads(chain)
        except orjson.JSONDecodeError:
            return ""
        if not isinstance(chain, str):
            return ""
    return chain


def _flat(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The columns of a CSV export that has one for each property."""
    return {key.removeprefix(prefix): value for key, value in row.items() if key.startswith(prefix) and value != ""}


def _traits(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The person's properties at that time; an export without them tells only what the event set."""
    person = mapping(row, "person")
    known = mapping(row, "person_properties") or mapping(person, "properties") or _flat(row, "person.properties.")
    set_ = mapping(told, "$set") or mapping(row, "set") or mapping(row, "people_set")
    once = mapping(told, "$set_once") or mapping(row, "set_once") or mapping(row, "people_set_once")
    return known or {**once, **set_}


def _person(row: Mapping[str, Any], told: Mapping[str, Any], given: Given) -> Event:
    """A row of the model persons: one of a person's ids, and what is known of the person."""
    if row.get("is_deleted") in (True, 1, "true", "1"):
        raise InvalidEvent("The person was deleted there.", path="is_deleted")
    seen = row.get("created_at")
    return make(
        given,
        message_id="",
        kind="",
        name="",
        user=who(row, "distinct_id"),
        anonymous="",
        ts=moment(seen, "created_at") if seen else given.received_at,
        properties={},
        traits=told,
    )


def _what(name: str, told: Mapping[str, Any], chain: str) -> tuple[str, str, dict[str, Any]]:
    properties = without(told, *LEFT_OUT)
    if name == "$pageview":
        return "page", title_of(told, "title", "$title", "$pathname", "$current_url"), properties
    if name == "$screen":
        return "screen", title_of(told, "$screen_name"), properties
    if name in {"$identify", "$set"}:
        return "identify", "", properties
    if name == "$groupidentify":
        return "group", "", properties
    if name in MERGES:
        return "alias", "", properties
    used = USED.get(str(told.get("$event_type")))
    if name == "$autocapture" and used:
        listed = told.get("$elements")
        nodes = _listed(listed) if isinstance(listed, list) else _nodes(chain or text_of(told, "$elements_chain"))
        target = str(told.get("$el_text") or "")
        if nodes and target and not nodes[0].text:
            nodes[0] = elements.Node(**{**vars(nodes[0]), "text": target})
        called, path = elements.used(nodes)
        return used, called, {**properties, **path}
    return "track", name, properties


def _nodes(chain: str) -> list[elements.Node]:
    nodes = []
    for part in ELEMENT.findall(chain[:LONGEST_CHAIN])[: elements.MOST_NODES]:
        head = re.match(r'((?:[^":]|:(?![\w-]+="))*):?', part)
        front = head.group(1) if head else ""
        values = {key: _unquoted(value) for key, value in ATTRIBUTE.findall(part[len(head.group(0)) if head else 0 :])}
        tag, *classes = front.split(".")
        nodes.append(_node(tag, classes, values))
    return nodes


def _listed(listed: list[Any]) -> list[elements.Node]:
    """The elements of an event as the browser sent them."""
    nodes = []
    for one in listed[: elements.MOST_NODES]:
        if isinstance(one, dict):
            values = {key: str(value) for key, value in one.items() if isinstance(value, str | int)}
            values = {{"$el_text": "text"}.get(key, key.replace("nth_of_type", "nth-of-type")): value for key, value in values.items()}  # fmt: skip
            classes = one.get("classes") or one.get("attr__class") or one.get("attr_class") or []
            found = classes.split() if isinstance(classes, str) else [str(each) for each in classes]
            nodes.append(_node(str(one.get("tag_name") or ""), found, values))
    return nodes


def _node(tag: str, classes: list[str], values: Mapping[str, str]) -> elements.Node:
    place = values.get("nth-of-type", "")
    return elements.Node(
        tag=tag.strip().lower(),
        id=values.get("attr_id") or values.get("attr__id") or "",
        classes=classes,
        attributes={key.removeprefix("attr__"): value for key, value in values.items() if key.startswith("attr__")},
        nth=int(place) if place.isdigit() else 0,
        text=values.get("text", ""),
    )


def _unquoted(value: str) -> str:
    return value.replace('\\"', '"')
