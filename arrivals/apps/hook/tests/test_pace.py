"""A subscriber is called 30 times a second; who has to wait long gives the place back and comes at another time."""

import asyncio

import pytest

from arrivals.apps.hook.pace import Pace
from arrivals.errors import Throttled


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_turns_are_a_thirtieth_of_a_second_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = Clock(), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pace = Pace(clock=clock)
    for _ in range(4):
        await pace.turn("a")
    await pace.turn("b")  # another subscriber has turns of its own
    assert slept == pytest.approx([1 / 30, 2 / 30, 3 / 30])
    clock.now += 10
    await pace.turn("a")
    assert len(slept) == 3


async def test_a_thousand_at_once_come_back_one_by_one_and_each_is_refused_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds: _nothing())
    pace = Pace(clock=clock)
    back: list[float] = []
    for _ in range(1000):
        try:
            await pace.turn("a")
        except Throttled as wait:
            back.append(clock.now + (wait.retry_after or 0))
    assert 930 <= len(back) <= 940
    assert back == sorted(back)
    assert back[0] - 1000 > 2
    assert 1000 + 1000 / 30 - 1 < back[-1] < 1000 + 1000 / 30 + 1
    for moment in back:
        clock.now = moment
        await pace.turn("a")


async def _nothing() -> None: ...
