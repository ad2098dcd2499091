"""/workflows/{id}/versions: what a workflow was, what changed, and back; and why it did or did not run for somebody."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.workflows import Publication, revision
from arrivals.engine import why_one
from arrivals.workflows import versions, workflows

router = Router()


class Restoring(Publication):
    """Which version to go back to; with `draft` it becomes the draft, else it is published at once."""

    version: int
    draft: bool = False


@router.get("/{workflow_id}/versions", auth=READ, response=pages.Page)
def list_workflow_versions(
    request: HttpRequest, workflow_id: str, limit: pages.Limit, cursor: pages.Cursor
) -> dict[str, Any]:
    """The versions, newest first: `number`, `name`, `by`, `at`, `note`, `restored`, `running`, and `changes` in words."""
    return pages.answer(versions.history(workflow_id, limit=limit, cursor=cursor))


@router.get("/{workflow_id}/versions/{number}", auth=READ, response=dict[str, Any])
def get_workflow_version(request: HttpRequest, workflow_id: str, number: int) -> dict[str, Any]:
    """One version, with its `definition`."""
    return versions.one(workflow_id, number)


@router.get("/{workflow_id}/compare", auth=READ, response=dict[str, Any])
def compare_workflow_versions(
    request: HttpRequest,
    workflow_id: str,
    before: str = Query(..., alias="from"),
    after: str = Query("draft", alias="to"),
) -> dict[str, Any]:
    """What is different in `to` (draft, if left out) since `from`, each the number of a version or "draft": `same`, `changes`
    by step and field, `text` in words, `diff` as lines of JSON."""
    return versions.compare(workflow_id, before, after)


@router.post("/{workflow_id}/rollback", auth=WRITE, response=dict[str, Any])
def rollback_workflow(request: HttpRequest, workflow_id: str, body: Restoring) -> dict[str, Any]:
    """Make an earlier version the next one, which runs; or with `draft` the draft. `existing` as in publish, where its trigger
    is another one than now; `If-Match` as in saving a draft."""
    who = caller(request).who
    changed = versions.restore(
        workflow_id,
        body.version,
        existing=body.data,
        note=body.note,
        draft=body.draft,
        revision=revision(request),
        by=who,
    )
    audit.note(who, "workflow.rollback", workflow_id, version=body.version, draft=body.draft, existing=body.data)
    return workflows.as_dict(changed)


@router.get("/{workflow_id}/why", auth=READ, response=dict[str, Any])
def explain_workflow(
    request: HttpRequest, workflow_id: str, visitor: str = Query(..., min_length=1, max_length=512)
) -> dict[str, Any]:
    """Why it did or did not run for a visitor: `why`, a sentence; whether it `ran`, and its newest `runs` for this one."""
    return why_one.of(workflow_id, visitor)
