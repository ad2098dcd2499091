"""What a workflow's page does about failures: many runs again, held runs, and the switch against turning off."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_POST

from arrivals.accounts import audit, workspace
from arrivals.engine import held, replay_preview, replaying, turn_off
from arrivals.errors import Invalid
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.workflows import workflows


@signed_in
def preview(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """The part of the dialog that says what a replay would do."""
    which, start, version = _choice(request.GET)
    told = replay_preview.preview(workflow_id, which, start=start, version=version)
    return render(request, "part_replay_preview", told=told, start=start, version=version)


@require_POST
@signed_in
def replay(request: HttpRequest, workflow_id: str) -> HttpResponse:
    which, start, version = _choice(request.POST)
    me = person(request).email
    bulk = replaying.begin(workflow_id, which, start=start, version=version, by=me)
    audit.note(me, "workflow.replay", workflow_id, replay=bulk.id, runs=bulk.total)
    flash(request, f"{bulk.total:,} run{'' if bulk.total == 1 else 's'} will be replayed, in the background.")
    return go(f"/workflows/{workflow_id}/runs")


@require_POST
@signed_in
def stop(request: HttpRequest, workflow_id: str, replay_id: str) -> HttpResponse:
    replaying.stop(workflow_id, replay_id)
    audit.note(person(request).email, "workflow.replay_stop", workflow_id, replay=replay_id)
    flash(request, "Stopped. What was replayed until now goes on.")
    return go(f"/workflows/{workflow_id}/runs")


@require_POST
@signed_in
def release(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Let all runs go on that are held for one cause."""
    cause = request.POST.get("for", "")
    number = held.release_all(workflows.get(workflow_id).id, cause)
    audit.note(person(request).email, "workflow.release", workflow_id, cause=cause, runs=number)
    pace = ", one a second" if cause == "flood" else ""
    flash(request, f"{number:,} run{'' if number == 1 else 's'} released{pace}.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def discard(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """End all runs that are held for one cause."""
    cause, me = request.POST.get("for", ""), person(request).email
    number = held.discard_all(workflows.get(workflow_id).id, cause, by=me)
    audit.note(me, "workflow.discard", workflow_id, cause=cause, runs=number)
    flash(request, f"{number:,} run{'' if number == 1 else 's'} discarded.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def override(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Whether it stays on however many of its runs fail."""
    wanted = request.POST.get("override") == "on"
    turn_off.override(workflows.get(workflow_id).id, wanted)
    audit.note(person(request).email, "workflow.turn_off", workflow_id, override=wanted)
    flash(request, "It stays on, however many of its runs fail." if wanted else "It is turned off when it fails.")
    return go(f"/workflows/{workflow_id}")


def _choice(given: QueryDict) -> tuple[replaying.Choice, str, str]:
    """What the dialog holds. Times that a person wrote are in the workspace's zone."""
    start, version = given.get("from") or "failed", given.get("version") or "same"
    values: dict[str, Any] = {"error": given.get("error", "").strip(), "runs": given.getlist("runs")}
    values["state"] = given.get("state") or "failed"
    for name in ("since", "until"):
        if text := given.get(name):
            try:
                values[name] = workspace.parse(text).isoformat()
            except ValueError as error:
                raise Invalid("It must be a time.", path=name) from error
    return replaying.choice(start, version, **values), start, version
