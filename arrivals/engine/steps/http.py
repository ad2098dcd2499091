"""A request over HTTP."""

from typing import Any

from arrivals.engine import masks
from arrivals.engine.steps import action
from arrivals.engine.steps.contract import Call, Done, Outcome
from arrivals.workflows import templates
from arrivals.workflows.actions import catalogue
from arrivals.workflows.steps.http import ACTION, APP, INPUTS


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: status, headers, body (JSON as a value, else text), truncated. In the body, names keep their values' types."""
    schema = catalogue().schema(APP, ACTION) or {}
    given = {name: call.step[name] for name in INPUTS if name in call.step and name != "body"}
    inputs = action.rendered(given, schema, call.context)
    if "body" in call.step:
        inputs["body"] = templates.values_of(call.step["body"], call.context)
    shown |= inputs
    return Done(await action.done(call, APP, ACTION, inputs), masks.masked(inputs, schema))
