"""All types of steps, and the tree of steps that a definition is."""

from collections.abc import Iterator, Mapping, Sequence
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
        workflow.TYPE,
        digest.TYPE,
    )
}


def blocks(step: Mapping[str, Any]) -> list[Sequence[Step]]:
    """The lists of steps inside a checked step; that of its error branch, where it has one, is the last."""
    inside = TYPES[step["type"]].blocks(step)
    if "on_error" in step:
        inside.append(step["on_error"]["steps"])
    return inside


def walk(steps: Sequence[Mapping[str, Any]], path: str = "steps") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every step of a checked list and its path, each before those inside it."""
    for index, step in enumerate(steps):
        where = f"{path}[{index}]"
        yield where, step
        own = TYPES[step["type"]].blocks(step)
        for number, inside in enumerate(own):
            middle = f".branches[{number}]" if "branches" in step else ""
            yield from walk(inside, f"{where}{middle}.steps")
        if "on_error" in step:
            yield from walk(step["on_error"]["steps"], f"{where}.on_error.steps")
