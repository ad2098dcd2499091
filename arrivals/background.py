"""What is done again and again beside everything else."""

import asyncio


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
