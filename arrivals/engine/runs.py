"""Runs, read. Blocks."""

from typing import Any


def page(
    workflow_id: str = "", *, state: str = "", limit: int = 50, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Runs, newest first (all workflows' when none is named): id, workflow, version, member, entry, state, step,
    tries, error, created_at, started_at, ended_at, due; and the cursor of the next page or None."""
    raise NotImplementedError


def get(run_id: str) -> dict[str, Any]:
    """A run with ``input`` and ``steps`` (id, number, status, tries, inputs, outputs, error, started_at, ended_at).
    Raises NotFound."""
    raise NotImplementedError


def counts(workflow_id: str = "") -> dict[str, int]:
    """How many runs there are in each state."""
    raise NotImplementedError
