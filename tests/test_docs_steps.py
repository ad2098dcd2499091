"""The documentation of steps says what the code knows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions, workflows
from arrivals.workflows.steps.formatter_functions import FUNCTIONS
from tests import makers

DOCS = Path(__file__).parents[1] / "docs"


def examples(name: str) -> list[Any]:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    return [json.loads(one) for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def test_every_function_of_the_formatter_is_explained_with_its_options() -> None:
    text = (DOCS / "formatter.md").read_text(encoding="utf-8")
    for one in FUNCTIONS.values():
        options = "; ".join(f"`{option.name}`" + (r"\*" if option.needed else "") for option in one.options)
        assert f"| `{one.name}` | {one.input} | {one.gives} | {one.help} | {options} |" in text
        for option in one.options:
            rows = [
                line for line in text.splitlines() if option.help in line and line.startswith(f"| `{option.name}` | ")
            ]
            [row] = [line for line in rows if f"`{one.name}`" in line]
            assert all(f"`{word}`" in row for word in option.allowed if word.strip())


@pytest.mark.parametrize("name", ["steps", "formatter"])
def test_the_examples_of_steps_are_allowed(fresh: Warehouse, name: str) -> None:
    called = workflows.create({"name": "Called", "trigger": {"kind": "called"}, "steps": [makers.post()]})
    for example in examples(name):
        if "workflow" in example:
            example["workflow"] = called.id
        definitions.Tree().steps([example], "steps")
