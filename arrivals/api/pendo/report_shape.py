"""A report as Pendo describes it: what it is, its columns, its compiled form and its edited form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from arrivals import clock, ids
from arrivals.accounts import workspace
from arrivals.audience import reports, windows
from arrivals.audience.models import Report
from arrivals.errors import InvalidReport

# Our metrics: the key in a row, the label, and whether it is a time.
METRICS = {
    "first_visit": ("visitor_auto_firstvisit", "First Visit", True),
    "last_visit": ("visitor_auto_lastvisit", "Last Visit", True),
    "days_active": ("daysActive", "Days Active", False),
    "events": ("numEvents", "Number of Events", False),
    "visitors": ("numVisitors", "Number of Visitors", False),
    "minutes": ("numMinutes", "Time on Site", False),
}
POLL_KINDS = {"score": "numericResponse", "reason": "response", "class": "class", "at": "time"}
DAY = timedelta(days=1)
ALL_APPS = 'expandAppIds("*")'


@dataclass(frozen=True)
class Column:
    """``label`` is its name in our rows, ``key`` in Pendo's, ``title`` what people read; ``time``: it holds times."""

    label: str
    key: str
    title: str
    time: bool
    data: dict[str, Any]


def columns(report: Report) -> list[Column]:
    """The columns of a report. Two with one key keep it apart by a number."""
    found: list[Column] = []
    seen: set[str] = set()
    for definition, label in zip(report.columns, reports.labels(report), strict=True):
        one = _column(definition, label, report.kind)
        key, number = one.key, 1
        while key in seen:
            number += 1
            key = f"{one.key}_{number}"
        seen.add(key)
        found.append(Column(label, key, one.title, one.time, {**one.data, "columnName": key, "columnLabel": one.title}))
    return found


def shape(
    report: Report, chosen: Sequence[Column], user: dict[str, Any], checked_at: datetime | None
) -> dict[str, Any]:
    """A report with the keys that Pendo gives it. ``checked_at``: when it was last looked at."""
    account = report.kind == "account"
    series = _time_series(report)
    return {
        "id": report.id,
        "name": report.name,
        "kind": "Report",
        "type": "Account Report" if account else "Visitor Report",
        "level": "public",
        "scope": "public",
        "target": report.kind,
        "share": "everyone",
        "shared": True,
        "rootVersionId": report.id,
        "stableVersionId": f"{report.id}-{round(report.updated_at.timestamp() * 1000)}",
        "createdAt": report.created_at,
        "createdByUser": user,
        "lastUpdatedAt": report.updated_at,
        "lastUpdatedByUser": user,
        "ownedByUser": user,
        "lastRunAt": checked_at or 0,
        "lastSuccessRunAt": checked_at or 0,
        "lastSuccessRunObj": "",
        "aggregation": {
            "fields": [{"type": _type(one), "field": one.key, "title": one.title} for one in chosen],
            "pipeline": _pipeline(report, chosen, series),
        },
        "definition": {
            "type": report.kind,
            "kind": report.kind,
            "config": {
                "segmentId": report.segment_id or "",
                "appId": ALL_APPS,
                "acrossApps": True,
                "columns": [one.data for one in chosen],
                "filters": [],
                "maxLength": 0,
            },
            "dateRanges": {
                "primaryDateRange": {"type": _date_range(report.range)},
                "secondaryDateRange": None,
                "useSecondaryDateRange": False,
            },
            "timeSeries": {"type": "range", "start": "", "end": "", "primaryTimeSeries": series},
            "period": "dayRange",
        },
    }


