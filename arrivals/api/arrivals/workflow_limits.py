"""/workflows/{id}/limits: how many of its runs at once, and how many arrivals at once are a flood."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from arrivals.accounts import audit
from arrivals.api.arrivals.auth import WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.workflows import workflows

router = Router()


class Limits(Body):
    concurrency: int | None = None
    flood: int | None = None


@router.put("/{workflow_id}/limits", auth=WRITE, response=dict[str, Any])
def change_workflow_limits(request: HttpRequest, workflow_id: str, body: Limits) -> dict[str, Any]:
    """Set both: `concurrency` (runs at once; null: any number) and `flood` (arrivals at once above which they are held; 0: never,
    null: ARRIVALS_FLOOD). It makes a version that differs in that alone."""
    who = caller(request).who
    changed = workflows.limit(workflow_id, concurrency=body.concurrency, flood=body.flood, by=who)
    audit.note(who, "workflow.limits", workflow_id, concurrency=body.concurrency, flood=body.flood)
    return workflows.as_dict(changed)
