"""How a subscription ends: by its subscriber, by 410, or with its integration key. Blocks."""

from django.db import transaction

from arrivals import clock
from arrivals.accounts import keys
from arrivals.apps.models import Connection
from arrivals.engine.models import Run
from arrivals.workflows import workflows
from arrivals.workflows.models import Workflow

APP = "hook"
REVOKED = "The integration key that subscribed was revoked or has expired."


def end(workflow_id: str, reason: str) -> None:
    """Turn its workflow off with this reason, cancel what waits, and forget the address and the secret."""
    with transaction.atomic():
        found = Workflow.objects.select_for_update().select_related(None).filter(pk=workflow_id).first()
        if found is None or found.state == Workflow.State.OFF:
            return
        found.state, found.reason, found.updated_at = Workflow.State.OFF, reason, clock.now()
        found.save(update_fields=["state", "reason", "updated_at"])
        waiting = (Run.State.WAITING, Run.State.SCHEDULED, Run.State.HELD, Run.State.DELAYED)
        Run.objects.filter(workflow=found, state__in=waiting).update(
            state=Run.State.CANCELLED, due=None, ended_at=clock.now()
        )
        Connection.objects.filter(pk=connection_id(found) or "").delete()
    workflows.unwatch(found.report_id)


def end_of_key(key_id: str) -> int:
    """End every subscription that was made with this integration key, which is revoked; return how many.

    Nothing would be posted for them any more in any case: each delivery asks for the key. So the list says it at once.
    """
    mine = set(Connection.objects.filter(app=APP, public__key=key_id).values_list("pk", flat=True))
    found = Workflow.objects.select_related("version").exclude(state=Workflow.State.OFF)
    over = [one.pk for one in found if mine and connection_id(one) in mine]
    for workflow_id in over:
        end(workflow_id, REVOKED)
    return len(over)


def ended(workflow_id: str, key_id: str) -> str:
    """Why nothing may be posted any more, or an empty text. One whose integration key is gone is ended here."""
    state = Workflow.objects.filter(pk=workflow_id).values_list("state", flat=True).first()
    if state is None or state == Workflow.State.OFF:
        return "The subscription has ended."
    if key_id and not keys.alive(key_id):
        end(workflow_id, REVOKED)
        return REVOKED
    return ""


def connection_id(workflow: Workflow) -> str | None:
    """The connection of its step of the app hook; None for a workflow that is no subscription."""
    steps = workflow.version.definition["steps"] if workflow.version else []
    return next((str(step.get("connection") or "") for step in steps if step.get("app") == APP), None)
