"""How a runner's room is shared among the workflows that have due runs. Pure."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """A workflow with due runs: how many of its runs this runner executes (``active``), and how many more it may take."""

    workflow: str
    active: int
    most: int


def shares(room: int, waiting: Sequence[Waiting], *, after: str = "") -> dict[str, int]:
    """How many runs to take of each workflow: one after the other, always of the one that has the fewest.

    Among equals it goes on in the order of ids behind ``after``, so that each has its turn when there are more workflows than room.
    Workflows without a share are left out; nobody has more than its ``most``, and the sum is at most ``room``.
    """
    order = sorted(waiting, key=lambda one: (one.workflow <= after, one.workflow))
    given = [0] * len(order)
    heap = [(one.active, index) for index, one in enumerate(order) if one.most > 0]
    heapq.heapify(heap)
    while heap and room > 0:
        active, index = heapq.heappop(heap)
        given[index] += 1
        room -= 1
        if given[index] < order[index].most:
            heapq.heappush(heap, (active + 1, index))
    return {one.workflow: number for one, number in zip(order, given, strict=True) if number}
