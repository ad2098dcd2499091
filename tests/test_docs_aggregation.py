"""docs/pendo-aggregation.md says what the code knows, no more and no less."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from arrivals.api.pendo import aggregation as view
from arrivals.audience import aggregation
from arrivals.audience.aggregation import compiled, events, groups, limits, moments, pipelines, sources, timeseries
from arrivals.warehouse.client import Warehouse

PAGE = (Path(__file__).parents[1] / "docs" / "pendo-aggregation.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """The words in code of the first column of the table under a heading."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([A-Za-z]+)", row)]


TABLES: list[tuple[str, Any]] = [
    ("Sources", sources.SOURCES),
    ("Stages", pipelines.STAGES),
    ("Expressions", compiled.FUNCTIONS),
]


@pytest.mark.parametrize(("heading", "known"), TABLES)
def test_a_table_lists_what_there_is(heading: str, known: Any) -> None:
    assert sorted(set(first_cells(heading))) == sorted(known)


WORDS: list[tuple[str, ...]] = [
    tuple(f"`{one}`" for one in timeseries.PERIODS),
    tuple(f"`{one}`" for one in (*groups.FUNCTIONS, *groups.CONDITIONAL)),
    tuple(f"`{one}`" for one in events.BLACKLIST),
    tuple(one for one in moments.UNITS if one.endswith("s")),
    compiled.OPERATORS,
    tuple(
        f"{one:,}"
        for one in (
            limits.MOST_ROWS,
            limits.MOST_BYTES,
            limits.MEMORY,
            int(limits.SECONDS),
            int(limits.SECONDS_OF_WAITING),
            limits.AT_ONCE,
            limits.MOST_STAGES,
            limits.MOST_FIELDS,
            limits.LONGEST_EXPRESSION,
            limits.MOST_PERIODS,
            view.MOST_BODY,
        )
    ),
]


@pytest.mark.parametrize("words", WORDS)
def test_every_word_of_the_code_is_explained(words: tuple[str, ...]) -> None:
    assert [word for word in words if word not in PAGE] == []


def test_the_example_is_answered(store: Warehouse, db: None) -> None:
    [example] = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert list(aggregation.run(example).rows) == []
