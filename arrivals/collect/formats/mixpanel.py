"""Mixpanel's raw export of events, and its export of people.

Sources: Mixpanel's documentation of "Download Data" (raw event export: one object a line with ``event`` and ``properties``;
``time`` is in seconds, in milliseconds for newer data, and by the clock of the project's time zone in projects made
before 2023), of "Import Events" (events with the same event name, distinct_id, time and $insert_id are one), of identity
merge (``$device_id``, ``$user_id``, ``$device:`` ids, ``$identify``, ``$create_alias``, ``$merge``), of "Query Profiles"
(``$distinct_id``, ``$properties``), and mixpanel-js, src/autocapture (``$mp_click``, ``$elements``, ``$nth_of_type``).
"""

from collections.abc import Mapping
from typing import Any

from arrivals.collect.event import Event, identifier
from arrivals.collect.formats import elements
from arrivals.collect.formats.common import Given, digest, make, mapping, moment, title_of, who, without
from arrivals.errors import InvalidEvent

PAGES = {"$mp_web_page_view", "$mp_page_view"}
USED = {"$mp_click": "click", "$mp_input_change": "change", "$mp_submit": "submit"}
DEVICE = "$device:"
LEFT_OUT = (
    "time", "distinct_id", "$distinct_id", "$insert_id", "$device_id", "$user_id", "token", "mp_processing_time_ms",
    "$mp_api_endpoint", "$mp_api_timestamp_ms", "$import", "$elements", "$target", "$distinct_id_before_identity",
    "$identified_id", "$anon_id", "$anon_distinct_id", "$el_text", "$had_persisted_distinct_id",
)  # fmt: skip


def event(row: Mapping[str, Any], given: Given) -> Event:
    """One event, or one profile."""
    if "event" not in row and ("$distinct_id" in row or "distinct_id" in row):
        return _profile(row, given)
    name = row.get("event")
    if not isinstance(name, str) or not name.strip():
        raise InvalidEvent("The row has no event.", path="event")
    told = mapping(row, "properties")
    ids = told.get("$distinct_ids")
    if name == "$merge" and not told.get("distinct_id") and isinstance(ids, list) and ids:
        told = {**told, "distinct_id": ids[0]}
    if told.get("time") is None:
        raise InvalidEvent("The event has no time.", path="properties.time")
    ts = moment(told["time"], "properties.time", zone=given.zone)
    user, anonymous = _who(told)
    alias, overrides = _merged(name, told, user or anonymous)
    kind, called, properties = _what(name, told)
    account = told.get(given.group) if given.group else None
    return make(
        given,
        message_id=digest(told["$insert_id"], name, told["time"]) if told.get("$insert_id") else "",
        kind=kind,
        name=called,
        user=user,
        anonymous=anonymous,
        ts=ts,
        properties=properties,
        account=identifier(account[0] if isinstance(account, list) and account else account or None, given.group),
        url=told.get("current_url") or told.get("$current_url") or "",
        alias=alias,
        overrides=overrides,
    )


def _who(told: Mapping[str, Any]) -> tuple[str, str]:
    """User and anonymous id.

    In projects with the older way of merging ids, ``distinct_id`` is whom they were merged into: the profile has that
    id, and events before the login have it beside their device. So where the user's own id is another, the two are linked.
    """
    distinct = who(told, "distinct_id")
    device = who(told, "$device_id").removeprefix(DEVICE)
    user = who(told, "$user_id")
    merged = distinct if distinct and not distinct.startswith(DEVICE) and distinct != device else ""
    if user and merged and merged != user:
        return user, merged
    user = user or merged
    before = who(told, "$distinct_id_before_identity").removeprefix(DEVICE)
    return user, device or before or ("" if user else distinct.removeprefix(DEVICE))


def _merged(name: str, told: Mapping[str, Any], visitor: str) -> tuple[str, bool]:
    """The id that an event of the older way says is the visitor too, and whether that overrides an older link."""
    if name == "$identify":
        return (who(told, "$anon_id") or who(told, "$anon_distinct_id")).removeprefix(DEVICE), False
    if name == "$create_alias":
        return who(told, "alias").removeprefix(DEVICE), True
    ids = told.get("$distinct_ids")
    if name == "$merge" and isinstance(ids, list):
        others = [one for one in (identifier(one, "$distinct_ids").removeprefix(DEVICE) for one in ids) if one]
        return next((one for one in others if one != visitor), ""), True
    return "", False


def _what(name: str, told: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    properties = without(told, *LEFT_OUT)
    if name in PAGES:
        called = title_of(told, "current_page_title", "$title", "current_url_path", "$pathname", "current_url")
        return "page", called, properties
    if name == "$identify":
        return "identify", "", properties
    if name in {"$create_alias", "$merge"}:
        return "alias", "", properties
    if name in USED:
        called, path = elements.used(_nodes(told))
        return USED[name], called, {**properties, **path}
    return "track", name, properties


def _nodes(told: Mapping[str, Any]) -> list[elements.Node]:
    listed = told.get("$elements")
    nodes = []
    for number, one in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(one, dict):
            classes, place = one.get("$classes"), one.get("$nth_of_type")
            nodes.append(
                elements.Node(
                    tag=str(one.get("$tag_name") or "").lower(),
                    id=str(one.get("$id") or ""),
                    classes=[str(each) for each in classes] if isinstance(classes, list) else [],
                    attributes={k.removeprefix("$attr-"): str(v) for k, v in one.items() if k.startswith("$attr-")},
                    nth=place if isinstance(place, int) else 0,
                    text=str(told.get("$el_text") or "") if number == 0 else "",
                )
            )
    return nodes


def _profile(row: Mapping[str, Any], given: Given) -> Event:
    """A profile: its properties are metadata as of ``$last_seen``. ``$email`` is called email here, and so on."""
    id_ = "$distinct_id" if "$distinct_id" in row else "distinct_id"
    within = next((name for name in ("$properties", "properties") if name in row), "")
    told = mapping(row, within) if within else without(row, id_)  # a CSV has a column for each
    seen = told.get("$last_seen") or row.get("last_seen")
    traits = {key.removeprefix("$"): value for key, value in told.items() if value is not None}
    return make(
        given,
        message_id="",
        kind="",
        name="",
        user=who(row, id_).removeprefix(DEVICE),
        anonymous="",
        ts=moment(seen, "$last_seen", zone=given.zone) if seen else given.received_at,
        properties={},
        traits=traits,
    )
