"""All types of steps, and the tree of steps that a definition is."""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals.workflows.steps import (
    action,
    delay,
    digest,
    filter,
    find_or_create,
    formatter,
    http,
    loop,
    paths,
    wait,
    workflow,
)
from arrivals.workflows.steps.contract import Step, StepType

TYPES: dict[str, StepType] = {
    one.id: one
    for one in (
        action.TYPE,
        filter.TYPE,
        paths.TYPE,
        loop.TYPE,
        delay.TYPE,
        formatter.TYPE,
        http.TYPE,
        find_or_create.TYPE,
        digest.TYPE,
        wait.TYPE,
        workflow.TYPE,
    )
}


def blocks(step: Mapping[str, Any]) -> list[Sequence[Step]]:
    """The lists of steps inside a checked step; that of its error branch, where it has one, is the last."""
    inside = TYPES[step["type"]].blocks(step)
    if "on_error" in step:
        inside.append(step["on_error"]["steps"])
    return inside
