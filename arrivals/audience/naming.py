"""Names of a report's columns as other products take them: letters, digits and underscores only."""

import re
from collections.abc import Mapping
from typing import Any

from arrivals.audience import reports
from arrivals.audience.models import Report

UNFIT = re.compile(r"[^A-Za-z0-9]+")
WHOLE = ("days_active", "events", "visitors")


def key(label: str) -> str:
    """``visitor.agent.email`` -> ``visitor_agent_email``."""
    return UNFIT.sub("_", label).strip("_") or "column"


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row under such names."""
    return {key(label): value for label, value in row.items()}


def fields(report: Report) -> list[dict[str, str]]:
    """The columns as fields of a form: ``key``, ``label``, ``type`` (string, number or datetime)."""
    return [{"key": f"row__{key(label)}", "label": label, "type": _type(label)} for label in reports.labels(report)]


def _type(label: str) -> str:
    last = label.rpartition(".")[2]
    if label.startswith(("metric.", "response.")):
        return "datetime" if last in {"first_visit", "last_visit", "at"} else "number" if last in WHOLE else "string"
    return "string"
