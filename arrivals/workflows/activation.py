"""Turning a workflow on, off and on again: the choice with numbers (design, section 8). Blocks."""

from typing import Any

from arrivals.workflows.models import Activation, Workflow


def numbers(workflow_id: str, *, since: str | None = None) -> dict[str, Any]:
    """What the dialog shows: ``on_report`` now, ``will_run`` for skip, run and since (``since``: an ISO time).

    For a paused workflow: those who entered while it was paused.
    """
    raise NotImplementedError


def activate(workflow_id: str, existing: Any = "skip", *, by: str = "") -> Activation:
    """Take the snapshot and turn the workflow on. ``existing``: "skip", "run" or {"since": ISO time}.

    Raises:
        Conflict: it is on or paused already. Invalid: ``existing`` is something else.
    """
    raise NotImplementedError


def pause(workflow_id: str, *, reason: str = "") -> Workflow:
    """Raises Conflict when it is not on."""
    raise NotImplementedError


def resume(workflow_id: str, existing: Any = "skip", *, by: str = "") -> Activation:
    """Turn a paused workflow on again; the same question for those who entered while it was paused."""
    raise NotImplementedError
