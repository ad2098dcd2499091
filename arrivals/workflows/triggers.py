"""Triggers: what starts a workflow, and on which report that is seen, where it is one that is about a report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience import reports, rules, shapes, sharing
from arrivals.audience.models import Report, Segment
from arrivals.errors import InvalidDefinition, InvalidRules


@dataclass(frozen=True)
class Kind:
    """A kind of trigger: who it runs for (``report_kind``, empty for one without a report), and whether as they enter ("in") or
    leave ("out"); for others ``direction`` is the ``kind`` of their runs. ``words`` says so to a person: before the name of the
    report. ``parse`` checks its data.
    """

    id: str
    report_kind: str
    direction: str
    words: str
    parse: "Callable[[Kind, dict[str, Any]], dict[str, Any]]"


def _report(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    shapes.known(data, ("kind", "report"), InvalidDefinition, "trigger")
    if "report" not in data:
        raise InvalidDefinition("It is missing.", path="trigger.report")
    found = (
        sharing.visible(Report.objects.all()).filter(pk=data["report"]).first()
        if isinstance(data["report"], str)
        else None
    )
    if found is None:
        raise InvalidDefinition(f"There is no report {data['report']!r:.60}.", path="trigger.report")
    if found.kind != kind.report_kind:
        fitting = ", ".join(one.id for one in KINDS.values() if one.report_kind == found.kind)
        raise InvalidDefinition(
            f"The report {found.name!r} lists {LISTED[found.kind]}; its triggers are {fitting}.", path="trigger.report"
        )
    return {"kind": kind.id, "report": found.id}


def _survey(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    shapes.known(data, ("kind", "survey", "segment"), InvalidDefinition, "trigger")
    survey, segment = data.get("survey"), data.get("segment")
    if "survey" not in data:
        raise InvalidDefinition("It is missing.", path="trigger.survey")
    if not isinstance(survey, str) or not 0 < len(survey) <= reports.LONGEST_SURVEY:
        raise InvalidDefinition(
            f"It must be a text of 1 to {reports.LONGEST_SURVEY} characters.", path="trigger.survey"
        )
    if segment is None:
        return {"kind": kind.id, "survey": survey}
    if not isinstance(segment, str) or not sharing.visible(Segment.objects.all()).filter(pk=segment).exists():
        raise InvalidDefinition(f"There is no segment {segment!r:.60}.", path="trigger.segment")
    return {"kind": kind.id, "survey": survey, "segment": segment}


def _event(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    shapes.known(data, ("kind", "event", "segment"), InvalidDefinition, "trigger")
    if "event" not in data:
        raise InvalidDefinition("It is missing.", path="trigger.event")
    event(data["event"], "trigger.event")
    segment = data.get("segment")
    if segment is None:
        return {"kind": kind.id, "event": data["event"]}
    if not isinstance(segment, str) or not sharing.visible(Segment.objects.all()).filter(pk=segment).exists():
        raise InvalidDefinition(f"There is no segment {segment!r:.60}.", path="trigger.segment")
    return {"kind": kind.id, "event": data["event"], "segment": segment}


def event(data: Any, path: str) -> rules.EventRule:
    """What one event has to be. Raises InvalidDefinition, also when what it names is no longer there."""
    try:
        return rules.single(data, path)
    except InvalidRules as error:
        raise InvalidDefinition(error.message, path=error.path) from error


def _manual(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    shapes.known(data, ("kind",), InvalidDefinition, "trigger")
    return {"kind": kind.id}


KINDS = {
    one.id: one
    for one in (
        Kind("visitor_in_report", "visitor", "in", "When a visitor is new on the report", _report),
        Kind("visitor_left_report", "visitor", "out", "When a visitor has left the report", _report),
        Kind("account_in_report", "account", "in", "When an account is new on the report", _report),
        Kind("account_left_report", "account", "out", "When an account has left the report", _report),
        Kind("survey_response", "response", "in", "When somebody answers the survey", _survey),
        Kind("event", "", "evt", "When an event happens", _event),
        Kind("manual", "", "man", "When somebody chooses visitors for it", _manual),
    )
}
LISTED = {"visitor": "visitors", "account": "accounts", "response": "responses to a survey"}


def parse(data: Any) -> dict[str, Any]:
    """Return a trigger as data when it is one.

    Raises:
        InvalidDefinition: with the path of the wrong part and what is allowed.
    """
    if not isinstance(data, dict):
        raise InvalidDefinition("It must be an object with kind, report.", path="trigger")
    kind = KINDS.get(data["kind"]) if isinstance(data.get("kind"), str) else None
    if kind is None:
        problem = f"It must be one of {', '.join(KINDS)}." if "kind" in data else "It is missing."
        raise InvalidDefinition(problem, path="trigger.kind")
    return kind.parse(kind, data)


def of(trigger: Mapping[str, Any]) -> Kind:
    """The kind of a checked trigger."""
    return KINDS[trigger["kind"]]


def report(trigger: Mapping[str, Any]) -> str | None:
    """The id of the report that a checked trigger looks at, None where there is none; for a survey it is made when it is not
    there yet."""
    kind = of(trigger)
    if kind.report_kind == "response":
        return reports.responses_to(trigger["survey"], trigger.get("segment")).id
    return str(trigger["report"]) if kind.report_kind else None
