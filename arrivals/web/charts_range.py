"""A range in a form: one of the usual ones, or two dates."""

from collections.abc import Mapping
from typing import Any

from arrivals.audience import windows

DATES = "dates"
CHOICES = [
    ("within:1d", "Last 24 hours"),
    ("within:7d", "Last 7 days"),
    ("within:30d", "Last 30 days"),
    ("within:90d", "Last 90 days"),
    ("within:365d", "Last 365 days"),
    ("last:7d", "Last 7 full days"),
    ("last:30d", "Last 30 full days"),
    ("period:today", "Today"),
    ("period:this_week", "This week"),
    ("period:last_week", "Last week"),
    ("period:this_month", "This month"),
    ("period:last_month", "Last month"),
    ("period:this_year", "This year"),
    ("ever:", "Ever"),
    (DATES, "Between dates"),
]


def shown(given: Any, *, own: str = "") -> dict[str, Any]:
    """What the controls show for a range: ``choices``, the one that is ``chosen``, ``start`` and ``end``.

    ``own``: what the first choice, no range at all, is called; without it there is none.
    """
    chosen, start, end = "", "", ""
    if isinstance(given, dict) and len(given) == 1:
        kind, value = next(iter(given.items()))
        if kind == "between":
            chosen, start, end = DATES, str(value[0]), str(value[1])
        elif kind == "since":
            chosen, start = DATES, str(value)
        else:
            chosen = "ever:" if kind == "ever" else f"{kind}:{value}"
    choices = ([("", own)] if own else []) + CHOICES
    if chosen and chosen not in dict(choices):
        choices.append((chosen, windows.words(given)))
    return {"choices": choices, "chosen": chosen, "start": start, "end": end}


def read(form: Mapping[str, str]) -> dict[str, Any] | None:
    """The range of a form as data, which may be wrong; None where none was chosen."""
    chosen = form.get("range", "")
    if not chosen:
        return None
    if chosen == DATES:
        start, end = form.get("start", "").strip(), form.get("end", "").strip()
        return {"between": [start, end]} if end else {"since": start}
    kind, _, value = chosen.partition(":")
    return {"ever": True} if kind == "ever" else {kind: value}
