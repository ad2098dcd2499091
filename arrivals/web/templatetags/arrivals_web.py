"""Filters of the pages' templates."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from arrivals import clock
from arrivals.accounts import workspace

register = template.Library()
SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@register.filter
def when(value: Any) -> SafeString | str:
    """A time relative to now, the exact one on hover; takes a datetime or an ISO 8601 text."""
    if not value:
        return "–"
    moment = value if isinstance(value, datetime) else clock.parse(str(value))
    exact = clock.iso(moment)
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, exactly(moment), relative(moment))


@register.filter
def place(kind: str, id_: Any) -> str:
    """The address of a visitor ("visitors") or account ("accounts")."""
    return f"/{kind}/{quote(str(id_), safe='')}"


@register.filter
def when_exactly(text: str) -> str:
    """As ``exactly``, of an ISO 8601 text."""
    return exactly(clock.parse(text))


@register.filter
def clock_time(text: str) -> str:
    """13:00:05, in the workspace's zone, of an ISO 8601 text."""
    return clock.parse(text).astimezone(workspace.zone()).strftime("%H:%M:%S")


def exactly(moment: datetime) -> str:
    """2026-11-24 13:00:00 CET: a time in the workspace's zone."""
    return moment.astimezone(workspace.zone()).strftime("%Y-%m-%d %H:%M:%S %Z")


def relative(moment: datetime) -> str:
    """ "3 min ago", "in 2 h", "just now"."""
    seconds = (clock.now() - moment).total_seconds()
    for length, name in SPANS:
        if abs(seconds) >= length:
            number = int(abs(seconds) // length)
            return f"{number} {name} ago" if seconds > 0 else f"in {number} {name}"
    return "just now" if seconds >= 0 else "in a moment"


@register.filter
def turns(text: str) -> str:
    """ "2.0", the turns of loops as they are stored, as people count: "3.1"."""
    return ".".join(str(int(one) + 1) for one in text.split("."))


@register.filter
def pretty(value: Any) -> str:
    """JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def is_text(value: Any) -> bool:
    """Whether it can be shown as it is; what else JSON holds is shown as JSON."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """The value of a key that a template cannot name."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.filter
def cell(value: Any) -> Any:
    """A report's cell: a time as a time, nothing as a dash."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str) and len(value) == 24 and value.endswith("Z") and value[10] == "T":
        return when(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else value


@register.filter
def nth(number: int) -> str:
    """1 -> 1st, 2 -> 2nd, 11 -> 11th."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


@register.filter
def many(number: int | None, most: int) -> str:
    """A number that was counted up to ``most``."""
    return f"{most:,}+" if number and number > most else f"{number or 0:,}"


@register.filter
def took(seconds: float | None) -> str:
    """A length of time, as short as it can be told: 34 ms, 2.1 s, 5 min, 3 h, 2 d."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for length, unit in SPANS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


STARTED = {
    "evt": "an event",
    "sch": "its schedule",
    "web": "a delivery to its address",
    "sub": "a call by another run",
    "err": "a run that failed",
}


@register.filter
def started(run: Any) -> str:
    """What a run is for, or what started it: "2nd time on the report", "started by its schedule"."""
    match run["kind"]:
        case "in":
            return f"{nth(run['entry'])} time on the report"
        case "out":
            return f"left the report the {nth(run['entry'])} time"
        case "man":
            return f"chosen the {nth(run['entry'])} time"
        case kind:
            return f"started by {STARTED.get(kind, 'Arrivals')}"


@register.filter
def thousands(number: int) -> str:
    """1,204."""
    return f"{number:,}"
