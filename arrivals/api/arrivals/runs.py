"""/runs: executions of workflows."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Field, Query, Router, Schema

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.audience.rows import streamed
from arrivals.engine import held, history, replay, runs

router = Router()


class ReplayBody(Body):
    start: Literal["failed", "start"] = Field(alias="from")
    version: Literal["same", "newest"] = "same"


class Sought(Schema):
    """Which runs: each of these that is not empty must hold."""

    state: str = Field("", description="Only those in this state.")
    since: str = Field("", description="Only those made at or after this time (ISO 8601).")
    until: str = Field("", description="Only those made before this time.")
    visitor: str = Field("", description="Only those about this visitor, or for this member.")
    error: str = Field("", description="Only those whose error's code or message contains this, whatever the case.")
    text: str = Field("", description="Only those whose steps were given, gave or said this, whatever the case.")


def found(wanted: Sought, limit: int, cursor: str, *, workflow: str = "") -> dict[str, Any]:
    """A page of runs. When a search for a text could not look at all of them it has a ``next`` though it is not full."""
    told = history.page(history.read({**wanted.dict(), "workflow": workflow}), limit=limit, cursor=cursor)
    return pages.answer((told.items, told.next))


@router.get("", auth=READ, response=pages.Page)
def list_runs(
    request: HttpRequest, limit: pages.Limit, cursor: pages.Cursor, wanted: Query[Sought], workflow: str = ""
) -> dict[str, Any]:
    """The runs of all workflows or of one, newest first. A search for `error` or `text` looks at 20,000 runs at a time, so that
    a page may be short and have a `next`."""
    return found(wanted, limit, cursor, workflow=workflow)


@router.get("/export.csv", auth=READ, openapi_extra={"responses": {200: {"content": {"text/csv": {}}}}})
def download_runs(request: HttpRequest, wanted: Query[Sought], workflow: str = "") -> StreamingHttpResponse:
    """The runs that are found as CSV, streamed, newest first."""
    lines = history.rows(history.read({**wanted.dict(), "workflow": workflow}))
    return csv_answer(request, lines, "runs.csv")


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


def csv_answer(request: HttpRequest, lines: Iterator[str], name: str) -> StreamingHttpResponse:
    """An answer that streams lines. The first is made before it starts, so that an error still has its status."""
    ready = chain([next(lines)], lines)
    body = streamed(ready) if isinstance(request, ASGIRequest) else ready
    answer = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


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
