"""What programs and terminals meet is documented: every operation, command, option of a command's own, and setting."""

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from arrivals.api.arrivals.api import api
from arrivals.cli import main
from arrivals.cli.settings import table

DOCS = Path(__file__).parents[1] / "docs"
OPERATIONS = [
    f"{method.upper()} {path.removeprefix('/api/v2')}"
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method in methods
]


def commands(group: click.Group, name: str) -> list[str]:
    found = []
    for word in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), word)
        assert command is not None
        found += commands(command, f"{name} {word}") if isinstance(command, click.Group) else [f"{name} {word}"]
    return found


def test_the_operations_that_are_documented_are_those_that_there_are() -> None:
    documented = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(OPERATIONS)


def test_the_commands_that_are_documented_are_those_that_there_are() -> None:
    documented = re.findall(r"^\| `(arrivals [a-z ]+)` \|", (DOCS / "command.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(commands(main, "arrivals"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_describes_itself(operation: str) -> None:
    method, path = operation.split(" ")
    described = api.get_openapi_schema()["paths"][f"/api/v2{path}"][method.lower()]
    assert described["description"].endswith("."), operation
    assert ("security" in described) == (path != "/health")


def test_the_description_of_the_api_is_json() -> None:
    from arrivals.api.arrivals.bodies import Renderer

    text = Renderer().render(None, api.get_openapi_schema(), response_status=200)  # type: ignore[arg-type]
    assert json.loads(text)["info"]["title"] == "Arrivals"


def test_the_table_of_the_settings_is_the_one_in_the_code() -> None:
    assert table() in (DOCS / "settings.md").read_text()


@pytest.mark.parametrize("words", [[], ["report"], ["workflow"], ["run"]])
def test_no_sentence_of_the_help_is_cut_off(words: list[str]) -> None:
    shown = CliRunner().invoke(main, [*words, "--help"], terminal_width=80).output
    assert "Commands:" in shown
    # What is cut off ends in dots; an id such as rep_... is a word of its own.
    assert [line for line in shown.partition("Commands:")[2].splitlines() if line.rstrip().endswith("...")] == []
