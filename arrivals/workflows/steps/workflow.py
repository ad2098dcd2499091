"""Another workflow: it runs as a run of its own, and this one waits for its end, or does not."""

import re

from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates
from arrivals.workflows.steps.contract import Nested, Step, StepType

CALLED = "called"
MOST_INPUTS = 50
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


def check(step: Step, path: str, nested: Nested) -> Step:
    from arrivals.workflows.models import Workflow  # whose definitions have steps

    wanted = step["workflow"]
    found = Workflow.objects.select_related("version").filter(pk=wanted).first() if isinstance(wanted, str) else None
    if found is None:
        raise InvalidDefinition(f"There is no workflow {wanted!r:.60}.", path=f"{path}.workflow")
    if found.version is None or found.version.definition["trigger"]["kind"] != CALLED:
        raise InvalidDefinition(
            f"The workflow {found.name!r:.80} cannot be called: its trigger is not {CALLED}.", path=f"{path}.workflow"
        )
    inputs, wait = step.get("inputs", {}), step.get("wait", True)
    if not isinstance(inputs, dict) or len(inputs) > MOST_INPUTS:
        raise InvalidDefinition(f"It must be an object of at most {MOST_INPUTS} inputs.", path=f"{path}.inputs")
    for name in inputs:
        if not NAME.fullmatch(name):
            raise InvalidDefinition(
                "A name has 1 to 60 letters, digits and underscores, the first no digit.",
                path=f"{path}.inputs.{name:.60}",
            )
    templates.check_value(inputs, f"{path}.inputs")
    if not isinstance(wait, bool):
        raise InvalidDefinition("It must be true or false.", path=f"{path}.wait")
    return {"workflow": found.pk, "inputs": inputs, "wait": wait}


TYPE = StepType("workflow", keys=("workflow", "inputs", "wait"), need=("workflow",), check=check)
