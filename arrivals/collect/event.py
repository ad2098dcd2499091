"""One thing a visitor did, whatever wire it came by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from arrivals.errors import InvalidEvent

KINDS = (
    "page",
    "screen",
    "track",
    "identify",
    "group",
    "alias",
    "click",
    "focus",
    "change",
    "submit",
    "guide",
    "survey_shown",
    "survey_answered",
)
MOST_FIELDS = 200
LONGEST_NAME = 128
LONGEST_ID = 512


class Field(msgspec.Struct, frozen=True):
    """One metadata value, as text. ``value`` None unsets it; ``type`` is string, number, boolean, date or json."""

    group: str
    name: str
    value: str | None
    type: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was understood and may be kept.

    Times are whole milliseconds since 1970 in UTC. ``visitor_id`` is the user id, or the anonymous id before there is
    one. ``properties`` is a JSON object as text. ``alias_id`` is an id that turned out to be this visitor too;
    ``overrides`` says that this link replaces an older one of the same alias (an explicit alias call). With ``kind``
    empty there is no event, only metadata (a row of an import). ``history`` says that it was brought in from the past, so
    that it is no news to anybody.
    """

    source_id: str
    message_id: str
    kind: str
    name: str
    visitor_id: str
    ts: int
    received_at: int
    account_id: str = ""
    url: str = ""
    properties: str = "{}"
    visitor_fields: tuple[Field, ...] = ()
    account_fields: tuple[Field, ...] = ()
    alias_id: str = ""
    overrides: bool = False
    history: bool = False


def as_json(value: Mapping[str, Any] | list[Any]) -> str:
    """The properties of an event, or a list among its metadata, as JSON.

    Raises:
        InvalidEvent: objects and lists lie more than 250 deep in each other.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise InvalidEvent("Objects and lists lie too deep in each other.") from error


def metadata(
    group: str, traits: Mapping[str, Any], path: str = "traits", *, most: int = MOST_FIELDS
) -> tuple[Field, ...]:
    """Flatten traits into fields: nested objects get dotted names, a list stays as JSON, null unsets.

    Raises:
        InvalidEvent: more than ``most`` fields, or a name that is empty or longer than 128 characters.
    """
    read: list[Field] = []
    _flatten(group, "", traits, path, read)
    if len(read) > most:
        raise InvalidEvent(f"There are {len(read)} fields; one call may set {most}.", path=path)
    return tuple(read)


def _flatten(group: str, prefix: str, traits: Mapping[str, Any], path: str, read: list[Field]) -> None:
    for key, value in traits.items():
        name = prefix + key.strip()
        if not key.strip() or len(name) > LONGEST_NAME:
            raise InvalidEvent(f"A field's name must have 1 to {LONGEST_NAME} characters.", path=f"{path}.{name:.60}")
        if isinstance(value, dict):
            _flatten(group, f"{name}.", value, path, read)
        else:
            read.append(Field(group, name, *text(value)))


def identifier(value: Any, path: str) -> str:
    """An id of a visitor, account or message as text: a text or a number; empty where there is none.

    Raises:
        InvalidEvent: it is anything else, has more than 512 characters, or is a number that has lost digits.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():  # a column of ids in which some are empty is one of floats
        if abs(value) >= 2**53:
            raise InvalidEvent(
                "It is a number that has lost digits; write ids of 16 digits and more as texts.", path=path
            )
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise InvalidEvent(f"It must be a text or number of at most {LONGEST_ID} characters.", path=path)
    return value.strip()


def text(value: Any) -> tuple[str | None, str]:
    """A metadata value as text, and its type."""
    if value is None:
        return None, "string"
    if isinstance(value, bool):
        return ("true" if value else "false"), "boolean"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value)), "number"
    if isinstance(value, int | float):
        return repr(value), "number"
    if isinstance(value, str):
        return value, "date" if _is_date(value) else "string"
    return as_json(value), "json"


def _is_date(value: str) -> bool:
    if not (10 <= len(value) <= 35 and value[4:5] == "-" and value[7:8] == "-" and value[:4].isdigit()):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
