"""A loop over a list: how many items there are, and what each turn sees."""

from collections.abc import Mapping
from typing import Any

from arrivals.engine.steps.contract import Call, Done, Outcome
from arrivals.errors import Permanent
from arrivals.workflows import templates


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``count``, how many turns there are, and ``of``, how many items the list has."""
    found = listed(call.step, call.context)
    return Done({"count": min(len(found), call.step["most"]), "of": len(found)}, shown)


def listed(step: Mapping[str, Any], context: Mapping[str, Any]) -> list[Any]:
    """The items: a list is taken as it is, a text by its lines or else its commas, and what is missing is an empty list.

    Raises:
        Permanent: it is anything else.
    """
    value = templates.value_of(step["over"], context)
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [one.strip() for one in value.split("\n" if "\n" in value.strip() else ",") if one.strip()]
    raise Permanent(f"It must be a list; it is {str(value)!r:.60}.", path="over")


def seen(step: Mapping[str, Any], context: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """What the steps of one turn see as ``loop``: item, index (from 0), number (from 1), count, and ``outer``."""
    items = listed(step, context)
    count = min(len(items), step["most"])
    told = {"item": items[turn] if turn < len(items) else None, "index": turn, "number": turn + 1, "count": count}
    return {**told, "outer": context["loop"]} if "loop" in context else told
