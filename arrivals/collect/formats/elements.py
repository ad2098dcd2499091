"""The element of a page that an export tells of -> the name and the path that events of our own agent have.

A path is the element and its parents up to the body, each as ``tag#id.class1.class2[attr=value]:nth(n)``: at most five
classes, only attributes that name an element, and ``:nth(n)`` where it is not the first of its tag among its siblings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arrivals.collect import pendo_elements

MOST_NODES = 20
MOST_CLASSES = 5
LONGEST_PIECE = 200
KEPT = ("data-arrivals", "data-pendo-id", "data-testid", "data-test", "name", "role", "type", "aria-label")


@dataclass(frozen=True)
class Node:
    """One element: its tag, id, classes, attributes, its place among the siblings of its tag (0: not known), its text."""

    tag: str
    id: str = ""
    classes: Sequence[str] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    nth: int = 0
    text: str = ""


def used(nodes: Sequence[Node]) -> tuple[str, dict[str, Any]]:
    """The name of the element that was used, the first of ``nodes``, and its properties: path, and text where there is.

    What stands in a field is never taken, since it was perhaps typed.
    """
    shown = [node for node in nodes if node.tag and node.tag != "html"][:MOST_NODES]
    if not shown:
        return "", {}
    properties: dict[str, Any] = {"path": [piece(node) for node in shown]}
    text = " ".join(shown[0].text.split())[: pendo_elements.LONGEST_TEXT]
    if text and shown[0].tag not in pendo_elements.FILLED:
        properties["text"] = text
    return pendo_elements.name(_chain(shown)), properties


def piece(node: Node) -> str:
    """One element as a piece of a path."""
    mark = f"#{node.id}" if node.id else ""
    classes = "".join(f".{one}" for one in [one for one in node.classes if one][:MOST_CLASSES])
    attributes = "".join(f"[{name}={node.attributes[name][:60]}]" for name in KEPT if node.attributes.get(name))
    place = f":nth({node.nth})" if node.nth > 1 else ""
    return f"{node.tag}{mark}{classes}{attributes}"[:LONGEST_PIECE] + place


def _chain(nodes: Sequence[Node]) -> dict[str, Any]:
    """As Pendo's agent tells it: each element with its parent inside."""
    chain: dict[str, Any] = {}
    for node in reversed(nodes):
        chain = {
            "tag": node.tag,
            "id": node.id,
            "cls": " ".join(node.classes),
            "attrs": dict(node.attributes),
            "txt": node.text,
            **({"parentElem": chain} if chain else {}),
        }
    return chain
