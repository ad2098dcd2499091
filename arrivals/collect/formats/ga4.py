"""Google Analytics 4: the BigQuery export as JSON lines or Parquet, one event a row.

Sources: Google's "[GA4] BigQuery Export schema" (event_timestamp in microseconds UTC; event_params and user_properties as
lists of key and value, the value in string_value, int_value, float_value or double_value; BigQuery writes whole numbers
into JSON as texts), its "Automatically collected events" (page_view with page_location and page_title, click with link_url,
form_submit, screen_view), and the package dbt-ga4, which tells repeated rows by stream, visitor, session, name, time,
parameters and items, as is done here: an event has no id of its own.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from arrivals.collect.event import Event, identifier
from arrivals.collect.formats.common import Given, digest, make, mapping, moment, parsed, title_of, who, without
from arrivals.errors import InvalidEvent

VALUES = ("string_value", "int_value", "float_value", "double_value")
BESIDE = {
    "device": ("category", "operating_system", "operating_system_version", "language", "mobile_model_name"),
    "geo": ("country", "region", "city"),
    "traffic_source": ("source", "medium", "name"),
    "app_info": ("id", "version"),
}
MICROSECONDS = 1e6
# Where an event stands in what the browser sent at once: all of that has one time.
PLACE = ("batch_page_id", "batch_ordering_id", "batch_event_index")


def event(row: Mapping[str, Any], given: Given) -> Event:
    """One event. Properties of the user are metadata of that time."""
    name = row.get("event_name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidEvent("The row has no event_name.", path="event_name")
    if row.get("event_timestamp") in (None, ""):
        raise InvalidEvent("The event has no event_timestamp.", path="event_timestamp")
    told, traits = _pairs(row, "event_params"), _pairs(row, "user_properties")
    kind, called, properties = _what(name, told)
    account = (told.get(given.group) or traits.get(given.group)) if given.group else told.get("group_id")
    user, pseudo = who(row, "user_id"), who(row, "user_pseudo_id")
    items = [without(one) for one in _list(row, "items") if isinstance(one, dict)]
    paid = {key: value for key, value in without(_record(row, "ecommerce")).items() if value != "(not set)"}
    place = without({name: row.get(name) for name in PLACE})
    return make(
        given,
        message_id=digest(
            row.get("stream_id") and str(row["stream_id"]),
            pseudo or user,
            name,
            str(row["event_timestamp"]),
            told,
            items,
            *([{key: str(value) for key, value in place.items()}] if place else []),
        ),
        kind=kind,
        name=called,
        user=user,
        anonymous=pseudo,
        ts=moment(row["event_timestamp"], "event_timestamp", unit=MICROSECONDS),
        properties={
            **_beside(row),
            **({"ecommerce": paid} if paid else {}),
            **properties,
            **({"items": items} if items else {}),
        },
        account=identifier(account, given.group or "group_id"),
        url=told.get("page_location") or "",
        traits=traits,
    )


def _what(name: str, told: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    if name == "page_view":
        path = urlsplit(str(told.get("page_location") or "")).path
        return "page", title_of({**told, "path": path}, "page_title", "path"), told
    if name == "screen_view":
        return "screen", title_of(told, "firebase_screen", "firebase_screen_class"), told
    if name == "click":  # of a link that leads elsewhere; other clicks are not told
        mark = f"#{told['link_id']}" if told.get("link_id") else ""
        target = "" if mark or not told.get("link_text") else f' "{str(told["link_text"])[:60]}"'
        return "click", f"a{mark}{target}", told
    if name == "form_submit":
        return "submit", f"form#{told['form_id']}" if told.get("form_id") else "form", told
    return "track", name, told


def _pairs(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A list of keys and values as an object. Raises InvalidEvent."""
    found: dict[str, Any] = {}
    for number, one in enumerate(_list(row, name)):
        value = one.get("value") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(one.get("key"), str) or not isinstance(value, dict | None):
            raise InvalidEvent("It must be an object with key and value.", path=f"{name}[{number}]")
        told = next((key for key in VALUES if value and value.get(key) is not None), "")
        if told and value:
            found[one["key"]] = _number(value[told]) if told != "string_value" else value[told]
    return found


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    """A repeated field, also where it is written as JSON text. Files that BigQuery wrote without list inference have it
    inside ``list`` and ``element``. Raises InvalidEvent: it is anything else."""
    value = parsed(row, name)
    if isinstance(value, dict):
        value = [one.get("element", one) if isinstance(one, dict) else one for one in value.get("list") or []]
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise InvalidEvent("It must be a list.", path=name)
    return value


def _record(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What is told beside the event; one that cannot be read costs only itself."""
    try:
        return mapping(row, name)
    except InvalidEvent:
        return {}


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(value) if "." in value or "e" in value.lower() else int(value)
    except ValueError:
        return value


def _beside(row: Mapping[str, Any]) -> dict[str, Any]:
    """Where and with what, of the columns beside the parameters."""
    found: dict[str, Any] = {}
    for name, keys in BESIDE.items():
        inner = _record(row, name)
        kept = {key: inner[key] for key in keys if inner.get(key)}
        if name == "device" and isinstance(inner.get("web_info"), dict):
            kept.update(without({"browser": inner["web_info"].get("browser")}))
        if kept:
            found[name] = kept
    if row.get("platform"):
        found["platform"] = row["platform"]
    return found
