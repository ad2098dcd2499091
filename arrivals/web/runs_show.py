"""One run: each step with its inputs, outputs and error."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.engine import replay as replays
from arrivals.engine import runs
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def show(request: HttpRequest, run_id: str) -> HttpResponse:
    return render(request, "runs_show", run=runs.get(run_id))


@require_POST
@signed_in
def replay(request: HttpRequest, run_id: str) -> HttpResponse:
    start = request.POST.get("from", "failed")
    again = replays.replay(run_id, start)
    audit.note(person(request).email, "run.replay", run_id, start=start)
    flash(request, "It runs again.")
    return go(f"/runs/{again}")


@require_POST
@signed_in
def cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    replays.cancel(run_id)
    audit.note(person(request).email, "run.cancel", run_id)
    flash(request, "The run was cancelled.")
    return go(f"/runs/{run_id}")
