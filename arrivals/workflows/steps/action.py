"""An action: something that an app can do."""

from typing import Any

from jsonschema import Draft202012Validator

from arrivals.errors import InvalidDefinition
from arrivals.workflows import actions, templates
from arrivals.workflows.steps.contract import Nested, Step, StepType


def check(step: Step, path: str, nested: Nested) -> Step:
    app, schema = of_app(step, path)
    connection = connected(app, step.get("connection") or "", path)
    inputs = step.get("inputs", {})
    check_inputs(inputs, schema, f"{path}.inputs")
    return {"app": app, "action": step["action"], "connection": connection, "inputs": inputs}


def of_app(step: Step, path: str) -> tuple[str, dict[str, Any]]:
    """The app's id and the schema of the inputs of its action. Raises InvalidDefinition."""
    catalogue = actions.catalogue()
    apps = {app["id"]: app for app in catalogue.apps()}
    app = apps.get(step.get("app", "")) if isinstance(step.get("app"), str) else None
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
    return str(app["id"]), schema


def connected(app: str, connection: Any, path: str) -> str:
    """The connection's id when the app can be used with it. Raises InvalidDefinition."""
    catalogue = actions.catalogue()
    if connection or catalogue.needs_connection(app):
        problem = catalogue.connection_problem(app, str(connection))
        if problem:
            raise InvalidDefinition(problem, path=f"{path}.connection")
    return str(connection)


def check_inputs(inputs: Any, schema: dict[str, Any], path: str) -> None:
    """Check inputs against their JSON Schema; a text with a template in it may become anything. Raises InvalidDefinition."""
    if not isinstance(inputs, dict):
        raise InvalidDefinition("It must be an object.", path=path)
    templates.check_value(inputs, path)
    for name in schema.get("required", ()):
        if isinstance(inputs.get(name), str) and not inputs[name].strip():
            raise InvalidDefinition("It is required, and empty.", path=f"{path}.{name}")
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


TYPE = StepType("action", keys=("app", "action", "connection", "inputs"), need=("app", "action"), check=check)
