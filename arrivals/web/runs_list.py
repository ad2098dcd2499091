"""The history: the runs of all workflows or of one, found by state, time, who they are about and what was said."""

from typing import Any
from urllib.parse import urlencode

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from arrivals.audience.rows import streamed
from arrivals.engine import history, replaying
from arrivals.engine.models import ENDED, Run
from arrivals.errors import Invalid
from arrivals.web.pages import render, signed_in
from arrivals.workflows import workflows

FIELDS = ("state", "since", "until", "visitor", "error", "text")


@signed_in
def show(request: HttpRequest, workflow_id: str = "") -> HttpResponse:
    workflow = workflows.get(workflow_id) if workflow_id else None
    given = {name: request.GET.get(name, "").strip() for name in FIELDS}
    cursor, error = request.GET.get("cursor", ""), None
    found = history.Found([], None)
    try:
        found = history.page(history.read({**given, "workflow": workflow_id}), limit=50, cursor=cursor)
    except Invalid as wrong:
        error = wrong
    state = given["state"]
    can_replay = workflow is not None and (not state or state in (*ENDED, "scheduled"))
    narrowed = {name: value for name, value in given.items() if value}
    return render(
        request,
        "runs_list",
        status=422 if error else 200,
        error=error,
        workflow=workflow,
        names={} if workflow else {one.id: one.name for one in workflows.all_workflows()},
        runs=found.items,
        next=found.next,
        until=found.until,
        given=given,
        narrowed=any(name != "state" for name in narrowed),
        query=urlencode(narrowed),
        stateless=urlencode({name: value for name, value in narrowed.items() if name != "state"}),
        states=Run.State.values,
        counts=history.counts(workflow_id),
        live=not cursor and not given["error"] and not given["text"] and not (workflow and state and can_replay),
        most=history.COUNTED,
        state=state,
        replay=replaying.newest(workflow_id) if workflow else None,
        from_failed=state in ("", "failed", "scheduled"),
        can_replay=can_replay,
    )


@signed_in
def csv(request: HttpRequest, workflow_id: str = "") -> HttpResponseBase:
    given: dict[str, Any] = {name: request.GET.get(name, "") for name in FIELDS}
    lines = history.rows(history.read({**given, "workflow": workflow_id}))
    body = streamed(lines) if isinstance(request, ASGIRequest) else lines
    answer = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="runs.csv"'
    return answer
