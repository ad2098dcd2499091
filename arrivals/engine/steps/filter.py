"""A filter step."""

from typing import Any

from arrivals.engine.steps.contract import Call, Done, Outcome, Refused
from arrivals.workflows import conditions


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    groups = call.step["all"]
    shown["all"] = groups
    passed = conditions.passes(groups, call.context)
    return (Done if passed else Refused)({"passed": passed}, shown)
