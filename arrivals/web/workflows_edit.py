"""A workflow's form: trigger, re-entry, steps."""

import json
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.apps import connections, tries
from arrivals.audience import comparisons, phrases, reports, segments
from arrivals.errors import ArrivalsError, Invalid, InvalidDefinition, Outdated
from arrivals.web import suggestions
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.web.workflows_versions import revision
from arrivals.workflows import actions, definitions, deliveries, sketches, triggers, workflows
from arrivals.workflows.models import Workflow
from arrivals.workflows.steps import formatter_functions
from arrivals.workflows.steps.registry import TYPES

# What the first step of a new workflow says.
TEXTS = {
    "visitor_in_report": "{{ visitor.id }} is new on the report.",
    "visitor_left_report": "{{ visitor.id }} has left the report.",
    "account_in_report": "{{ account.id }} is new on the report.",
    "account_left_report": "{{ account.id }} has left the report.",
    "event": "{{ visitor.id }} did {{ event.name }}.",
    "schedule": "It is {{ schedule.at }}.",
    "webhook": "It was called: {{ webhook.body | json }}",
    "manual": "{{ visitor.id }} was chosen.",
    "called": "It was called with {{ input | json }}",
    "run_failed": "{{ run.name }} failed for {{ run.member }}: {{ run.error.message }} {{ run.link }}",
    "survey_response": "{{ visitor.id }} scored {{ response.score }} ({{ response.class }}): {{ response.reason }}",
}


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _store(request, None)
    kind = request.GET.get("trigger", "")
    trigger = {"kind": kind} if kind in triggers.KINDS else _trigger(request.GET.get("report", ""))
    text = TEXTS[trigger["kind"]]
    step = {"id": "tell", "type": "action", "app": "inbox", "action": "post_message", "inputs": {"text": text}}
    return _form(request, None, {"name": "", "trigger": trigger, "reentry": "never", "steps": [step]})


@signed_in
def edit(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflow = workflows.get(workflow_id)
    if request.method == "POST":
        return _store(request, workflow)
    return _form(request, workflow, workflow.draft or (workflow.version.definition if workflow.version else {}))


@require_POST
@signed_in
def delete(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflow = workflows.get(workflow_id)
    workflows.delete(workflow_id)
    audit.note(person(request).email, "workflow.delete", workflow_id, name=workflow.name)
    flash(request, f"{workflow.name} and its runs were deleted.")
    return go("/workflows")


def _trigger(report_id: str) -> dict[str, Any]:
    """What starts a new workflow from a report."""
    report = reports.get(report_id) if report_id else None
    if report is not None and report.kind == "response":
        segment = {"segment": report.segment_id} if report.segment_id else {}
        return {"kind": "survey_response", "survey": report.survey, **segment}
    return {"kind": f"{report.kind if report else 'visitor'}_in_report", "report": report_id}


def _store(request: HttpRequest, workflow: Workflow | None) -> HttpResponse:
    """A new workflow is stored off; a change of one that is off is in force at once, else it is a draft. With ``keep`` it is kept
    as a draft whatever is still missing in it."""
    text = request.POST.get("definition", "")
    definition: Any = {}
    by = person(request).email
    try:
        definition = _read(text)
        if "keep" in request.POST:
            return _keep(request, workflow, definition)
        if workflow is None:
            workflow = workflows.create(definition, by=by)
        else:
            workflow = workflows.save_draft(workflow.id, definition, revision=revision(request), by=by)
            if workflow.state == Workflow.State.OFF:
                workflow = workflows.publish(workflow.id, by=by)
    except (Invalid, Outdated) as error:
        return _form(request, workflow, definition, error=error, text=text)
    audit.note(by, "workflow.save", workflow.id, name=workflow.name)
    flash(request, "Saved as a draft; publish it to make it run." if workflow.draft else "Saved.")
    return go(f"/workflows/{workflow.id}")


def _keep(request: HttpRequest, workflow: Workflow | None, definition: Any) -> HttpResponse:
    by = person(request).email
    if workflow is None:
        kept = workflows.begin(definition, by=by)
    else:
        kept = workflows.keep_draft(workflow.id, definition, revision=revision(request), by=by)
    audit.note(by, "workflow.draft" if workflow else "workflow.save", kept.id, name=kept.name)
    flash(request, "Kept as a draft. It does not run until it is published.")
    return go(f"/workflows/{kept.id}/edit")


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidDefinition(f"The definition is not JSON: {error}.", path="definition") from error


def _called(workflow: Workflow) -> bool:
    return deliveries.is_called(workflow) or deliveries.is_called(workflow, draft=True)


def _trigger_of(workflow: Workflow) -> str:
    return str(workflow.version.definition["trigger"]["kind"]) if workflow.version else ""


def _form(
    request: HttpRequest,
    workflow: Workflow | None,
    definition: Any,
    *,
    error: ArrivalsError | None = None,
    text: str = "",
) -> HttpResponse:
    found, everyone = reports.all_reports(), workflows.all_workflows()
    tried = tries.known(workflow.id, definition) if workflow else {"steps": [], "untested": [], "visitor": ""}
    read = sketches.of(definition)
    known = {
        "workflow": workflow.id if workflow else None,
        "problems": [one.as_dict() for one in read.problems] if workflow or error else [],
        "refused": error is not None,
        "tests": tried["steps"],
        "untested": tried["untested"],
        "pinned": tried["visitor"],
        "given": None,
        "address": deliveries.as_dict(workflow)["url"] if workflow and _called(workflow) else None,
        "types": list(TYPES),
        "deepest": definitions.DEEPEST,
        "functions": formatter_functions.described(),
        "words": phrases.OPERATORS,
        "tracks": suggestions.names("track"),
        "pages": suggestions.named("page"),
        "features": suggestions.named("feature"),
        "workflows": [
            {"id": one.id, "name": one.name, "called": _trigger_of(one) == "called"}
            for one in everyone
            if one.id != (workflow.id if workflow else "")
        ],
        "apps": actions.catalogue().apps(),
        "connections": [{"id": one.id, "app": one.app, "name": one.name} for one in connections.all_connections()],
        "triggers": [
            {
                "id": one.id,
                "kind": one.report_kind,
                "out": one.direction == "out",
                "words": one.words,
                "text": TEXTS[one.id],
                "sees": one.sees,
                "fields": [asdict(field) for field in one.fields],
            }
            for one in triggers.KINDS.values()
        ],
        "reports": [{"id": one.id, "name": one.name, "kind": one.kind, "labels": reports.labels(one)} for one in found],
        "segments": [{"id": one.id, "name": one.name} for one in segments.all_segments()],
        "surveys": suggestions.names("survey_answered"),
        "operators": comparisons.OPERATORS,
    }
    return render(
        request,
        "workflows_edit",
        status=422 if error else 200,
        workflow=workflow,
        # After a refusal it is still that of the page which the change was begun on.
        revision=request.POST.get("revision") or (workflow.revision if workflow else ""),
        text=text or json.dumps(definition, indent=2, ensure_ascii=False),
        known=known,
        startable=bool(found or known["surveys"] or "trigger" in request.GET or error),
        error=error,
    )
