"""A workflow's definition as data: what is allowed in it."""

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from arrivals.audience import shapes
from arrivals.errors import InvalidDefinition
from arrivals.workflows import actions, conditions, reentry, templates, triggers

KEYS = ("name", "trigger", "reentry", "steps")
STEP_TYPES = ("action", "filter")
STEP_KEYS = {"action": ("id", "type", "app", "action", "connection", "inputs"), "filter": ("id", "type", "all")}
STEP_ID = re.compile(r"[a-z0-9_]{1,60}")
MOST_STEPS = 50


def validate(definition: Any) -> dict[str, Any]:
    """Return the definition with defaults filled in.

    Raises:
        InvalidDefinition: with the path of the wrong part (``steps[1].inputs.channel``) and what is allowed.
    """
    data = _object(definition, "", KEYS, need=("name", "trigger", "steps"))
    name = data["name"].strip() if isinstance(data["name"], str) else ""
    if not 0 < len(name) <= 200:
        raise InvalidDefinition("The name must be a text of 1 to 200 characters.", path="name")
    trigger = triggers.parse(data["trigger"])
    policy = reentry.parse(data.get("reentry", "never"))
    steps = data["steps"]
    if not isinstance(steps, list) or not 0 < len(steps) <= MOST_STEPS:
        raise InvalidDefinition(f"It must be a list of 1 to {MOST_STEPS} steps.", path="steps")
    seen: set[str] = set()
    read = []
    for index, step in enumerate(steps):
        read.append(_step(step, f"steps[{index}]"))
        if read[-1]["id"] in seen:
            raise InvalidDefinition(
                f"Two steps are called {read[-1]['id']!r}; ids must differ.", path=f"steps[{index}].id"
            )
        seen.add(read[-1]["id"])
    return {"name": name, "trigger": trigger, "reentry": policy, "steps": read}


def _step(data: Any, path: str) -> dict[str, Any]:
    kind = data.get("type") if isinstance(data, Mapping) else None
    if kind not in STEP_TYPES:
        raise InvalidDefinition(f"A step needs a type, one of {', '.join(STEP_TYPES)}.", path=f"{path}.type")
    step = _object(data, path, STEP_KEYS[kind], need=("id",))
    if not isinstance(step["id"], str) or not STEP_ID.fullmatch(step["id"]):
        raise InvalidDefinition("It must have 1 to 60 small letters, digits or underscores.", path=f"{path}.id")
    if kind == "filter":
        conditions.check(step.get("all"), f"{path}.all")
        return {"id": step["id"], "type": "filter", "all": step["all"]}
    return _action(step, path)


def _action(step: dict[str, Any], path: str) -> dict[str, Any]:
    catalogue = actions.catalogue()
    apps = {app["id"]: app for app in catalogue.apps()}
    app = apps.get(step.get("app", ""))
    if app is None:
        raise InvalidDefinition(
            f"There is no app {step.get('app')!r:.60}; there are {', '.join(apps)}.", path=f"{path}.app"
        )
    schema = catalogue.schema(app["id"], str(step.get("action")))
    if schema is None:
        known = ", ".join(action["id"] for action in app["actions"])
        raise InvalidDefinition(
            f"The app {app['id']} has no action {step.get('action')!r:.60}; it has {known}.", path=f"{path}.action"
        )
    connection = step.get("connection") or ""
    if connection or catalogue.needs_connection(app["id"]):
        problem = catalogue.connection_problem(app["id"], str(connection))
        if problem:
            raise InvalidDefinition(problem, path=f"{path}.connection")
    inputs = step.get("inputs", {})
    if not isinstance(inputs, dict):
        raise InvalidDefinition("It must be an object.", path=f"{path}.inputs")
    _templates(inputs, f"{path}.inputs")
    _inputs(inputs, schema, f"{path}.inputs")
    return {
        "id": step["id"],
        "type": "action",
        "app": app["id"],
        "action": step["action"],
        "connection": connection,
        "inputs": inputs,
    }


def _inputs(inputs: dict[str, Any], schema: dict[str, Any], path: str) -> None:
    """Check inputs against their JSON Schema; a text with a template in it may become anything."""
    problems = sorted(
        Draft202012Validator(schema).iter_errors(inputs), key=lambda error: list(map(str, error.absolute_path))
    )
    for error in problems:
        if isinstance(error.instance, str) and templates.is_template(error.instance):
            continue
        where = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        if error.validator == "required":
            missing = next(one for one in error.validator_value if one not in error.instance)
            raise InvalidDefinition("It is missing.", path=f"{where}.{missing}")
        if error.validator == "additionalProperties":
            known = schema.get("properties", {})
            extra = next((one for one in error.instance if one not in known), "")
            raise InvalidDefinition(
                f"{extra!r:.60} is not an input; there are {', '.join(known)}.", path=f"{where}.{extra:.60}"
            )
        raise InvalidDefinition(f"{error.message[:200]}.", path=where)


def _templates(value: Any, path: str) -> None:
    if isinstance(value, str):
        if templates.is_template(value) and (problem := templates.check(value)):
            raise InvalidDefinition(problem, path=path)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _templates(one, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            _templates(one, f"{path}.{key}")


def _object(data: Any, path: str, allowed: tuple[str, ...], *, need: tuple[str, ...]) -> dict[str, Any]:
    shapes.known(data, allowed, InvalidDefinition, path, whole="definition")
    for key in need:
        if key not in data:
            raise InvalidDefinition("It is missing.", path=f"{path}.{key}" if path else key)
    return dict(data)
