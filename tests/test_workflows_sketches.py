"""Definitions that are being written: everything that is not finished is told, with paths; the rest can be tried."""

from typing import Any

import pytest

from arrivals.errors import InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import sketches, workflows
from tests import makers


def paths(definition: Any) -> list[tuple[str, str]]:
    return [(one.path, one.step) for one in sketches.of(definition).problems]


def test_a_finished_definition_reads_as_it_is_stored(fresh: Warehouse) -> None:
    definition = makers.definition(makers.report(), makers.post(), {"id": "w", "type": "delay", "for": "1h"})
    read = sketches.of(definition)
    assert read.problems == []
    made = workflows.create(definition)
    assert made.version
    assert read.definition == made.version.definition


def test_limits_are_read_and_wrong_ones_are_told(fresh: Warehouse) -> None:
    definition = makers.definition(makers.report())
    assert sketches.of({**definition, "concurrency": 2, "flood": 0}).definition["concurrency"] == 2
    assert paths({**definition, "concurrency": 0, "flood": "many"}) == [("concurrency", ""), ("flood", "")]


def test_every_problem_is_told_and_not_only_the_first(fresh: Warehouse) -> None:
    definition = {
        "name": " ",
        "trigger": {"kind": "visitor_in_report", "report": ""},
        "steps": [
            {"id": "a", "type": "action", "app": "slack", "action": "send_message", "inputs": {}},
            {"id": "w", "type": "delay", "for": "soon"},
            {"id": "p", "type": "paths", "branches": [{"always": True, "steps": [makers.post("{{ steps.z.id }}", "b"), {"id": "c", "type": "filter", "all": []}]}]},
            makers.post(id_="z"),
        ],
    }  # fmt: skip
    assert paths(definition) == [
        ("name", ""),
        ("trigger.report", ""),
        ("steps[0].connection", "a"),
        ("steps[1].for", "w"),
        ("steps[2].branches[0].steps[1].all", "c"),
        ("steps[2].branches[0].steps[0].inputs.text", "b"),
    ]
    read = sketches.of(definition)
    assert read.step("z") == {**makers.post(id_="z"), "connection": ""}
    assert "needs one" in (read.step("a") or {})[sketches.PROBLEM]


@pytest.mark.parametrize(
    "data", [None, 3, [], {}, {"steps": None}, {"steps": [None, {"type": []}]}, {"steps": [], "x": 1}]
)
def test_anything_can_be_read(fresh: Warehouse, data: Any) -> None:
    assert sketches.of(data).problems


def test_a_draft_is_kept_unfinished_and_put_in_force_only_when_it_is_finished(fresh: Warehouse) -> None:
    report = makers.report()
    made = workflows.begin({"name": "Mine", "trigger": {"kind": "visitor_in_report"}, "steps": []})
    assert (made.name, made.version, made.state) == ("Mine", None, "off")
    with pytest.raises(InvalidDefinition):
        workflows.publish(made.id)
    workflows.keep_draft(made.id, {**makers.definition(report), "name": ""})
    assert workflows.get(made.id).name == sketches.UNNAMED
    workflows.keep_draft(made.id, makers.definition(report))
    assert workflows.publish(made.id).version.number == 1  # type: ignore[union-attr]
    with pytest.raises(InvalidDefinition):
        workflows.keep_draft(made.id, {"steps": "none"})


def test_the_form_of_a_step_is_not_its_name_and_not_what_is_inside_it() -> None:
    step = {"id": "l", "type": "loop", "over": ["a"], "most": 5, "steps": []}
    same = {**step, "name": "All", "steps": [makers.post()]}
    assert sketches.digest(step) == sketches.digest(same)
    assert sketches.digest(step) != sketches.digest({**step, "over": ["b"]})
