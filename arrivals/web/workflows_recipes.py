"""A recipe's form: its questions, what would be made with live numbers, the message as it will look, one button."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_POST

from arrivals.accounts import audit
from arrivals.apps import connections
from arrivals.apps.models import Connection
from arrivals.errors import ArrivalsError
from arrivals.web import suggestions
from arrivals.web.pages import flash, go, person, render, signed_in
from arrivals.workflows import recipe_looks, recipes
from arrivals.workflows.recipe_book import Recipe
from arrivals.workflows.recipe_parameters import Parameter
from arrivals.workflows.recipe_targets import TARGETS

CLOSED = ("connection", "pendo", "report", "column")  # one of the choices; all others take any text
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
        f"Made, and on. On the report already, and starting nothing: {made.activation.on_report:,}."
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


@require_POST
@signed_in
def fields(request: HttpRequest, recipe_id: str) -> HttpResponse:
    """The questions again, after an answer on which the choices of others depend."""
    return render(request, "part_recipe_fields", recipe=recipes.get(recipe_id), fields=_fields(recipe_id, request.POST))


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
    form = request.POST or request.GET  # a link may bring answers with it
    app = form.get("app", recipes.APP.default)
    stored = connections.all_connections()
    targets = [
        {
            "app": name,
            "title": target["title"],
            "chosen": name == app,
            "fields": [
                _field(one, f"{name}-{one['name']}", form, _of_app(stored, name)) for one in target["parameters"]
            ],
            "connections": _of_app(stored, name),
        }
        for name, target in recipes.as_dict(recipe)["targets"].items()
    ]
    return render(
        request,
        "workflows_recipes",
        status=error.status if error else 200,
        recipe=recipe,
        fields=_fields(recipe.id, form),
        targets=targets,
        name=form.get("name", ""),
        error=error,
    )


def _fields(recipe_id: str, form: QueryDict) -> list[dict[str, Any]]:
    asked = recipes.as_dict(recipes.get(recipe_id))["parameters"]
    return [_field(one, one["name"], form, _choices(one, form)) for one in asked if one["name"] not in ("name", "app")]


def _field(parameter: dict[str, Any], field: str, form: QueryDict, choices: list[tuple[str, str]]) -> dict[str, Any]:
    """One input: the parameter, the name of its field, what is in it, and what to choose from or to suggest."""
    default = parameter["default"]
    value = form.get(field, "" if default is None else default)
    return {**parameter, "field": field, "value": value, "choices": choices, "closed": parameter["kind"] in CLOSED}


def _choices(parameter: dict[str, Any], form: QueryDict) -> list[tuple[str, str]]:
    """Values and their words. What cannot be asked of a remote subscription now is an empty list: the preview says why."""
    kind, pendo, report = parameter["kind"], form.get("pendo", ""), form.get("report", "")
    if kind == "pendo":
        return _of_app(connections.all_connections(), "pendo")
    try:
        if kind == "report" and pendo:
            return [(one.id, one.name) for one in recipe_looks.listed(pendo)]
        if kind == "column" and pendo and report:
            look = recipe_looks.of(pendo, report)
            return [(name, _with_value(name, look.row.get(name))) for name in look.columns]
    except ArrivalsError:
        return []
    if kind == "field":
        names = [one.removeprefix("visitor.") for one in suggestions.fields() if one.startswith("visitor.")]
    else:
        names = [name for events in SUGGESTED.get(kind, ()) for name in suggestions.names(events)]
    return [(name, name) for name in names]


def _of_app(stored: list[Connection], app: str) -> list[tuple[str, str]]:
    return [(one.id, one.name) for one in stored if one.app == app]


def _with_value(name: str, value: Any) -> str:
    """A column with what somebody on the report has in it, which says more than its name."""
    return f"{name} ({str(value)[:40]})" if value not in (None, "") else name
