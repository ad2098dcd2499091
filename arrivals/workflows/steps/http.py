"""A request over HTTP, by the app ``webhook``."""

from typing import Any

from arrivals.workflows import actions
from arrivals.workflows.steps import action
from arrivals.workflows.steps.contract import Nested, Step, StepType

APP, ACTION = "webhook", "request"
INPUTS = ("method", "url", "headers", "query", "format", "body", "ok")


def check(step: Step, path: str, nested: Nested) -> Step:
    inputs: dict[str, Any] = {name: step[name] for name in INPUTS if name in step}
    action.check_inputs(inputs, actions.catalogue().schema(APP, ACTION) or {}, path)
    connection = step.get("connection") or ""
    return {**inputs, "connection": action.connected(APP, connection, path)}


TYPE = StepType("http", keys=("connection", *INPUTS), need=("url",), check=check)