def _column(definition: Any, label: str, kind: str) -> Column:
    if isinstance(definition, dict) and "column" in definition:
        return _column(definition["column"], label, kind)
    if isinstance(definition, str):
        owner, _, rest = definition.partition(".")
        if owner == "metric":
            key, title, time = METRICS.get(rest, (_camel(rest), rest.replace("_", " ").capitalize(), False))
            key = key.replace("visitor_", "account_") if kind == "account" else key
            return Column(label, key, title, time, _data("metric", rest, functionName=rest))
        if rest == "id":
            name, title = f"{owner}Id", f"{owner.capitalize()} ID"
            return Column(label, name, title, False, _data(owner, "id", schema="auto", immutable=True))
        group, _, field = rest.partition(".")
        key = re.sub(r"[^A-Za-z0-9_]", "_", f"{owner}_{group}_{field}")
        return Column(label, key, field, False, _data(owner, field, schema=group))
    if "survey" in definition:
        survey, part = definition["survey"], definition.get("part", "")
        poll = ids.derived("poll", f"{survey}:{'reason' if part == 'reason' else 'score'}")
        more = {"guideId": ids.derived("guide", survey), "pollId": poll, "pollField": POLL_KINDS.get(part, part)}
        return Column(label, label, label, part == "at", _data("poll", part, **more))
    counted = definition.get("count") or definition.get("sum") or ""
    name, more = definition.get("name") or "", {}
    if counted == "page" and name:
        more = {"pageId": ids.derived("page", name)}
    function = "sum" if "sum" in definition else "count"
    return Column(label, label, label, False, _data(str(counted), name, functionName=function, **more))


def _data(kind: str, field: str, *, schema: str = "", immutable: bool = False, **more: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "fieldName": field,
        "schema": schema,
        "immutable": immutable,
        "disabled": False,
        "primaryKeys": [],
        "showIcon": False,
        **more,
    }


def _type(column: Column) -> str:
    if column.time:
        return "time"
    if column.data.get("functionName") == "sum":
        return "float"
    return "integer" if column.data["kind"] == "metric" or column.data.get("functionName") == "count" else "string"


def _pipeline(report: Report, chosen: Sequence[Column], series: dict[str, Any]) -> list[dict[str, Any]]:
    """The report in the language of aggregations, to be read: its rows are made from its own definition."""
    key = f"{report.kind}Id"
    segment = [{"segment": {"id": report.segment_id}}] if report.segment_id else []
    return [
        {"source": {"events": {"appId": ALL_APPS}, "timeSeries": series}},
        {"identified": "visitorId"},
        *segment,
        {"group": {"group": [key], "fields": [{"numEvents": {"sum": "numEvents"}}]}},
        {"bulkExpand": {report.kind: {report.kind: key}}},
        {"select": {one.key: one.key for one in chosen}},
        {"sort": [key]},
    ]


def _time_series(report: Report) -> dict[str, Any]:
    """The range as Pendo's time series: whole days from a first one, a number of them or up to a last."""
    given = report.range if isinstance(report.range, dict) else {}
    if "within" in given:
        days = max(1, -(-clock.duration(given["within"]) // DAY))
        day = workspace.midnight(workspace.day(clock.now()) - (days - 1) * DAY)
        return {"period": "dayRange", "first": round(day.timestamp() * 1000), "count": days}
    start, last_ms = windows.parse(given or {"ever": True}, "range", InvalidReport).bounds(clock.now())
    if "last" in given or "period" in given:
        days = -(-(last_ms + 1 - (start or 0)) // round(DAY.total_seconds() * 1000))
        return {"period": "dayRange", "first": start, "count": days}
    first = start or 0
    last = (given.get("between") or [None, None])[1]
    return {"period": "dayRange", "first": first, "last": f'date("{last}")' if last else "now()"}


def _date_range(given: Any) -> str:
    if isinstance(given, dict) and "within" in given:
        return f"last{max(1, -(-clock.duration(given['within']) // DAY))}days"
    if isinstance(given, dict) and "period" in given:
        return _camel(given["period"])
    if isinstance(given, dict) and "last" in given:
        return f"last{given['last'].removesuffix('d')}days"
    return "custom" if isinstance(given, dict) and "ever" not in given else "allTime"


def _camel(text: str) -> str:
    return re.sub(r"_(.)", lambda match: match[1].upper(), text)
