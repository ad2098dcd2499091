"""The versions of a workflow: what it was, who made it so, and back to one of them. Blocks.

They are numbered from 1 and never changed. A run finishes on the version that it began with.
"""

from typing import Any

from django.db import transaction

from arrivals import clock
from arrivals.audience import cursors
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.workflows import comparing, definitions, workflows
from arrivals.workflows.models import Version, Workflow

DRAFT = "draft"
MOST = 1000


def history(workflow_id: str, *, limit: int = 50, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """The versions, the newest first, each as ``as_dict`` with ``changes`` (in words) since the one before; and the cursor of
    the next page or None.

    Raises:
        NotFound. Invalid: a cursor that is not ours, or a limit outside 1..1000.
    """
    workflow = workflows.get(workflow_id)
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    found = Version.objects.filter(workflow=workflow).order_by("-number")
    rows = list((found.filter(number__lt=cursors.read_number(cursor, 8)) if cursor else found)[: limit + 1])
    earlier: list[Version | None] = [*rows[1:], None]
    names = comparing.Names()
    shown = [
        {
            **as_dict(one, running=one.pk == workflow.version_id),
            "changes": comparing.between(former.definition, one.definition, names)["text"] if former else [],
        }
        for one, former in zip(rows[:limit], earlier, strict=False)
    ]
    return shown, str(rows[limit - 1].number) if len(rows) > limit else None


def get(workflow_id: str, number: int) -> Version:
    """Raises NotFound."""
    found = Version.objects.filter(workflow=workflows.get(workflow_id), number=number).first()
    if found is None:
        raise NotFound(f"The workflow {workflow_id} has no version {number}.")
    return found


def one(workflow_id: str, number: int) -> dict[str, Any]:
    """A version as ``as_dict``, with its ``definition``. Raises NotFound."""
    found = get(workflow_id, number)
    running = workflows.get(workflow_id).version_id == found.pk
    return {**as_dict(found, running=running), "definition": found.definition}


def compare(workflow_id: str, before: str, after: str) -> dict[str, Any]:
    """What is different in ``after``: ``from``, ``to``, and what ``comparing.between`` gives. Each is the number of a version,
    or "draft".

    Raises:
        NotFound: there is no such version, or no draft. Invalid: it is neither.
    """
    old, new = definition(workflow_id, before, path="from"), definition(workflow_id, after, path="to")
    labels = [DRAFT if one == DRAFT else int(one) for one in (before, after)]
    found = comparing.between(old, new, labels=(_label(before), _label(after)))
    return {"from": labels[0], "to": labels[1], **found}


def definition(workflow_id: str, which: str, *, path: str = "version") -> dict[str, Any]:
    """The definition of the draft ("draft") or of a version (its number, in decimal). Raises NotFound, Invalid."""
    if which == DRAFT:
        draft = workflows.get(workflow_id).draft
        if draft is None:
            raise NotFound(f"The workflow {workflow_id} has no draft.")
        return dict(draft)
    if not (which.isascii() and which.isdigit() and len(which) < 9):
        raise Invalid('It must be the number of a version, or "draft".', path=path)
    return dict(get(workflow_id, int(which)).definition)


def restore(
    workflow_id: str,
    number: int,
    *,
    existing: Any = "skip",
    note: str = "",
    draft: bool = False,
    revision: int | None = None,
    by: str = "",
) -> Workflow:
    """Go back to an earlier version: it becomes the next version, which runs, or with ``draft`` the draft.

    ``existing`` is the question of activation where its trigger is another one than that of now, as in ``workflows.publish``.
    A draft that is there stays, unless it is replaced by that.

    Raises:
        NotFound. Conflict: it is what runs already. InvalidDefinition: what it names is gone. Outdated: as ``save_draft``.
    """
    earlier, workflow = get(workflow_id, number), workflows.get(workflow_id)
    workflows.unchanged(workflow, revision)
    if draft:
        return workflows.save_draft(workflow_id, earlier.definition, revision=workflow.revision, by=by)
    if workflow.version_id == earlier.pk:
        raise Conflict(f"Version {number} is what runs already.")
    kept = workflow.draft, workflow.draft_by, workflow.draft_at
    said = note or f"Back to version {number}"
    changed = workflows.put_in_force(
        workflow, definitions.validate(earlier.definition), existing=existing, by=by, note=said, restored=number
    )
    if kept[0] is not None:
        with transaction.atomic():
            locked = workflows.begun(workflow_id, changed.revision)
            locked.draft, locked.draft_by, locked.draft_at = kept
            locked.save()
    return workflows.get(workflow_id)


def as_dict(version: Version, *, running: bool) -> dict[str, Any]:
    """number, name, by, at, note, restored (the number that it is again, or null), running (whether it is what runs)."""
    return {
        "number": version.number,
        "name": version.definition.get("name", ""),
        "by": version.created_by,
        "at": clock.iso(version.created_at),
        "note": version.note,
        "restored": version.restored,
        "running": running,
    }


def _label(which: str) -> str:
    return DRAFT if which == DRAFT else f"version {which}"
