"""The page on Pendo's API has the table of endpoints that is in the code."""

from pathlib import Path

from arrivals.api.pendo.table import markdown

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_endpoints_is_the_one_in_the_code() -> None:
    """When it is not: put what ``python -m arrivals.api.pendo.table`` prints into docs/pendo-api.md."""
    assert markdown() in (DOCS / "pendo-api.md").read_text(encoding="utf-8")
