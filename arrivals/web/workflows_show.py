"""One workflow: what it does, whether it is on, its last runs."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from arrivals import config
from arrivals.engine import floods, held, history, why_one
from arrivals.watch import watches
from arrivals.web import workflows_trigger
from arrivals.web.pages import render, signed_in
from arrivals.workflows import comparing, outlines, sketches, steptests, triggers, workflows
from arrivals.workflows.models import Activation, Workflow


@signed_in
def show(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflow = workflows.get(workflow_id)
    definition = workflow.version.definition if workflow.version else {}
    draft = sketches.of(workflow.draft) if workflow.draft else None
    in_force = definition if workflow.state == workflow.State.OFF else {}
    return render(
        request,
        "workflows_show",
        workflow=workflow,
        definition=definition,
        outline=outlines.of(definition.get("steps") or (workflow.draft or {}).get("steps") or []),
        draft=draft,
        draft_untested=steptests.untested(workflow, draft.definition) if draft and not draft.problems else [],
        untested=steptests.untested(workflow, in_force) if in_force else [],
        trigger=triggers.of(definition["trigger"]) if definition else None,
        activation=Activation.objects.filter(workflow=workflow).order_by("-at").first(),
        report_error=watches.as_dict(workflow.report_id or "")["error"] if workflow.report_id else "",
        counts=history.counts(workflow_id),
        runs=history.page(history.Filter(workflow=workflow_id), limit=10).items,
        about=workflows_trigger.of(workflow),
        flood=floods.of(workflow),
        usual_flood=config.current().flood,
        held=[one for one in held.causes(workflow_id) if one["for"] != "flood"],
        **_draft(workflow),
    )


@signed_in
def why_of(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Why it did or did not run for the visitor in the query."""
    found = why_one.of(workflow_id, request.GET.get("visitor", ""))
    return render(request, "part_why", found=found)


def _draft(workflow: Workflow) -> dict[str, Any]:
    """What its draft changes, and whether publishing it is a question of activation again."""
    if workflow.draft is None:
        return {}
    running = workflow.version.definition if workflow.version else {}
    asks = workflows.asks(workflow, workflow.draft)
    return {"draft_changes": comparing.between(running, workflow.draft)["text"], "draft_asks": asks}
