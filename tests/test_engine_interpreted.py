"""Any definition, executed step by step and taken up from its history in between, does what a plain interpreter does."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, repeat
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.engine import execute, program
from arrivals.engine.program import Program
from arrivals.engine.store import Claimed, Settled
from arrivals.workflows.definitions import Tree
from tests.engine import Actions

Told = tuple[str, tuple[int, ...]]
KEPT = ("succeeded", "filtered", "handled", "delayed")


def condition(kind: str, most: int) -> list[dict[str, Any]]:
    """Holds always, never, or in the first turns of the loop around it."""
    left = {"yes": "{{ row.zero }}", "no": "{{ row.many }}", "turn": "{{ loop.index }}"}[kind]
    return [{"any": [{"left": left, "op": "lte", "value": most}]}]


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    done = st.builds(lambda: {"type": "formatter", "function": "text.upper", "input": "{{ row.zero }}"})
    late = st.builds(lambda: {"type": "delay", "for": "1h"})
    kinds = st.sampled_from(["yes", "no", "turn"])
    refusing = st.builds(lambda kind, most: {"type": "filter", "all": condition(kind, most)}, kinds, st.integers(0, 2))
    failing = st.builds(lambda: {"type": "formatter", "function": "number.add", "input": "x", "number": 1})
    return st.one_of(done, late, refusing, failing)


def inside(deep: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(steps(deep), max_size=3)


def branch(deep: int) -> st.SearchStrategy[dict[str, Any]]:
    kinds = st.sampled_from(["yes", "no", "turn", "always"])

    def made(kind: str, most: int, own: list[dict[str, Any]]) -> dict[str, Any]:
        taken = {"always": True} if kind == "always" else {"all": condition(kind, most)}
        return {**taken, "steps": own}

    return st.builds(made, kinds, st.integers(0, 2), inside(deep))


def steps(deep: int) -> st.SearchStrategy[dict[str, Any]]:
    """One step, with others inside it at most ``deep`` times."""
    if deep == 0:
        return leaves()

    def split(mode: str, branches: list[dict[str, Any]], other: list[dict[str, Any]] | None) -> dict[str, Any]:
        last = [] if other is None else [{"fallback": True, "steps": other}]
        return {"type": "paths", "mode": mode, "branches": [*branches, *last]}

    def caught(own: list[dict[str, Any]], then: str) -> dict[str, Any]:
        failing = {"type": "formatter", "function": "number.add", "input": "x", "number": 1}
        return {**failing, "on_error": {"steps": own, "then": then}}

    deeper = deep - 1
    branches = st.lists(branch(deeper), min_size=1, max_size=3)
    paths = st.builds(split, st.sampled_from(["first", "all"]), branches, st.none() | inside(deeper))
    over = st.integers(0, 3).flatmap(lambda size: st.just("{{ row.none }}" if size == 0 else list(range(size))))
    loop = st.builds(lambda over, own: {"type": "loop", "over": over, "most": 2, "steps": own}, over, inside(deeper))
    error = st.builds(caught, inside(deeper), st.sampled_from(["stop", "go_on"]))
    return st.one_of(leaves(), paths, loop, error)


def named(given: list[dict[str, Any]], numbers: Iterator[int]) -> list[dict[str, Any]]:
    """The same with ids."""
    done = []
    for step in given:
        one = {"id": f"s{next(numbers)}", **step}
        if "steps" in one:
            one["steps"] = named(one["steps"], numbers)
        if "branches" in one:
            one["branches"] = [{**other, "steps": named(other["steps"], numbers)} for other in one["branches"]]
        if "on_error" in one:
            one["on_error"] = {**one["on_error"], "steps": named(one["on_error"]["steps"], numbers)}
        done.append(one)
    return done


class Interpreter:
    """What steps mean, as a recursion over the tree."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def run(self, given: list[dict[str, Any]]) -> tuple[list[Told], str]:
        ended = self.block(given, ())
        return self.told, {"end": "filtered", "failed": "failed"}.get(ended, "succeeded")

    def holds(self, groups: list[dict[str, Any]], turn: tuple[int, ...]) -> bool:
        [[rule]] = [one["any"] for one in groups]
        values = {"{{ row.zero }}": 0, "{{ row.many }}": 99, "{{ loop.index }}": turn[-1] if turn else 99}
        return values[rule["left"]] <= rule["value"]

    def block(self, given: list[dict[str, Any]], turn: tuple[int, ...]) -> str:
        """ "go" at its end, "end" when a filter ended it, "stop" or "failed" when the run is over."""
        for step in given:
            self.told.append((step["id"], turn))
            came = self.step(step, turn)
            if came != "go":
                return came
        return "go"

    def step(self, step: dict[str, Any], turn: tuple[int, ...]) -> str:
        match step["type"]:
            case "filter":
                return "go" if self.holds(step["all"], turn) else "end"
            case "formatter" if step["function"] == "number.add":
                if "on_error" not in step:
                    return "failed"
                came = self.block(step["on_error"]["steps"], turn)
                return came if came in ("stop", "failed") else {"stop": "stop", "go_on": "go"}[step["on_error"]["then"]]
            case "paths":
                return self.each([(one["steps"], turn) for one in self.taken(step, turn)])
            case "loop":
                size = min(len(step["over"]), 2) if isinstance(step["over"], list) else 0
                return self.each([(step["steps"], (*turn, index)) for index in range(size)])
        return "go"

    def each(self, blocks: list[tuple[list[dict[str, Any]], tuple[int, ...]]]) -> str:
        for own, turn in blocks:
            if (came := self.block(own, turn)) in ("stop", "failed"):
                return came
        return "go"

    def taken(self, step: dict[str, Any], turn: tuple[int, ...]) -> list[dict[str, Any]]:
        plain = [one for one in step["branches"] if not one.get("fallback")]
        holding = [one for one in plain if one.get("always") or self.holds(one["all"], turn)]
        if step["mode"] == "first":
            return holding[:1] or [one for one in step["branches"] if one.get("fallback")]
        matched = any("all" in one for one in holding)
        return holding + [one for one in step["branches"] if one.get("fallback") and not matched]


