"""Conditions of filter steps: AND over ``all``, OR inside ``any``, each a rendered text compared with a value.

Compared here and not by the template language, so that an operator means what it means in segments: as numbers when
both are numbers, as times when both are dates (gt, gte, lt, lte, between; relative ones too), else as text.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import comparisons
from arrivals.audience.comparisons import Comparison
from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates

MOST = 50


def check(data: Any, path: str) -> None:
    """Raise InvalidDefinition with the path of what is wrong in the groups under ``path``."""
    if not isinstance(data, list) or not 0 < len(data) <= MOST:
        raise InvalidDefinition(f"It must be a list of 1 to {MOST} groups.", path=path)
    for index, group in enumerate(data):
        where = f"{path}[{index}]"
        if not isinstance(group, dict) or set(group) != {"any"}:
            raise InvalidDefinition('A group is {"any":[...]}.', path=where)
        rules = group["any"]
        if not isinstance(rules, list) or not 0 < len(rules) <= MOST:
            raise InvalidDefinition(f"It must be a list of 1 to {MOST} conditions.", path=f"{where}.any")
        for number, one in enumerate(rules):
            _check(one, f"{where}.any[{number}]")


def passes(groups: list[dict[str, Any]], context: Mapping[str, Any]) -> bool:
    """Whether the checked ``groups`` hold for ``context``. Raises Permanent when a template cannot be filled in."""
    return all(any(_holds(one, context) for one in group["any"]) for group in groups)


def _check(data: Any, path: str) -> None:
    if not isinstance(data, dict) or not {"left", "op"} <= set(data) <= {"left", "op", "value"}:
        raise InvalidDefinition("A condition has left, op and value.", path=path)
    if not isinstance(data["left"], str):
        raise InvalidDefinition("It must be a text, such as {{ row.score }}.", path=f"{path}.left")
    if not data["left"].strip():
        raise InvalidDefinition("It is empty; it says what is compared, such as {{ row.score }}.", path=f"{path}.left")
    if problem := templates.check(data["left"]):
        raise InvalidDefinition(problem, path=f"{path}.left")
    comparisons.parse("left", data["op"], data.get("value"), given="value" in data, path=path, error=InvalidDefinition)


def _holds(data: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    left = templates.render(data["left"], context).strip()
    read = comparisons.parse(
        "left", data["op"], data.get("value"), given="value" in data, path="", error=InvalidDefinition
    )
    return compared(comparisons.resolved(read, clock.now()), left) != read.negated


def compared(read: Comparison, left: str) -> bool:
    """The comparison without its negation. ``left`` empty means that there is no value."""
    match read.op:
        case "is_set":
            return left != ""
        case "in":
            return any(_same(left, value) for value in read.value)
        case "is":
            return _same(left, read.value)
        case "contains":
            return left != "" and read.value.lower() in left.lower()
        case "starts_with":
            return left.lower().startswith(read.value.lower())
        case "between":
            return _ordered("gte", left, read.value[0]) and _ordered("lte", left, read.value[1])
        case _:
            return _ordered(read.op, left, read.value)


def _same(left: str, value: Any) -> bool:
    if isinstance(value, bool):
        return left == ("true" if value else "false")
    if isinstance(value, int | float):
        number = _number(left)
        return number is not None and number == value
    return left == value


def _ordered(op: str, left: str, value: float | datetime) -> bool:
    try:
        mine: Any = workspace.parse(left) if isinstance(value, datetime) else _number(left)
    except ValueError:
        return False
    if mine is None:
        return False
    return bool({"gt": mine > value, "gte": mine >= value, "lt": mine < value, "lte": mine <= value}[op])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
