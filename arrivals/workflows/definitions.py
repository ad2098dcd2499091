"""A workflow's definition as data: what is allowed in it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from arrivals.audience import shapes
from arrivals.errors import InvalidDefinition
from arrivals.workflows import reentry, scopes, triggers
from arrivals.workflows.steps.contract import Step
from arrivals.workflows.steps.registry import TYPES

KEYS = ("name", "trigger", "reentry", "steps", "concurrency", "flood")
# What may be set for one workflow: the least and the most.
NUMBERS = {"concurrency": (1, 1_000), "flood": (0, 1_000_000_000)}
COMMON = ("id", "type", "name", "on_error")
ON_ERROR = ("steps", "then", "tries")
THEN = ("stop", "go_on")
STEP_ID = re.compile(r"[a-z0-9_]{1,60}")
MOST_STEPS = 100
DEEPEST = 3


def validate(definition: Any) -> dict[str, Any]:
    """Return the definition with defaults filled in.

    Raises:
        InvalidDefinition: with the path of the wrong part (``steps[1].inputs.channel``) and what is allowed.
    """
    data = _object(definition, "", KEYS, need=("name", "trigger", "steps"))
    name = data["name"].strip() if isinstance(data["name"], str) else ""
    if not 0 < len(name) <= 200:
        raise InvalidDefinition("The name must be a text of 1 to 200 characters.", path="name")
    trigger = triggers.parse(data["trigger"])
    policy = reentry.parse(data.get("reentry", "never"))
    if data["steps"] == []:
        raise InvalidDefinition(f"It must be a list of 1 to {MOST_STEPS} steps.", path="steps")
    steps = Tree().steps(data["steps"], "steps")
    for problem in (*misplaced(steps), *scopes.problems(steps)):
        raise problem
    return {"name": name, "trigger": trigger, "reentry": policy, **numbers(data), "steps": steps}


def numbers(data: Mapping[str, Any]) -> dict[str, int]:
    """``concurrency`` and ``flood``, where they are set."""
    found = {}
    for name, (low, high) in NUMBERS.items():
        value = data.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidDefinition(f"It must be a whole number from {low} to {high}, or left out.", path=name)
        found[name] = value
    return found


def check_steps(steps: Any) -> None:
    """Check steps that were allowed once: a connection or an app may be gone since. Raises InvalidDefinition as ``validate``."""
    Tree().steps(steps, "steps")
    for problem in (*misplaced(steps), *scopes.problems(steps)):
        raise problem


def misplaced(steps: list[Step]) -> Iterator[InvalidDefinition]:
    """Steps that must not be where they are."""
    for path, step in scopes.every(steps):
        if step["type"] == "loop" and any(one["type"] == "digest" for _, one in scopes.every(step["steps"])):
            yield InvalidDefinition("A digest ends the runs that it gathers, so it cannot be inside a loop.", path=path)


class Tree:
    """Checks the steps of one definition: ids differ, there are not too many, and blocks are not too deep."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._deep = 0

    def steps(self, data: Any, path: str) -> list[Step]:
        if not isinstance(data, list) or len(data) > MOST_STEPS:
            raise InvalidDefinition(f"It must be a list of 1 to {MOST_STEPS} steps.", path=path)
        return [self._step(step, f"{path}[{index}]") for index, step in enumerate(data)]

    def _nested(self, data: Any, path: str) -> list[Step]:
        if self._deep == DEEPEST:
            raise InvalidDefinition(f"Steps are inside one another at most {DEEPEST} deep.", path=path)
        self._deep += 1
        read = self.steps(data, path)
        self._deep -= 1
        return read

    def _step(self, data: Any, path: str) -> Step:
        name = data.get("type") if isinstance(data, Mapping) else None
        kind = TYPES.get(name) if isinstance(name, str) else None
        if kind is None:
            raise InvalidDefinition(f"A step needs a type, one of {', '.join(TYPES)}.", path=f"{path}.type")
        step = _object(data, path, (*COMMON, *kind.keys), need=("id", *kind.need))
        if not isinstance(step["id"], str) or not STEP_ID.fullmatch(step["id"]):
            raise InvalidDefinition("It must have 1 to 60 small letters, digits or underscores.", path=f"{path}.id")
        if step["id"] in self._seen:
            raise InvalidDefinition(f"Two steps are called {step['id']!r}; ids must differ.", path=f"{path}.id")
        self._seen.add(step["id"])
        if len(self._seen) > MOST_STEPS:
            raise InvalidDefinition(f"A workflow has at most {MOST_STEPS} steps in all.", path=path)
        read: Step = {"id": step["id"], "type": kind.id}
        if "name" in step:
            if not isinstance(step["name"], str) or not 0 < len(step["name"].strip()) <= 100:
                raise InvalidDefinition("It must be a text of 1 to 100 characters.", path=f"{path}.name")
            read["name"] = step["name"].strip()
        read |= kind.check(step, path, self._nested)
        if step.get("on_error") is not None:
            if not kind.handles:
                raise InvalidDefinition(f"A step of the type {kind.id} has no error branch.", path=f"{path}.on_error")
            read["on_error"] = self._on_error(step["on_error"], f"{path}.on_error")
        return read

    def _on_error(self, data: Any, path: str) -> dict[str, Any]:
        """The error branch: its steps, whether the run then stops or goes on, and whether the automatic tries come first."""
        branch = _object(data, path, ON_ERROR, need=("steps",))
        then, tries = branch.get("then", "stop"), branch.get("tries", True)
        if then not in THEN:
            raise InvalidDefinition(f"It must be one of {', '.join(THEN)}.", path=f"{path}.then")
        if not isinstance(tries, bool):
            raise InvalidDefinition("It must be true or false.", path=f"{path}.tries")
        return {"steps": self._nested(branch["steps"], f"{path}.steps"), "then": then, "tries": tries}


def _object(data: Any, path: str, allowed: tuple[str, ...], *, need: tuple[str, ...]) -> dict[str, Any]:
    shapes.known(data, allowed, InvalidDefinition, path, whole="definition")
    for key in need:
        if key not in data:
            raise InvalidDefinition("It is missing.", path=f"{path}.{key}" if path else key)
    return dict(data)