class Memory:
    """A run and its history, as the store keeps them."""

    def __init__(self, given: list[dict[str, Any]]) -> None:
        self.program = Program({"steps": given})
        self.rows: dict[tuple[int, str], tuple[str, str, Any]] = {}
        self.told: list[Told] = []
        self.state, self.step, self.turn = "waiting", 0, ""

    def claimed(self) -> Claimed:
        history = [(*place, *row) for place, row in self.rows.items() if row[1] in KEPT]
        seen = {"row": {"zero": 0, "many": 99}}
        return Claimed("run_x", "wf_x", 1, self.step, self.turn, 0, seen, clock.now(), history)

    def record(self, one: Settled) -> None:
        place = (one.number, one.turn)
        assert place not in self.rows, "A step was done twice."
        self.rows[place] = (one.step, one.status, orjson.loads(orjson.dumps(one.outputs)))
        self.told.append((one.step, tuple(map(int, one.turn.split("."))) if one.turn else ()))
        self.state, self.step, self.turn = one.state, one.next_step, one.next_turn
        if one.state == "delayed":
            assert one.due is not None
            assert timedelta(minutes=59) < one.due - clock.now() <= timedelta(hours=1)

    async def run(self, interrupted: Iterator[bool]) -> tuple[list[Told], str]:
        async def nothing(*_: Any) -> None: ...

        apps, at = Actions(), None
        while self.state in ("waiting", "running", "delayed"):
            if at is None or self.state == "delayed" or next(interrupted):
                at = execute.begin(self.claimed(), self.program)
            self.record(await execute.step(at, apps, nothing))
        return self.told, self.state


@settings(max_examples=100, deadline=None)
@given(st.lists(steps(3), min_size=1, max_size=4), st.integers(0, 2**64 - 1))
def test_the_executor_does_what_the_interpreter_does_however_often_it_is_interrupted(
    given_: list[dict[str, Any]], bits: int
) -> None:
    definition = Tree().steps(named(given_, iter(range(10**6))), "steps")
    if sum(1 for _ in Program({"steps": definition}).nodes) > 60:
        return
    expected = Interpreter().run(definition)
    for interruptions in (0, 2**64 - 1, bits):
        cut = (bool(interruptions >> at % 64 & 1) for at in count())
        assert asyncio.run(Memory(definition).run(cut)) == expected


def test_a_run_of_too_many_steps_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MOST_DONE", 500)
    deepest = {"type": "formatter", "function": "text.upper", "input": "x"}
    loop = {
        "type": "loop",
        "over": list(range(50)),
        "steps": [{"type": "loop", "over": list(range(50)), "steps": [deepest]}],
    }
    definition = Tree().steps(named([loop], iter(range(99))), "steps")
    memory = Memory(definition)
    told, state = asyncio.run(memory.run(repeat(False)))
    assert (state, len(told)) == ("failed", 501)
