"""What other products export, row by row -> an Event. One module per product, each with ``event(row, given)``.

A row's message id is made of the product's own, so that two exports that overlap, and one that is imported again,
double nothing. The times are those of the export, however old. Rows may be hundreds of columns wide: what is only of
use to the product itself is left out, all else becomes properties.
"""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from arrivals.collect.event import Event
from arrivals.collect.formats import amplitude, ga4, mixpanel, own, posthog, segment
from arrivals.collect.formats.common import Given
from arrivals.errors import Invalid

READERS: dict[str, Callable[[Mapping[str, Any], Given], Event]] = {
    "segment": segment.event,
    "mixpanel": mixpanel.event,
    "amplitude": amplitude.event,
    "posthog": posthog.event,
    "ga4": ga4.event,
    "arrivals": own.event,
}
KEYS = {"from", "group", "time_zone"}
LONGEST_GROUP = 128


def parse(data: Mapping[str, Any]) -> None:
    """Check the map of an export: ``from``, and perhaps ``group`` and ``time_zone``.

    Raises:
        Invalid: with the path of the wrong part and what is allowed.
    """
    if not set(data) <= KEYS:
        raise Invalid("The map of an export has from, group and time_zone.", path="mapping")
    if data.get("from") not in READERS:
        raise Invalid(f"It must be one of {', '.join(READERS)}.", path="mapping.from")
    group = data.get("group", "")
    if not isinstance(group, str) or len(group) > LONGEST_GROUP:
        raise Invalid(f"It must be a text of at most {LONGEST_GROUP} characters.", path="mapping.group")
    zone = data.get("time_zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, TypeError, OSError, LookupError) as error:
        raise Invalid("It must be the name of a time zone such as Europe/Berlin.", path="mapping.time_zone") from error


def event(
    data: Mapping[str, Any], source_id: str, row: Mapping[str, Any], *, row_id: str, received_at: int, table: str = ""
) -> Event:
    """Read one row by a map that ``parse`` took. ``row_id`` is made of the row's content, for rows without an id;
    ``table`` is the file's name.

    Raises:
        InvalidEvent: with the path of the wrong part of the row.
    """
    zone = ZoneInfo(data.get("time_zone", "UTC"))
    if all(key == key.upper() for key in row):  # as Snowflake writes the names of columns
        row = {key.lower(): value for key, value in row.items()}
    return READERS[data["from"]](row, Given(source_id, received_at, row_id, data.get("group", ""), zone, table))
