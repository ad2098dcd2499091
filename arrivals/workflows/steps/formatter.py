"""A formatter: one value made of another by a function of the table."""

from typing import Any

from arrivals.accounts import workspace
from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates
from arrivals.workflows.steps.contract import Nested, Step, StepType
from arrivals.workflows.steps.formatter_functions import FUNCTIONS, OPTIONS, Option

MOST_PAIRS = 1_000


def check(step: Step, path: str, nested: Nested) -> Step:
    name = step["function"]
    function = FUNCTIONS.get(name) if isinstance(name, str) else None
    if function is None:
        raise InvalidDefinition(
            f"There is no function {name!r:.60}; there are {', '.join(FUNCTIONS)}.", path=f"{path}.function"
        )
    templates.check_value(step["input"], f"{path}.input")
    given = [key for key in OPTIONS if key in step]
    for key in given:
        option = function.option(key)
        if option is None:
            known = ", ".join(one.name for one in function.options) or "none"
            raise InvalidDefinition(f"{name} has no such option; it has {known}.", path=f"{path}.{key}")
        check_option(step[key], option, f"{path}.{key}")
    for option in function.options:
        if option.needed and option.name not in step:
            raise InvalidDefinition("It is missing.", path=f"{path}.{option.name}")
    return {"function": name, "input": step["input"], **{key: step[key] for key in given}}


def check_option(value: Any, option: Option, path: str) -> None:
    """Check the value of an option; a text with a template in it may become anything. Raises InvalidDefinition."""
    templates.check_value(value, path)
    if isinstance(value, str) and templates.is_template(value):
        return
    if problem := wrong(value, option):
        raise InvalidDefinition(problem, path=path)


def wrong(value: Any, option: Option) -> str | None:
    """The sentence that says what is wrong with a value of an option, or None."""
    if option.allowed and value not in option.allowed:
        return f"It must be one of {', '.join(map(repr, option.allowed))}."
    match option.type:
        case "text" if not isinstance(value, str) or (option.needed and not value):
            return "It must be a text."
        case "number" if not _number(value):
            return "It must be a number."
        case "whole" if not isinstance(value, int) or isinstance(value, bool):
            return "It must be a whole number."
        case "whole" if not (option.least or 0) <= value <= (option.most or 0):
            return f"It must be from {option.least} to {option.most}."
        case "flag" if not isinstance(value, bool):
            return "It must be true or false."
        case "zone" if value not in workspace.time_zones():
            return "It must be a time zone of the IANA database, such as Europe/Berlin."
        case "pairs" if not _pairs(value):
            return f'It must be an object, or a list of objects with "from" and "to", with 1 to {MOST_PAIRS:,} of them.'
    return None


def _number(value: Any) -> bool:
    if isinstance(value, str):
        try:
            return float(value) == float(value)
        except ValueError:
            return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pairs(value: Any) -> bool:
    if not isinstance(value, dict | list) or not 0 < len(value) <= MOST_PAIRS:
        return False
    return isinstance(value, dict) or all(isinstance(one, dict) and set(one) == {"from", "to"} for one in value)


TYPE = StepType("formatter", keys=("function", "input", *OPTIONS), need=("function", "input"), check=check)
