"""What the columns of an imported file mean: a map as data, and a row -> an Event.

A map has ``columns`` (our field -> the file's column), ``constants`` (our field -> a text), ``date_format``
(auto, iso, s, ms, or a format of strptime) and ``rest`` (properties: columns without a place become properties; drop).
Our fields: visitor, ts, event, kind, account, message_id, url, property.<name>, visitor.<group>.<field>,
account.<group>.<field>.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from arrivals import clock
from arrivals.collect import event as events
from arrivals.collect.calls import LONGEST_ID, LONGEST_NAME, SURVEY_EVENTS
from arrivals.collect.event import Event, Field
from arrivals.errors import Invalid, InvalidEvent

PLAIN = ("visitor", "ts", "event", "kind", "account", "message_id", "url")
KINDS = ("track", "page", "screen", "survey_answered", "survey_shown")
FORMATS = ("auto", "iso", "s", "ms")
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
ALLOWED = f"{', '.join(PLAIN)}, property.<name>, visitor.<group>.<field> or account.<group>.<field>"


# What other tools call our fields.
SYNONYMS = {
    "visitor_id": "visitor", "user_id": "visitor", "userId": "visitor", "distinct_id": "visitor",
    "timestamp": "ts", "time": "ts", "date": "ts",
    "name": "event", "event_name": "event",
    "account_id": "account", "group_id": "account", "groupId": "account",
    "messageId": "message_id", "id": "message_id",
}  # fmt: skip


@dataclass(frozen=True)
class Map:
    columns: dict[str, str]
    constants: dict[str, str]
    date_format: str = "auto"
    rest: str = "properties"


def parse(data: Any) -> Map:
    """Read a map as data.

    Raises:
        Invalid: with the path of the wrong part and what is allowed.
    """
    if not isinstance(data, dict) or not set(data) <= {"columns", "constants", "date_format", "rest"}:
        raise Invalid("A map has columns, constants, date_format and rest.", path="mapping")
    for part in ("columns", "constants"):
        inner = data.get(part, {})
        if not isinstance(inner, dict):
            raise Invalid("It must be an object.", path=f"mapping.{part}")
        for field, value in inner.items():
            if not is_field(field):
                raise Invalid(f"{field!r:.60} is not a field; allowed are {ALLOWED}.", path=f"mapping.{part}")
            if not isinstance(value, str) or not value:
                raise Invalid("It must be a text.", path=f"mapping.{part}.{field}")
    read = Map(
        data.get("columns", {}),
        data.get("constants", {}),
        data.get("date_format", "auto"),
        data.get("rest", "properties"),
    )
    both = read.columns.keys() & read.constants.keys()
    if both:
        raise Invalid(f"{sorted(both)[0]} is given both as a column and as a constant.", path="mapping")
    if read.rest not in ("properties", "drop"):
        raise Invalid("It must be properties or drop.", path="mapping.rest")
    if "visitor" not in read.columns and "visitor" not in read.constants:
        raise Invalid(
            "The map does not say which column is the visitor; give --map visitor=COLUMN.",
            path="mapping.columns.visitor",
        )
    if not isinstance(read.date_format, str) or not (read.date_format in FORMATS or "%" in read.date_format):
        raise Invalid("It must be auto, iso, s, ms or a format such as %d/%m/%Y.", path="mapping.date_format")
    return read


def event(map_: Map, source_id: str, row: Mapping[str, Any], *, message_id: str, received_at: int) -> Event:
    """Read one row. A row that only sets metadata is not the event that another map made of the same row.

    Raises:
        InvalidEvent: with the name of the field or column that is wrong.
    """
    fields: dict[str, Any] = dict(map_.constants)
    used = set()
    for field, column in map_.columns.items():
        if column not in row:
            raise InvalidEvent(f"The row has no column {column!r:.60}.", path=field)
        used.add(column)
        fields[field] = row[column]
    visitor = _id(fields.get("visitor"), "visitor")
    if not visitor:
        raise InvalidEvent("The visitor is empty.", path="visitor")
    name = fields.get("event")
    kind = str(fields.get("kind") or ("" if _empty(name) else "track"))
    if kind and kind not in KINDS:
        raise InvalidEvent(f"The kind must be one of {', '.join(KINDS)}; got {kind!r:.40}.", path="kind")
    if kind and (not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME):
        raise InvalidEvent(f"The event must be a text of 1 to {LONGEST_NAME} characters.", path="event")
    ts = received_at if _empty(fields.get("ts")) else _time(fields["ts"], map_.date_format)
    if kind and "ts" in map_.columns and _empty(fields["ts"]):
        raise InvalidEvent("The time is empty.", path="ts")
    properties = {
        key.removeprefix("property."): _value(value) for key, value in fields.items() if key.startswith("property.")
    }
    if map_.rest == "properties":
        properties.update({key: _value(value) for key, value in row.items() if key not in used and not _empty(value)})
    if kind == "track" and name in SURVEY_EVENTS and isinstance(properties.get("survey"), str):
        kind, name = SURVEY_EVENTS[name], properties["survey"]
    return Event(
        source_id=source_id,
        # Made of its content, a row that is told as another event (or only as metadata) is another one.
        message_id=_id(fields.get("message_id"), "message_id")
        or f"{message_id}:{kind or 'metadata'}:{str(name or '').strip()}",
        kind=kind,
        name=str(name or "").strip(),
        visitor_id=visitor,
        ts=min(ts, received_at),
        received_at=received_at,
        account_id=_id(fields.get("account"), "account"),
        url=str(fields.get("url") or "")[:4096],
        properties=orjson.dumps(properties).decode(),
        visitor_fields=_metadata("visitor.", fields),
        account_fields=_metadata("account.", fields),
    )


def is_field(field: Any) -> bool:
    """Whether it is the name of one of our fields."""
    if not isinstance(field, str):
        return False
    owner, _, rest = field.partition(".")
    group, _, name = rest.partition(".")
    return (
        field in PLAIN
        or (owner == "property" and bool(rest))
        or (owner in {"visitor", "account"} and bool(group and name))
    )


def _metadata(prefix: str, fields: Mapping[str, Any]) -> tuple[Field, ...]:
    read = []
    for key, value in fields.items():
        if key.startswith(prefix) and not _empty(value):
            group, _, name = key.removeprefix(prefix).partition(".")
            read.append(Field(group, name, *events.text(_value(value))))
    return tuple(read)


def _empty(value: Any) -> bool:
    return value is None or value == ""


def _id(value: Any, path: str) -> str:
    if isinstance(value, dict | list | bool):
        raise InvalidEvent("It must be a text or a number.", path=path)
    text = "" if value is None else str(value).strip()
    if len(text) > LONGEST_ID:
        raise InvalidEvent(f"It has more than {LONGEST_ID} characters.", path=path)
    return text


def _value(value: Any) -> Any:
    """A number where a text is one; leading zeros make it a text, since they mean something."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


def _time(value: Any, format_: str) -> int:
    text = str(value).strip()
    try:
        moment = _moment(text, format_)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidEvent(
            f"{text!r:.40} is not a time{'' if format_ == 'auto' else f' of the form {format_}'}.", path="ts"
        ) from error
    if not EARLIEST <= moment <= LATEST:
        raise InvalidEvent(f"{text!r:.40} is not between 1970 and 2199.", path="ts")
    return round(moment.timestamp() * 1000)


def _moment(text: str, format_: str) -> datetime:
    if format_ == "auto":
        if text.isdigit() and len(text) in {10, 13}:
            format_ = "s" if len(text) == 10 else "ms"
        else:
            return clock.parse(text)  # ISO 8601, its basic form 20260131 too
    if format_ == "iso":
        return clock.parse(text)
    if format_ in {"s", "ms"}:
        return datetime.fromtimestamp(float(text) / (1000 if format_ == "ms" else 1), UTC)
    read = datetime.strptime(text, format_)  # noqa: DTZ007 (a zone is added below where the format has none)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
