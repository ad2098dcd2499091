"""One workflow: what it does, whether it is on, its last runs."""

from django.http import HttpRequest, HttpResponse

from arrivals import config
from arrivals.engine import floods, held, history
from arrivals.watch import watches
from arrivals.web import workflows_trigger
from arrivals.web.pages import render, signed_in
from arrivals.workflows import triggers, workflows
from arrivals.workflows.models import Activation


@signed_in
def show(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflow = workflows.get(workflow_id)
    return render(
        request,
        "workflows_show",
        workflow=workflow,
        definition=workflow.version.definition if workflow.version else {},
        trigger=triggers.of(workflow.version.definition["trigger"]) if workflow.version else None,
        activation=Activation.objects.filter(workflow=workflow).order_by("-at").first(),
        report_error=watches.as_dict(workflow.report_id or "")["error"] if workflow.report_id else "",
        counts=history.counts(workflow_id),
        runs=history.page(history.Filter(workflow=workflow_id), limit=10).items,
        about=workflows_trigger.of(workflow),
        flood=floods.of(workflow),
        usual_flood=config.current().flood,
        held=[one for one in held.causes(workflow_id) if one["for"] != "flood"],
    )
