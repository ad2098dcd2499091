"""/workflows: a trigger, then steps; drafts, versions, on and off."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body, Definition
from arrivals.api.arrivals.runs import checked_state
from arrivals.apps import tries
from arrivals.engine import digests, runs
from arrivals.workflows import activation, steptests, workflows
from arrivals.workflows.models import Activation, Workflow

router = Router()


class Since(Body):
    since: str


class Choice(Body):
    """What happens with those who are on the report already: nothing, a run for all, or for those since a time. With
    `untested` false it is refused while there are steps that nobody has tried."""

    existing: Literal["skip", "run"] | Since = "skip"
    untested: bool = True

    @property
    def data(self) -> Any:
        return self.existing if isinstance(self.existing, str) else {"since": self.existing.since}


class Test(Body):
    """`step`: its id, or all. `visitor`: whose data, or that of the pinned one. `definition`: to be tried instead of the draft.
    `given`: put over what templates see: a sample of an event or of what came to the address."""

    step: str | None = None
    visitor: str | None = None
    dry: bool = False
    definition: dict[str, Any] | None = None
    given: dict[str, Any] | None = None


class Pin(Body):
    visitor: str


@router.get("", auth=READ, response=pages.Page)
def list_workflows(request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor) -> dict[str, Any]:
    """The workflows, newest first."""
    return pages.of(Workflow.objects.select_related("version"), workflows.as_dict, limit, cursor)


@router.post("", auth=WRITE, response={201: dict[str, Any]})
def create_workflow(request: HttpRequest, body: Definition) -> Any:
    """Make a workflow of a definition: `name`, `trigger`, `steps`, `reentry`. It is off until it is activated."""
    made = workflows.create(body, by=caller(request).who)
    audit.note(caller(request).who, "workflow.create", made.id, name=made.name)
    return Status(201, workflows.as_dict(made))


@router.get("/{workflow_id}", auth=READ, response=dict[str, Any])
def get_workflow(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """One workflow, with the definition that runs and the draft."""
    return workflows.as_dict(workflows.get(workflow_id))


@router.put("/{workflow_id}", auth=WRITE, response=dict[str, Any])
def change_workflow(
    request: HttpRequest, workflow_id: str, body: Definition, existing: Literal["skip", "run"] = "skip"
) -> dict[str, Any]:
    """Save a definition and publish it. `existing` is the question of activation again, for a workflow that is on and
    now has another trigger."""
    who = caller(request).who
    workflows.save_draft(workflow_id, body)
    changed = workflows.publish(workflow_id, existing=existing, by=who)
    audit.note(who, "workflow.change", workflow_id, name=changed.name)
    return workflows.as_dict(changed)


@router.delete("/{workflow_id}", auth=WRITE, response={204: None})
def delete_workflow(request: HttpRequest, workflow_id: str) -> Any:
    """Delete a workflow that is not on, with its versions and runs."""
    workflows.delete(workflow_id)
    audit.note(caller(request).who, "workflow.delete", workflow_id)
    return Status(204, None)


@router.get("/{workflow_id}/numbers", auth=READ, response=dict[str, Any])
def get_workflow_numbers(request: HttpRequest, workflow_id: str, since: str | None = None) -> dict[str, Any]:
    """What each answer to the question of activation would do: how many are on the report, how many would run."""
    return activation.numbers(workflow_id, since=since)


@router.post("/{workflow_id}/activate", auth=WRITE, response=dict[str, Any])
def activate_workflow(request: HttpRequest, workflow_id: str, body: Choice | None = None) -> dict[str, Any]:
    """Turn it on. Those on the report now are the snapshot; `existing` says whether they run."""
    given = body or Choice()
    made = activation.activate(workflow_id, given.data, untested=given.untested, by=caller(request).who)
    return _activated(request, "workflow.activate", made)


@router.post("/{workflow_id}/pause", auth=WRITE, response=dict[str, Any])
def pause_workflow(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """Turn it off for a while; its runs under way go on."""
    paused = activation.pause(workflow_id)
    audit.note(caller(request).who, "workflow.pause", workflow_id)
    return workflows.as_dict(paused)


@router.post("/{workflow_id}/resume", auth=WRITE, response=dict[str, Any])
def resume_workflow(request: HttpRequest, workflow_id: str, body: Choice | None = None) -> dict[str, Any]:
    """Turn it on again; `existing` says whether those run who entered while it was paused."""
    choice = (body or Choice()).data
    made = activation.resume(workflow_id, choice, by=caller(request).who)
    return _activated(request, "workflow.resume", made)


@router.put("/{workflow_id}/draft", auth=WRITE, response=dict[str, Any])
def save_workflow_draft(
    request: HttpRequest, workflow_id: str, body: Definition, unfinished: bool = False
) -> dict[str, Any]:
    """Keep a changed definition beside the one that runs. With `unfinished` anything may be missing in it."""
    changed = (workflows.keep_draft if unfinished else workflows.save_draft)(workflow_id, body)
    audit.note(caller(request).who, "workflow.draft", workflow_id)
    return workflows.as_dict(changed)


@router.post("/{workflow_id}/draft", auth=WRITE, response=dict[str, Any])
def post_workflow_draft(
    request: HttpRequest, workflow_id: str, body: Definition, unfinished: bool = False
) -> dict[str, Any]:
    """The same as PUT."""
    return save_workflow_draft(request, workflow_id, body, unfinished)


@router.get("/{workflow_id}/test", auth=READ, response=dict[str, Any])
def get_workflow_tests(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """What came of trying the steps of the draft (without one: of the version that runs), what is unfinished in it, and which
    steps nobody has tried as they are."""
    return tries.known(workflow_id)


@router.post("/{workflow_id}/test", auth=WRITE, response=dict[str, Any])
def try_workflow(request: HttpRequest, workflow_id: str, body: Test | None = None) -> dict[str, Any]:
    """Try one step or all at once, for one visitor. Actions are really done, unless `dry`; nothing waits, and no run is made."""
    given, who = body or Test(), caller(request).who
    found = tries.try_out(workflow_id, by=who, **given.model_dump())
    audit.note(who, "workflow.test", workflow_id, step=given.step or "", dry=given.dry)
    return found


@router.put("/{workflow_id}/pin", auth=WRITE, response=dict[str, Any])
def pin_workflow_visitor(request: HttpRequest, workflow_id: str, body: Pin) -> dict[str, Any]:
    """Choose the visitor (or account) that tests are for; an empty text for nobody in particular."""
    pinned = steptests.pin(workflow_id, body.visitor)
    audit.note(caller(request).who, "workflow.pin", workflow_id)
    return workflows.as_dict(pinned)


@router.post("/{workflow_id}/publish", auth=WRITE, response=dict[str, Any])
def publish_workflow(request: HttpRequest, workflow_id: str, body: Choice | None = None) -> dict[str, Any]:
    """Make the draft the version that runs. Runs under way finish on the version they started with."""
    given, who = body or Choice(), caller(request).who
    changed = workflows.publish(workflow_id, existing=given.data, untested=given.untested, by=who)
    audit.note(who, "workflow.publish", workflow_id, existing=given.data)
    return workflows.as_dict(changed)


@router.get("/{workflow_id}/runs", auth=READ, response=pages.Page)
def list_workflow_runs(
    request: HttpRequest, workflow_id: str, limit: pages.Limit, cursor: pages.Cursor, state: str = ""
) -> dict[str, Any]:
    """The runs of one workflow, newest first; `state` chooses those of one state."""
    return pages.answer(
        runs.page(workflows.get(workflow_id).id, state=checked_state(state), limit=limit, cursor=cursor)
    )


@router.get("/{workflow_id}/digests", auth=READ, response=dict[str, Any])
def list_workflow_digests(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """What the digests of a workflow have gathered and not yet released, by step and key."""
    return {"items": digests.waiting(workflows.get(workflow_id).id), "next": None}


@router.post("/{workflow_id}/digests/{step_id}/release", auth=WRITE, response=dict[str, Any])
def release_workflow_digests(
    request: HttpRequest, workflow_id: str, step_id: str, key: str | None = None
) -> dict[str, Any]:
    """Release what a step has gathered now, of one `key` or of all."""
    released = digests.release(workflows.get(workflow_id).id, step_id, key)
    audit.note(caller(request).who, "workflow.release_digests", workflow_id, step=step_id, key=key, released=released)
    return {"released": released}


def _activated(request: HttpRequest, action: str, made: Activation) -> dict[str, Any]:
    audit.note(caller(request).who, action, made.workflow_id, existing=made.existing, will_run=made.will_run)
    return {"on_report": made.on_report, "will_run": made.will_run}
