"""Workflows: make, change, publish, delete. Blocks."""

from typing import Any

from arrivals.workflows.models import Workflow


def create(definition: Any, *, by: str = "") -> Workflow:
    """Store a workflow, off, with the definition as its version 1. Raises InvalidDefinition."""
    raise NotImplementedError


def get(workflow_id: str) -> Workflow:
    """Raises NotFound."""
    raise NotImplementedError


def save_draft(workflow_id: str, definition: Any) -> Workflow:
    """Keep a changed definition beside the one that runs. Raises InvalidDefinition."""
    raise NotImplementedError


def publish(workflow_id: str, *, existing: Any = "skip", by: str = "") -> Workflow:
    """Make the draft the version that runs. For a workflow that is on and now links to another report, ``existing``
    is the question of activation again. Raises Conflict without a draft."""
    raise NotImplementedError


def delete(workflow_id: str) -> None:
    raise NotImplementedError


def as_dict(workflow: Workflow) -> dict[str, Any]:
    """id, name, state, reason, definition (that runs), draft, version, report, activated_at, created_at, updated_at."""
    raise NotImplementedError
