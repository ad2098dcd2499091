"""What a recipe asks of a person: its parameters, as data, and the check of what was given."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.errors import Invalid

LONGEST = 200
MOST_IDS = 1000
# No mark with which a name could end a text inside of a template.
COLUMN = re.compile(r"[^\"'{}%]+")
FIELD = re.compile(r"[^\s\"'{}%.][^\"'{}%]*\.[^\"'{}%]*[^\s\"'{}%.]")


@dataclass(frozen=True)
class Parameter:
    """One question. ``kind``: text, number, survey, event (its name), field (of a visitor, such as agent.plan), ids (a
    list), connection, and of a remote subscription pendo (its connection), report and column. A number is a whole one from ``low`` to ``high``. ``default`` None: it must be
    given; an empty text: it may be left out."""

    name: str
    title: str
    help: str
    kind: str = "text"
    default: Any = None
    low: int = 1
    high: int = 365

    def as_dict(self) -> dict[str, Any]:
        """name, title, help, kind, default, required; of a number also low and high."""
        data = {"name": self.name, "title": self.title, "help": self.help, "kind": self.kind, "default": self.default}
        bounds = {"low": self.low, "high": self.high} if self.kind == "number" else {}
        return {**data, "required": self.default is None, **bounds}


def check(parameters: Iterable[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all ``parameters``, with defaults filled in.

    Raises:
        Invalid: with the name of the wrong one as its path, and what is allowed.
    """
    known = {one.name: one for one in parameters}
    for name in given:
        if name not in known:
            raise Invalid(f"{name!r:.60} is not known here; there are {', '.join(known)}.", path=f"{name:.60}")
    return {name: _value(one, given.get(name)) for name, one in known.items()}


def _value(one: Parameter, value: Any) -> Any:
    if value is None or value in ("", []):
        if one.default is None:
            raise Invalid(f"{one.title} is missing.", path=one.name)
        return one.default
    if one.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int) or not one.low <= value <= one.high:
            raise Invalid(f"It must be a whole number from {one.low} to {one.high:,}.", path=one.name)
        return value
    if one.kind == "ids":
        return _ids(one, value)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= LONGEST:
        raise Invalid(f"It must be a text of 1 to {LONGEST} characters.", path=one.name)
    text = value.strip()
    if any(ord(mark) < 32 for mark in text):
        raise Invalid("It must be one line.", path=one.name)
    if one.kind == "field":
        text = text.removeprefix("visitor.")
        if not FIELD.fullmatch(text) or text.startswith("metric."):
            raise Invalid("It must be a field of visitors' metadata, such as agent.plan.", path=one.name)
    if one.kind == "column" and not COLUMN.fullmatch(text):
        raise Invalid("A column with one of the marks \" ' { } % in its name cannot be used.", path=one.name)
    return text


def _ids(one: Parameter, value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST_IDS:
        raise Invalid(f"It must be a list of 1 to {MOST_IDS:,} ids.", path=one.name)
    for number, id_ in enumerate(value):
        if not isinstance(id_, str) or not 0 < len(id_) <= 512:
            raise Invalid("It must be a text of 1 to 512 characters.", path=f"{one.name}[{number}]")
    return list(dict.fromkeys(value))
