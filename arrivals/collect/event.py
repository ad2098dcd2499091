"""One thing a visitor did, whatever wire it came by."""

from typing import Any

import msgspec

KINDS = (
    "page", "screen", "track", "identify", "group", "alias", "click", "survey_shown", "survey_answered",
)  # fmt: skip


class Field(msgspec.Struct, frozen=True):
    """One metadata value, as text. ``value`` None unsets the field; ``type`` is string, number, boolean, date or json."""

    group: str
    name: str
    value: str | None
    type: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was understood and may be kept.

    Times are whole milliseconds since 1970 in UTC. ``visitor_id`` is the user id, or the anonymous id before there is
    one. ``properties`` is a JSON object as text. ``alias_id`` is an id that turned out to be this visitor too;
    ``overrides`` says that this link replaces an older one of the same alias (an explicit alias call).
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


def metadata(group: str, traits: dict[str, Any]) -> tuple[Field, ...]:
    """Flatten traits into fields: nested objects get dotted names, a list stays as JSON, null unsets."""
    raise NotImplementedError
