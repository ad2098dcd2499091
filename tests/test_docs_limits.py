"""The table of limits in the documentation says what the code does, and the code does it."""

import asyncio
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async

from arrivals import config
from arrivals.apps import outbound, registry
from arrivals.engine import masks, program, runner, runs
from arrivals.engine.runner import Runner
from arrivals.engine.steps import action
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions, templates
from tests import makers
from tests.engine import Actions, ended, make

TEXT = (Path(__file__).parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
TABLE = TEXT[TEXT.index("## Limits") : TEXT.index("**Tasks**")]
SLACK = registry.APPS["slack"].limits


def test_the_numbers_of_the_table_are_those_of_the_code() -> None:
    one = Runner(Actions())
    for words in (
        f"`flood`; {next(row.default for row in config.SETTINGS if row.name == 'ARRIVALS_FLOOD')} |",
        f"{one._at_once} of one workflow, {one._at_once + one._at_once // runner.SPARE} in all",
        f"{action.SECONDS:.0f} s (a call out {outbound.SECONDS:.0f} s, of it {outbound.CONNECT_SECONDS:.0f} s to connect)",
        f"| body that is sent | {outbound.MOST_SENT // 2**20} MB |",
        f"| answer that is read | {outbound.MOST_READ // 2**10} KB |",
        f"| {masks.MOST_BYTES // 2**10} KB of JSON |",
        f"| {templates.MOST_OUTPUT // 2**10} KB, with at most {templates.Limited.loop_iteration_limit:,} turns of loops |",
        f"| {program.MOST_DONE:,} |",
        f"| {definitions.MOST_STEPS}, at most {definitions.DEEPEST} deep |",
    ):
        assert words in TABLE, words
    assert f"(Slack: {SLACK.calls} in {SLACK.seconds} s, {SLACK.at_once} at once)" in TEXT


async def test_outputs_that_are_too_large_are_kept_as_their_beginning(fresh: Warehouse, started: Any) -> None:
    async def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"text": "z" * 70_000}

    await make(makers.post("{{ visitor.id }}" + "i" * 70_000), makers.post("{{ steps.tell.bytes }}", "then"))
    actions = Actions(answer)
    await started(actions)
    assert (await ended())[0].state == "succeeded"
    first, second = (await sync_to_async(runs.get)((await ended())[0].id))["steps"]
    assert first["outputs"]["truncated"] is True
    assert len(first["outputs"]["beginning"]) == 2000
    assert first["inputs"]["truncated"] is True
    assert second["inputs"]["text"] == str(first["outputs"]["bytes"])
