"""Values of any type read as a text, number, list or time."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.errors import Permanent

MOST_TEXT = 256 * 1024
LARGEST = Decimal(10) ** 30
EXACT = 2**53  # whole numbers above are not exact in JSON elsewhere
MILLISECONDS_FROM = 100_000_000_000  # a number of seconds since 1970 above this would be after the year 5138


def text(value: Any, path: str = "input") -> str:
    """As it stands in a template: missing is empty, objects and lists are JSON. Raises Permanent: too long."""
    if value is None:
        return ""
    if isinstance(value, str):
        read = value
    elif isinstance(value, bool) or not isinstance(value, int | float):
        read = _json(value)
    else:
        read = str(value)
    if len(read) > MOST_TEXT:
        raise Permanent(f"It has {len(read):,} characters; at most {MOST_TEXT:,} are allowed.", path=path)
    return read


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:  # a whole number of more than 64 bits
        return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))


def number(value: Any, path: str = "input") -> Decimal:
    """Raises Permanent: it is not a number, or of more than 30 digits."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            read = Decimal(str(value).strip()) if len(str(value)) <= 100 else Decimal("NaN")
        except InvalidOperation:
            read = Decimal("NaN")
        if read.is_finite() and abs(read) <= LARGEST:
            return read
    raise Permanent(f"It must be a number; it is {_shown(value)}.", path=path)


def plain(value: Decimal) -> int | float:
    """A number as JSON has it: whole ones without a point."""
    if value == value.to_integral_value() and abs(value) <= EXACT:
        return int(value)
    return float(value)


def listed(value: Any, path: str = "input") -> list[Any]:
    """A list as it is; a text in JSON that is one, or else its lines or the pieces between commas; missing is empty.

    Raises:
        Permanent: it is an object, a number or a truth value.
    """
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise Permanent(f"It must be a list; it is {_shown(value)}.", path=path)
    written = text(value, path).strip()
    if written.startswith("["):
        try:
            found = orjson.loads(written)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, list):
            return found
    return [one.strip() for one in written.split("\n" if "\n" in written else ",") if one.strip()]


def moment(value: Any, zone: Any = None, path: str = "input") -> datetime:
    """A time in ISO 8601 (without a zone of its own in ``zone``), seconds or milliseconds since 1970, or "now".

    Raises:
        Permanent: it is anything else.
    """
    if isinstance(value, str) and value.strip().lower() == "now":
        return clock.now()
    try:
        if isinstance(value, str) and not _digits(value):
            read = datetime.fromisoformat(value.strip())
            return (read.replace(tzinfo=zone or workspace.zone()) if read.tzinfo is None else read).astimezone(UTC)
        since = float(number(value, path))
        return datetime.fromtimestamp(since / 1000 if abs(since) >= MILLISECONDS_FROM else since, tz=UTC)
    except (ValueError, OverflowError, OSError, Permanent) as error:
        raise Permanent(f"It must be a time in ISO 8601; it is {_shown(value)}.", path=path) from error


def part(value: Any, path: Sequence[str | int]) -> tuple[bool, Any]:
    """Whether there is such a part of a value, and the part."""
    for name in path:
        if isinstance(value, Mapping) and str(name) in value:
            value = value[str(name)]
        elif isinstance(value, list) and isinstance(name, int) and -len(value) <= name < len(value):
            value = value[name]
        else:
            return False, None
    return True, value


def steps(path: str, where: str = "path") -> list[str | int]:
    """A path such as "items[0].name" in its pieces. Raises Permanent: it is not one."""
    pieces: list[str | int] = []
    for name in path.strip().removeprefix("$").removeprefix(".").split("."):
        key, *indexes = name.split("[")
        if key:
            pieces.append(int(key) if _index(key) and not pieces else key)
        for index in indexes:
            inside = index[:-1]
            if not index.endswith("]") or not inside:
                raise Permanent(f"It must be a path such as items[0].name; it is {path!r:.60}.", path=where)
            pieces.append(int(inside) if _index(inside) else inside.strip("'\""))
        if not key and not indexes:
            raise Permanent(f"It must be a path such as items[0].name; it is {path!r:.60}.", path=where)
    return pieces


def same(value: Any) -> str:
    """A text that is equal for values that are: whole numbers and their texts too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return text(value).strip()


def _index(written: str) -> bool:
    return len(written) < 10 and written.removeprefix("-").isascii() and written.removeprefix("-").isdigit()


def _digits(value: str) -> bool:
    written = value.strip().removeprefix("-").replace(".", "", 1)
    # Eight digits are a date of ISO 8601, such as 20260131.
    return written.isascii() and written.isdigit() and len(written) != 8


def _shown(value: Any) -> str:
    return "missing" if value is None else "empty" if value == "" else repr(value)[:60]
