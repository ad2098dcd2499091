"""Turning a workflow on, off and on again: the choice with numbers. Blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from arrivals import clock, ids
from arrivals.accounts import workspace
from arrivals.audience import members, remote, reports, rows
from arrivals.audience.compiler import Query
from arrivals.audience.models import Report
from arrivals.errors import Conflict, Invalid
from arrivals.watch import arrivals, checks, ledger, watches
from arrivals.watch.models import Arrival, Watch
from arrivals.workflows import definitions, happenings, reportless, steptests, triggers, versions, workflows
from arrivals.workflows.models import Activation, Workflow

ONLY_SKIP = 'It runs for those who leave from now on; nobody on the report has left it, so allowed is "skip".'
FRESH = timedelta(minutes=5)  # how old the rows of a remote report may be for the numbers of the dialog
ALLOWED = '"skip", "run" or {"since":"2026-01-31T12:00:00Z"}'


@dataclass(frozen=True)
class Question:
    """What is asked when a workflow is turned on, goes on, or has another trigger published.

    ``asked``: whether there is a question. ``report`` and ``direction``: those of the definition that it is about; no report:
    nobody is there already. ``missed``: of a paused workflow, the arrivals (or departures) since it was paused.
    """

    asked: bool
    report: Report | None
    direction: str
    missed: "QuerySet[Arrival] | None" = None


def question(workflow_id: str, which: str = "") -> Question:
    """The question of turning on or resuming what runs, or with ``which`` ("draft", or the number of a version) that of
    publishing this: asked where the workflow is on or paused and the trigger would be another one.

    Raises:
        NotFound; Invalid: ``which``.
    """
    workflow = workflows.get(workflow_id)
    if which:
        definition = versions.definition(workflow_id, which)
        if which == versions.DRAFT:  # which may be unfinished
            definition = definitions.validate(definition)
        trigger, asked = definition["trigger"], workflows.asks(workflow, definition)
        report_id, direction = triggers.report(trigger), triggers.of(trigger).direction
    else:
        report_id, direction, asked = workflow.report_id, workflows.direction(workflow), True
    report = reports.get(report_id) if report_id else None
    if which or report is None or workflow.state != Workflow.State.PAUSED:
        return Question(asked, report, direction)
    missed = Arrival.objects.filter(report=report, kind=direction, id__gt=workflow.cursor)
    return Question(asked, report, direction, missed)


def numbers(workflow_id: str, *, since: str | None = None, which: str = "") -> dict[str, Any]:
    """What the dialog shows; nothing is changed, but that a remote report is looked at when that was long ago.

    ``on_report`` now, and ``will_run`` for each choice: ``{"skip": 0, "run": n, "since": n or None}``. For a paused
    workflow those who entered while it was paused count (or left, where it runs for those). Nobody who is there has
    left: turning on a workflow on departures runs for none. ``which``: as ``question``; then ``asked`` is there too.

    Raises:
        NotFound; Invalid: ``since`` is not a time. CheckTimeout.
    """
    asked = question(workflow_id, which)
    moment = moment_of({"since": since}) if since else None
    told = {"asked": asked.asked} if which else {}
    if asked.report is None and not which:
        return reportless.numbers(workflows.get(workflow_id), moment)
    if asked.report is None:
        return {"on_report": 0, "will_run": {"skip": 0, "run": 0, "since": 0 if moment else None}, **told}
    if asked.report.origin:
        _refresh(asked.report)
    on_report = rows.count(asked.report)
    if asked.missed is not None:
        run, later = asked.missed.count(), asked.missed.filter(at__gte=moment).count() if moment else None
    elif asked.direction == Arrival.Kind.OUT:
        run, later = 0, 0 if moment else None
    else:
        run, later = on_report, None
        if moment:
            later = ledger.difference(members.of(asked.report).ids, past(asked.report, moment))
    return {"on_report": on_report, "will_run": {"skip": 0, "run": run, "since": later}, **told}


def activate(workflow_id: str, existing: Any = "skip", *, untested: bool = True, by: str = "") -> Activation:
    """Take the snapshot and turn the workflow on. ``existing``: "skip", "run" or {"since": ISO time}. ``untested``: whether it
    may have steps that nobody has tried.

    1. Claim the report, so that no check comes between, and look at it: its ledger says who is on it now.
    2. With run or since: note in the warehouse those who will run.
    3. One transaction: turn the workflow on, its cursor at the report's last arrival, and store the choice.
    4. Check the report by itself from now on.
    Killed before 3, nothing was activated; before 4, the check comes with the next activation or start.

    Raises:
        NotFound; Conflict: it is on or paused, or was never published. Invalid: ``existing``. CheckTimeout. InvalidDefinition:
        a step can no longer be done, since its connection is gone, say. Untested.
    """
    workflow = workflows.get(workflow_id)
    if workflow.state != Workflow.State.OFF:
        raise Conflict(
            f"The workflow is {workflow.state} already{'; resume it' if workflow.state == 'paused' else ''}."
        )
    if workflow.version is None:
        raise Conflict("There is only a draft; publish it first.")
    definitions.check_steps(workflow.version.definition["steps"])
    if not untested:
        steptests.require(workflow, workflow.version.definition)

    def turn_on(locked: Workflow) -> None:
        if locked.state != Workflow.State.OFF:
            raise Conflict(f"The workflow is {locked.state} already.")

    if workflow.report_id is None:
        return _turned(workflow, existing, Activation.Kind.ACTIVATE, by, turn_on)
    direction = workflows.direction(workflow)
    return _link(workflow, workflow.report_id, existing, Activation.Kind.ACTIVATE, by, turn_on, direction=direction)


def move(
    workflow: Workflow, data: dict[str, Any], existing: Any, publish: Callable[[Workflow], None], *, by: str
) -> Activation:
    """Publish a definition with another trigger: the same as an activation of that. A paused one stays paused. ``publish``
    makes it the version of the locked row."""
    old, state = workflow.report_id, workflow.state
    report_id, direction = triggers.report(data["trigger"]), triggers.of(data["trigger"]).direction
    if report_id is None:
        made = _turned(workflow, existing, Activation.Kind.PUBLISH, by, publish, state=state)
        workflows.unwatch(old)
        return made
    made = _link(workflow, report_id, existing, Activation.Kind.PUBLISH, by, publish, direction=direction, state=state)
    workflows.unwatch(old)
    return made


def pause(workflow_id: str, *, reason: str = "") -> Workflow:
    """Start nothing from now on. The report is still looked at, so that it is known who enters meanwhile.

    Raises:
        NotFound; Conflict: it is not on.
    """
    workflow = workflows.get(workflow_id)
    changed = Workflow.objects.filter(pk=workflow_id, state=Workflow.State.ON).update(
        state=Workflow.State.PAUSED, paused_at=clock.now(), reason=reason
    )
    if not changed:
        raise Conflict(f"The workflow is {workflow.state}, not on.")
    return workflows.get(workflow_id)


def give_up(report_id: str, sentence: str) -> None:
    """Pause every workflow on a report that could not be looked at for too long, with the reason."""
    for workflow in Workflow.objects.filter(report_id=report_id, state=Workflow.State.ON):
        try:
            pause(workflow.id, reason=f"Paused after {checks.GIVE_UP_TIMES} checks in a row failed: {sentence}")
        except Conflict:
            continue  # somebody else turned it off at this moment


def resume(workflow_id: str, existing: Any = "skip", *, by: str = "") -> Activation:
    """Turn a paused workflow on again; the same question for those who entered while it was paused.

    They run whether or not they are still on the report: they were there. A workflow on departures asks it for those
    who left. Returns the choice and its numbers.

    Raises:
        NotFound; Conflict: it is not paused. Invalid: ``existing``. CheckTimeout.
    """
    workflow = workflows.get(workflow_id)
    since = moment_of(existing)
    if workflow.state != Workflow.State.PAUSED:
        raise Conflict(f"The workflow is {workflow.state}, not paused.")
    if workflow.report_id is None:

        def resumed(locked: Workflow) -> None:
            if locked.state != Workflow.State.PAUSED:
                raise Conflict(f"The workflow is {locked.state}, not paused.")

        return _turned(workflow, existing, Activation.Kind.RESUME, by, resumed)
    report_id = workflow.report_id
    with checks.claimed(report_id) as claim:
        result = checks.look(report_id, claim)
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow_id)
            if locked.state != Workflow.State.PAUSED:
                raise Conflict(f"The workflow is {locked.state}, not paused.")
            missed = Arrival.objects.filter(report_id=report_id, id__gt=locked.cursor)
            if existing == "skip":
                locked.cursor = arrivals.last_seq(report_id)
            elif since:
                first = missed.filter(at__gte=since).order_by("id").values_list("id", flat=True).first()
                locked.cursor = first - 1 if first else arrivals.last_seq(report_id)
            kind = workflows.direction(locked)
            will_run = Arrival.objects.filter(report_id=report_id, kind=kind, id__gt=locked.cursor).count()
            if existing != "skip":
                locked.chosen_seq = arrivals.last_seq(report_id)
            locked.state, locked.reason, locked.paused_at = Workflow.State.ON, "", None
            locked.save()
            made = Activation.objects.create(
                workflow=locked,
                kind=Activation.Kind.RESUME,
                existing=existing,
                on_report=result.on_report,
                will_run=will_run,
                by=by,
            )
    watches.start(report_id)
    return made


def _turned(
    workflow: Workflow,
    existing: Any,
    kind: Activation.Kind,
    by: str,
    change: Callable[[Workflow], None],
    *,
    state: str = Workflow.State.ON,
) -> Activation:
    """As ``_link``, of a trigger without a report: nobody is there for whom it could run at once, but what was kept of it while
    it was paused may."""
    since = moment_of(existing)
    if existing != "skip" and kind != Activation.Kind.RESUME:
        raise Invalid('Its trigger has no report, so nobody is there already; allowed is "skip".', path="existing")
    events = happenings.missed(workflow, since) if existing != "skip" else 0
    made = Activation(id=ids.activation(), workflow=workflow, kind=kind, existing=existing, by=by)
    with transaction.atomic():
        locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
        if existing != "skip" and happenings.is_event(locked):
            made.position, made.done = str(happenings.missed_from(locked, since)), False
        paused_at = locked.paused_at
        change(locked)
        locked.report_id, locked.state, locked.reason = None, state, ""
        locked.paused_at = None if state == Workflow.State.ON else paused_at
        locked.activated_at = made.at
        # Of events, those count that are received from this moment on.
        locked.start_seq = locked.cursor = happenings.milliseconds(made.at)
        locked.save()
        made.will_run = events + reportless.turned(locked, existing, since, resumed=kind == Activation.Kind.RESUME)
        Activation.objects.filter(workflow=locked, done=False).update(done=True)
        made.save(force_insert=True)
        return made


def _link(
    workflow: Workflow,
    report_id: str,
    existing: Any,
    kind: Activation.Kind,
    by: str,
    change: Callable[[Workflow], None],
    *,
    direction: str,
    state: str = Workflow.State.ON,
) -> Activation:
    """Steps 1 to 4 of ``activate``. ``change`` is applied to the locked row inside the transaction."""
    since = moment_of(existing)
    if direction == Arrival.Kind.OUT and existing != "skip":
        raise Invalid(ONLY_SKIP, path="existing")
    report = reports.get(report_id)
    made = Activation(id=ids.activation(), workflow=workflow, kind=kind, existing=existing, by=by)
    with checks.claimed(report_id) as claim:
        made.on_report = checks.look(report_id, claim, accept=_accept(report)).on_report
        if existing != "skip":
            there = past(report, since) if since else None
            made.will_run = ledger.choose(report_id, made.id, members.of(report), there)
        made.done = made.will_run == 0
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
            change(locked)
            locked.report_id, locked.state, locked.reason = report_id, state, ""
            locked.start_seq = locked.cursor = arrivals.last_seq(report_id)
            locked.activated_at = clock.now()
            locked.save()
            # What an earlier choice has still to run belongs to another trigger.
            Activation.objects.filter(workflow=locked, done=False).update(done=True)
            made.save(force_insert=True)
    watches.start(report_id)
    return made


def _refresh(report: Report) -> None:
    fetch = remote.current(report.id)
    if fetch is None or fetch.at is None or clock.now() - fetch.at > FRESH:
        checks.check(report.id)


def _accept(report: Report) -> str:
    """A remote report on which no workflow is on or paused may be taken as it is: nobody is waiting for its arrivals."""
    used = Workflow.objects.filter(report=report).exclude(state=Workflow.State.OFF).exists()
    return "snapshot" if report.origin and not used and Watch.objects.filter(report=report, errors__gt=0) else ""


def past(report: Report, moment: datetime) -> Query:
    """Who was on the report at ``moment``. The past of a remote report is what the ledger saw of it.

    Raises:
        Invalid: a moment before the first look at a remote report.
    """
    if not report.origin:
        return members.of(report, now=moment, prefix="p_").ids
    first = Watch.objects.filter(report=report).values_list("baseline_at", flat=True).first()
    if first is None or moment <= first:
        said = f" on {clock.iso(first)}" if first else ""
        raise Invalid(
            f"Pendo cannot be asked who was on a report in the past; choose a time after the first look at it{said}.",
            path="existing.since",
        )
    return ledger.entered_before(report.id, moment)


def moment_of(existing: Any) -> datetime | None:
    """The time of a {"since": T}; None for skip and run. Raises Invalid for anything else."""
    if existing in ("skip", "run"):
        return None
    if isinstance(existing, dict) and set(existing) == {"since"} and isinstance(existing["since"], str):
        try:
            return workspace.parse(existing["since"])
        except ValueError as error:
            raise Invalid(
                f"It must be a time in ISO 8601; got {existing['since']!r:.40}.", path="existing.since"
            ) from error
    raise Invalid(f"It must be {ALLOWED}.", path="existing")
