"""The address of a workflow: another one, and the secret of its signatures."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.apps import signing
from arrivals.web.pages import flash, go, person, signed_in
from arrivals.workflows import deliveries


@require_POST
@signed_in
def rotate(request: HttpRequest, workflow_id: str) -> HttpResponse:
    deliveries.rotate(workflow_id)
    audit.note(person(request).email, "workflow.webhook_rotate", workflow_id)
    flash(request, "It has another address. The one before leads nowhere from now on.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def secret(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Set the secret of the form, or make one; it is shown this once."""
    made = signing.set_secret(workflow_id, request.POST.get("secret", "").strip())
    audit.note(person(request).email, "workflow.webhook_secret", workflow_id)
    flash(request, f"Deliveries are signed with this secret, which is shown only now: {made}")
    return go(f"/workflows/{workflow_id}")
