"""Paths: which branches are taken. They are done one after the other; the program says in which order."""

from typing import Any

from arrivals.engine.steps.contract import Call, Done, Outcome
from arrivals.workflows import conditions


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``branches``, the indexes of those that are taken, and their ``names``."""
    branches, first = call.step["branches"], call.step["mode"] == "first"
    taken: list[int] = []
    for index, branch in enumerate(branches):
        if first and taken:
            break
        if branch.get("fallback"):
            holds = not any("all" in branches[one] for one in taken)
        else:
            holds = "all" not in branch or conditions.passes(branch["all"], call.context)
        if holds:
            taken.append(index)
    return Done({"branches": taken, "names": [branches[index]["name"] for index in taken]}, shown)
