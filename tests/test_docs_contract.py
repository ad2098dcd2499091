"""What the product knows is in its documentation, and the documentation's examples are taken by the product."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from arrivals.audience import (
    columns,
    comparisons,
    dashboards,
    feature_rules,
    metrics,
    page_rules,
    reports,
    rules,
    selectors,
    survey_classes,
    survey_forms,
    survey_texts,
    surveys,
    tags,
)
from arrivals.audience.charts import cells as cells_of_charts
from arrivals.audience.charts import definitions as definitions_of_charts
from arrivals.audience.models import Feature, Page
from arrivals.cli import import_
from arrivals.collect import calls, event, formats, mapping, pendo, segment
from arrivals.engine import notices, retry, words
from arrivals.engine.models import Run
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions, triggers
from arrivals.workflows.recipe_book import RECIPES
from arrivals.workflows.recipe_targets import TARGETS
from arrivals.workflows.steps.registry import TYPES as STEP_TYPES
from tests import makers

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def examples(name: str) -> list[Any]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page(name), re.DOTALL)]


WORDS: list[tuple[str, tuple[str, ...]]] = [
    ("segments", rules.KINDS),
    ("segments", comparisons.OPERATORS),
    ("segments", tuple(f"metric.{one}" for one in (*rules.METRICS, *rules.ACCOUNT_METRICS))),
    ("segments", tuple(f"`{one}`" for one in metrics.WORDS)),
    (
        "segments",
        ("at_least", "at_most", "exactly", "within", "since", "between", "ever", "did", "times", "when", "where"),
    ),
    ("reports", tuple(f"metric.{one}" for names in columns.METRICS.values() for one in names)),
    (
        "charts",
        tuple(f"`{one}`" for own in (*definitions_of_charts.OWN.values(), definitions_of_charts.COMMON) for one in own),
    ),
    ("charts", (*definitions_of_charts.KINDS, *definitions_of_charts.MEASURES, *definitions_of_charts.COHORTS)),
    ("charts", tuple(f"{name}" for names in cells_of_charts.KEYS.values() for name in names)),
    ("dashboards", tuple(f"`{one}`" for one in (*dashboards.SIZES, *dashboards.KEYS[1:]))),
    ("reports", columns.PARTS),
    ("reports", tuple(f"response.{one}" for one in columns.RESPONSE)),
    ("reports", reports.KINDS),
    ("reports", columns.COUNTED),
    ("steps", tuple(f"`{one}`" for one in STEP_TYPES)),
    ("workflows", comparisons.OPERATORS),
    ("workflows", ("visitor", "account", "row", "response", "arrival", "workflow", "links", "steps")),
    ("workflows", tuple(f'"{one}"' for one in triggers.KINDS)),
    ("pages-and-features", (*page_rules.KEYS, *page_rules.MATCHES, *feature_rules.KEYS, *feature_rules.ACTIONS)),
    ("pages-and-features", tuple(f"`{one}`" for one in selectors.ATTRIBUTES)),
    ("watching", ("never", "each_return", "every_days", "skip", "run", "since")),
    ("runs", tuple(Run.State.values)),
    ("runs", tuple(f"`{one}`" for one in (*Run.HeldFor.values, *notices.KINDS, *words.MEANINGS) if one != "discarded")),
    ("events", event.KINDS),
    ("pendo-agent", pendo.PATHS),
    ("events", tuple(f"POST /v1/{one}" for one in (*calls.TYPES, *calls.AGENT_TYPES, *segment.BATCHES))),
    ("events", tuple(f"/v1/{one}" for one in segment.SHORT)),
    (
        "events",
        (
            f"{segment.MOST_BODY:,}",
            f"{segment.MOST_EVENT:,}",
            f"{segment.MOST_BATCH:,}",
            str(event.MOST_FIELDS),
            str(calls.LONGEST_ID),
        ),
    ),
    (
        "recipes",
        tuple(f"`{one}`" for recipe in RECIPES.values() for one in (recipe.id, *(p.name for p in recipe.parameters))),
    ),
    (
        "recipes",
        tuple(f"`{one}`" for target in TARGETS.values() for one in (target.app, *(p.name for p in target.parameters))),
    ),
    ("import", mapping.PLAIN),
    ("import", tuple(f"`{one}`" for one in import_.SYNONYMS)),
    ("import", mapping.KINDS),
    ("import", tuple(f"`{one}`" for one in formats.READERS)),
    ("surveys", tuple(f"`{one}`" for one in (*survey_forms.KINDS, *survey_forms.STATES, *survey_forms.DEFAULTS))),
    ("surveys", tuple(f"`{one}`" for one in (*survey_forms.TEXTS, *survey_forms.LOOK, *survey_forms.POSITIONS))),
    ("surveys", (*survey_forms.MATCHES, *survey_forms.THEMES, *survey_texts.LANGUAGES, *survey_classes.BOUNDS)),
]


@pytest.mark.parametrize("example", examples("charts"))
def test_the_examples_of_charts_are_allowed(fresh: Warehouse, example: dict[str, Any]) -> None:
    if "all" in example:
        rules.parse(example)
    else:
        definitions_of_charts.parse(example)


@pytest.mark.parametrize(("name", "words"), WORDS)
def test_every_word_of_the_code_is_explained(name: str, words: tuple[str, ...]) -> None:
    text = page(name)
    assert [word for word in words if word not in text] == []


def test_the_schedule_of_tries_is_explained() -> None:
    assert [round(one.total_seconds() / 60) for one in retry.SCHEDULE] == [5, 30, 60, 180, 360]
    assert "5 minutes, 30 minutes, 1 hour, 3 hours and 6 hours" in page("runs")


def test_the_examples_of_segments_are_allowed(fresh: Warehouse) -> None:
    assert len(examples("segments")) >= 3
    for example in examples("segments"):
        rules.parse(example)


def test_the_examples_of_reports_are_allowed(fresh: Warehouse) -> None:
    assert len(examples("reports")) >= 2
    for example in examples("reports"):
        reports.create(example)


def test_the_examples_of_surveys_are_allowed(fresh: Warehouse) -> None:
    assert len(examples("surveys")) >= 2
    for example in examples("surveys"):
        surveys.create(example)


def test_the_examples_of_pages_and_features_are_allowed(fresh: Warehouse) -> None:
    page, feature, segment = examples("pages-and-features")
    Page.objects.create(id=feature["rules"][1]["page"], name="Order", rules=page["rules"])
    Feature.objects.create(id=segment["all"][0]["any"][0]["feature"], name="Save", rules=feature["rules"])
    tags.create("page", page)
    tags.create("feature", feature)
    rules.parse(segment)


def test_the_example_of_a_workflow_is_allowed(fresh: Warehouse) -> None:
    [example] = examples("workflows")
    example["trigger"]["report"] = makers.report().id
    definitions.validate(example)


def test_the_example_of_a_survey_answer_is_one() -> None:
    [answer, survey] = examples("events")
    assert set(answer) == {"success", "accepted", "repeated", "refused"}
    assert calls.event("src", survey, received_at=1).kind == "survey_answered"
