"""A formatter: its input and options read, and the function done."""

from collections.abc import Callable, Mapping
from typing import Any

from arrivals.engine import masks
from arrivals.engine.formatting import dates, lists, numbers, reading, texts
from arrivals.engine.steps.contract import Call, Done, Outcome
from arrivals.errors import Permanent
from arrivals.workflows import templates
from arrivals.workflows.steps import formatter
from arrivals.workflows.steps.formatter_functions import FUNCTIONS, Function, Option

DO: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    **texts.FUNCTIONS,
    **numbers.FUNCTIONS,
    **dates.FUNCTIONS,
    **lists.FUNCTIONS,
}


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``value``."""
    function = FUNCTIONS[call.step["function"]]
    given = [option.name for option in function.options if option.name in call.step]
    value = templates.value_of(call.step["input"], call.context)
    options = {name: templates.values_of(call.step[name], call.context) for name in given}
    shown |= {"function": function.name, "input": value, **options}
    return Done(masks.capped({"value": result(function, value, options)}), masks.masked(shown))


def result(function: Function, value: Any, given: Mapping[str, Any]) -> Any:
    """What a function makes of a value with these options.

    Raises:
        Permanent: the input or an option cannot be read as what it must be; with its path.
    """
    options: dict[str, Any] = {"given": frozenset(given)}
    for option in function.options:
        value_given = given.get(option.name)
        left_out = value_given is None or (value_given == "" and not _may_be_empty(option))
        if left_out and option.needed and option.type != "any":
            raise Permanent("It is required, and empty for this run.", path=option.name)
        options[option.name] = option.default if left_out else _read(value_given, option)
    return DO[function.name](_input(value, function, options), options)


def _input(value: Any, function: Function, options: Mapping[str, Any]) -> Any:
    match function.input:
        case "text":
            return reading.text(value)
        case "number":
            return reading.number(value)
        case "list":
            return reading.listed(value)
        case "date":
            return reading.moment(value, dates.zone_of(options) if "zone" in options else None)
    return value


def _may_be_empty(option: Option) -> bool:
    """Whether an empty text is a value of the option, and not one that a template left empty."""
    return option.type == "any" or (
        option.type == "text" and not option.needed and "" in (*option.allowed, option.default)
    )


def _read(value: Any, option: Option) -> Any:
    """A value as the option's type, which a template may have given as a text."""
    if option.type == "text":
        value = reading.text(value, option.name)
    elif option.type == "whole" and not isinstance(value, bool):
        number = reading.number(value, option.name)
        value = int(number) if number == number.to_integral_value() else value
    elif option.type == "flag" and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower(), value)
    if problem := formatter.wrong(value, option):
        raise Permanent(problem, path=option.name)
    return value
