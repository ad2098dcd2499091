"""Workflows: make, change, publish, delete. Blocks."""

from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from arrivals import clock
from arrivals.errors import Conflict, Invalid, NotFound, Outdated
from arrivals.watch import watches
from arrivals.workflows import calling, definitions, sketches, triggers
from arrivals.workflows.models import Version, Workflow

LONGEST_NOTE = 2000


def create(definition: Any, *, by: str = "") -> Workflow:
    """Store a workflow, off, with the definition as its version 1. Raises InvalidDefinition."""
    data = definitions.validate(definition)
    with transaction.atomic():
        workflow = Workflow.objects.create(
            name=data["name"], report_id=triggers.report(data["trigger"]), concurrency=data.get("concurrency", 0)
        )
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


def save_draft(workflow_id: str, definition: Any, *, revision: int | None = None, by: str = "") -> Workflow:
    """Keep a changed definition beside the one that runs.

    ``revision``: that of the workflow when the change was begun; None: whatever it is now.

    Raises:
        InvalidDefinition; NotFound. Outdated: somebody changed the draft, or what runs, since that revision.
    """
    data = definitions.validate(definition)
    calling.refuse_circles(workflow_id, data)
    with transaction.atomic():
        locked = begun(workflow_id, revision)
        _drafted(locked, data, by=by)
        locked.save()
    return get(workflow_id)


def keep_draft(workflow_id: str, definition: Any, *, revision: int | None = None, by: str = "") -> Workflow:
    """As ``save_draft``, of a definition in which anything may be missing. Raises InvalidDefinition, NotFound, Outdated."""
    data = sketches.keep(definition)
    with transaction.atomic():
        locked = begun(workflow_id, revision)
        _drafted(locked, data, by=by)
        if locked.version_id is None:
            locked.name = sketches.of(data).definition["name"][:200]
        locked.save()
    return get(workflow_id)


def discard_draft(workflow_id: str, *, revision: int | None = None) -> Workflow:
    """Forget the draft. Raises NotFound; Conflict when there is nothing but the draft; Outdated as ``save_draft``."""
    with transaction.atomic():
        locked = begun(workflow_id, revision)
        if locked.version_id is None:
            raise Conflict("There is nothing but the draft; delete the workflow instead.")
        if locked.draft is not None:
            locked.draft, locked.draft_by, locked.draft_at = None, "", None
            locked.revision += 1
            locked.save()
    return get(workflow_id)


def begun(workflow_id: str, revision: int | None) -> Workflow:
    """The row, locked, when it is still at the revision that a change of it was begun from. Raises NotFound, Outdated."""
    locked = Workflow.objects.select_for_update().filter(pk=workflow_id).first()
    if locked is None:
        raise NotFound(f"There is no workflow {workflow_id!r:.60}.")
    unchanged(locked, revision)
    return locked


def unchanged(workflow: Workflow, revision: int | None) -> None:
    """Raises Outdated when the workflow is no longer at ``revision`` (None: any)."""
    if revision is None or revision == workflow.revision:
        return
    who, at = workflow.draft_by or "Somebody", clock.minute(workflow.draft_at or workflow.updated_at)
    what = "changed the draft" if workflow.draft else "changed the workflow"
    raise Outdated(
        f"{who} {what} since you began (at {at}): it is at revision {workflow.revision}, yours is of "
        f"{revision}. Look at what it is now, and make your change again.",
        path="revision",
    )


def _drafted(locked: Workflow, data: dict[str, Any], *, by: str) -> None:
    """Make a checked definition the draft of a locked row; the caller saves it."""
    locked.draft, locked.draft_by, locked.draft_at = data, by[:254], clock.now()
    locked.revision += 1
    locked.updated_at = clock.now()


def publish(
    workflow_id: str,
    *,
    existing: Any = "skip",
    untested: bool = True,
    by: str = "",
    note: str = "",
    revision: int | None = None,
) -> Workflow:
    """Make the draft the version that runs. ``note``: what there is to say of it.

    For a workflow that is on (or paused) and now has another trigger (another report, or those who leave it instead of
    those who enter), ``existing`` is the question of activation for that. ``untested``: whether it may have steps that
    nobody has tried.

    Raises:
        Conflict: there is no draft. InvalidDefinition: it is no longer allowed. Invalid: ``existing``. Untested. Outdated: as
        ``save_draft``.
    """
    from arrivals.workflows import steptests

    workflow = get(workflow_id)
    unchanged(workflow, revision)
    if workflow.draft is None:
        raise Conflict("There is no draft to publish.")
    if not untested:
        steptests.require(workflow, definitions.validate(workflow.draft))
    return put_in_force(workflow, workflow.draft, existing=existing, by=by, note=note)


