"""The history of a workflow."""

from django.http import HttpRequest, HttpResponse

from arrivals.engine import replaying, runs
from arrivals.engine.models import Run
from arrivals.engine.replay import ENDED
from arrivals.web.pages import render, signed_in
from arrivals.workflows import workflows


@signed_in
def show(request: HttpRequest, workflow_id: str) -> HttpResponse:
    state = request.GET.get("state", "")
    found, next_ = runs.page(workflow_id, state=state, limit=50, cursor=request.GET.get("cursor", ""))
    return render(
        request,
        "runs_list",
        workflow=workflows.get(workflow_id),
        runs=found,
        next=next_,
        state=state,
        states=Run.State.values,
        counts=runs.counts(workflow_id),
        replay=replaying.newest(workflow_id),
        from_failed=state in ("", "failed", "scheduled"),
        can_replay=not state or state in (*ENDED, "scheduled"),
    )
