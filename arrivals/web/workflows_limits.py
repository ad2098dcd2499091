"""A workflow's limits."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
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


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.POST.get(name, "").strip()
    if text and not (text.isascii() and text.isdigit()):
        raise Invalid(f"It must be a whole number, or empty; got {text!r:.40}.", path=name)
    return int(text) if text else None
