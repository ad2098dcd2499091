"""What a selector means on the pieces of a captured path, as regular expressions that the warehouse runs.

A piece is ``tag#id.class1.class2[attr=value]:nth(n)``, see ``collect.pendo_elements``. Each expression is made of escaped
names only: nothing that a person wrote is ever run as one.
"""

import re
from dataclasses import dataclass

from arrivals.audience.selectors import Attribute, Compound, Selector

# What may follow an id or a class: an attribute, the index, the end.
END = r"\[[a-z-]+=|:nth\(\d+\)$|$"
TAG = r"[^#.\[]*"
# An index of 1 is left out.
INDEXED = r":nth\(\d+\)$"


@dataclass(frozen=True)
class Test:
    """All of ``patterns`` are found in the piece, ``unlike`` (where given) is not."""

    patterns: tuple[str, ...]
    unlike: str = ""


def test(compound: Compound) -> Test:
    """The test of one piece for one element of a selector."""
    patterns = []
    tag = re.escape(compound.tag)
    if compound.id:
        patterns.append(rf"^{tag or TAG}#{re.escape(compound.id)}(?:\.|{END})")
    elif tag:
        patterns.append(rf"^{tag}(?:[#.]|{END})")
    patterns += [rf"^[^=]*\.{re.escape(one)}(?:\.|{END})" for one in compound.classes]
    patterns += [_attribute(one) for one in compound.attributes]
    if compound.nth > 1:
        patterns.append(rf":nth\({compound.nth}\)$")
    return Test(tuple(patterns), INDEXED if compound.nth == 1 else "")


def literal(selector: Selector) -> str:
    """The longest text that every path with such an element has in it, as it stands in JSON; perhaps empty."""
    found = []
    for chain in selector.chains:
        for compound in chain:
            found.append(f"{compound.tag}#{compound.id}" if compound.id else compound.tag)
            found += [f".{one}" for one in compound.classes]
            found += [_written(one) for one in compound.attributes]
    return max(filter(plain, found), key=len, default="")


def plain(text: str) -> bool:
    """Whether a text stands in JSON as it is."""
    return text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}


def _written(one: Attribute) -> str:
    """As much of an attribute as is sure to stand in a piece: brackets in a value may have been replaced there."""
    parts = re.split(r"[\[\]]", one.value)
    if len(parts) > 1 or one.op in ("*=", "$="):
        return max(parts, key=len)
    start = "#" if one.name == "id" else f"[{one.name}="
    return start + one.value + ("]" if one.op == "=" and one.name != "id" else "")


def _attribute(one: Attribute) -> str:
    value = re.escape(one.value).replace(r"\[", r"[\[(]").replace(r"\]", r"[\])]")
    if one.name == "id":
        start, inside, end = f"^{TAG}#", r"[^.\[]*", rf"(?:\.|{END})"
    else:
        start, inside, end = rf"\[{re.escape(one.name)}=", r"[^\]]*", rf"\](?:{END})"
    match one.op:
        case "":
            return start
        case "=":
            return start + value + end
        case "^=":
            return start + value
        case "*=":
            return start + inside + value
    return start + inside + value + end
