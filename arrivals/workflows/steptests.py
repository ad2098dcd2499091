"""What came of trying steps out: kept by workflow, step and the form that the step had. Blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from arrivals import clock
from arrivals.errors import Untested
from arrivals.workflows import scopes, sketches, workflows
from arrivals.workflows.models import StepTest, Workflow

PASSED = ("succeeded", "filtered", "skipped")


def keep(workflow: Workflow, tried: Sequence[Mapping[str, Any]], *, visitor: str, by: str) -> None:
    """Keep what came of each step. What is only shown (dry) does not take the place of what came of the same step before."""
    before = {one.step: one for one in StepTest.objects.filter(workflow=workflow)}
    for one in tried:
        last = before.get(one["step"])
        if not one.get("digest"):
            continue
        if one["status"] == "dry" and last and last.digest == one["digest"] and last.status in PASSED:
            continue
        kept = {key: one[key] for key in ("digest", "status", "ms")}
        kept |= {"note": one["note"][:500], **{key: _plain(one[key]) for key in ("inputs", "outputs", "error")}}
        StepTest.objects.update_or_create(
            workflow=workflow, step=one["step"], defaults={**kept, "visitor": visitor, "by": by, "at": clock.now()}
        )


def current(workflow: Workflow, definition: Mapping[str, Any]) -> dict[str, StepTest]:
    """By step id, the last test of each step of a checked definition that still has the form that was tried."""
    digests = {one["id"]: sketches.digest(one) for _, one in scopes.every(definition["steps"])}
    found = StepTest.objects.filter(workflow=workflow)
    return {one.step: one for one in found if digests.get(one.step) == one.digest}


def untested(workflow: Workflow, definition: Mapping[str, Any]) -> list[str]:
    """The ids of the steps that nobody has tried in the form that they have, in their order.

    A step that is the same in the version that runs by now needs no test, nor one that only says in which order others are done.
    """
    passed = {id_ for id_, one in current(workflow, definition).items() if one.status in PASSED}
    running: set[tuple[str, str]] = set()
    if workflow.version and workflow.state != Workflow.State.OFF:
        steps = workflow.version.definition["steps"]
        running = {(one["id"], sketches.digest(one)) for _, one in scopes.every(steps)}
    return [
        one["id"]
        for _, one in scopes.every(definition["steps"])
        if one["type"] not in sketches.UNTRIED
        and one["id"] not in passed
        and (one["id"], sketches.digest(one)) not in running
    ]


def require(workflow: Workflow, definition: Mapping[str, Any]) -> None:
    """Raises Untested when there is a step that nobody has tried."""
    if found := untested(workflow, definition):
        raise Untested(
            f"Nobody has tried {'these steps' if len(found) > 1 else 'this step'} as it is: {', '.join(found)}."
        )


def as_dict(one: StepTest) -> dict[str, Any]:
    """step, status, note, inputs, outputs, error, visitor, ms, at."""
    keys = ("step", "status", "note", "inputs", "outputs", "error", "visitor", "ms")
    return {**{key: getattr(one, key) for key in keys}, "at": clock.iso(one.at)}


def _plain(value: Any) -> Any:
    """As JSON that both databases can hold: Postgres knows no NUL."""
    return orjson.loads(orjson.dumps(value, default=str).replace(b"\\u0000", b""))


def pin(workflow_id: str, visitor: str) -> Workflow:
    """Choose whom tests are for; empty: nobody in particular. Raises NotFound."""
    workflow = workflows.get(workflow_id)
    workflow.pinned = visitor.strip()[:512]
    workflow.save(update_fields=["pinned"])
    return workflow
