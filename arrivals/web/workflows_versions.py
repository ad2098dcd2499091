"""A workflow's versions: their list, what changed between two, publishing the draft, going back."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.errors import Invalid
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.web.workflows_activate import chosen
from arrivals.workflows import activation, versions, workflows

ROWS = 20


@signed_in
def show(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflow = workflows.get(workflow_id)
    items, following = versions.history(workflow_id, limit=ROWS, cursor=request.GET.get("cursor", ""))
    return render(request, "workflows_versions", workflow=workflow, versions=items, next=following)


@signed_in
def compare(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Two versions, or a version and the draft: in words and as lines of JSON."""
    workflow = workflows.get(workflow_id)
    before = request.GET.get("from") or (str(workflow.version.number) if workflow.version else versions.DRAFT)
    after = request.GET.get("to") or versions.DRAFT
    found = versions.compare(workflow_id, before, after)
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = [(kinds.get(line[:1], ""), line) for line in found["diff"].splitlines()[2:]]
    running = workflow.version.number if workflow.version else 0
    # The older of the two is what one may want back.
    older = min((one for one in (found["from"], found["to"]) if isinstance(one, int)), default=running)
    back = older if older != running else None
    return render(
        request,
        "workflows_compare",
        workflow=workflow,
        found=found,
        lines=lines,
        latest=[one["number"] for one in versions.history(workflow_id, limit=100)[0]],
        back=back,
        back_asks=bool(back) and activation.question(workflow_id, str(back)).asked,
        following=running + 1,
    )


@require_POST
@signed_in
def publish(request: HttpRequest, workflow_id: str) -> HttpResponse:
    by, existing = person(request).email, chosen(request)
    note, begun = request.POST.get("note", ""), revision(request)
    untested = request.POST.get("untested") == "on"
    workflow = workflows.publish(workflow_id, existing=existing, untested=untested, by=by, note=note, revision=begun)
    number = workflow.version.number if workflow.version else 0
    audit.note(by, "workflow.publish", workflow_id, version=number, existing=existing)
    flash(request, f"Version {number} runs from now on.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def discard(request: HttpRequest, workflow_id: str) -> HttpResponse:
    workflows.discard_draft(workflow_id, revision=revision(request))
    audit.note(person(request).email, "workflow.discard", workflow_id)
    flash(request, "The draft was discarded.")
    return go(f"/workflows/{workflow_id}")


@require_POST
@signed_in
def rollback(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """Back to an earlier version, at once or as a draft."""
    number, draft = request.POST.get("version", ""), "draft" in request.POST
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        raise Invalid("It must be the number of a version.", path="version")
    by, existing = person(request).email, chosen(request)
    changed = versions.restore(
        workflow_id,
        int(number),
        existing=existing,
        note=request.POST.get("note", ""),
        draft=draft,
        revision=revision(request),
        by=by,
    )
    audit.note(by, "workflow.rollback", workflow_id, version=int(number), draft=draft, existing=existing)
    running = changed.version.number if changed.version else 0
    flash(
        request,
        f"Version {number} is the draft now; publish it to make it run."
        if draft
        else f"Version {running} runs from now on; it is what version {number} was.",
    )
    return go(f"/workflows/{workflow_id}")


def revision(request: HttpRequest) -> int | None:
    """The revision that the form was made of; None when it does not say. Raises Invalid."""
    given = request.POST.get("revision", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Invalid("It must be a number.", path="revision")
    return int(given)
