"""What a definition, or the rules of a segment, name by id: put names there for a file, and ids for us. Blocks.

What is looked at stands under a key of ``KINDS``, outside of what goes to other products: inputs, headers, bodies.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from arrivals.audience import sharing
from arrivals.audience.models import Feature, Page, Report, Segment, VisitorList
from arrivals.errors import Conflict, InvalidDefinition, NotFound
from arrivals.workflows import actions
from arrivals.workflows.models import Workflow

ID = re.compile(r"[a-z]+_[0-9a-z]{24}")
KINDS = ("report", "segment", "list", "page", "feature", "connection", "workflow")
CLOSED = ("inputs", "headers", "query", "body", "value", "where")
MODELS: dict[str, type[Model]] = {
    "report": Report,
    "segment": Segment,
    "list": VisitorList,
    "page": Page,
    "feature": Feature,
}


@dataclass(frozen=True)
class Reference:
    """A place in data where something is named. ``app``: of a connection, that of its step, "" where it has none."""

    path: str
    kind: str
    value: str
    app: str = ""

    def said(self) -> str:
        """In a sentence."""
        of = f" of {self.app}" if self.app else ""
        return f"{self.kind}{of} {self.value!r:.80}"


def replaced(data: Any, change: Callable[[Reference], str], path: str = "") -> Any:
    """A copy of data with another text in the place of each reference."""
    if isinstance(data, Mapping):
        found = {}
        for key, value in data.items():
            where = f"{path}.{key}" if path else str(key)
            if key in CLOSED:
                found[key] = value
            elif key in KINDS and isinstance(value, str) and value:
                found[key] = change(_reference(where, str(key), value, data))
            elif key == "workflows" and isinstance(value, list):
                found[key] = [
                    change(_reference(f"{where}[{index}]", "workflow", one, data)) if isinstance(one, str) else one
                    for index, one in enumerate(value)
                ]
            else:
                found[key] = replaced(value, change, where)
        return found
    if isinstance(data, list):
        return [replaced(one, change, f"{path}[{index}]") for index, one in enumerate(data)]
    return data


def of(data: Any) -> list[Reference]:
    """The references in data, in their order."""
    seen: list[Reference] = []

    def note(one: Reference) -> str:
        seen.append(one)
        return one.value

    replaced(data, note)
    return seen


def named(data: Any) -> Any:
    """A copy with names in the place of ids.

    Raises:
        Conflict: two things have the name, so that it would not say which. NotFound: what is named is gone.
    """
    return replaced(data, _name)


def resolved(data: Any) -> Any:
    """A copy with ids in the place of names; an id stays.

    Raises:
        InvalidDefinition: nothing has the name, or more than one thing does; with the path.
    """
    return replaced(data, _id)


def _reference(path: str, key: str, value: str, around: Mapping[str, Any]) -> Reference:
    app = around.get("app") if key == "connection" else None
    return Reference(path, key, value, app if isinstance(app, str) else "")


def _name(one: Reference) -> str:
    if not ID.fullmatch(one.value):
        return one.value
    things = list(_all(one))
    name = next((thing.name for thing in things if thing.id == one.value), None)
    if name is None:
        raise NotFound(f"There is no {one.said()} any more, which {one.path} names.")
    same = [thing for thing in things if name in thing.names]
    if len(same) > 1:
        raise Conflict(
            f"{len(same)} {one.kind}s are called {name!r:.80}; give them names of their own, so that a file can name one."
        )
    return name


def _id(one: Reference) -> str:
    if ID.fullmatch(one.value):
        return one.value
    same = [thing for thing in _all(one) if one.value.strip() in thing.names]
    if not same and one.kind in ("page", "feature"):
        return one.value
    if not same:
        raise InvalidDefinition(f"There is no {one.said()}; make it first, or add it to the files.", path=one.path)
    if len(same) > 1:
        ids = ", ".join(thing.id for thing in same[:5])
        raise InvalidDefinition(
            f"{len(same)} {one.kind}s are called {one.value!r:.80}; write the id of one instead ({ids}).", path=one.path
        )
    return same[0].id


@dataclass(frozen=True)
class _Thing:
    """``name``: what a file calls it; ``names``: all that it may be called."""

    id: str
    name: str
    names: tuple[str, ...]


def _all(one: Reference) -> Iterable[_Thing]:
    if one.kind == "connection":
        stored = actions.catalogue().connections()
        return [_Thing(c["id"], c["name"], (c["name"],)) for c in stored if one.app in ("", c["app"])]
    if one.kind == "workflow":
        rows = Workflow.objects.values_list("id", "name", "key")
        return [_Thing(id_, key or name, (key,) if key else (name,)) for id_, name, key in rows]
    model = MODELS[one.kind]
    things: Any = model._default_manager.all()
    visible = sharing.visible(things) if one.kind in ("report", "segment") else things
    return [_Thing(id_, name, (name,)) for id_, name in visible.values_list("id", "name")]
