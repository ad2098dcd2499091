"""A filter: the block that it stands in ends here for those for whom its conditions do not hold."""

from arrivals.workflows import conditions
from arrivals.workflows.steps.contract import Nested, Step, StepType


def check(step: Step, path: str, nested: Nested) -> Step:
    conditions.check(step["all"], f"{path}.all")
    return {"all": step["all"]}


TYPE = StepType("filter", keys=("all",), need=("all",), check=check, handles=False)
