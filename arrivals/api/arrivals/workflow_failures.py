"""/workflows/...: many runs again, held runs, and the switch against turning off."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.engine import held, replay_preview, replaying, turn_off
from arrivals.engine.models import BulkReplay
from arrivals.workflows import workflows

router = Router()


class BulkBody(Body):
    """Which runs, and how. ``error``: the code of an error or a part of its message."""

    state: str = "failed"
    since: str | None = None
    until: str | None = None
    error: str = ""
    runs: list[str] = Field(default_factory=list)
    start: Literal["failed", "start"] = Field("failed", alias="from")
    version: Literal["same", "newest"] = "same"
    preview: bool = False

    @property
    def choice(self) -> replaying.Choice:
        given = {"state": self.state, "since": self.since, "until": self.until, "error": self.error, "runs": self.runs}
        return replaying.choice(self.start, self.version, **given)


class Cause(Body):
    cause: str = Field(alias="for")


class TurnOff(Body):
    override: bool


@router.post("/{workflow_id}/replay", auth=WRITE, response={200: dict[str, Any], 202: dict[str, Any]})
def replay_workflow_runs(request: HttpRequest, workflow_id: str, body: BulkBody) -> Any:
    """Run many of its runs again, in the background; with `preview` only tell what that would do."""
    if body.preview:
        told = replay_preview.preview(workflow_id, body.choice, start=body.start, version=body.version)
        return Status(200, told)
    who = caller(request).who
    bulk = replaying.begin(workflow_id, body.choice, start=body.start, version=body.version, by=who)
    audit.note(who, "workflow.replay", workflow_id, replay=bulk.id, runs=bulk.total)
    return Status(202, replaying.as_dict(bulk))


@router.get("/{workflow_id}/replays", auth=READ, response=dict[str, Any])
def list_workflow_replays(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """The last 50 replays of many runs, newest first."""
    found = BulkReplay.objects.filter(workflow=workflows.get(workflow_id)).order_by("-id")[:50]
    return {"items": [replaying.as_dict(one) for one in found], "next": None}


@router.get("/{workflow_id}/replays/{replay_id}", auth=READ, response=dict[str, Any])
def get_workflow_replay(request: HttpRequest, workflow_id: str, replay_id: str) -> dict[str, Any]:
    """How far a replay of many runs is, and which it refused, with the reasons."""
    return replaying.as_dict(replaying.get(workflow_id, replay_id))


@router.post("/{workflow_id}/replays/{replay_id}/stop", auth=WRITE, response=dict[str, Any])
def stop_workflow_replay(request: HttpRequest, workflow_id: str, replay_id: str) -> dict[str, Any]:
    """Replay no more of them."""
    stopped = replaying.stop(workflow_id, replay_id)
    audit.note(caller(request).who, "workflow.replay_stop", workflow_id, replay=replay_id)
    return replaying.as_dict(stopped)


@router.get("/{workflow_id}/held", auth=READ, response=dict[str, Any])
def list_workflow_held(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """What its held runs wait for, how many of each, and why."""
    return {"items": held.causes(workflows.get(workflow_id).id), "next": None}


@router.post("/{workflow_id}/held/release", auth=WRITE, response=dict[str, Any])
def release_workflow_held(request: HttpRequest, workflow_id: str, body: Cause) -> dict[str, Any]:
    """Let all go on that are held `for` connection, tasks or flood (one a second)."""
    released = held.release_all(workflows.get(workflow_id).id, body.cause)
    audit.note(caller(request).who, "workflow.release", workflow_id, cause=body.cause, runs=released)
    return {"released": released}


@router.post("/{workflow_id}/held/discard", auth=WRITE, response=dict[str, Any])
def discard_workflow_held(request: HttpRequest, workflow_id: str, body: Cause) -> dict[str, Any]:
    """End all as cancelled that are held `for` connection, tasks or flood."""
    who = caller(request).who
    discarded = held.discard_all(workflows.get(workflow_id).id, body.cause, by=who)
    audit.note(who, "workflow.discard", workflow_id, cause=body.cause, runs=discarded)
    return {"discarded": discarded}


@router.put("/{workflow_id}/turn-off", auth=WRITE, response=dict[str, Any])
def change_workflow_turn_off(request: HttpRequest, workflow_id: str, body: TurnOff) -> dict[str, Any]:
    """With `override` it stays on, however many of its runs fail."""
    workflows.get(workflow_id)
    turn_off.override(workflow_id, body.override)
    audit.note(caller(request).who, "workflow.turn_off", workflow_id, override=body.override)
    return workflows.as_dict(workflows.get(workflow_id))
