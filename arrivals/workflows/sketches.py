"""A definition that is being written: what of it is finished, and everything that is not yet, with paths."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from arrivals.errors import InvalidDefinition
from arrivals.workflows import definitions, reentry, scopes, triggers
from arrivals.workflows.steps.contract import Step

MOST_BYTES = 512 * 1024
UNNAMED = "Untitled"
# These only say in which order others are done; they are tried together with those.
UNTRIED = ("paths", "loop", "delay", "wait", "digest", "workflow")
PROBLEM = "unfinished"  # the key of a step that stands for one that is not finished


@dataclass(frozen=True)
class Problem:
    """``path`` of the wrong part, the id of the ``step`` that it is in (empty: in none), and a sentence."""

    path: str
    step: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "step": self.step, "message": self.message}


@dataclass(frozen=True)
class Sketch:
    """``definition`` has defaults filled in where it is finished. In its steps, one that is not stands as an action with the key
    ``unfinished``, the sentence that says why. ``trigger`` is None while it is not finished."""

    definition: dict[str, Any]
    problems: list[Problem]
    trigger: dict[str, Any] | None = field(default=None)

    def step(self, step_id: str) -> Mapping[str, Any] | None:
        return next((one for _, one in scopes.every(self.definition["steps"]) if one["id"] == step_id), None)


def of(definition: Any) -> Sketch:
    """Read a definition of which anything may be missing. Never raises for what is in it."""
    data = definition if isinstance(definition, dict) else {}
    found: list[InvalidDefinition] = []
    name = data.get("name") if isinstance(data.get("name"), str) else ""
    if not name or not name.strip() or len(name) > 200:
        found.append(InvalidDefinition("The name must be a text of 1 to 200 characters.", path="name"))
    trigger = policy = None
    try:
        trigger = triggers.parse(data.get("trigger"))
    except InvalidDefinition as error:
        found.append(error)
    try:
        policy = reentry.parse(data.get("reentry", "never"))
    except InvalidDefinition as error:
        found.append(error)
    limits: dict[str, int] = {}
    for limit in definitions.NUMBERS:
        try:
            limits |= definitions.numbers({limit: data.get(limit)})
        except InvalidDefinition as error:
            found.append(error)
    tree = _Tolerant(found)
    steps: list[Step] = []
    try:
        steps = tree.steps(data.get("steps"), "steps")
    except InvalidDefinition as error:
        found.append(error)
    if data.get("steps") == []:
        found.append(InvalidDefinition("It has no step yet.", path="steps"))
    for extra in data.keys() - set(definitions.KEYS):
        found.append(InvalidDefinition(f"{extra!r:.60} is not a part of a definition.", path=str(extra)[:60]))
    found += definitions.misplaced(steps)
    found += scopes.problems(data.get("steps") or [])
    read = {
        "name": (name or UNNAMED).strip(),
        "trigger": trigger,
        "reentry": policy or "never",
        **limits,
        "steps": steps,
    }
    paths = sorted((path for path, _ in scopes.every(data.get("steps"))), key=len, reverse=True)
    ids = {path: str(step.get("id") or "") for path, step in scopes.every(data.get("steps"))}
    return Sketch(read, [_problem(one, paths, ids) for one in found], trigger)


def keep(data: Any) -> dict[str, Any]:
    """A definition as a draft may be kept: whatever is in it, when it is an object with a list of steps and not too large.

    Raises:
        InvalidDefinition: it is not.
    """
    if not isinstance(data, dict) or not isinstance(data.get("steps"), list):
        raise InvalidDefinition("A draft is an object with a list of steps.", path="steps")
    if len(orjson.dumps(data, default=str)) > MOST_BYTES:
        raise InvalidDefinition("A draft has at most 512 KB.", path="")
    return data


def digest(step: Mapping[str, Any]) -> str:
    """What tells whether a checked step is still the one that was tried: a hash of all but its name and the steps inside it."""
    own = {key: value for key, value in step.items() if key not in ("name", "steps", "on_error")}
    if "branches" in own:
        own["branches"] = [{key: value for key, value in one.items() if key != "steps"} for one in own["branches"]]
    return hashlib.sha256(orjson.dumps(own, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


class _Tolerant(definitions.Tree):
    """Notes what is wrong with a step and goes on with the next."""

    def __init__(self, found: list[InvalidDefinition]) -> None:
        super().__init__()
        self._found = found

    def _step(self, data: Any, path: str) -> Step:
        deep = self._deep
        try:
            return super()._step(data, path)
        except InvalidDefinition as error:
            self._deep = deep
            self._found.append(error)
            given = data.get("id") if isinstance(data, Mapping) else None
            id_ = given if isinstance(given, str) and definitions.STEP_ID.fullmatch(given) else path
            self._seen.add(id_)
            return {"id": id_, "type": "action", PROBLEM: error.message}


def _problem(error: InvalidDefinition, paths: list[str], ids: Mapping[str, str]) -> Problem:
    at = next((path for path in paths if error.path == path or error.path.startswith((f"{path}.", f"{path}["))), "")
    return Problem(error.path, ids.get(at, ""), error.message)
