"""/workflows as files: one as YAML, and files made into segments, reports and workflows."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router

from arrivals.accounts import audit
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.workflows import applying, exporting
from arrivals.workflows.documents import File

router = Router()


class Text(Body):
    """A file. One whose name ends in `.json` is JSON, any other YAML."""

    name: str = Field("the text", min_length=1, max_length=300)
    text: str


class Importing(Body):
    """Files. With `plan` nothing is changed; `note` stands in the versions that are published."""

    files: list[Text] = Field(min_length=1, max_length=1000)
    plan: bool = False
    note: str = ""


@router.post("/import", auth=WRITE, response=dict[str, Any])
def import_workflows(request: HttpRequest, body: Importing) -> dict[str, Any]:
    """Make and change what files say, as exports are: `changes`, what becomes of each segment, report and workflow. The same
    files again change nothing."""
    who = caller(request).who
    files = [File(one.name, one.text) for one in body.files]
    items = applying.apply(files, plan=body.plan, by=who, note=body.note)
    for item in items:
        if not body.plan and (item.action != "leave" or item.turn):
            audit.note(who, f"{item.kind}.apply", item.id, name=item.name, done=item.action)
    told = [applying.as_dict(one) for one in items]
    if body.plan:
        told = [{**one, "id": None} if one["action"] == "make" else one for one in told]
    return {"applied": not body.plan, "changes": told}


@router.get("/{workflow_id}/export", auth=READ, response={200: None})
def export_workflow(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """The version that runs as YAML, with the segments and reports that it needs; names stand in the place of ids."""
    return HttpResponse(exporting.text(workflow_id), content_type="application/yaml; charset=utf-8")
