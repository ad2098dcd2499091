"""A loop: its steps are done for each item of a list, one item after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates
from arrivals.workflows.steps.contract import Nested, Step, StepType

MOST = 500


def check(step: Step, path: str, nested: Nested) -> Step:
    over, most = step["over"], step.get("most", MOST)
    if isinstance(over, str):
        problem = (
            templates.check(over)
            if templates.is_template(over)
            else "It must name a list, such as {{ steps.find.items }}."
        )
        if problem:
            raise InvalidDefinition(problem, path=f"{path}.over")
    elif not isinstance(over, list) or not 0 < len(over) <= MOST:
        raise InvalidDefinition(
            f"It must be a template that names a list, or a list of 1 to {MOST} values.", path=f"{path}.over"
        )
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST:
        raise InvalidDefinition(f"It must be a whole number from 1 to {MOST}.", path=f"{path}.most")
    return {"over": over, "most": most, "steps": nested(step["steps"], f"{path}.steps")}


def blocks(step: Mapping[str, Any]) -> list[Sequence[Step]]:
    return [step["steps"]]


TYPE = StepType("loop", keys=("over", "most", "steps"), need=("over", "steps"), check=check, blocks=blocks)
