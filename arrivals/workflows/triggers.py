"""Triggers: what starts a workflow, and on which report that is seen, where it is one that is about a report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience import reports, rules, shapes, sharing
from arrivals.audience.models import Report, Segment
from arrivals.errors import InvalidDefinition, InvalidRules
from arrivals.workflows import headers, schedules, templates

MOST_WATCHED = 100


@dataclass(frozen=True)
class Field:
    """A part of a trigger that a person fills in. ``type``: report, survey, segment, event, workflows, choice (of ``options``),
    time (HH:MM), days, template or text. ``when``: the choices of ``every`` with which it is there; empty: always.
    """

    name: str
    label: str
    type: str
    needed: bool = False
    options: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    when: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of trigger: who it runs for (``report_kind``, empty for one without a report), and whether as they enter ("in") or
    leave ("out"); for others ``direction`` is the ``kind`` of their runs. ``words`` says so to a person: before the name of the
    report. ``parse`` checks its data. ``sees``: the names that templates have beside workflow, links and steps. ``fields``: what a
    form asks for.
    """

    id: str
    report_kind: str
    direction: str
    words: str
    parse: "Callable[[Kind, dict[str, Any]], dict[str, Any]]"
    sees: tuple[str, ...] = ("visitor", "account", "row", "arrival")
    fields: tuple[Field, ...] = (Field("report", "Report", "report", needed=True),)


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


def _plain(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    """A kind that has nothing to choose."""
    shapes.known(data, ("kind",), InvalidDefinition, "trigger")
    return {"kind": kind.id}


def _schedule(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    read = {"kind": kind.id, **schedules.parse({name: value for name, value in data.items() if name != "each"})}
    if data.get("each") is None:
        return read
    shapes.known(data["each"], ("report",), InvalidDefinition, "trigger.each")
    wanted = data["each"].get("report")
    found = (
        sharing.visible(Report.objects.filter(kind="visitor")).filter(pk=wanted) if isinstance(wanted, str) else None
    )
    if found is None or not found.exists():
        raise InvalidDefinition(f"There is no report of visitors {wanted!r:.60}.", path="trigger.each.report")
    return {**read, "each": {"report": wanted}}


def _webhook(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    shapes.known(data, ("kind", "visitor", "signature"), InvalidDefinition, "trigger")
    read = {"kind": kind.id}
    visitor = data.get("visitor") or ""
    if not isinstance(visitor, str) or len(visitor) > 1000:
        raise InvalidDefinition("It must be a template of at most 1,000 characters.", path="trigger.visitor")
    if visitor.strip():
        if problem := templates.check(visitor):
            raise InvalidDefinition(problem, path="trigger.visitor")
        read["visitor"] = visitor.strip()
    signature = data.get("signature") or ""
    if signature:
        read["signature"] = headers.name(signature, "trigger.signature")
    return read


def _run_failed(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    from arrivals.workflows.models import Workflow  # whose definitions have triggers

    shapes.known(data, ("kind", "workflows"), InvalidDefinition, "trigger")
    chosen = data.get("workflows")
    if chosen is None:
        return {"kind": kind.id}
    if not isinstance(chosen, list) or not 0 < len(chosen) <= MOST_WATCHED:
        raise InvalidDefinition(
            f"It must be a list of 1 to {MOST_WATCHED} workflows; without it, all are meant.", path="trigger.workflows"
        )
    known = set(
        Workflow.objects.filter(pk__in=[one for one in chosen if isinstance(one, str)]).values_list("pk", flat=True)
    )
    for index, one in enumerate(chosen):
        if one not in known:
            raise InvalidDefinition(f"There is no workflow {one!r:.60}.", path=f"trigger.workflows[{index}]")
    return {"kind": kind.id, "workflows": list(dict.fromkeys(chosen))}


SURVEY = (Field("survey", "Survey", "survey", needed=True), Field("segment", "Only of", "segment"))
EVENT = (Field("event", "Event", "event", needed=True), Field("segment", "Only of", "segment"))
SCHEDULE = (
    Field(
        "every",
        "How often",
        "choice",
        needed=True,
        options=(
            *((one, f"every {one[:-1]} minutes") for one in schedules.EVERY if one.endswith("m")),
            *((one, f"every {one}") for one in schedules.EVERY if not one.endswith("m")),
            ("cron", "as cron writes it"),
        ),
    ),
    Field("at", "At", "time", when=("day", "week", "month"), hint="in the workspace's time zone"),
    Field("at", "At minute", "text", when=("hour",), hint="such as :15"),
    Field("on", "On", "days", when=("week",), options=tuple(zip(schedules.DAYS, schedules.NAMES, strict=True))),
    Field("on", "On day", "text", when=("month",), hint="1 to 31, or last; a shorter month has its last day"),
    Field(
        "cron",
        "Times",
        "text",
        when=("cron",),
        hint="minute, hour, day of the month, month, day of the week: 0 9 * * 1",
    ),
    Field("each", "For each visitor on", "report"),
)
WEBHOOK = (
    Field("visitor", "Whose run it is", "template", hint="such as {{ webhook.body.user.id }}; empty: nobody's"),
    Field("signature", "Header of the signature", "text", hint="such as X-Signature; empty: not checked"),
)
RUN_FAILED = (Field("workflows", "Workflows", "workflows", hint="none: all"),)

KINDS = {
    one.id: one
    for one in (
        Kind("visitor_in_report", "visitor", "in", "When a visitor is new on the report", _report),
        Kind("visitor_left_report", "visitor", "out", "When a visitor has left the report", _report),
        Kind("account_in_report", "account", "in", "When an account is new on the report", _report),
        Kind("account_left_report", "account", "out", "When an account has left the report", _report),
        Kind(
            "survey_response", "response", "in", "When somebody answers the survey", _survey,
            ("visitor", "account", "row", "response", "arrival"), SURVEY,
        ),
        Kind("event", "", "evt", "When the event happens", _event, ("visitor", "account", "event"), EVENT),
        Kind("schedule", "", "sch", "At the times of a schedule", _schedule, ("schedule", "visitor", "account", "row", "arrival"), SCHEDULE),
        Kind("webhook", "", "web", "When its address is called", _webhook, ("webhook", "visitor", "account"), WEBHOOK),
        Kind("manual", "", "man", "When somebody chooses visitors for it", _plain, ("visitor", "account"), ()),
        Kind("called", "", "sub", "When another workflow calls it", _plain, ("input", "visitor", "account"), ()),
        Kind("run_failed", "", "err", "When a run of a workflow has failed", _run_failed, ("run", "visitor", "account"), RUN_FAILED),
    )
}  # fmt: skip
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


def said(trigger: Mapping[str, Any]) -> str:
    """A checked trigger without a report in words: "Every day at 09:00". Of others: before the name of the report."""
    kind = of(trigger)
    if kind.id == "schedule":
        return schedules.said(trigger) + (", for each visitor on a report" if "each" in trigger else "")
    if kind.id == "run_failed" and "workflows" in trigger:
        return "When a run of one of its workflows has failed"
    if kind.id == "event":
        name = trigger["event"].get("name") or trigger["event"].get("survey") or ""
        return (
            f"When the event {name} happens"
            if name
            else f"When an event of the kind {trigger['event']['kind']} happens"
        )
    return kind.words
