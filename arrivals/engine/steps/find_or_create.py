"""Find or create."""

from typing import Any

from arrivals.engine import masks
from arrivals.engine.steps import action
from arrivals.engine.steps.contract import Call, Done, Outcome
from arrivals.workflows.actions import catalogue


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``found`` and ``created``, and those of the action that gave what there is now.

    Looking comes first at every try, so that what was created by a try that was not recorded is found, and not created twice.
    """
    step, inputs = call.step, {}
    for part in ("find", "create"):
        schema = catalogue().schema(step["app"], step[part]["action"]) or {}
        inputs = action.rendered(step[part]["inputs"], schema, call.context)
        shown[part] = masks.masked(inputs, schema)
        outputs = await action.done(call, step["app"], step[part]["action"], inputs, key=f"{call.key}:{part}")
        if part == "create" or outputs.get("found", bool(outputs)):
            break
    return Done({**outputs, "found": part == "find", "created": part == "create"}, dict(shown))
