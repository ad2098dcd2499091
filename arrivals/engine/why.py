"""Why a workflow on a report did or did not run for somebody: answered from arrivals, runs and the re-entry policy. Blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals import clock
from arrivals.audience import sharing
from arrivals.audience.models import Report
from arrivals.engine import runs, saying
from arrivals.engine.models import Run
from arrivals.watch import arrivals, ledger
from arrivals.watch.models import Arrival, Watch
from arrivals.workflows import reentry, workflows
from arrivals.workflows.models import Activation, Workflow

MOST = 100


def of(kind: str, members: Sequence[str], on: Sequence[str]) -> list[dict[str, Any]]:
    """Of every workflow on a report of ``kind`` (visitor or account) that the viewer may see: workflow, name, state,
    report, runs (the newest 20, as ``runs.of_members``) and why, a sentence.

    ``members``: the ids that somebody is or was known by. ``on``: the ids of the reports that they are on now.
    """
    reports = sharing.visible(Report.objects.filter(kind=kind))
    found = list(
        Workflow.objects.filter(report__in=reports).select_related("version", "report").order_by("name", "id")[:MOST]
    )
    made: dict[str, list[dict[str, Any]]] = {}
    for one in runs.of_members(list(members), [workflow.id for workflow in found]):
        made.setdefault(one["workflow"], []).append(one)
    return [
        {
            "workflow": one.id,
            "name": one.name,
            "state": one.state,
            "report": one.report_id,
            "runs": made.get(one.id, []),
            "why": of_member(one, members, ran=bool(made.get(one.id)), on=one.report_id in on),
        }
        for one in found
    ]


def of_answers(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As ``of``, of every workflow on the responses to a survey that one visitor answered. ``answers``: as
    ``persons.answered``; only their ``id`` and ``survey`` are looked at."""
    ids: dict[str, list[str]] = {}
    for one in answers:
        ids.setdefault(one["survey"], []).append(one["id"])
    reports = sharing.visible(Report.objects.filter(kind="response", survey__in=ids))
    found = Workflow.objects.filter(report__in=reports).select_related("version", "report").order_by("name", "id")
    told = []
    for workflow in found[:MOST]:
        given = ids[workflow.report.survey] if workflow.report else []
        made = runs.of_members(given, [workflow.id])
        told.append(
            {
                "workflow": workflow.id,
                "name": workflow.name,
                "state": workflow.state,
                "report": workflow.report_id,
                "runs": made,
                "why": of_answer(workflow, given, {run["member"] for run in made}),
            }
        )
    return told


def chosen(members: Sequence[str]) -> list[dict[str, Any]]:
    """As ``of``, of every workflow that ran for a visitor because somebody chose it, and that is about no report."""
    found = Workflow.objects.filter(report__isnull=True).select_related("version").order_by("name", "id")
    manual = [one for one in found if workflows.direction(one) == "man"][:MOST]
    made: dict[str, list[dict[str, Any]]] = {}
    for one in runs.of_members(list(members), [workflow.id for workflow in manual]):
        made.setdefault(one["workflow"], []).append(one)
    said = {"report": None, "why": "Somebody chose this one."}
    return [
        {"workflow": one.id, "name": one.name, "state": one.state, "runs": made[one.id], **said}
        for one in manual
        if one.id in made
    ]


def of_answer(workflow: Workflow, ids: Sequence[str], ran: set[str]) -> str:
    """The sentence of one workflow about answers (their ids) of one visitor, of which it ``ran`` for some. Each answer is a
    response of its own, that comes once."""
    if ran:
        return f"It ran for {len(ran)} of its {len(ids)} answers." if len(ids) > 1 else "It ran for its answer."
    came = Arrival.objects.filter(report_id=workflow.report_id, member__in=ids).order_by("-id").first()
    if came is not None:
        return of_member(workflow, [came.member], ran=False, on=False).replace("This one", "Its answer")
    if not Watch.objects.filter(report_id=workflow.report_id, baseline_at__isnull=False).exists():
        return "Its report was not looked at yet."
    return "Its answers were there when the report was first looked at, are outside of it, or are not looked at yet."


def of_member(workflow: Workflow, members: Sequence[str], *, ran: bool, on: bool) -> str:
    """The sentence of one workflow about somebody known by the ids ``members``: whether it ``ran``, and they are ``on`` its report."""
    direction = workflows.direction(workflow)
    came = (
        Arrival.objects.filter(report_id=workflow.report_id, member__in=members, kind=direction).order_by("-id").first()
    )
    word = "entered" if direction == Arrival.Kind.IN else "left"
    if came is None:
        if ran:
            run = Run.objects.filter(workflow=workflow, member__in=members).order_by("-id").first()
            ended = f" {saying.of(run)}" if run and run.state != Run.State.SUCCEEDED else ""
            return f"It ran by the choice that was made when it was turned on.{ended}"
        if workflow.state == Workflow.State.OFF:
            return "It is off."
        if on and direction == Arrival.Kind.OUT:
            return "It runs for those who leave the report, and this one is on it."
        if on:
            return _snapshot(workflow, members)
        looked = Watch.objects.filter(report_id=workflow.report_id, baseline_at__isnull=False).exists()
        return (
            f"This one has not {word} the report since it is watched."
            if looked
            else "Its report was not looked at yet."
        )
    at = clock.minute(came.at)
    run = (
        Run.objects.filter(workflow=workflow, member=came.member, kind=came.kind, entry=came.entry)
        .order_by("-id")
        .first()
    )
    if run is not None:
        ended = "" if run.state == Run.State.SUCCEEDED else f" {saying.of(run)}"
        return f"It ran: this one {word} the report at {at}.{ended}"
    if workflow.state == Workflow.State.OFF:
        return "It is off."
    if came.id <= workflow.start_seq:
        return f"This one {word} the report at {at}, before the workflow was turned on, and it started from then on."
    if came.id > workflow.cursor:
        paused = workflow.state == Workflow.State.PAUSED
        return "It is paused; whether it runs is asked when it is resumed." if paused else "It is about to run."
    return (
        _refusal(workflow, came)
        or f"This one {word} the report at {at} while the workflow was paused or on another report."
    )


def _snapshot(workflow: Workflow, members: Sequence[str]) -> str:
    """Of somebody who was on the report before the workflow was turned on: what was chosen for those."""
    chosen = Activation.objects.filter(workflow=workflow).exclude(kind=Activation.Kind.RESUME).order_by("-at").first()
    if chosen is not None and not chosen.done and ledger.is_chosen(chosen.pk, members):
        return "It is about to run, by the choice that was made when it was turned on."
    if chosen is not None and isinstance(chosen.existing, dict):
        return (
            f"This one was on the report before {chosen.existing['since']}, and it was turned on for those since then."
        )
    return "This one was on the report when it was first looked at, and the workflow started from then on."


def _refusal(workflow: Workflow, came: Arrival) -> str:
    """Why the re-entry policy let an arrival pass by; empty when it did not."""
    policy = workflow.version.definition.get("reentry", "never") if workflow.version else "never"
    last = (
        Run.objects.filter(workflow=workflow, kind=came.kind, member=came.member, created_at__lte=came.at)
        .order_by("-created_at")
        .first()
    )
    outside = arrivals.left_before(workflow.report_id or "", [(came.member, came.entry)], workflow.start_seq)
    decision = reentry.decide(
        policy,
        entry=came.entry,
        left_before_start=came.kind == Arrival.Kind.OUT or bool(outside),
        ran_before=last is not None,
        last_run_at=last.created_at if last else None,
        now=came.at,
    )
    return decision.reason
