"""Runs, read. Blocks."""

from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.engine import held, words
from arrivals.engine.models import Run, StepRun
from arrivals.errors import NotFound

MOST = 1000


def get(run_id: str) -> dict[str, Any]:
    """A run with ``input``, ``steps`` (id, number, turn, status, tries, inputs, outputs, error, log, started_at, ended_at), the
    ``meaning`` of its error in plain words, and ``held_why``.

    Raises:
        NotFound.
    """
    run = Run.objects.select_related("version", "workflow").filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id!r:.60}.")
    steps = [_step(step) for step in StepRun.objects.filter(run=run).order_by("id")]
    shown = summary(run)
    told = {"meaning": words.meaning(run.error), "held_why": held.why(shown)}
    return {**shown, **told, "workflow_name": run.workflow.name, "input": run.input, "steps": steps}


def of_members(members: list[str], workflow_ids: list[str], *, limit: int = 20) -> list[dict[str, Any]]:
    """The newest runs of these workflows for somebody who is or was known by these ids, newest first, each workflow's
    ``limit``. The workflows are named so that the index is of use."""
    found: list[dict[str, Any]] = []
    for workflow_id in workflow_ids:
        rows = Run.objects.select_related("version").defer("input").filter(workflow_id=workflow_id, member__in=members)
        found += [summary(run) for run in rows.order_by("-id")[:limit]]
    return sorted(found, key=lambda one: str(one["id"]), reverse=True)


def summary(run: Run) -> dict[str, Any]:
    """A run without its input: id, workflow, version, member, kind, visitor (null for none), entry, replay_of, state, held_for, step, tries,
    error, created_at, started_at, ended_at, seconds (from its beginning to its end), due."""
    return {
        "id": run.id,
        "workflow": run.workflow_id,
        "version": run.version.number,
        "member": run.member,
        "kind": run.kind,
        "visitor": _visitor(run),
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
        "seconds": _seconds(run.started_at, run.ended_at),
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
        "seconds": _seconds(step.started_at, step.ended_at),
    }


def _visitor(run: Run) -> str | None:
    """The id of the visitor that it is about; None for an account, and for what is about nobody."""
    told = run.about != run.member or run.kind in ("in", "out", "man")
    of_account = str(run.version.definition.get("trigger", {}).get("kind", "")).startswith("account")
    return run.about if told and run.about and not of_account else None


def _seconds(began: datetime | None, ended: datetime | None) -> float | None:
    return round((ended - began).total_seconds(), 3) if began and ended else None
