"""One run: each step with its inputs, outputs and error."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.engine import held, runs
from arrivals.engine import replay as replays
from arrivals.web.pages import flash, go, person, render, signed_in


@signed_in
def show(request: HttpRequest, run_id: str) -> HttpResponse:
    return render(request, "runs_show", run=runs.get(run_id))


@require_POST
@signed_in
def replay(request: HttpRequest, run_id: str) -> HttpResponse:
    start = request.POST.get("from", "failed")
    version = request.POST.get("version", "same")
    again = replays.replay(run_id, start, version)
    audit.note(person(request).email, "run.replay", run_id, start=start, version=version)
    flash(request, "It runs again.")
    return go(f"/runs/{again}")


@require_POST
@signed_in
def cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    replays.cancel(run_id)
    audit.note(person(request).email, "run.cancel", run_id)
    flash(request, "The run was cancelled.")
    return go(f"/runs/{run_id}")


@require_POST
@signed_in
def release(request: HttpRequest, run_id: str) -> HttpResponse:
    held.release(run_id)
    audit.note(person(request).email, "run.release", run_id)
    flash(request, "It goes on.")
    return go(f"/runs/{run_id}")


@require_POST
@signed_in
def discard(request: HttpRequest, run_id: str) -> HttpResponse:
    held.discard(run_id, by=person(request).email)
    audit.note(person(request).email, "run.discard", run_id)
    flash(request, "The run was discarded.")
    return go(f"/runs/{run_id}")
