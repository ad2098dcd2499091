"""The documents of files: what each is (a segment, a report or a workflow), and in which order they are done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.audience import shapes
from arrivals.errors import Conflict, InvalidDefinition
from arrivals.workflows import references, yaml_text
from arrivals.workflows.exporting import MARK

KINDS = ("segment", "report", "workflow")
STATES = ("on", "paused", "off")
OWN = ("key", "state", "existing")  # of a workflow, beside its definition


@dataclass(frozen=True)
class File:
    """A file: its name, and the text in it."""

    name: str
    text: str


@dataclass(frozen=True)
class Document:
    """``place``: where it stands, for what is refused: the file, and which document of it when there are more."""

    kind: str
    data: dict[str, Any]
    place: str

    @property
    def names(self) -> set[str]:
        """What others may call it."""
        return {str(self.data[key]) for key in ("name", "key") if self.data.get(key)}


def read(files: Sequence[File]) -> list[Document]:
    """The documents of all files, each after those that it names.

    Raises:
        InvalidDefinition: with the file and the path of the wrong part. Conflict: two files say different things of one.
    """
    if sum(len(one.text) for one in files) > yaml_text.MOST:
        raise InvalidDefinition(f"The files hold more than {yaml_text.MOST:,} characters; apply fewer of them at once.")
    found: list[Document] = []
    for file in files:
        held = _texts(file)
        if not held:
            raise InvalidDefinition("It holds nothing.", path=file.name)
        for number, data in enumerate(held, start=1):
            place = f"{file.name} (document {number})" if len(held) > 1 else file.name
            _add(found, _document(data, place))
    return _ordered(found)


def _texts(file: File) -> list[Any]:
    if not file.name.endswith(".json"):
        return yaml_text.read(file.text, file.name)
    try:
        data = json.loads(file.text)
    except (ValueError, RecursionError) as error:
        raise InvalidDefinition(f"It is not JSON: {str(error)[:200]}.", path=file.name) from error
    return data if isinstance(data, list) else [data]


def _document(data: Any, place: str) -> Document:
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not data["name"].strip():
        raise InvalidDefinition("It must hold one object with a name.", path=f"{place}: name")
    kind = data.get(MARK, "workflow")
    if kind not in KINDS:
        raise InvalidDefinition(f"It must be one of {', '.join(KINDS)}.", path=f"{place}: {MARK}")
    rest = {key: value for key, value in data.items() if key != MARK}
    if kind == "segment":
        shapes.known(rest, ("name", "rules"), InvalidDefinition, place)
    return Document(str(kind), {**rest, "name": data["name"].strip()}, place)


def _add(found: list[Document], document: Document) -> None:
    """The same thing in two files, as each export has what it needs, is one; not when they differ."""
    key = document.data.get("key") if document.kind == "workflow" else None
    for one in found:
        if one.kind != document.kind:
            continue
        if one.data["name"] == document.data["name"] and (key is None or one.data.get("key") in (None, key)):
            if one.data != document.data:
                raise Conflict(
                    f"{one.place} and {document.place} say different things of the {one.kind} {one.data['name']!r:.80}."
                )
            return
        if key is not None and one.data.get("key") == key:
            raise Conflict(f"{one.place} and {document.place} are two workflows with the key {key!r:.80}.")
    found.append(document)


def _ordered(found: list[Document]) -> list[Document]:
    """Segments, reports, workflows; among themselves each after those of the files that it names."""
    waiting = sorted(found, key=lambda one: KINDS.index(one.kind))
    done: list[Document] = []
    while waiting:
        ready = [one for one in waiting if not _names_any(one, [other for other in waiting if other is not one])]
        if not ready:
            names = " and ".join(repr(one.data["name"]) for one in waiting[:3])
            raise InvalidDefinition(
                f"{names} name each other, so that none of them can be made first.", path=waiting[0].place
            )
        done += ready
        waiting = [one for one in waiting if one not in ready]
    return done


def _names_any(document: Document, others: Sequence[Document]) -> bool:
    known = {(one.kind, name) for one in others for name in one.names}
    return any((one.kind, one.value) in known for one in references.of(document.data))
