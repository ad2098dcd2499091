"""Trying a workflow's steps out, with the apps: what pages and the API call. Blocks."""

from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async

from arrivals.apps.catalogue import Catalogue
from arrivals.engine import samples, trying
from arrivals.engine.trying import Tried
from arrivals.errors import NotFound
from arrivals.workflows import sketches, steptests, workflows
from arrivals.workflows.models import Workflow
from arrivals.workflows.sketches import Sketch


def sketch(workflow: Workflow, definition: Any = None) -> Sketch:
    """What is tried: a definition that was given, else the draft, else the version that runs."""
    in_force = workflow.version.definition if workflow.version else {}
    return sketches.of(definition if definition is not None else workflow.draft or in_force)


def sample(workflow: Workflow, of: Sketch, visitor: str | None, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What templates see in a test. ``visitor`` None: the pinned one. Raises Conflict, CheckTimeout."""
    whom = workflow.pinned if visitor is None else visitor.strip()
    named = {"workflow": {"id": workflow.id, "name": workflow.name}}
    return {**samples.of(of.trigger, visitor=whom, given=given, workflow=workflow), **named}


def try_out(
    workflow_id: str,
    *,
    step: str | None = None,
    visitor: str | None = None,
    dry: bool = False,
    definition: Any = None,
    given: Mapping[str, Any] | None = None,
    by: str = "",
) -> dict[str, Any]:
    """Try one step or all of them, and keep what came of each.

    Returns ``visitor``, ``steps`` (see ``trying.Tried``), ``problems`` and ``untested``.

    Raises:
        NotFound: no such workflow or step. Conflict: nobody to try it with. CheckTimeout.
    """
    workflow = workflows.get(workflow_id)
    read = sketch(workflow, definition)
    if step and read.step(step) is None:
        raise NotFound(f"There is no step {step!r:.70}, or the block that it is in is not finished.")
    seen = sample(workflow, read, visitor, given)
    known = {id_: one.outputs for id_, one in steptests.current(workflow, read.definition).items() if one.outputs}

    async def tried() -> list[Tried]:
        # A catalogue of its own: this thread has an event loop only for the length of the call.
        catalogue = Catalogue()
        try:
            return await trying.steps(read, seen, known, catalogue, _db, only=step or "", dry=dry, workflow=workflow.id)
        finally:
            await catalogue.close()

    found = async_to_sync(tried)()
    whom = samples.named(read.trigger, seen)
    steptests.keep(workflow, [one.as_dict() for one in found], visitor=whom, by=by)
    return {
        "visitor": whom,
        "steps": [{key: value for key, value in one.as_dict().items() if key != "digest"} for one in found],
        **state(workflow, read),
    }


def known(workflow_id: str, definition: Any = None) -> dict[str, Any]:
    """What is known of a workflow's steps without trying them: ``visitor`` (the pinned one), ``steps``: what came of the last test
    of each that still has the form that was tried, ``problems`` and ``untested``. Raises NotFound."""
    workflow = workflows.get(workflow_id)
    read = sketch(workflow, definition)
    found = steptests.current(workflow, read.definition)
    return {
        "visitor": workflow.pinned,
        "steps": [steptests.as_dict(one) for one in found.values()],
        **state(workflow, read),
    }


def state(workflow: Workflow, read: Sketch) -> dict[str, Any]:
    """``problems`` of a definition, and the ids of its ``untested`` steps that are finished."""
    unfinished = {one.step for one in read.problems}
    untested = [one for one in steptests.untested(workflow, read.definition) if one not in unfinished]
    return {"problems": [one.as_dict() for one in read.problems], "untested": untested}


async def _db(function: Callable[..., Any], *arguments: Any) -> Any:
    return await sync_to_async(function)(*arguments)
