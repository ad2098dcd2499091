"""Workflows: make, change, publish, delete. Blocks."""

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from arrivals import clock
from arrivals.errors import Conflict, NotFound
from arrivals.watch import watches
from arrivals.workflows import calling, definitions, sketches, triggers
from arrivals.workflows.models import Version, Workflow


def create(definition: Any, *, by: str = "") -> Workflow:
    """Store a workflow, off, with the definition as its version 1. Raises InvalidDefinition."""
    data = definitions.validate(definition)
    with transaction.atomic():
        workflow = Workflow.objects.create(name=data["name"], report_id=triggers.report(data["trigger"]))
        workflow.version = Version.objects.create(workflow=workflow, number=1, definition=data, created_by=by)
        workflow.save()
    return workflow


def begin(definition: Any, *, by: str = "") -> Workflow:
    """Store a workflow, off, of which there is only a draft, in which anything may be missing. Raises InvalidDefinition."""
    data = sketches.keep(definition)
    return Workflow.objects.create(name=sketches.of(data).definition["name"][:200], draft=data)


def get(workflow_id: str) -> Workflow:
    """Raises NotFound."""
    found = Workflow.objects.select_related("version", "report").filter(pk=workflow_id).first()
    if found is None:
        raise NotFound(f"There is no workflow {workflow_id!r:.60}.")
    return found


def all_workflows() -> list[Workflow]:
    """All workflows, the newest first."""
    return list(Workflow.objects.select_related("version", "report").order_by("-id"))


def of_report(report_id: str) -> list[Workflow]:
    """The workflows that run on a report, the newest first."""
    return list(Workflow.objects.select_related("version").filter(report_id=report_id).order_by("-id"))


def direction(workflow: Workflow) -> str:
    """Whether the version that runs does so for those who enter ("in") or for those who leave ("out")."""
    return triggers.of(workflow.version.definition["trigger"]).direction if workflow.version else "in"


def save_draft(workflow_id: str, definition: Any) -> Workflow:
    """Keep a changed definition beside the one that runs. Raises InvalidDefinition, NotFound."""
    workflow, data = get(workflow_id), definitions.validate(definition)
    calling.refuse_circles(workflow_id, data)
    workflow.draft = data
    workflow.updated_at = clock.now()
    workflow.save(update_fields=["draft", "updated_at"])
    return workflow


def keep_draft(workflow_id: str, definition: Any) -> Workflow:
    """As ``save_draft``, of a definition in which anything may be missing. Raises InvalidDefinition, NotFound."""
    workflow = get(workflow_id)
    workflow.draft = sketches.keep(definition)
    if workflow.version is None:
        workflow.name = sketches.of(workflow.draft).definition["name"][:200]
    workflow.updated_at = clock.now()
    workflow.save(update_fields=["draft", "name", "updated_at"])
    return workflow


def discard_draft(workflow_id: str) -> Workflow:
    """Forget the draft. Raises NotFound; Conflict when there is nothing but the draft."""
    workflow = get(workflow_id)
    if workflow.version is None:
        raise Conflict("There is nothing but the draft; delete the workflow instead.")
    workflow.draft = None
    workflow.save(update_fields=["draft"])
    return workflow


def publish(workflow_id: str, *, existing: Any = "skip", untested: bool = True, by: str = "") -> Workflow:
    """Make the draft the version that runs.

    For a workflow that is on (or paused) and now has another trigger (another report, or those who leave it instead of
    those who enter), ``existing`` is the question of activation for that. ``untested``: whether it may have steps that
    nobody has tried.

    Raises:
        Conflict: there is no draft. InvalidDefinition: it is no longer allowed. Invalid: ``existing``. Untested.
    """
    from arrivals.workflows import activation, steptests

    workflow = get(workflow_id)
    if workflow.draft is None:
        raise Conflict("There is no draft to publish.")
    data = definitions.validate(workflow.draft)
    calling.refuse_circles(workflow_id, data)
    if not untested:
        steptests.require(workflow, data)
    running = workflow.version.definition["trigger"] if workflow.version else {}
    if workflow.state != Workflow.State.OFF and data["trigger"] != running:
        activation.move(workflow, data, existing, by=by)
    else:
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow_id)
            new_version(locked, data, by=by)
            locked.save()
    return get(workflow_id)


def new_version(workflow: Workflow, data: dict[str, Any], *, by: str) -> None:
    """Put a checked definition in force on a locked row; the caller saves it."""
    last = Version.objects.filter(workflow=workflow).order_by("-number").values_list("number", flat=True).first() or 0
    workflow.version = Version.objects.create(workflow=workflow, number=last + 1, definition=data, created_by=by)
    workflow.name, workflow.report_id, workflow.draft = data["name"], triggers.report(data["trigger"]), None
    workflow.updated_at = clock.now()


def delete(workflow_id: str) -> None:
    """Delete a workflow with its runs and versions. Raises NotFound; Conflict while it is on."""
    workflow = get(workflow_id)
    if workflow.state == Workflow.State.ON:
        raise Conflict("The workflow is on; pause it first.")
    report_id = workflow.report_id
    try:
        with transaction.atomic():
            Workflow.objects.filter(pk=workflow_id).update(version=None)
            workflow.delete()
    except ProtectedError as error:
        raise Conflict("Its runs are still being written; try again in a moment.") from error
    unwatch(report_id)


def unwatch(report_id: str | None) -> None:
    """Check a report no longer by itself when no workflow is on or paused there."""
    used = Workflow.objects.filter(report_id=report_id).exclude(state=Workflow.State.OFF).exists()
    if report_id and not used:
        watches.stop(report_id)


def as_dict(workflow: Workflow) -> dict[str, Any]:
    """id, name, state, reason, definition (that runs), draft, version, report, pinned, activated_at, created_at, updated_at."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "state": workflow.state,
        "reason": workflow.reason,
        "definition": workflow.version.definition if workflow.version else None,
        "draft": workflow.draft,
        "version": workflow.version.number if workflow.version else None,
        "report": workflow.report_id,
        "pinned": workflow.pinned,
        "activated_at": clock.iso(workflow.activated_at) if workflow.activated_at else None,
        "created_at": clock.iso(workflow.created_at),
        "updated_at": clock.iso(workflow.updated_at),
    }