def put_in_force(
    workflow: Workflow, definition: Any, *, existing: Any, by: str, note: str = "", restored: int | None = None
) -> Workflow:
    """Make a definition the next version, which runs. Raises as ``publish``."""
    from arrivals.workflows import activation

    data, said, read = definitions.validate(definition), noted(note), workflow.revision
    calling.refuse_circles(workflow.pk, data)

    def publish_it(locked: Workflow) -> None:
        unchanged(locked, read)  # nobody's draft of this moment is lost
        new_version(locked, data, by=by, note=said, restored=restored)

    if asks(workflow, data):
        activation.move(workflow, data, existing, publish_it, by=by)
    else:
        with transaction.atomic():
            locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
            publish_it(locked)
            locked.save()
    return get(workflow.pk)


def asks(workflow: Workflow, definition: dict[str, Any]) -> bool:
    """Whether publishing a checked definition is an activation again: it runs, and another trigger would start it."""
    running = workflow.version.definition["trigger"] if workflow.version else {}
    return workflow.state != Workflow.State.OFF and definition.get("trigger") != running


def new_version(
    workflow: Workflow, data: dict[str, Any], *, by: str, note: str = "", restored: int | None = None
) -> None:
    """Put a checked definition in force on a locked row; the caller saves it."""
    last = Version.objects.filter(workflow=workflow).order_by("-number").values_list("number", flat=True).first() or 0
    workflow.version = Version.objects.create(
        workflow=workflow, number=last + 1, definition=data, created_by=by[:254], note=note, restored=restored
    )
    workflow.name, workflow.report_id = data["name"], triggers.report(data["trigger"])
    workflow.draft, workflow.draft_by, workflow.draft_at = None, "", None
    workflow.concurrency = data.get("concurrency", 0)
    workflow.revision += 1
    workflow.updated_at = clock.now()


def limit(workflow_id: str, *, concurrency: int | None, flood: int | None, by: str = "") -> Workflow:
    """Set how many of its runs are executed at once, and how many arrivals at once are a flood; None: as everywhere.

    A new version differs from the one that runs in that alone, and a draft gets the same.

    Raises:
        NotFound; InvalidDefinition.
    """
    with transaction.atomic():
        workflow = Workflow.objects.select_for_update().filter(pk=workflow_id).first()
        if workflow is None or workflow.version is None:
            raise NotFound(f"There is no workflow {workflow_id!r:.60}.")
        changed = definitions.numbers({"concurrency": concurrency, "flood": flood})
        draft = workflow.draft
        if (data := _with(workflow.version.definition, changed)) != workflow.version.definition:
            new_version(workflow, data, by=by)
        workflow.draft = _with(draft, changed) if draft else None
        workflow.save()
    return get(workflow_id)


def _with(definition: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    return {**{key: value for key, value in definition.items() if key not in definitions.NUMBERS}, **numbers}


def noted(note: Any) -> str:
    """A note to a version. Raises Invalid."""
    if not isinstance(note, str) or len(note.strip()) > LONGEST_NOTE:
        raise Invalid(f"It must be a text of at most {LONGEST_NOTE:,} characters.", path="note")
    return note.strip()


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
    """id, key, name, state, reason, definition (that runs), draft, draft_by, draft_at, version, revision, report, turn_off (override,
    at), pinned, activated_at, created_at, updated_at."""
    return {
        "id": workflow.id,
        "key": workflow.key,
        "name": workflow.name,
        "state": workflow.state,
        "reason": workflow.reason,
        "definition": workflow.version.definition if workflow.version else None,
        "draft": workflow.draft,
        "draft_by": workflow.draft_by,
        "draft_at": clock.iso(workflow.draft_at) if workflow.draft_at else None,
        "version": workflow.version.number if workflow.version else None,
        "revision": workflow.revision,
        "report": workflow.report_id,
        "turn_off": {
            "override": workflow.override,
            "at": clock.iso(workflow.off_due) if workflow.off_due else None,
        },
        "pinned": workflow.pinned,
        "activated_at": clock.iso(workflow.activated_at) if workflow.activated_at else None,
        "created_at": clock.iso(workflow.created_at),
        "updated_at": clock.iso(workflow.updated_at),
    }
