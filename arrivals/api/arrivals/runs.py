"""/runs: executions of workflows."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Router

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.engine import held, replay, runs
from arrivals.engine.models import Run
from arrivals.errors import Invalid

router = Router()


class ReplayBody(Body):
    start: Literal["failed", "start"] = Field(alias="from")
    version: Literal["same", "newest"] = "same"


def checked_state(state: str) -> str:
    """``state`` when it is empty or the state of a run. Raises Invalid."""
    if state and state not in Run.State.values:
        raise Invalid(f"It must be one of {', '.join(Run.State.values)}.", path="state")
    return state


@router.get("", auth=READ, response=pages.Page)
def list_runs(
    request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor, workflow: str = "", state: str = ""
) -> dict[str, Any]:
    """The runs of all workflows or of one, newest first; `state` chooses those of one state."""
    return pages.answer(runs.page(workflow, state=checked_state(state), limit=limit, cursor=cursor))


@router.get("/{run_id}", auth=READ, response=dict[str, Any])
def get_run(request: HttpRequest, run_id: str) -> dict[str, Any]:
    """One run with its input and its step runs; secrets are masked."""
    return runs.get(run_id)


@router.post("/{run_id}/replay", auth=WRITE, response=dict[str, Any])
def replay_run(request: HttpRequest, run_id: str, body: ReplayBody) -> dict[str, Any]:
    """Run again from the failed step (the same run, the same idempotency keys) or from the start (a new run).

    `version`: the same, or the newest one of the workflow. Answers the run that will be executed.
    """
    started = replay.replay(run_id, body.start, body.version)
    audit.note(caller(request).who, "run.replay", run_id, start_from=body.start, version=body.version, run=started)
    return runs.get(started)


@router.post("/{run_id}/cancel", auth=WRITE, response=dict[str, Any])
def cancel_run(request: HttpRequest, run_id: str) -> dict[str, Any]:
    """End a run that waits, is delayed, scheduled or held."""
    replay.cancel(run_id)
    audit.note(caller(request).who, "run.cancel", run_id)
    return runs.get(run_id)


@router.post("/{run_id}/release", auth=WRITE, response=dict[str, Any])
def release_run(request: HttpRequest, run_id: str) -> dict[str, Any]:
    """Let a held run go on now."""
    held.release(run_id)
    audit.note(caller(request).who, "run.release", run_id)
    return runs.get(run_id)


@router.post("/{run_id}/discard", auth=WRITE, response=dict[str, Any])
def discard_run(request: HttpRequest, run_id: str) -> dict[str, Any]:
    """End a held run as cancelled, with the reason."""
    held.discard(run_id, by=caller(request).who)
    audit.note(caller(request).who, "run.discard", run_id)
    return runs.get(run_id)
