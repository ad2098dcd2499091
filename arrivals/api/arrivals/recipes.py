"""/recipes: a segment, a report and a workflow made together."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from arrivals.accounts import audit
from arrivals.api.arrivals import pages
from arrivals.api.arrivals.auth import READ, WRITE, caller
from arrivals.api.arrivals.bodies import Body
from arrivals.audience import reports, segments
from arrivals.errors import Invalid
from arrivals.workflows import recipes, workflows

router = Router()


class Answers(Body):
    """What the recipe asks: its own parameters, `name`, `app` and those of the app."""

    parameters: dict[str, Any] = {}


class Order(Answers):
    activate: bool = False


@router.get("", auth=READ, response=pages.Page)
def list_recipes(request: HttpRequest) -> dict[str, Any]:
    """All recipes, with their parameters and those of each app that can carry the message."""
    return pages.answer(([recipes.as_dict(one) for one in recipes.all_recipes()], None))


@router.post("/{recipe_id}/preview", auth=READ, response=dict[str, Any])
def preview_recipe(request: HttpRequest, recipe_id: str, body: Answers) -> dict[str, Any]:
    """What would be made, how many are in the segment and on the report now, and how the message looks. Stores nothing,
    so a read-only key may ask."""
    try:
        return recipes.preview(recipe_id, body.parameters)
    except Invalid as error:
        raise _below(error) from error


@router.post("/{recipe_id}", auth=WRITE, response={201: dict[str, Any]})
def make_recipe(request: HttpRequest, recipe_id: str, body: Order) -> Any:
    """Make the segment, the report and the workflow, all or nothing; with `activate` turn the workflow on, starting from
    now: those on the report start nothing."""
    who = caller(request).who
    try:
        made = recipes.make(recipe_id, body.parameters, by=who, activate=body.activate)
    except Invalid as error:
        raise _below(error) from error
    audit.note(who, "recipe.make", made.workflow.id, recipe=recipe_id, activate=body.activate)
    on = made.activation
    return Status(
        201,
        {
            "segment": segments.as_dict(made.segment) if made.segment else None,
            "report": reports.as_dict(made.report),
            "workflow": workflows.as_dict(made.workflow),
            "activation": {"on_report": on.on_report, "will_run": on.will_run} if on else None,
        },
    )


def _below(error: Invalid) -> Invalid:
    """The same refusal with its path as it is in the body. What a recipe made of the answers keeps its own path."""
    if type(error) is Invalid and error.path:
        error.path = f"parameters.{error.path}"
    return error
