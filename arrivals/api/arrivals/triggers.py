"""/workflows/{id}: what belongs to triggers without a report: starting by hand, addresses, schedules."""

from typing import Any

from django.http import HttpRequest
from ninja import Header, Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.apps import signing
from arrivals.engine import manual, starter
from arrivals.workflows import deliveries, timetables, workflows

router = Router()


class Chosen(Body):
    visitors: list[str]


class Secret(Body):
    secret: str = ""


@router.post("/{workflow_id}/start", auth=WRITE, response={202: dict[str, Any]})
def start_workflow(
    request: HttpRequest, workflow_id: str, body: Chosen, idempotency_key: str = Header("", alias="Idempotency-Key")
) -> Any:
    """Run it for up to 1,000 visitors by their ids; a manual workflow, or one on a report of visitors, that is on.

    All are started or none. Repeated with the same `Idempotency-Key`, it starts nothing and answers the same.
    """
    begun = manual.start(workflow_id, body.visitors, key=idempotency_key)
    audit.note(caller(request).who, "workflow.start", workflow_id, visitors=len(begun))
    starter.wake()
    return Status(202, {"runs": begun})


@router.get("/{workflow_id}/webhook", auth=WRITE, response=dict[str, Any])
def get_workflow_webhook(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """The address of a workflow with the trigger `webhook`, and the newest deliveries from while it was off.

    Who knows the address may start runs, so this asks for write access.
    """
    return deliveries.as_dict(workflows.get(workflow_id))


@router.post("/{workflow_id}/webhook/rotate", auth=WRITE, response=dict[str, Any])
def rotate_workflow_webhook(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """Give it another address; the one before leads nowhere from now on."""
    deliveries.rotate(workflow_id)
    audit.note(caller(request).who, "workflow.webhook_rotate", workflow_id)
    return deliveries.as_dict(workflows.get(workflow_id))


@router.put("/{workflow_id}/webhook/secret", auth=WRITE, response=dict[str, Any])
def set_workflow_webhook_secret(request: HttpRequest, workflow_id: str, body: Secret) -> dict[str, Any]:
    """Set what deliveries are signed with, one of 16 to 512 characters or, without it, one that is made. Shown this once."""
    made = signing.set_secret(workflow_id, body.secret)
    audit.note(caller(request).who, "workflow.webhook_secret", workflow_id)
    return {"secret": made}


@router.get("/{workflow_id}/schedule", auth=READ, response=dict[str, Any])
def get_workflow_schedule(request: HttpRequest, workflow_id: str) -> dict[str, Any]:
    """The next moments of a workflow with the trigger `schedule`, in the workspace's time zone, and those that were skipped."""
    return timetables.as_dict(workflows.get(workflow_id))
