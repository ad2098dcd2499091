"""How many calls a connection takes: in any span of time, and at once. Pure; ``gates`` keeps the state for all runners.

A span is counted in tenths: the calls of this tenth and of the ten before are at most ``calls``, so no span of ``seconds``, wherever
it begins, holds more. Who finds no room is told when to ask again, one after the other at the rate that the connection takes, and each
workflow has a queue of its own, so that the one with a million runs does not keep the others from it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

PIECES = 10
LEASE = 15.0  # seconds that a runner's calls count as under way when nothing is heard of it
NEAR = 0.02  # seconds between two that wait, at least
USUAL = 0.5  # how long a call takes as long as it is not known


@dataclass(frozen=True)
class Limits:
    """At most ``calls`` in any span of ``seconds``, and ``at_once``; 0: any number."""

    calls: int = 0
    seconds: int = 1
    at_once: int = 0

    def __bool__(self) -> bool:
        return bool(self.calls or self.at_once)

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Ask:
    """A call that wants to begin. ``first``: it did not wait yet; who waited goes before."""

    workflow: str
    first: bool


def serve(
    state: dict[str, Any],
    limits: Limits,
    asks: Sequence[Ask],
    *,
    owner: str,
    freed: int,
    took: float | None,
    now: float,
    closed_until: float = 0.0,
) -> list[float]:
    """Answer those who ask: 0 for one that may begin now, else the seconds to wait before it asks again. Changes ``state``.

    ``owner``: the runner that they are of; ``freed`` of its calls have ended, in ``took`` seconds on average. ``now``: seconds since
    1970, the same clock for all runners. Nothing begins before ``closed_until``.
    """
    bucket = _Bucket(state, limits, owner, now, closed_until)
    bucket.end(freed, took)
    waits = [0.0] * len(asks)
    for index in sorted(range(len(asks)), key=lambda one: asks[one].first):
        waits[index] = bucket.wait(asks[index])
    bucket.keep(state)
    return waits


class _Bucket:
    def __init__(self, state: dict[str, Any], limits: Limits, owner: str, now: float, closed_until: float) -> None:
        same = state.get("limits") == limits.as_dict()
        self._limits, self._owner, self._now, self._closed = limits, owner, now, closed_until
        self._piece = limits.seconds / PIECES
        counted = {int(piece): number for piece, number in state.get("pieces", {}).items()} if same else {}
        at = int(now // self._piece)
        newest = max(counted, default=at)
        # A clock that went back a little goes on where it was; what is far ahead of it was never true.
        self._at = max(at, newest) if newest <= at + PIECES else at
        self._counted = {piece: number for piece, number in counted.items() if self._at - PIECES <= piece <= self._at}
        self._holds: dict[str, list[Any]] = {
            who: [number, until]
            for who, (number, until) in state.get("holds", {}).items()
            if number > 0 and now < until <= now + 2 * LEASE
        }
        self._own = self._holds.setdefault(owner, [0, 0.0])
        self._queues: dict[str, float] = (
            {who: until for who, until in state.get("queues", {}).items() if until > now} if same else {}
        )
        self._took: float = state.get("took", USUAL)
        self._refused = 0

    def end(self, freed: int, took: float | None) -> None:
        self._own[0] = max(self._own[0] - freed, 0)
        self._own[1] = self._now + LEASE
        if took is not None:
            self._took += 0.2 * (took - self._took)

    def wait(self, ask: Ask) -> float:
        queue = self._queues.get(ask.workflow, 0.0)
        free = self._free_in()
        if free <= 0 and not (ask.first and queue > self._now):
            self._counted[self._at] = self._counted.get(self._at, 0) + 1
            self._own[0] += 1
            return 0.0
        if ask.first:
            begins = max(queue, self._now + free)
            others = len(self._queues) + (ask.workflow not in self._queues)
            self._queues[ask.workflow] = begins + self._apart() * others
            return max(begins - self._now, NEAR)
        self._refused += 1
        return max(free, NEAR) + self._apart() * (self._refused - 1)

    def keep(self, state: dict[str, Any]) -> None:
        state.clear()
        state |= {
            "limits": self._limits.as_dict(),
            "pieces": {str(piece): number for piece, number in self._counted.items()},
            "holds": {who: hold for who, hold in self._holds.items() if hold[0] > 0},
            "queues": self._queues,
            "took": self._took,
        }

    def _apart(self) -> float:
        """The seconds between two calls at the rate that the connection takes."""
        limits = self._limits
        by_calls = limits.seconds * (PIECES + 1) / PIECES / limits.calls if limits.calls else 0.0
        by_time = self._took / limits.at_once if limits.at_once else 0.0
        return max(by_calls, by_time, NEAR)

    def _free_in(self) -> float:
        """Seconds until one more call may begin; 0: now."""
        free = max(self._closed - self._now, 0.0)
        limits = self._limits
        over = sum(self._counted.values()) + 1 - limits.calls
        if limits.calls and over > 0:
            for piece in sorted(self._counted):
                over -= self._counted[piece]
                if over <= 0:
                    free = max(free, (piece + PIECES + 1) * self._piece - self._now)
                    break
        if limits.at_once and sum(number for number, _ in self._holds.values()) >= limits.at_once:
            free = max(free, self._apart())
        return free
