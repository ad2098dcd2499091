"""A digest: entries of many runs are gathered, and one run goes on with all of them."""

from typing import Any

from arrivals.audience import shapes
from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates
from arrivals.workflows.schedules import DAYS, TIME
from arrivals.workflows.steps.contract import Nested, Step, StepType

EVERY = ("day", "week")
MOST = 1_000
RELEASE = ("every", "at", "on", "count")


def check(step: Step, path: str, nested: Nested) -> Step:
    read: dict[str, Any] = {"release": _release(step["release"], f"{path}.release"), "entry": step["entry"]}
    templates.check_value(step["entry"], f"{path}.entry")
    key = step.get("key", "")
    if not isinstance(key, str):
        raise InvalidDefinition("It must be a text, such as {{ account.id }}.", path=f"{path}.key")
    templates.check_value(key, f"{path}.key")
    return {**read, "key": key}


def _release(data: Any, path: str) -> dict[str, Any]:
    shapes.known(data, RELEASE, InvalidDefinition, path)
    if not ({"every", "count"} & set(data)):
        raise InvalidDefinition("It says when it is released: every, count, or both.", path=path)
    read: dict[str, Any] = {}
    if "every" in data:
        if data["every"] not in EVERY:
            raise InvalidDefinition(f"It must be one of {', '.join(EVERY)}.", path=f"{path}.every")
        at = data.get("at", "09:00")
        if not isinstance(at, str) or not TIME.fullmatch(at):
            raise InvalidDefinition('It must be a time of the day such as "09:00".', path=f"{path}.at")
        read |= {"every": data["every"], "at": at}
        if data["every"] == "week":
            read["on"] = data.get("on", "mon")
            if read["on"] not in DAYS:
                raise InvalidDefinition(f"It must be one of {', '.join(DAYS)}.", path=f"{path}.on")
    for name in ("at", "on"):
        if name in data and name not in read:
            raise InvalidDefinition(
                "It is of no use here; on is for weeks, at for days and weeks.", path=f"{path}.{name}"
            )
    if "count" in data:
        count = data["count"]
        if not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= MOST:
            raise InvalidDefinition(f"It must be a whole number from 2 to {MOST:,}.", path=f"{path}.count")
        read["count"] = count
    return read


TYPE = StepType("digest", keys=("release", "entry", "key"), need=("release", "entry"), check=check)
