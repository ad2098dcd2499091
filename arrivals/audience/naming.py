"""Names of a report's columns as other products take them: letters, digits and underscores only."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from arrivals.audience import columns, reports
from arrivals.audience.columns import Answer, Column, Metric, Part, Tally
from arrivals.audience.models import Report

UNFIT = re.compile(r"[^A-Za-z0-9]+")


def key(label: str) -> str:
    """``visitor.agent.email`` -> ``visitor_agent_email``."""
    return UNFIT.sub("_", label).strip("_") or "column"


def keys(labels: Iterable[str]) -> dict[str, str]:
    """The name of each column; of two that would be called the same, the second gets a number."""
    named: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        name, number = key(label), 2
        while name in taken:
            name, number = f"{key(label)}_{number}", number + 1
        taken.add(name)
        named[label] = name
    return named


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row under such names."""
    named = keys(row)
    return {named[label]: value for label, value in row.items()}


def fields(report: Report) -> list[dict[str, str]]:
    """The columns as fields of a form: ``key``, ``label``, ``type`` (string, integer, number or datetime).

    Metadata, and what another product sent, is told as string: it may hold anything.
    """
    named = keys(reports.labels(report))
    read = {} if report.origin else {one.label: one for one in columns.parse(report.columns, report.kind)}
    return [{"key": f"row__{name}", "label": label, "type": _type(read.get(label))} for label, name in named.items()]


def _type(column: Column | None) -> str:
    match column:
        case Metric(name="first_visit" | "last_visit") | Answer(part="at") | Part(name="at"):
            return "datetime"
        case Metric() | Tally(prop=""):
            return "integer"
        case Tally() | Answer(part="score") | Part(name="score"):
            return "number"
        case _:
            return "string"
