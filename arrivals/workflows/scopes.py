"""Whether the templates of a step name only what is there when the step is done. Pure.

A step sees the outputs of every step that is written before it, but those of another branch when only the first branch
that holds is taken, and those inside a loop that it is not in. ``loop`` is there inside a loop, ``error`` in an error branch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from arrivals.errors import InvalidDefinition
from arrivals.workflows import templates


@dataclass(frozen=True)
class Scope:
    """The ids of steps that are seen, and whether ``loop`` and ``error`` are there."""

    steps: frozenset[str] = frozenset()
    loop: bool = False
    error: bool = False


def problems(steps: Sequence[Mapping[str, Any]], path: str = "steps") -> list[InvalidDefinition]:
    """What the templates of a list of steps name that is not there, in the order of the steps. The steps need not be checked."""
    everything = frozenset(step["id"] for _, step in every(steps, path) if isinstance(step.get("id"), str))
    found: list[InvalidDefinition] = []
    _block(steps, path, Scope(), everything, found)
    return found


def every(steps: Any, path: str = "steps") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every step of a list that may hold anything, with its path, each before those inside it."""
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, Mapping):
            where = f"{path}[{index}]"
            yield where, step
            for inside, at in _blocks(step, where):
                yield from every(inside, at)


def _block(
    steps: Any, path: str, scope: Scope, everything: frozenset[str], found: list[InvalidDefinition]
) -> frozenset[str]:
    """Note what is wrong in a block; return the steps that are seen after it."""
    seen = scope.steps
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, Mapping):
            seen |= _step(step, f"{path}[{index}]", replace(scope, steps=seen), everything, found)
    return seen


def _step(
    step: Mapping[str, Any], path: str, scope: Scope, everything: frozenset[str], found: list[InvalidDefinition]
) -> frozenset[str]:
    for where, text in _texts(_own(step), path):
        if problem := _problem(text, scope, everything):
            found.append(InvalidDefinition(problem, path=where))
    after = scope.steps | ({step["id"]} if isinstance(step.get("id"), str) else set())
    inner, one_only = after, step.get("type") == "paths" and step.get("mode", "first") == "first"
    for inside, at in _blocks(step, path):
        handling = at == f"{path}.on_error.steps"
        looping = step.get("type") == "loop" and not handling
        given = after if one_only or handling else inner
        seen = _block(
            inside,
            at,
            replace(scope, steps=given, loop=scope.loop or looping, error=scope.error or handling),
            everything,
            found,
        )
        inner = inner if looping else inner | seen
    return inner


def _blocks(step: Mapping[str, Any], path: str) -> list[tuple[Any, str]]:
    """The lists of steps inside a step that may hold anything, with their paths."""
    branches, handled = step.get("branches"), step.get("on_error")
    inside = [(step["steps"], f"{path}.steps")] if "steps" in step else []
    for index, one in enumerate(branches if isinstance(branches, list) else []):
        if isinstance(one, Mapping):
            inside.append((one.get("steps"), f"{path}.branches[{index}].steps"))
    if isinstance(handled, Mapping):
        inside.append((handled.get("steps"), f"{path}.on_error.steps"))
    return inside


def _own(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step without the steps inside it; branches keep their places."""
    own = {key: value for key, value in step.items() if key not in ("steps", "on_error", "id", "type", "name")}
    if isinstance(own.get("branches"), list):
        own["branches"] = [
            {key: value for key, value in one.items() if key != "steps"} if isinstance(one, Mapping) else one
            for one in own["branches"]
        ]
    return own


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if templates.is_template(value):
            yield path, value
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, f"{path}.{key}")


def _problem(text: str, scope: Scope, everything: frozenset[str]) -> str | None:
    for name in templates.named(text):
        if name[0] == "loop" and not scope.loop:
            return "There is no loop here: loop is there for the steps inside a loop."
        if name[0] == "error" and not scope.error:
            return "There is no error here: error is there for the steps of an error branch."
        if name[0] == "steps" and len(name) > 1 and isinstance(name[1], str) and name[1] not in scope.steps:
            if name[1] not in everything:
                return f"There is no step {name[1]!r:.70}."
            return f"The step {name[1]!r:.70} is not done before this one in every case that this one is done in."
    return None
