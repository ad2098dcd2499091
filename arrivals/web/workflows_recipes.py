"""A recipe's form: its questions, what would be made with live numbers, the message as it will look, one button."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.apps import connections
from arrivals.audience import visitors
from arrivals.errors import ArrivalsError
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.workflows import recipes
from arrivals.workflows.recipe_book import Recipe
from arrivals.workflows.recipe_parameters import Parameter
from arrivals.workflows.recipe_targets import TARGETS

SUGGESTED = {"survey": ("survey_answered",), "event": ("track", "page", "click")}


@signed_in
def show(request: HttpRequest, recipe_id: str) -> HttpResponse:
    recipe = recipes.get(recipe_id)
    if request.method != "POST":
        return _form(request, recipe)
    by, activate = person(request).email, request.POST.get("then") != "off"
    try:
        made = recipes.make(recipe_id, _answers(recipe, request.POST), by=by, activate=activate)
    except ArrivalsError as error:
        return _form(request, recipe, error=error)
    audit.note(by, "recipe.make", made.workflow.id, recipe=recipe_id, activate=activate)
    flash(
        request,
        f"Made, and on. {made.activation.on_report:,} are on the report already and start nothing; every new one does."
        if made.activation
        else "Made: a segment, a report, and this workflow. Activate it when you are ready.",
    )
    return go(f"/workflows/{made.workflow.id}")


@require_POST
@signed_in
def preview(request: HttpRequest, recipe_id: str) -> HttpResponse:
    """What the present answers would make, or what is wrong with which."""
    recipe = recipes.get(recipe_id)
    try:
        found = recipes.preview(recipe_id, _answers(recipe, request.POST))
    except ArrivalsError as error:
        return render(request, "part_recipe", error=error)
    return render(request, "part_recipe", found=found, message=_said(found["message"]))


def _answers(recipe: Recipe, form: QueryDict) -> dict[str, Any]:
    """The form as parameters: those of the other apps are left out, texts become what each kind wants."""
    app = form.get("app", recipes.APP.default)
    asked = [(one, one.name) for one in (*recipe.parameters, recipes.NAME)]
    if app in TARGETS:
        asked += [(one, f"{app}-{one.name}") for one in TARGETS[app].parameters]
    return {"app": app, **{one.name: _typed(one, form.get(field, "")) for one, field in asked}}


def _typed(parameter: Parameter, text: str) -> Any:
    if parameter.kind == "ids":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if parameter.kind == "number":
        digits = text.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else digits
    return text.replace("\r\n", "\n").strip()


def _said(inputs: dict[str, Any]) -> dict[str, str]:
    """A step's inputs as somebody will read them."""
    where = inputs.get("channel") or inputs.get("to") or inputs.get("url") or ""
    title = inputs.get("title") or inputs.get("subject") or ""
    text = str(inputs.get("text") or inputs.get("body") or "")
    return {"where": where, "title": title, "text": text}


def _form(request: HttpRequest, recipe: Recipe, *, error: ArrivalsError | None = None) -> HttpResponse:
    form = request.POST
    data = recipes.as_dict(recipe)
    app = form.get("app", recipes.APP.default)
    known: dict[str, list[Any]] = {}
    fields = [_field(one, one["name"], form, known) for one in data["parameters"] if one["name"] not in ("name", "app")]
    stored = connections.all_connections()
    targets = [
        {
            "app": name,
            "title": target["title"],
            "chosen": name == app,
            "fields": [_field(one, f"{name}-{one['name']}", form, known) for one in target["parameters"]],
            "connections": [one for one in stored if one.app == name],
        }
        for name, target in data["targets"].items()
    ]
    return render(
        request,
        "workflows_recipes",
        status=error.status if error else 200,
        recipe=recipe,
        fields=fields,
        targets=targets,
        name=form.get("name", ""),
        error=error,
    )


def _field(parameter: dict[str, Any], field: str, form: QueryDict, known: dict[str, list[Any]]) -> dict[str, Any]:
    """One input: the parameter, the name of its field, what is in it, and what to suggest."""
    kind = parameter["kind"]
    if kind not in known:
        known[kind] = _suggestions(kind)
    default = parameter["default"]
    value = form.get(field, "" if default is None else default)
    return {**parameter, "field": field, "value": value, "suggestions": known[kind]}


def _suggestions(kind: str) -> list[str]:
    if kind == "field":
        return [one.removeprefix("visitor.") for one in visitors.fields() if one.startswith("visitor.")]
    return [name for events in SUGGESTED.get(kind, ()) for name in visitors.names(events)]
