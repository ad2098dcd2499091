"""Step 6 of watching: arrivals become runs, once. Blocks. See ``enqueue_all`` for the steps."""

import logging
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from django.db import close_old_connections, transaction
from django.db.models import Max

from arrivals import clock
from arrivals.audience import reports, rows
from arrivals.engine import floods, incoming, starts
from arrivals.engine.models import Run
from arrivals.engine.starts import Start
from arrivals.errors import ArrivalsError
from arrivals.watch import arrivals, ledger
from arrivals.watch.models import Arrival
from arrivals.workflows import reentry, workflows
from arrivals.workflows.models import Activation, Version, Workflow

log = logging.getLogger(__name__)
BATCH = 1000
HELD = {"state": Run.State.HELD, "due": None, "held_for": Run.HeldFor.FLOOD}


def enqueue_all() -> int:
    """Make the runs of every workflow that is on, and of open activations; return how many were made.

    For each workflow, until nothing is left:
    1. Read up to 1,000 arrivals after its cursor.
    2. Ask the warehouse for the rows of those who entered (or left, as its trigger says), outside of any transaction.
    3. One transaction: lock the workflow, make sure that nobody moved its cursor, version or state meanwhile, apply the
       re-entry policy, insert the runs (unique on workflow, member, kind, entry: a repetition makes none), held where they are
       a flood (``floods``), move the cursor.
    An activation's chosen members are done the same way, by its position. Killed anywhere, the next pass goes on there.
    """
    close_old_connections()
    made = 0
    try:
        for activation in Activation.objects.filter(done=False).select_related("workflow").order_by("at"):
            made += _guarded(_activated if activation.workflow.report_id else incoming.resume, activation)
        behind = Arrival.objects.values("report").annotate(last=Max("id")).values_list("report", "last")
        newest = dict(behind.filter(report__workflow__state=Workflow.State.ON))
        on = Workflow.objects.filter(state=Workflow.State.ON, report__isnull=False)
        for workflow in on.select_related("version"):
            if newest.get(workflow.report_id or "", 0) > workflow.cursor:
                made += _guarded(_arrived, workflow)
    finally:
        close_old_connections()
    return made


def _guarded(function: Any, subject: Any) -> int:
    """One workflow's trouble (a slow report, say) does not keep the others from running."""
    try:
        return int(function(subject))
    except ArrivalsError as error:
        log.warning("%s: its arrivals wait: %s", subject.pk, error)
    except Exception:
        log.exception("%s: its arrivals could not be made into runs.", subject.pk)
    return 0


def _arrived(workflow: Workflow) -> int:
    made, direction = 0, workflows.direction(workflow)
    while batch := arrivals.after(workflow.report_id or "", workflow.cursor, limit=BATCH):
        entered = [one for one in batch if one.kind == direction]
        found = [(one.member, one.entry, clock.iso(one.at)) for one in entered]
        inputs = _inputs(workflow, found, direction, existing=False)
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
            if (locked.cursor, locked.version_id, locked.state) != (
                workflow.cursor,
                workflow.version_id,
                Workflow.State.ON,
            ):
                return made  # the next pass reads it anew
            more = arrivals.more(workflow.report_id or "", batch[-1].id, direction) if len(batch) == BATCH else 0
            chosen = {(one.member, one.entry) for one in entered if one.id <= locked.chosen_seq}
            made += _insert(locked, [(one.member, one.entry) for one in entered], direction, inputs, chosen, more)
            locked.cursor = batch[-1].id
            locked.save(update_fields=["cursor", "burst", "burst_at"])
        workflow.cursor = batch[-1].id
    return made


def _activated(activation: Activation) -> int:
    made = 0
    while True:
        workflow = Workflow.objects.get(pk=activation.workflow_id)
        if workflow.state == Workflow.State.PAUSED:
            return made  # goes on when it is resumed
        position = int(activation.position) if activation.position else -1
        members = ledger.chosen(activation.pk, position, BATCH)
        at = clock.iso(activation.at)
        inputs = _inputs(workflow, [(member, entry, at) for _, member, entry in members], "in", existing=True)
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
            current = Activation.objects.select_for_update().get(pk=activation.pk)
            if (current.position, current.done, locked.version_id) != (activation.position, False, workflow.version_id):
                return made
            made += _create(locked, [(member, entry) for _, member, entry in members], "in", inputs)
            activation.position = str(members[-1][0]) if members else activation.position
            activation.done = len(members) < BATCH
            activation.save(update_fields=["position", "done"])
        if activation.done:
            ledger.forget(activation.pk)
            return made


def _inputs(
    workflow: Workflow, members: list[tuple[str, int, str]], kind: str, *, existing: bool
) -> dict[tuple[str, int], dict[str, Any]]:
    """What the templates of each run see, by member and entry."""
    if not members:
        return {}
    report = reports.get(workflow.report_id or "")
    contexts = rows.context(report, sorted({member for member, _, _ in members}))
    return {
        (member, entry): {
            **contexts[member],
            "arrival": {
                "report": report.id,
                "member": member,
                "kind": kind,
                "entry": entry,
                "at": at,
                "existing": existing,
            },
        }
        for member, entry, at in members
    }


def _insert(
    workflow: Workflow,
    entered: list[tuple[str, int]],
    kind: str,
    inputs: dict[tuple[str, int], dict[str, Any]],
    chosen: Collection[tuple[str, int]] = (),
    more: int = 0,
) -> int:
    """Insert the runs that the re-entry policy lets through, held where they and the ``more`` that come after are a flood. Those
    that a person has ``chosen`` are none.

    Who leaves was not in any snapshot of those who left.
    """
    if not entered:
        return 0
    version = Version.objects.get(pk=workflow.version_id or 0)
    policy = version.definition.get("reentry", "never")
    members = {member for member, _ in entered}
    earlier = Run.objects.filter(workflow=workflow, kind=kind, member__in=members).values("member")
    last = dict(earlier.annotate(last=Max("created_at")).values_list("member", "last"))
    outside = arrivals.left_before(workflow.report_id or "", entered, workflow.start_seq)
    now = clock.now()
    passed = []
    for member, entry in entered:
        ran = last.get(member)
        left = kind == Arrival.Kind.OUT or (member, entry) in outside
        decision = reentry.decide(
            policy, entry=entry, left_before_start=left, ran_before=ran is not None, last_run_at=ran, now=now
        )
        if decision.run:
            passed.append((member, entry))
            last[member] = now
    others = [one for one in passed if one not in chosen]
    held = floods.holds(workflow, len(others), more)
    made = _create(workflow, [one for one in passed if one in chosen], kind, inputs)
    number = _create(workflow, others, kind, inputs, HELD if held else {})
    if held:
        floods.tell(workflow, number)
    return made + number


def _create(
    workflow: Workflow,
    members: list[tuple[str, int]],
    kind: str,
    inputs: dict[tuple[str, int], dict[str, Any]],
    held: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    chosen = [Start(kind, member, inputs[member, entry], entry) for member, entry in members]
    return len(starts.create(workflow, chosen, held))
