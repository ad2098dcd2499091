"""Runs, read. Blocks."""

from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.fields.json import KT

from arrivals import clock
from arrivals.engine import held, words
from arrivals.engine.models import Run, StepRun
from arrivals.errors import Invalid, NotFound

MOST = 1000


def page(
    workflow_id: str = "", *, state: str = "", limit: int = 50, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Runs, newest first (of all workflows when none is named), and the cursor of the next page or None.

    Each: id, workflow, version, member, kind ("in" or "out"), visitor (null for an account), entry, replay_of, state, step, tries, error, held_for, connection,
    created_at, started_at, ended_at, due.

    Raises:
        Invalid: an unknown state, a cursor that is not ours, or a limit outside 1..1000.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    if state and state not in Run.State.values:
        raise Invalid(f"It must be one of {', '.join(Run.State.values)}.", path="state")
    if cursor and not cursor.startswith("run_"):
        raise Invalid("It is not a cursor of this list; take it from next of the page before.", path="cursor")
    found = _named(Run.objects.select_related("version").defer("input")).order_by("-id")
    if workflow_id:
        found = found.filter(workflow_id=workflow_id)
    if state:
        found = found.filter(state=state)
    if cursor:
        found = found.filter(id__lt=cursor)
    rows = list(found[: limit + 1])
    shown = rows[:limit]
    return [_summary(run) for run in shown], shown[-1].id if len(rows) > limit else None


def get(run_id: str) -> dict[str, Any]:
    """A run with ``input``, ``steps`` (id, number, turn, status, tries, inputs, outputs, error, log, started_at, ended_at), the
    ``meaning`` of its error in plain words, and ``held_why``.

    Raises:
        NotFound.
    """
    run = _named(Run.objects.select_related("version", "workflow")).filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id!r:.60}.")
    steps = [_step(step) for step in StepRun.objects.filter(run=run).order_by("id")]
    summary = _summary(run)
    told = {"meaning": words.meaning(run.error), "held_why": held.why(summary)}
    return {**summary, **told, "workflow_name": run.workflow.name, "input": run.input, "steps": steps}


def counts(workflow_id: str = "") -> dict[str, int]:
    """How many runs there are in each state."""
    found = Run.objects.filter(workflow_id=workflow_id) if workflow_id else Run.objects.all()
    return dict(found.values("state").annotate(number=Count("id")).values_list("state", "number"))


def of_members(members: list[str], workflow_ids: list[str], *, limit: int = 20) -> list[dict[str, Any]]:
    """The newest runs of these workflows for somebody who is or was known by these ids, newest first, each workflow's
    ``limit``. The workflows are named so that the index is of use."""
    found: list[dict[str, Any]] = []
    for workflow_id in workflow_ids:
        rows = _named(Run.objects.select_related("version").defer("input")).filter(
            workflow_id=workflow_id, member__in=members
        )
        found += [_summary(run) for run in rows.order_by("-id")[:limit]]
    return sorted(found, key=lambda one: str(one["id"]), reverse=True)


def _named(found: QuerySet[Run]) -> QuerySet[Run]:
    """With ``visitor``, the id of whom each run is about, without reading all of its input."""
    return found.annotate(visitor=KT("input__visitor__id"))


def _summary(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "workflow": run.workflow_id,
        "version": run.version.number,
        "member": run.member,
        "kind": run.kind,
        "visitor": getattr(run, "visitor", None),
        "entry": run.entry,
        "replay_of": run.replay_of or None,
        "state": run.state,
        "step": run.step,
        "tries": run.tries,
        "error": run.error,
        "held_for": (run.held_for or "connection") if run.state == Run.State.HELD else None,
        "connection": run.connection_id or None,
        "created_at": clock.iso(run.created_at),
        "started_at": clock.iso(run.started_at) if run.started_at else None,
        "ended_at": clock.iso(run.ended_at) if run.ended_at else None,
        "due": clock.iso(run.due) if run.due else None,
    }


def _step(step: StepRun) -> dict[str, Any]:
    return {
        "id": step.step,
        "number": step.number,
        "turn": step.turn,
        "status": step.status,
        "tries": step.tries,
        "inputs": step.inputs,
        "outputs": step.outputs,
        "error": step.error,
        "log": step.log or [],
        "started_at": clock.iso(step.started_at),
        "ended_at": clock.iso(step.ended_at),
    }
