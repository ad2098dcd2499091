"""What the end of a run starts: a workflow that runs on errors, and the run that waits for it. Blocks."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from arrivals import clock
from arrivals.engine import starts, store
from arrivals.engine.models import Run, StepRun
from arrivals.engine.starts import Start
from arrivals.engine.store import Claimed, Settled
from arrivals.workflows import links
from arrivals.workflows.models import Workflow

KIND = "err"
TRIGGER = "run_failed"
log = logging.getLogger(__name__)


def following(run: Claimed, told: Settled) -> Settled:
    """The same, with what follows from it in the same transaction, where it is the run's end."""
    if not told.over:
        return told
    parent = run.input.get("parent") or {}
    wakes = bool(parent.get("waits"))
    fails = told.state == Run.State.FAILED and "run" not in run.input and not parent.get("after_failure")
    if not (wakes or fails):
        return told

    def also() -> None:
        if told.also is not None:
            told.also()
        if fails:
            _guarded(_failed, run, told)
        if wakes:
            _guarded(wake, run.id, parent)

    return replace(told, also=also)


def _guarded(function: Callable[..., None], *arguments: Any) -> None:
    """What cannot be followed up must not keep the end of the run from being recorded: it would run again for ever."""
    try:
        with transaction.atomic():
            function(*arguments)
    except Exception:
        log.exception("What follows from the end of a run could not be done.")


def _failed(run: Claimed, told: Settled) -> None:
    """Start the workflows that run on errors of this one: unique by the failed run. Never for a run that an error started, or that
    such a run called (see ``following``), so that none goes round in a circle."""
    on = Workflow.objects.filter(
        state=Workflow.State.ON, report__isnull=True, version__definition__trigger__kind=TRIGGER
    ).exclude(pk=run.workflow)
    for workflow in on.select_related("version"):
        definition: Mapping[str, Any] = workflow.version.definition if workflow.version else {}
        if run.workflow in definition["trigger"].get("workflows", [run.workflow]):
            starts.insert(workflow, [Start(KIND, run.id, _seen(run, told))])


def _seen(run: Claimed, told: Settled) -> dict[str, Any]:
    """What templates see of a failed run, and whom it was about."""
    failed = Run.objects.select_related("workflow").only("member", "kind", "workflow__name").get(pk=run.id)
    return {
        "visitor": run.input.get("visitor") or {},
        "account": run.input.get("account") or {},
        "run": seen(failed, step=told.step, error=told.error, at=told.ended_at),
    }


def seen(run: Run, *, step: str, error: Mapping[str, Any] | None, at: datetime) -> dict[str, Any]:
    """A run that failed ``at`` a time, at a ``step``, as templates see it."""
    return {
        "id": run.pk,
        "workflow": run.workflow_id,
        "name": run.workflow.name,
        "member": run.member,
        "kind": run.kind,
        "step": step,
        "error": error or {},
        "at": clock.iso(at),
        "link": links.of(run.pk, {})["run"],
    }


def wake(child: str, parent: Mapping[str, Any]) -> None:
    """Let the run whose step waits for ``child`` go on: ``parent`` says which run and step. To be called in a transaction."""
    if not store.waits(parent["run"]):
        return
    step = StepRun.objects.filter(
        run=parent["run"], number=parent["number"], turn=parent["turn"], status=StepRun.Status.DELAYED
    ).first()
    if step is not None and (step.outputs or {}).get("run") == child:
        Run.objects.filter(pk=parent["run"]).update(due=clock.now())
