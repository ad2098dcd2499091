"""What is done again and again beside everything else."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Loop:
    """Runs ``_run`` in a task of the event loop, from ``start`` to ``stop``."""

    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Begin nothing new. What a thread is at goes on to its end, since it cannot be stopped; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        raise NotImplementedError


class Woken(Loop):
    """A loop that goes on at once when there may be something to do, and looks for itself now and then."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self._busy = threading.Lock()

    async def stop(self) -> None:
        """Begin nothing new, and let a look that is under way end."""
        await super().stop()
        await asyncio.to_thread(self._alone, lambda: None)

    def wake(self) -> None:
        """There may be something to do. To be called on the event loop; costs nothing."""
        self._wake.set()

    async def _look_in_a_thread(self, look: Callable[[], int]) -> int:
        return await asyncio.to_thread(self._alone, look)

    def _alone(self, look: Callable[[], T]) -> T:
        with self._busy:
            return look()

    async def _woken(self, seconds: float) -> None:
        """Until somebody calls ``wake``, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()
