"""Why one workflow did or did not run for one visitor, whatever starts it. Blocks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.audience import accounts, occurring, person, persons, reports
from arrivals.audience.person import Person
from arrivals.engine import runs, saying, why
from arrivals.engine.models import Run
from arrivals.errors import Invalid, NotFound
from arrivals.watch import memberships
from arrivals.workflows import triggers, workflows
from arrivals.workflows.models import Workflow

SHOWN = 20
LONGEST = 512

# What a trigger without a report starts for, when it did not for this one.
OTHERS = {
    "manual": "It runs for visitors whom somebody chooses, and nobody chose this one.",
    "webhook": "It runs for what is sent to its address, and nothing that was sent named this visitor.",
    "schedule": "It runs at the times of its schedule, and not for a visitor.",
    "called": "It runs when another workflow calls it, and none did for this visitor.",
    "run_failed": "It runs when a run fails, and none failed for this visitor.",
}
UNKNOWN = "It did not run for this visitor: nothing that starts it named this one."


def of(workflow_id: str, visitor_id: str) -> dict[str, Any]:
    """``workflow``, ``visitor`` (the id that it is called by now), ``ran``, ``why`` (a sentence) and ``runs`` (the newest 20).

    Raises:
        NotFound: no such workflow, or a visitor of whom nothing is known; also when its report is private to somebody else.
        Invalid: no id, or one that is too long.
    """
    workflow = workflows.get(workflow_id)
    if not visitor_id.strip() or len(visitor_id) > LONGEST:
        raise Invalid(f"It must be the id of a visitor, 1 to {LONGEST} characters.", path="visitor")
    kind = triggers.of(workflow.version.definition["trigger"]) if workflow.version else None
    if kind is None or not kind.report_kind:
        return _unreported(workflow, visitor_id.strip(), kind)
    who = person.find(visitor_id.strip())
    reports.get(workflow.report_id or "")
    found, sentence = _REPORTED[kind.report_kind](workflow, who)
    return _told(workflow, who.id, sentence, found)


def _visitor(workflow: Workflow, who: Person) -> tuple[list[dict[str, Any]], str]:
    return _member(workflow, who.ids, memberships.of("visitor", who.keys))


def _account(workflow: Workflow, who: Person) -> tuple[list[dict[str, Any]], str]:
    ids = [str(one["id"]) for one in persons.accounts(who)]
    if not ids:
        return [], "It runs for accounts, and no event of this visitor names one."
    on = memberships.of("account", [accounts.key(one) for one in ids])
    found, sentence = _member(workflow, ids, on)
    return found, f"It runs for accounts; of {', '.join(ids[:3])}: {sentence}"


def _response(workflow: Workflow, who: Person) -> tuple[list[dict[str, Any]], str]:
    survey = workflow.report.survey if workflow.report else ""
    given = [str(one["id"]) for one in persons.answered(who) if one["survey"] == survey]
    if not given:
        return [], f"It runs for answers to the survey {survey}, and this visitor gave none."
    found = runs.of_members(given, [workflow.id])
    sentence = why.of_answer(workflow, given, {one["member"] for one in found})
    newest = Run.objects.filter(pk=found[0]["id"]).first() if found else None
    ended = f" {saying.of(newest)}" if newest and newest.state != Run.State.SUCCEEDED else ""
    return found, f"{sentence}{ended}"


_REPORTED = {"visitor": _visitor, "account": _account, "response": _response}


def _member(workflow: Workflow, ids: Sequence[str], where: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    found = runs.of_members(list(ids), [workflow.id], limit=SHOWN)
    on = any(one["on"] for one in where if one["report"] == workflow.report_id)
    return found, why.of_member(workflow, ids, ran=bool(found), on=on)


def _unreported(workflow: Workflow, visitor_id: str, kind: triggers.Kind | None) -> dict[str, Any]:
    """Its runs are found by the visitor that they are about."""
    try:
        who: Person | None = person.find(visitor_id)
    except NotFound:
        who = None
    ids = list(who.ids) if who else [visitor_id]
    about = Run.objects.select_related("version").defer("input").filter(workflow=workflow, about__in=ids)
    found = list(about.order_by("-id")[:SHOWN])
    if found:
        sentence = f"It ran for this visitor, at {clock.minute(found[0].created_at)}."
        if found[0].state != Run.State.SUCCEEDED:
            sentence += f" {saying.of(found[0])}"
        return _told(workflow, who.id if who else visitor_id, sentence, [runs.summary(one) for one in found])
    if who is None:
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    return _told(workflow, who.id, _not_run(workflow, who, kind), [])


def _not_run(workflow: Workflow, who: Person, kind: triggers.Kind | None) -> str:
    if workflow.state == Workflow.State.OFF or kind is None or workflow.version is None:
        return "It is off."
    rule = workflow.version.definition["trigger"].get("event")
    if isinstance(rule, dict):
        return _event(workflow, rule, who)
    sentence = OTHERS.get(kind.id, UNKNOWN)
    return f"{sentence} It is paused now." if workflow.state == Workflow.State.PAUSED else sentence


def _event(workflow: Workflow, rule: dict[str, Any], who: Person) -> str:
    at = occurring.newest(rule, who.keys)
    if at is None:
        return "No event of this visitor matches its trigger."
    came = f"The newest event of this visitor that matches its trigger happened at {clock.minute(at)}"
    if workflow.activated_at and at < _milliseconds(workflow.activated_at):
        return f"{came}, before the workflow was turned on."
    if workflow.state == Workflow.State.PAUSED:
        when = "while" if workflow.paused_at and at >= _milliseconds(workflow.paused_at) else "before"
        return f"{came}, {when} it was paused, and started no run."
    return f"{came}, and started no run: it came while the workflow was paused, or its re-entry policy let it pass by."


def _milliseconds(at: datetime) -> datetime:
    """As the times of events are, so that one of the same millisecond is not before it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _told(workflow: Workflow, visitor: str, sentence: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"workflow": workflow.id, "visitor": visitor, "ran": bool(found), "why": sentence, "runs": found}
