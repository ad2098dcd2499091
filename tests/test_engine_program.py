"""A definition as a program: what comes after what."""

from typing import Any

from arrivals.engine.program import Place, Program


def leaf(id_: str) -> dict[str, Any]:
    return {"id": id_, "type": "filter", "all": []}


def paths(id_: str, *branches: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "type": "paths",
        "mode": "all",
        "branches": [{"name": "b", "steps": one} for one in branches],
    } | more


def walked(steps: list[dict[str, Any]], outputs: dict[str, Any], stops: tuple[str, ...] = ()) -> list[str]:
    """The ids that a run does, in order, when each step gives ``outputs`` and the filters in ``stops`` let nothing through."""
    program, place, done = Program({"steps": steps}), Place(0), []
    while place is not None:
        step = program.nodes[place.number].step
        done.append(step["id"] + "".join(f".{turn}" for turn in place.turn))
        after = program.closed if step["id"] in stops else program.entered
        if "error" in (outputs.get(step["id"]) or {}):
            after = program.handled
        place = after(place, outputs)
    return done


def test_steps_without_blocks_have_the_numbers_of_their_list() -> None:
    program = Program({"steps": [leaf("a"), leaf("b"), leaf("c")]})
    assert [node.step["id"] for node in program.nodes] == ["a", "b", "c"]
    assert walked([leaf("a"), leaf("b")], {}) == ["a", "b"]


def test_the_taken_branches_are_done_in_their_order_and_then_what_follows() -> None:
    steps = [paths("p", [leaf("a")], [], [leaf("b"), leaf("c")]), leaf("end")]
    assert walked(steps, {"p": {"branches": [0, 1, 2]}}) == ["p", "a", "b", "c", "end"]
    assert walked(steps, {"p": {"branches": [2]}}) == ["p", "b", "c", "end"]
    assert walked(steps, {"p": {"branches": []}}) == ["p", "end"]


def test_a_filter_ends_the_block_that_it_stands_in() -> None:
    steps = [paths("p", [leaf("a"), leaf("x")], [leaf("b")]), leaf("end"), leaf("x2")]
    assert walked(steps, {"p": {"branches": [0, 1]}}, stops=("a",)) == ["p", "a", "b", "end", "x2"]
    assert walked(steps, {"p": {"branches": [0]}}, stops=("end",)) == ["p", "a", "x", "end"]


def test_loops_go_through_their_turns_inside_one_another() -> None:
    inner = {"id": "in", "type": "loop", "over": "", "most": 9, "steps": [leaf("a"), leaf("skip")]}
    steps = [{"id": "out", "type": "loop", "over": "", "most": 9, "steps": [inner, leaf("b")]}, leaf("end")]
    told = walked(steps, {"out": {"count": 2}, "in": {"count": 2}}, stops=("a",))
    assert told == ["out", "in.0", "a.0.0", "a.0.1", "b.0", "in.1", "a.1.0", "a.1.1", "b.1", "end"]
    assert walked(steps, {"out": {"count": 0}}) == ["out", "end"]
    assert walked(steps, {"out": {"count": 1}, "in": {"count": 0}}) == ["out", "in.0", "b.0", "end"]


def test_an_error_branch_stops_the_run_or_leads_back() -> None:
    def failing(then: str) -> dict[str, Any]:
        return {**leaf("bad"), "on_error": {"steps": [leaf("e1"), leaf("e2")], "then": then, "tries": True}}

    error = {"bad": {"error": {}}, "p": {"branches": [0]}}
    assert walked([failing("go_on"), leaf("end")], error) == ["bad", "e1", "e2", "end"]
    assert walked([failing("stop"), leaf("end")], error) == ["bad", "e1", "e2"]
    assert walked([failing("stop"), leaf("end")], {}) == ["bad", "end"]
    assert walked([paths("p", [failing("go_on"), leaf("a")]), leaf("end")], error) == [
        "p",
        "bad",
        "e1",
        "e2",
        "a",
        "end",
    ]
