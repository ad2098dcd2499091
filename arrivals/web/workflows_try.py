"""What the page of a workflow asks while it is built: checks, tests, values, drafts. JSON."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.apps import tries
from arrivals.errors import ArrivalsError, InvalidJson
from arrivals.web.pages import person, signed_in
from arrivals.workflows import sketches, steptests, workflows
from arrivals.workflows.models import Workflow

Answer = Callable[..., dict[str, Any]]


def _asked(view: Answer) -> Callable[..., HttpResponseBase]:
    """A view that is given the body's object and answers with one; a refusal is its error as JSON."""

    @require_POST
    @signed_in
    @wraps(view)
    def answered(request: HttpRequest, **named: str) -> HttpResponseBase:
        try:
            body = orjson.loads(request.body)
            if not isinstance(body, dict) or b"\\u0000" in request.body:
                raise InvalidJson("It must be an object without the character NUL.")
            return JsonResponse(view(request, body, **named))
        except orjson.JSONDecodeError:
            return JsonResponse(InvalidJson().as_dict(), status=400)
        except ArrivalsError as error:
            return JsonResponse(error.as_dict(), status=error.status)

    return answered


@_asked
def draft(request: HttpRequest, body: dict[str, Any]) -> dict[str, Any]:
    """Keep a new workflow as a draft: ``{"id"}``."""
    made = workflows.begin(body.get("definition"), by=person(request).email)
    audit.note(person(request).email, "workflow.save", made.id, name=made.name)
    return {"id": made.id}


@_asked
def check(request: HttpRequest, body: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    """``steps``, ``problems`` and ``untested`` of the definition as it is in the form."""
    if workflow_id == "new":
        read = sketches.of(body.get("definition"))
        return {"steps": [], "untested": [], "problems": [one.as_dict() for one in read.problems]}
    return tries.known(workflow_id, body.get("definition"))


@_asked
def sample(request: HttpRequest, body: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    """``{"sample"}``: what templates see."""
    workflow = Workflow(id="", name="") if workflow_id == "new" else workflows.get(workflow_id)
    read = sketches.of(body.get("definition"))
    return {"sample": tries.sample(workflow, read, body.get("visitor"), _object(body.get("given")))}


@_asked
def attempt(request: HttpRequest, body: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    """Try one step or all, as ``POST /api/v2/workflows/{id}/test``."""
    by, step, visitor = person(request).email, body.get("step"), body.get("visitor")
    found = tries.try_out(
        workflow_id,
        step=str(step) if step else None,
        visitor=str(visitor) if visitor is not None else None,
        dry=body.get("dry") is True,
        definition=body.get("definition"),
        given=_object(body.get("given")),
        by=by,
    )
    audit.note(by, "workflow.test", workflow_id, step=str(step or ""), dry=body.get("dry") is True)
    return found


@_asked
def pin(request: HttpRequest, body: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    """Choose whom tests are for: ``{"pinned"}``."""
    pinned = steptests.pin(workflow_id, str(body.get("visitor") or "")).pinned
    audit.note(person(request).email, "workflow.pin", workflow_id)
    return {"pinned": pinned}


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
