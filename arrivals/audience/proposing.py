"""A rule of a feature that goes on meaning the same element: proposed from its captured path and text.

What people gave an element so that it is found again comes first (data-arrivals, data-testid, an id), then its name and
label, then classes that no tool made. What is not enough by itself is looked for inside of the nearest parent that is,
and with its text.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from arrivals.audience.selectors import quoted
from arrivals.collect.pendo_elements import MARKED, USED, USED_ROLES

STRONG = ("data-arrivals", "data-pendo-id", "data-testid", "data-test")
NTH = re.compile(r":nth\((\d+)\)$")
ATTRIBUTE = re.compile(r"\[(" + "|".join(MARKED) + r")=([^\]]*)\]")
# Numbers, hashes, and what frameworks make anew with each build or render.
MADE = re.compile(
    r"\d{3,}|[0-9a-f]{8,}|^(?:css|sc|jsx|svelte|ember|react|radix|headlessui|mui|v|ng)-|[:\[\]/()@!%]|__|^_|[A-Za-z]\d[A-Za-z]\d"
)
PASSING = re.compile(
    r"^(?:is|has|ng|js)-|^(?:active|hover|focus|open|opened|closed|selected|disabled|show|shown|hidden|visible)$"
)
LONGEST_TEXT = 40


@dataclass(frozen=True)
class Piece:
    """A piece of a captured path, taken apart."""

    tag: str
    id: str = ""
    classes: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    nth: int = 1


def read(piece: str) -> Piece:
    """``tag#id.class1[attr=value]:nth(n)`` in its parts."""
    index = NTH.search(piece)
    bare = piece[: index.start()] if index else piece
    first = ATTRIBUTE.search(bare)
    head = bare[: first.start()] if first else bare
    tag, _, rest = head.partition("#") if "#" in head.split(".", 1)[0] else (*head.partition(".")[:1], "", "")
    id_, _, classes = rest.partition(".") if rest else ("", "", head.partition(".")[2])
    names = tuple(one for one in classes.split(".") if one)
    return Piece(tag, id_, names, dict(ATTRIBUTE.findall(bare)), int(index[1]) if index else 1)


def propose(path: list[str], text: str = "") -> dict[str, Any]:
    """A rule for the element that was used: the first of the path that is there to be used, or the first of all.

    Empty when there is no path and no text.
    """
    pieces = [read(one) for one in path if one]
    said = " ".join(text.split())
    if not pieces:
        return {"text": {"is": said}} if said else {}
    place = next((number for number, one in enumerate(pieces) if _used(one)), 0)
    own, enough = _best(pieces[place])
    if enough:
        return {"selector": own}
    short = said if len(said) <= LONGEST_TEXT and not re.search(r"\d", said) else ""
    if pieces[place].nth > 1 and not short:
        own += f":nth({pieces[place].nth})"
    around = next((best for best, strong in map(_best, pieces[place + 1 :]) if strong), "")
    rule: dict[str, Any] = {"selector": f"{around} {own}".strip()}
    return {**rule, "text": {"is": short}} if short else rule


def _used(piece: Piece) -> bool:
    return piece.tag in USED or piece.attributes.get("role") in USED_ROLES


def _best(piece: Piece) -> tuple[str, bool]:
    """The selector of one element, and whether it is enough to find it."""
    for name in STRONG:
        if piece.attributes.get(name):
            return _attribute(name, piece.attributes[name]), True
    if piece.id and not MADE.search(piece.id):
        return f"{piece.tag}#{quoted(piece.id)}", True
    for name in ("name", "aria-label"):
        if piece.attributes.get(name):
            return piece.tag + _attribute(name, piece.attributes[name]), True
    stable = [one for one in piece.classes if not MADE.search(one) and not PASSING.search(one) and len(one) > 2]
    own = piece.tag + "".join(f".{quoted(one)}" for one in stable[:2])
    if not stable:
        own += next((_attribute(one, piece.attributes[one]) for one in ("role", "type") if one in piece.attributes), "")
    return own, False


def _attribute(name: str, value: str) -> str:
    """With the quotes that the value does not have; of a value with both, its beginning."""
    if '"' not in value:
        return f'[{name}="{value}"]'
    return f"[{name}='{value}']" if "'" not in value else f"[{name}^={quoted(value)}]"
