"""What the readers of exports share: ids, times, names of groups, and the making of an Event."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from arrivals import clock
from arrivals.collect.calls import LONGEST_NAME, tracked
from arrivals.collect.event import LONGEST_ID, Event, Field, as_json, identifier, metadata
from arrivals.collect.event import LONGEST_NAME as LONGEST_TRAIT
from arrivals.errors import InvalidEvent

EARLIEST_MS, LATEST_MS = 86_400_000, 7_226_582_400_000  # 1970-01-02 to 2199-01-01
LONGEST_URL = 4096
# What other products call the group that is an account here, the likeliest first.
# What broken senders write where they know nobody. Linked, they would make one visitor of everybody.
NOBODY = {"null", "undefined", "none", "nil", "nan", "[object object]", "00000000-0000-0000-0000-000000000000"}
MOST_TRAITS = 1_000
UNITS = ((1e17, 1_000_000_000), (1e14, 1_000_000), (1e11, 1_000))  # how many make a second, of numbers above
ZONE = re.compile(r"\s+(Z|[+-]\d\d:?(?:\d\d)?)$")
ACCOUNTS = ("account", "company", "organization", "organisation", "workspace", "team", "tenant", "customer", "group")


@dataclass(frozen=True)
class Given:
    """What a reader is told beside the row: the source, milliseconds of receipt, an id made of the row's content, which
    group is the account ("": the reader's choice), and the zone of times that do not say theirs."""

    source_id: str
    received_at: int
    row_id: str
    group: str
    zone: tzinfo
    table: str = ""  # the file's name, where it says which table of a warehouse it is


def make(
    given: Given,
    *,
    message_id: str,
    kind: str,
    name: str,
    user: str,
    anonymous: str,
    ts: int,
    properties: Mapping[str, Any],
    account: str = "",
    url: Any = "",
    traits: Mapping[str, Any] | None = None,
    account_traits: Mapping[str, Any] | None = None,
    alias: str = "",
    overrides: bool = False,
) -> Event:
    """An event. Who is told by two ids is linked: ``anonymous`` (or ``alias``) to ``user``.

    Raises:
        InvalidEvent: nobody is told, a name is missing, or the traits cannot be kept.
    """
    visitor = user or anonymous
    if not visitor and kind == "group" and account:  # a server told of a group; nobody did anything
        kind, name, properties = "", "", {}
    elif not visitor:
        raise InvalidEvent("The row tells no visitor.", path="visitor")
    if kind == "track":
        if not 0 < len(name.strip()) <= LONGEST_NAME:
            raise InvalidEvent(f"The event must be a text of 1 to {LONGEST_NAME} characters.", path="event")
        kind, name = tracked(name, properties)
    other = alias or (anonymous if user else "")
    return Event(
        source_id=given.source_id,
        message_id=message_id[:LONGEST_ID] or given.row_id,
        kind=kind,
        name=name.strip()[:LONGEST_NAME],
        visitor_id=visitor,
        ts=min(ts, given.received_at),
        received_at=given.received_at,
        account_id=account,
        url=str(url or "")[:LONGEST_URL],
        properties=as_json(dict(properties)),
        visitor_fields=known(traits) if visitor and traits else (),
        account_fields=known(account_traits) if account and account_traits else (),
        alias_id=other if other != visitor else "",
        overrides=overrides,
    )


def text(row: Mapping[str, Any], name: str) -> str:
    """A value as an id. Raises InvalidEvent."""
    value = row.get(name)
    return "" if value is None else identifier(value, name)


def who(row: Mapping[str, Any], name: str) -> str:
    """A value as the id of a visitor; empty where it only says that nobody was known. Raises InvalidEvent."""
    found = text(row, name)
    return "" if found.lower() in NOBODY else found


def known(traits: Mapping[str, Any]) -> tuple[Field, ...]:
    """Traits as metadata. An event does not fall with a trait that cannot be kept: it goes without that one."""
    fits = {key: value for key, value in traits.items() if 0 < len(key.strip()) <= LONGEST_TRAIT}
    try:
        return metadata("agent", fits, most=MOST_TRAITS)
    except InvalidEvent:  # names that are too long only with those around them, or too many
        flat = {key: value for key, value in fits.items() if not isinstance(value, dict)}
        return metadata("agent", dict(list(flat.items())[:MOST_TRAITS]), most=MOST_TRAITS)


def parsed(row: Mapping[str, Any], name: str) -> Any:
    """A value, also where it is written as JSON text. Raises InvalidEvent: the text is no JSON."""
    value = row.get(name)
    if isinstance(value, str) and value.strip():
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise InvalidEvent(f"It is not JSON: {error}.", path=name) from error
    return value


def mapping(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object, also where it is written as JSON text; nothing for none. Raises InvalidEvent."""
    value = parsed(row, name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent("It must be an object.", path=name)
    return value


def moment(value: Any, path: str, *, unit: float = 0, zone: tzinfo = UTC) -> int:
    """Milliseconds since 1970. ``unit``: how many of the number make a second (0: seconds, or milli-, micro- or nanoseconds, by its
    size).

    A text without a zone, or a number with a ``zone`` other than UTC, is a time of the clock there.

    Raises:
        InvalidEvent: it is no time between 1970 and 2199.
    """
    try:
        if isinstance(value, str) and not _is_number(value):
            read = _dated(value.strip(), zone)
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            read = _numbered(value if isinstance(value, int) else _number(value), unit, zone)
        else:
            raise ValueError
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidEvent(f"{str(value)!r:.40} is not a time.", path=path) from error
    if not EARLIEST_MS <= read <= LATEST_MS:
        raise InvalidEvent(f"{str(value)!r:.40} is not between 1970 and 2199.", path=path)
    return read


def account_of(groups: Mapping[str, Any], given: Given) -> tuple[str, str]:
    """Which of an event's groups is the account: its type, and its id. With several that could be, the likeliest."""
    named = {key: _first(value) for key, value in groups.items()}
    found = {key: value for key, value in named.items() if value not in (None, "")}
    if given.group:
        key = given.group if given.group in found else ""
    else:
        lowered = {key.lower(): key for key in found}
        key = next((lowered[one] for one in ACCOUNTS if one in lowered), "")
        key = key or next((lowered[one] for one in lowered if one.startswith(ACCOUNTS)), "")
        key = key or (next(iter(found)) if len(found) == 1 else "")
    return (key, identifier(found[key], "groups")) if key else ("", "")


def digest(*parts: Any) -> str:
    """A message id made of what tells one event from all others."""
    return hashlib.blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def without(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """``data`` without these names and without what is empty."""
    left_out = set(names)
    return {key: value for key, value in data.items() if key not in left_out and value is not None and value != ""}


def title_of(properties: Mapping[str, Any], *names: str) -> str:
    """The first of these properties that says something: what a page is called."""
    return str(next((properties[name] for name in names if properties.get(name) not in (None, "")), ""))


def _first(value: Any) -> Any:
    return (value[0] if value else None) if isinstance(value, list) else value


def _is_number(value: str) -> bool:
    bare = value.strip().removeprefix("-")
    return bare.replace(".", "", 1).isdigit() and len(bare.partition(".")[0]) > 8


def _number(value: float | str) -> float:
    """A number as exact as it is told: whole ones of any length stay whole."""
    if isinstance(value, str):
        value = value.strip()
        return float(value) if "." in value else int(value)
    return value


def _numbered(value: float, unit: float, zone: tzinfo) -> int:
    if not math.isfinite(value):
        raise ValueError
    unit = int(unit or next((of for above, of in UNITS if abs(value) > above), 1))
    # Whole numbers are cut to the millisecond; those with a fraction are rounded, since floats miss it by a little.
    read = value * 1000 // unit if isinstance(value, int) else round(value * 1000 / unit)
    if zone is UTC or str(zone) == "UTC":
        return read
    local = datetime.fromtimestamp(read / 1000, UTC).replace(tzinfo=zone)
    return round(local.timestamp() * 1000)


def _dated(value: str, zone: tzinfo) -> int:
    bare = ZONE.sub(r"\1", value.removesuffix(" UTC"))
    if not value.endswith(" UTC") and zone is not UTC and str(zone) != "UTC":
        naive = datetime.fromisoformat(bare)
        read = naive.replace(tzinfo=zone) if naive.tzinfo is None else naive
    else:
        read = clock.parse(bare)
    return round(read.timestamp() * 1000)
