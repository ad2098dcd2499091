"""How often a subscriber is called: Zapier takes 30 calls a second and refuses more."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable

from arrivals.errors import Throttled

PER_SECOND = 30
PATIENCE_SECONDS = 2.0  # a run waits this long for its turn; one that would wait longer gives its place back


class Pace:
    """Turns of one process, by the name of the subscription. ``clock`` is in seconds."""

    def __init__(self, *, per_second: float = PER_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 1 / per_second
        self._clock = clock
        self._next: dict[str, float] = defaultdict(float)
        self._later: dict[str, float] = defaultdict(float)

    async def turn(self, name: str) -> None:
        """Wait for the next turn.

        Raises:
            Throttled: it is more than 2 s away. Each one refused is given another time, one gap after the one before,
                so that many come back one by one and not all at once.
        """
        now = self._clock()
        turn = max(now, self._next[name])
        if turn - now > PATIENCE_SECONDS:
            self._later[name] = max(self._later[name], turn) + self._gap
            raise Throttled(
                f"The subscriber is called at most {PER_SECOND} times a second; this one waits its turn.",
                retry_after=self._later[name] - now,
            )
        self._next[name] = turn + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)
