"""What tests of the engine share: runs to be done, apps that answer as a test says, and looking at what came of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from arrivals.engine import runner
from arrivals.engine.bucket import NO_LIMITS, Limits
from arrivals.engine.models import Run
from arrivals.engine.runner import Runner
from arrivals.workflows.models import Workflow
from tests import makers

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Actions:
    """Stands for the apps: answers as a test says, and remembers the keys it was called with."""

    def __init__(self, answer: Answer | None = None, limits: Limits = NO_LIMITS) -> None:
        self._limits = limits
        self.keys: list[str] = []
        self.stale: list[str] = []
        self.answer = answer

    async def run(
        self, app: str, action: str, *, connection_id: str, inputs: dict[str, Any], key: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        self.keys.append(key)
        return await self.answer(inputs) if self.answer else {"text": inputs.get("text")}

    async def limits(self, connection_id: str) -> Limits:
        return self._limits

    async def mark_stale(self, connection_id: str, reason: str) -> None:
        self.stale.append(connection_id)


@sync_to_async
def make(*steps: dict[str, Any], members: int = 1, **input_: Any) -> Workflow:
    workflow = makers.workflow(makers.report(), *steps)
    for number in range(members):
        member = f"v{number}"
        given = {"visitor": {"id": member}, "row": {"score": 6}, "account": {}, "arrival": {}, **input_}
        Run.objects.create(workflow=workflow, version_id=workflow.version_id or 0, member=member, entry=1, input=given)
    return workflow


@sync_to_async
def found(**where: Any) -> list[Run]:
    return list(Run.objects.filter(**where).order_by("id"))


@sync_to_async
def update(**values: Any) -> None:
    Run.objects.update(**values)


async def drop(one: Runner) -> None:
    """Take a runner away the way a crash does: nothing is committed or released.

    What its threads are in the middle of is waited for: after a crash nothing of the dead one, a claim say, comes later.
    """
    await runner._end(*one._loops, *one._active.values())
    for thread in (one._thread, one._enqueuer):
        await asyncio.wrap_future(thread.submit(connections.close_all))
    one.owner = "dead"


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    for _ in range(int(seconds / 0.03)):
        if await check():
            return
        await asyncio.sleep(0.03)
    raise AssertionError(Counter(run.state for run in await found()))


async def ended(number: int = 1) -> list[Run]:
    async def check() -> bool:
        return len(await found(ended_at__isnull=False)) >= number

    await until(check)
    return await found()


async def in_state(state: str) -> Run:
    async def check() -> bool:
        return bool(await found(state=state))

    await until(check)
    return (await found(state=state))[0]
