"""A delay: the run waits, as a row, for a span of time or until a moment."""

from datetime import timedelta

from arrivals import clock
from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates
from arrivals.workflows.schedules import TIME
from arrivals.workflows.steps.contract import Nested, Step, StepType

LONGEST = timedelta(days=31)
PAST = ("go_on", "stop")
SAID = 'It must be a time such as "2026-01-31T09:00:00Z" or "09:00" (the next, in the workspace\'s time zone), or a template that gives one.'


def check(step: Step, path: str, nested: Nested) -> Step:
    if ("for" in step) == ("until" in step):
        raise InvalidDefinition("A delay has either for or until.", path=path)
    if "for" in step:
        return {"for": span(step["for"], f"{path}.for")}
    until, past = step["until"], step.get("past", "go_on")
    if not isinstance(until, str) or not until.strip():
        raise InvalidDefinition(SAID, path=f"{path}.until")
    if templates.is_template(until):
        if problem := templates.check(until):
            raise InvalidDefinition(problem, path=f"{path}.until")
    elif not TIME.fullmatch(until.strip()):
        try:
            clock.parse(until)
        except ValueError as error:
            raise InvalidDefinition(SAID, path=f"{path}.until") from error
    if past not in PAST:
        raise InvalidDefinition(f"It must be one of {', '.join(PAST)}.", path=f"{path}.past")
    return {"until": until.strip(), "past": past}


def span(value: object, path: str) -> str:
    """A span of time such as "15m", "2h" or "3d", from a minute to 31 days. Raises InvalidDefinition."""
    try:
        length = clock.duration(value) if isinstance(value, str) else timedelta(0)
    except ValueError:
        length = timedelta(0)
    if not isinstance(value, str) or not timedelta(minutes=1) <= length <= LONGEST:
        raise InvalidDefinition('It must be a span from 1 minute to 31 days, such as "15m", "2h" or "3d".', path=path)
    return value


TYPE = StepType("delay", keys=("for", "until", "past"), need=(), check=check)
