"""A wait: for an event of the visitor, or until it has left the report, for some time at most."""

from arrivals.errors import InvalidDefinition
from arrivals.workflows import triggers
from arrivals.workflows.steps import delay
from arrivals.workflows.steps.contract import Nested, Step, StepType

ALLOWED = 'It must be {"event": {...}}, what the event has to be, or {"left_report": true}.'


def check(step: Step, path: str, nested: Nested) -> Step:
    wanted = step["for"]
    if not isinstance(wanted, dict) or len(wanted) != 1 or not set(wanted) <= {"event", "left_report"}:
        raise InvalidDefinition(ALLOWED, path=f"{path}.for")
    if "event" in wanted:
        triggers.event(wanted["event"], f"{path}.for.event")
    elif wanted["left_report"] is not True:
        raise InvalidDefinition("It must be true.", path=f"{path}.for.left_report")
    return {"for": wanted, "timeout": delay.span(step["timeout"], f"{path}.timeout")}


TYPE = StepType("wait", keys=("for", "timeout"), need=("for", "timeout"), check=check)
