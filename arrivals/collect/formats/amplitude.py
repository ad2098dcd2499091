"""Amplitude's export: a zip of gzip files of JSON lines, one event a line.

Sources: Amplitude's documentation of the Export API (the schema of an event; times are UTC texts such as
``2026-01-31 12:00:00.000000``), of event deduplication (``$insert_id`` within a device), of autocapture (events whose names
begin with ``[Amplitude]``), of groups; and Amplitude-TypeScript, packages/plugin-autocapture-browser (Element Hierarchy: a
list of ``tag``, ``id``, ``classes``, ``attrs``, ``indexOfType`` from 0).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from arrivals.collect.event import Event
from arrivals.collect.formats import elements
from arrivals.collect.formats.common import (
    Given,
    account_of,
    digest,
    make,
    mapping,
    moment,
    text,
    title_of,
    who,
    without,
)
from arrivals.errors import InvalidEvent

OWN = "[Amplitude] "
USED = {f"{OWN}Element Clicked": "click", f"{OWN}Element Changed": "change", f"{OWN}Form Submitted": "submit"}
EMPTY = "EMPTY"  # what the library sends for "no referrer"
BESIDE = ("platform", "os_name", "os_version", "device_type", "language", "country", "region", "city", "version_name")


def event(row: Mapping[str, Any], given: Given) -> Event:
    """One event. The user's properties of that moment are metadata of that time."""
    name = row.get("event_type")
    if not isinstance(name, str) or not name.strip():
        raise InvalidEvent("The row has no event_type.", path="event_type")
    when = row.get("event_time") or row.get("client_event_time")
    if when is None:
        raise InvalidEvent("The event has no event_time.", path="event_time")
    told, groups = mapping(row, "event_properties"), mapping(row, "groups")
    type_, account = account_of(groups, given)
    user, device = who(row, "user_id"), who(row, "device_id")
    insert, uuid = text(row, "$insert_id"), text(row, "uuid")
    kind, called, properties = _what(name, told)
    traits = {key: value for key, value in mapping(row, "user_properties").items() if value not in (EMPTY, None)}
    return make(
        given,
        message_id=digest(insert, device or user) if insert else uuid,
        kind=kind,
        name=called,
        user=user,
        anonymous=device or ("" if user or kind == "group" else _numbered(row)),
        ts=moment(when, "event_time"),
        properties={**{key: row[key] for key in BESIDE if row.get(key) not in (None, "")}, **properties},
        account=account,
        url=told.get(f"{OWN}Page URL") or told.get(f"{OWN}Page Location") or "",
        traits=traits,
        account_traits=_of_group(mapping(row, "group_properties").get(type_), account),
    )


def _numbered(row: Mapping[str, Any]) -> str:
    number = text(row, "amplitude_id")
    return f"amplitude:{number}" if number else ""


def _of_group(told: Any, account: str) -> dict[str, Any] | None:
    """Properties of a group stand below its type, or below its type and its name."""
    inner = told.get(account) if isinstance(told, dict) and isinstance(told.get(account), dict) else told
    return inner if isinstance(inner, dict) else None


def _what(name: str, told: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Kind, name and properties; those of autocapture lose the product's name in front."""
    hierarchy = f"{OWN}Element Hierarchy"
    bare = {key.removeprefix(OWN): value for key, value in without(told, hierarchy, f"{OWN}Element Attributes").items()}
    if name == f"{OWN}Page Viewed":
        return "page", title_of(told, f"{OWN}Page Title", f"{OWN}Page Path", f"{OWN}Page URL"), bare
    if name == "$identify":
        return "identify", "", bare
    if name == "$groupidentify":
        return "group", "", bare
    if name in USED:
        called, path = elements.used(_nodes(told, told.get(hierarchy)))
        return (
            USED[name],
            called or title_of(told, f"{OWN}Form ID", f"{OWN}Form Name"),
            {
                **without(bare, "Element Text"),
                **path,
            },
        )
    return "track", name.removeprefix(OWN), bare


def _nodes(told: Mapping[str, Any], listed: Any) -> list[elements.Node]:
    """The hierarchy, from the element up; without one, the element as its own properties tell it."""
    if isinstance(listed, str):
        try:
            listed = orjson.loads(listed)
        except orjson.JSONDecodeError:  # cut off at 1,024 characters
            listed = None
    target = str(told.get(f"{OWN}Element Text") or "")
    nodes = []
    for number, one in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(one, dict):
            classes, attributes, place = one.get("classes"), one.get("attrs"), one.get("indexOfType")
            nodes.append(
                elements.Node(
                    tag=str(one.get("tag") or "").lower(),
                    id=str(one.get("id") or ""),
                    classes=[str(each) for each in classes] if isinstance(classes, list) else [],
                    attributes={k: str(v) for k, v in attributes.items()} if isinstance(attributes, dict) else {},
                    nth=place + 1 if isinstance(place, int) else 0,
                    text=target if number == 0 else "",
                )
            )
    if nodes:
        return nodes
    classes = str(told.get(f"{OWN}Element Class") or "").split()
    tag, id_ = (str(told.get(f"{OWN}Element {part}") or "") for part in ("Tag", "ID"))
    return [elements.Node(tag.lower(), id_, classes, text=target)] if tag else []
