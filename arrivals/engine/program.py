"""A definition as a program: its steps numbered, and which comes after which. Pure.

Every step of the tree has a number, in the order in which they are written (a step before those inside it), so that a
definition without blocks has the numbers of its list. A *place* is a number and the turn of each loop around it. Where a run
goes on is told by the place and by the outputs of the steps around it alone: which branches were taken, how many items a
loop has. Both are in the run's history, so a run that was interrupted goes on where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.workflows.steps import registry

END = -1
MOST_DONE = 10_000  # step runs of one run: loops inside loops


@dataclass(frozen=True)
class Place:
    """A step's number and the turns (from 0) of the loops that it is in, from the outermost."""

    number: int
    turn: tuple[int, ...] = ()


@dataclass(frozen=True)
class Node:
    """A step with its place in the tree. ``following``: the number of the next one in its block, or END. ``parent``: the step that
    its block belongs to, or END; ``block``: which of that one's blocks. ``firsts``: the first step of each block inside."""

    step: Mapping[str, Any]
    following: int
    parent: int
    block: int
    firsts: tuple[int, ...]


class Program:
    """The steps of one definition."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.nodes: list[Node] = []
        self._add(definition["steps"], END, 0)

    def __len__(self) -> int:
        return len(self.nodes)

    def first(self) -> Place:
        return Place(0)

    def entered(self, place: Place, outputs: Mapping[str, Any]) -> Place | None:
        """Where a run goes on when the step at ``place`` was done; None: at its end. ``outputs``: by step id, this one's too."""
        node = self.nodes[place.number]
        own = outputs.get(node.step["id"]) or {}
        if node.step["type"] == "paths":
            return self._branch(place, own, after=-1, outputs=outputs)
        if node.step["type"] == "loop" and own["count"] > 0 and node.firsts[0] != END:
            return Place(node.firsts[0], (*place.turn, 0))
        return self._after(place, outputs)

    def handled(self, place: Place, outputs: Mapping[str, Any]) -> Place | None:
        """Where a run goes on when the step at ``place`` failed and has an error branch."""
        node = self.nodes[place.number]
        if node.firsts[-1] != END:
            return Place(node.firsts[-1], place.turn)
        return self._after(place, outputs) if node.step["on_error"]["then"] == "go_on" else None

    def closed(self, place: Place, outputs: Mapping[str, Any]) -> Place | None:
        """Where a run goes on when the block that ``place`` is in has ended, at its last step or by a filter in it."""
        node = self.nodes[place.number]
        if node.parent == END:
            return None
        around = self.nodes[node.parent]
        own = outputs.get(around.step["id"]) or {}
        if self.handling(node.parent, node.block):
            failed = Place(node.parent, place.turn)
            return self._after(failed, outputs) if around.step["on_error"]["then"] == "go_on" else None
        if around.step["type"] == "loop":
            outer = place.turn[:-1]
            if place.turn[-1] + 1 < own["count"]:
                return Place(around.firsts[0], (*outer, place.turn[-1] + 1))
            return self._after(Place(node.parent, outer), outputs)
        return self._branch(Place(node.parent, place.turn), own, after=node.block, outputs=outputs)

    def outermost(self, place: Place) -> bool:
        """Whether the step stands in the definition's own list, in no block."""
        return self.nodes[place.number].parent == END

    def around(self, place: Place) -> list[tuple[int, int]]:
        """The steps around it, from the outermost, each with the block of it that leads here."""
        found, node = [], self.nodes[place.number]
        while node.parent != END:
            found.append((node.parent, node.block))
            node = self.nodes[node.parent]
        return found[::-1]

    def handling(self, number: int, block: int) -> bool:
        """Whether this block of a step is its error branch."""
        node = self.nodes[number]
        return "on_error" in node.step and block == len(node.firsts) - 1

    def first_turn(self, number: int) -> Place:
        """The place of a step in the first turn of the loops around it."""
        loops = (
            self.nodes[around].step["type"] == "loop" and not self.handling(around, block)
            for around, block in self.around(Place(number))
        )
        return Place(number, (0,) * sum(loops))

    def _after(self, place: Place, outputs: Mapping[str, Any]) -> Place | None:
        node = self.nodes[place.number]
        return Place(node.following, place.turn) if node.following != END else self.closed(place, outputs)

    def _branch(self, place: Place, own: Mapping[str, Any], *, after: int, outputs: Mapping[str, Any]) -> Place | None:
        firsts = self.nodes[place.number].firsts
        for index in own.get("branches", ()):
            if index > after and firsts[index] != END:
                return Place(firsts[index], place.turn)
        return self._after(place, outputs)

    def _add(self, steps: Sequence[Mapping[str, Any]], parent: int, block: int) -> int:
        """Number a block; return the number of its first step, or END."""
        first = last = END
        for step in steps:
            number = len(self.nodes)
            self.nodes.append(Node(step, END, parent, block, ()))
            inside = registry.blocks(step)
            firsts = tuple(self._add(one, number, index) for index, one in enumerate(inside))
            self.nodes[number] = Node(step, END, parent, block, firsts)
            if last == END:
                first = number
            else:
                before = self.nodes[last]
                self.nodes[last] = Node(before.step, number, before.parent, before.block, before.firsts)
            last = number
        return first


def written(turn: Sequence[int]) -> str:
    """Turns as they are stored: "2.0"; empty outside of loops."""
    return ".".join(map(str, turn))


def read(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(".")) if text else ()
