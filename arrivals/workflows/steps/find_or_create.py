"""Find or create: one action of an app looks for something, and another one makes it where there is nothing."""

from typing import Any

from arrivals.audience import shapes
from arrivals.errors import InvalidDefinition
from arrivals.workflows import actions
from arrivals.workflows.steps import action
from arrivals.workflows.steps.contract import Nested, Step, StepType

PARTS = ("find", "create")


def check(step: Step, path: str, nested: Nested) -> Step:
    read: dict[str, Any] = {}
    app = ""
    for part in PARTS:
        where = f"{path}.{part}"
        shapes.known(step[part], ("action", "inputs"), InvalidDefinition, where)
        try:
            app, schema = action.of_app({"app": step["app"], "action": step[part].get("action")}, path)
        except InvalidDefinition as error:
            at = error.path.replace(f"{path}.action", f"{where}.action")
            raise InvalidDefinition(error.message, path=at) from error
        inputs = step[part].get("inputs", {})
        action.check_inputs(inputs, schema, f"{where}.inputs")
        read[part] = {"action": step[part]["action"], "inputs": inputs}
    finding = [
        one["id"]
        for known in actions.catalogue().apps()
        if known["id"] == app
        for one in known["actions"]
        if one.get("finds")
    ]
    if read["find"]["action"] not in finding:
        known = f"it has {', '.join(finding)}" if finding else "it has none"
        raise InvalidDefinition(
            f"It must be an action of {app} that looks for something; {known}.", path=f"{path}.find.action"
        )
    connection = action.connected(app, step.get("connection") or "", path)
    return {"app": app, "connection": connection, **read}


TYPE = StepType("find_or_create", keys=("app", "connection", *PARTS), need=("app", *PARTS), check=check)
