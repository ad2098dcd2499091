"""A workflow's limits, and what to do with arrivals that are held because they came at once."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.engine import held
from arrivals.errors import Invalid
from arrivals.web.pages import flash, go, person, signed_in
from arrivals.workflows import workflows


@require_POST
@signed_in
def change(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """An empty field is what holds everywhere."""
    numbers = {name: _number(request, name) for name in ("concurrency", "flood")}
    by = person(request).email
    workflows.limit(workflow_id, **numbers, by=by)
    audit.note(by, "workflow.limits", workflow_id, **numbers)
    flash(request, "Saved; it holds from now on.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def flood(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Release what is held, one a second, or discard it."""
    workflows.get(workflow_id)
    by, action = person(request).email, request.POST.get("do", "")
    if action == "release":
        number = held.release_all(workflow_id, "flood")
        flash(request, f"{number:,} runs go on, one a second.")
    elif action == "discard":
        number = held.discard_all(workflow_id, "flood", by=by)
        flash(request, f"{number:,} runs were discarded.")
    else:
        raise Invalid('It must be "release" or "discard".', path="do")
    audit.note(by, f"workflow.{action}", workflow_id, cause="flood", runs=number)
    return go(f"/workflows/{workflow_id}")


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.POST.get(name, "").strip()
    if text and not (text.isascii() and text.isdigit()):
        raise Invalid(f"It must be a whole number, or empty; got {text!r:.40}.", path=name)
    return int(text) if text else None
