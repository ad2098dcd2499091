"""What the templates of a step may name, by where the step stands."""

from typing import Any

import pytest

from arrivals.workflows import scopes

LOOP = {"over": "{{ row.items }}"}


def post(id_: str, text: str = "") -> dict[str, Any]:
    return {"id": id_, "type": "action", "app": "inbox", "action": "post_message", "inputs": {"text": text}}


def branch(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"always": True, **more, "steps": list(steps)}


def found(*steps: dict[str, Any]) -> list[str]:
    return [error.path for error in scopes.problems(list(steps))]


def test_a_step_sees_those_before_it_and_no_others() -> None:
    assert found(post("a"), post("b", "{{ steps.a.id }}")) == []
    assert found(post("a", "{{ steps.b.id }}"), post("b")) == ["steps[0].inputs.text"]
    assert found(post("a", "{{ steps.a.id }}")) == ["steps[0].inputs.text"]
    [error] = scopes.problems([post("a", 'x {% if steps["gone"].id == "1" %}{% endif %}')])
    assert error.message == "There is no step 'gone'."


def test_what_a_template_finds_out_by_itself_is_not_judged() -> None:
    assert found(post("a"), post("b", "{{ steps[visitor.id].x }} {{ steps | json }}")) == []
    assert found(post("a", "{% for loop in row.items %}{{ loop.x }}{% endfor %}")) == []


@pytest.mark.parametrize(("mode", "paths"), [("first", ["steps[0].branches[1].steps[0].inputs.text"]), ("all", [])])
def test_a_branch_sees_another_only_when_both_may_be_taken(mode: str, paths: list[str]) -> None:
    two = {
        "id": "p",
        "type": "paths",
        "mode": mode,
        "branches": [branch(post("a")), branch(post("b", "{{ steps.a.id }}"))],
    }
    assert found(two, post("c", "{{ steps.a.id }}{{ steps.b.id }}{{ steps.p.names }}")) == paths


def test_conditions_of_branches_are_read_too() -> None:
    holds = [{"any": [{"left": "{{ steps.later.id }}", "op": "is_set"}]}]
    two = {"id": "p", "type": "paths", "branches": [{"all": holds, "steps": []}]}
    assert found(two, post("later")) == ["steps[0].branches[0].all[0].any[0].left"]


def test_loop_is_there_inside_a_loop_and_its_steps_are_not_there_after_it() -> None:
    loop = {"id": "l", "type": "loop", **LOOP, "steps": [post("a", "{{ loop.item }}"), post("b", "{{ steps.a.id }}")]}
    assert found(loop, post("c", "{{ steps.l.count }}")) == []
    assert found(loop, post("c", "{{ steps.a.id }}"), post("d", "{{ loop.item }}")) == [
        "steps[1].inputs.text",
        "steps[2].inputs.text",
    ]


def test_error_is_there_in_an_error_branch_only() -> None:
    failing = {**post("a"), "on_error": {"steps": [post("b", "{{ error.message }}{{ steps.a.error.code }}")]}}
    assert found(failing, post("c", "{{ steps.b.id }}")) == []
    assert found(failing, post("c", "{{ error.message }}")) == ["steps[1].inputs.text"]
    loop = {
        "id": "l",
        "type": "loop",
        **LOOP,
        "steps": [post("x")],
        "on_error": {"steps": [post("y", "{{ loop.item }}")]},
    }
    assert found(loop) == ["steps[0].on_error.steps[0].inputs.text"]
    loop["on_error"] = {"steps": [post("y", "{{ steps.x.id }}")]}
    assert found(loop) == ["steps[0].on_error.steps[0].inputs.text"]


def test_a_template_that_cannot_be_read_is_somebody_elses_to_refuse() -> None:
    assert found(post("a", "{{ steps.")) == []
    assert found({"id": 7, "type": "paths", "branches": "no", "on_error": 3, "steps": [None, 4]}) == []
