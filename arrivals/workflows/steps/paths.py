"""Paths: branches with conditions, of which the first that holds is taken, or all of them, one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals.audience import shapes
from arrivals.errors import InvalidDefinition
from arrivals.workflows import conditions
from arrivals.workflows.steps.contract import Nested, Step, StepType

MODES = ("first", "all")
MOST = 10
KEYS = ("name", "all", "always", "fallback", "steps")
ONE = "A branch has conditions (all), or is taken always, or as the fallback: one of these three."


def check(step: Step, path: str, nested: Nested) -> Step:
    mode, branches = step.get("mode", "first"), step["branches"]
    if mode not in MODES:
        raise InvalidDefinition(f"It must be one of {', '.join(MODES)}.", path=f"{path}.mode")
    if not isinstance(branches, list) or not 0 < len(branches) <= MOST:
        raise InvalidDefinition(f"It must be a list of 1 to {MOST} branches.", path=f"{path}.branches")
    read = [_branch(one, f"{path}.branches[{index}]", nested, index) for index, one in enumerate(branches)]
    fallbacks = [index for index, one in enumerate(read) if one.get("fallback")]
    if fallbacks and fallbacks != [len(read) - 1]:
        where = f"{path}.branches[{fallbacks[0]}].fallback"
        raise InvalidDefinition("There is at most one fallback, and it is the last branch.", path=where)
    return {"mode": mode, "branches": read}


def blocks(step: Mapping[str, Any]) -> list[Sequence[Step]]:
    return [branch["steps"] for branch in step["branches"]]


def _branch(data: Any, path: str, nested: Nested, index: int) -> dict[str, Any]:
    shapes.known(data, KEYS, InvalidDefinition, path)
    name = data.get("name", f"Branch {index + 1}")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 100:
        raise InvalidDefinition("It must be a text of 1 to 100 characters.", path=f"{path}.name")
    for flag in ("always", "fallback"):
        if data.get(flag, False) not in (True, False):
            raise InvalidDefinition("It must be true or false.", path=f"{path}.{flag}")
    if sum((("all" in data), data.get("always", False), data.get("fallback", False))) != 1:
        raise InvalidDefinition(ONE, path=path)
    read: dict[str, Any] = {"name": name.strip()}
    if "all" in data:
        conditions.check(data["all"], f"{path}.all")
        read["all"] = data["all"]
    else:
        read["always" if data.get("always") else "fallback"] = True
    return {**read, "steps": nested(data.get("steps", []), f"{path}.steps")}


TYPE = StepType("paths", keys=("mode", "branches"), need=("branches",), check=check, blocks=blocks, handles=False)
