"""The page on events says what the collector does: its limits, its answers, its words, each tried or taken from the code."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.collect import calls, event, known, segment, sources
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.errors import (
    InvalidEvent,
    InvalidJson,
    MethodNotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooMany,
    Unavailable,
)
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore

PAGE = (Path(__file__).parents[1] / "docs" / "events.md").read_text(encoding="utf-8")
NOW = 1_795_000_000_000

FACTS: list[tuple[str, str]] = [
    ("a body", f"500 KB ({segment.MOST_BODY:,} bytes)"),
    ("an event", f"32 KB ({segment.MOST_EVENT:,} bytes) an event"),
    ("a batch", f"{segment.MOST_BATCH:,} events a batch"),
    ("an id", f"at most {calls.LONGEST_ID} characters"),
    ("an event's name", f"`event` of at most {calls.LONGEST_NAME} characters"),
    ("fields of metadata", f"Up to {event.MOST_FIELDS}\nfields a call"),
    ("names of metadata", f"names of up to {event.LONGEST_NAME} characters"),
    ("events that wait", f"Up to {Writer(EventStore()).room:,} events may\nwait"),
    ("known message ids", f"within {timedelta(milliseconds=known.SPAN_MS).days} days"),
    ("the oldest event", f"than {calls.OLDEST_MS // (365 * 86_400_000)} years is refused"),
]


@pytest.mark.parametrize(("what", "sentence"), FACTS, ids=[what for what, _ in FACTS])
def test_every_limit_is_the_one_in_the_code(what: str, sentence: str) -> None:
    assert sentence in PAGE


def test_every_word_of_a_call_is_named() -> None:
    fields = set(re.findall(r'(?:data|context|page|properties)(?:\.get\(|, )"(\w+)"', Path(calls.__file__).read_text()))
    assert {"userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp", "sentAt", "event"} <= fields
    named = {word for text in re.findall(r"`([\w.]+)`", PAGE) for word in text.split(".")}
    assert fields - named == set()
    assert all(f"`{name}`" in PAGE for name in calls.SURVEY_EVENTS)


@pytest.mark.parametrize("error", [InvalidEvent, InvalidJson, NotSignedIn, NotFound, MethodNotAllowed, TooLarge, TooMany, Unavailable])  # fmt: skip
def test_every_refusal_is_in_the_table_with_its_status(error: Any) -> None:
    status = 400 if error is InvalidEvent else error.status
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and f"`{error.code}`" in line]
    assert rows
    assert str(status) in rows[0].split("|")[1]


TIMES: list[tuple[dict[str, Any], int]] = [
    ({}, 0),
    ({"timestamp": NOW - 60_000}, -60_000),
    ({"timestamp": NOW + 60_000}, 0),
    ({"timestamp": NOW - 3_660_000, "sentAt": NOW - 3_600_000}, -60_000),  # an hour slow
    ({"timestamp": NOW + 3_540_000, "sentAt": NOW + 3_600_000}, -60_000),  # an hour fast
    ({"originalTimestamp": NOW - 5_000, "timestamp": NOW - 9_000}, -5_000),
]


@pytest.mark.parametrize(("given", "expected"), TIMES)
def test_a_wrong_clock_is_put_right_as_the_page_says(given: dict[str, Any], expected: int) -> None:
    texts = {
        name: clock.iso(clock.parse("1970-01-01") + timedelta(milliseconds=value)) for name, value in given.items()
    }
    call = {"type": "track", "userId": "a", "event": "x", **texts}
    assert calls.event("src", call, received_at=NOW).ts == NOW + expected


def test_metadata_goes_into_the_groups_the_page_names() -> None:
    call = {"type": "identify", "userId": "a", "traits": {"address": {"city": "Bern"}, "tags": [1], "gone": None}}
    fields = {(one.group, one.name): one.value for one in calls.event("src", call, received_at=NOW).visitor_fields}
    assert fields == {("agent", "address.city"): "Bern", ("agent", "tags"): "[1]", ("agent", "gone"): None}
    group = calls.event("src", {"type": "group", "userId": "a", "groupId": "g", "traits": {"x": 1}}, received_at=NOW)
    assert [(one.group, one.name) for one in group.account_fields] == [("agent", "x")]


async def test_the_answer_of_the_page_is_the_answer_of_the_collector(fresh: Warehouse) -> None:
    example = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    source, _ = await sync_to_async(sources.create)("Shop")
    writer = Writer(EventStore())
    await writer.start()
    try:
        good = {"type": "track", "userId": "a", "event": "x", "messageId": "m1"}
        body = json.dumps({"writeKey": source.write_key, "batch": [good, {**good, "event": ""}, good]}).encode()
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await Collector(writer)({"method": "POST", "path": "/v1/batch", "headers": []}, receive, send)
    finally:
        await writer.stop()
    assert sent[0]["status"] == 200
    assert json.loads(sent[1]["body"]) == example
