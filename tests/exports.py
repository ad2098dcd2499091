"""Rows of other products' exports, by the products' documentation, and what becomes of them."""

import json
import time
from typing import Any

from arrivals.collect import formats
from arrivals.collect.event import Event
from arrivals.collect.files import content

NOW = int(time.time() * 1000)


def read(product: str, row: dict[str, Any], **more: Any) -> Event:
    given = {"from": product, **more}
    formats.parse(given)
    return formats.event(given, "src_1", row, row_id=content(row), received_at=NOW)


def properties(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event.properties)
    return found


def known(event: Event) -> dict[str, str | None]:
    return {field.name: field.value for field in event.visitor_fields}


def ms(text: str) -> int:
    from arrivals import clock

    return round(clock.parse(text).timestamp() * 1000)


SEGMENT = {
    "anonymousId": "507f191e810c19729de860ea", "channel": "browser", "event": "Order Completed", "messageId": "ajs-1",
    "context": {"ip": "8.8.8.8", "groupId": "acme", "page": {"url": "https://shop.example/pay", "path": "/pay"}},
    "originalTimestamp": "2015-02-23T22:28:55.387Z", "sentAt": "2015-02-23T22:28:55.111Z",
    "receivedAt": "2015-02-23T22:28:57.000Z", "timestamp": "2015-02-23T22:28:56.900Z",
    "properties": {"revenue": 39.95}, "type": "track", "userId": "97980cfea0067", "version": "1.1",
}  # fmt: skip


MIXPANEL = {
    "event": "Played Song",
    "properties": {
        "time": 1601412131, "distinct_id": "ada", "$device_id": "191b-9a", "$user_id": "ada", "$insert_id": "5d958f87-542d",
        "artist": "Drake", "$city": "Berlin", "mp_country_code": "DE", "mp_processing_time_ms": 1601412132000,
        "$current_url": "https://x.example/song",
    },
}  # fmt: skip


def mixpanel(event: str, **told: Any) -> dict[str, Any]:
    return {"event": event, "properties": {"time": 1601412131, "$insert_id": "i1", **told}}


AMPLITUDE = {
    "$insert_id": "ins-1", "uuid": "0b4fbbde-0001", "amplitude_id": 9911, "app": 1, "user_id": "ada", "device_id": "dev-1",
    "event_type": "Export", "event_time": "2026-01-31 12:00:00.123000", "server_upload_time": "2026-01-31 12:00:05.000000",
    "event_properties": {"format": "csv", "pages": 3}, "user_properties": {"plan": "pro", "initial_referrer": "EMPTY"},
    "groups": {"org id": ["acme"]}, "group_properties": {"org id": {"acme": {"seats": 7}}}, "platform": "Web",
    "country": "Germany", "session_id": 1769860800000, "library": "amplitude-ts/2", "data": {"path": "/batch"},
}  # fmt: skip


POSTHOG = {
    "uuid": "018f6c4e-1", "event": "export", "distinct_id": "ada", "person_id": "0190-p", "timestamp": "2026-01-31 12:00:00.123000+00:00",
    "created_at": "2026-01-31 12:00:05+00:00", "elements_chain": "", "team_id": 1,
    "properties": {"format": "csv", "$current_url": "https://x.example/pay", "$groups": {"company": "acme", "project": "p1"},
                   "$device_id": "dev-1", "$user_id": "ada", "$lib": "web", "$set": {"plan": "free"}, "token": "phc_x"},
    "person_properties": {"plan": "pro", "email": "ada@example.com"},
}  # fmt: skip


def posthog(event: str, distinct: str = "ada", **told: Any) -> dict[str, Any]:
    return {
        "uuid": "u",
        "event": event,
        "distinct_id": distinct,
        "timestamp": "2026-01-31T12:00:00Z",
        "properties": told,
    }


def param(key: str, **value: Any) -> dict[str, Any]:
    blank = {"string_value": None, "int_value": None, "float_value": None, "double_value": None}
    return {"key": key, "value": {**blank, **value}}


def ga4(name: str, *params: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "event_date": "20260131", "event_timestamp": "1769860800123456", "event_name": name, "event_params": list(params),
        "user_id": None, "user_pseudo_id": "1026454.4271", "user_properties": [], "stream_id": "2100450278", "platform": "WEB",
        "device": {"category": "desktop", "operating_system": "Web", "web_info": {"browser": "Chrome"}},
        "geo": {"country": "Germany", "city": None}, "items": [], **more,
    }  # fmt: skip
