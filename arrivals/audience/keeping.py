"""Reports that look further back than events are kept. Blocks."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from arrivals import clock
from arrivals.audience import rules, windows
from arrivals.audience.models import Report
from arrivals.audience.rules import FieldRule, Rules, SegmentRule
from arrivals.audience.windows import Window
from arrivals.collect.models import Source
from arrivals.errors import Invalid, InvalidReport


def note(report: Report) -> dict[str, Any] | None:
    """What a report cannot know because events are deleted after some days: ``days`` (the fewest), ``sources`` (their
    ids) and a ``message``; None when it does not look further back. Fewer days of one source are enough."""
    kept = list(Source.objects.filter(retention_days__isnull=False).order_by("retention_days", "id"))
    if not kept or report.origin:
        return None
    now = clock.now()
    spans = list(_spans(report))
    cut = [one for one in kept if any(_beyond(span, one.retention_days or 0, now) for span in spans)]
    if not cut:
        return None
    days = cut[0].retention_days
    names = ", ".join(one.name for one in cut)
    sentence = (
        f"This report looks further back than events are kept ({names}: {days} day{'s' if days != 1 else ''}). What is older "
        "is not counted, and who is on it, or kept off it, only by older events leaves or arrives when these are deleted."
    )
    return {"days": days, "sources": [one.id for one in cut], "message": sentence}


def _beyond(span: Window, days: int, now: datetime) -> bool:
    """Whether a span begins before what is kept; "within 30 days" and 30 days kept are the same."""
    if span.within is not None:
        return span.within > timedelta(days=days)
    first, _last = span.bounds(now)
    return first is None or first < round((now - timedelta(days=days + 1)).timestamp() * 1000)


def _spans(report: Report) -> Iterator[Window]:
    yield windows.parse(report.range, "range", InvalidReport)
    if report.segment is not None:
        try:
            yield from _of(rules.parse(report.segment.rules))
        except Invalid:
            return  # the report itself says that its segment is no longer allowed


def _of(parsed: Rules) -> Iterator[Window]:
    for group in parsed.groups:
        for rule in group:
            window = getattr(rule, "window", None)
            if isinstance(window, Window):
                yield window
            elif isinstance(rule, SegmentRule):
                yield from _of(rule.rules)
            elif isinstance(rule, FieldRule) and rule.group == "metric":
                yield windows.EVER
