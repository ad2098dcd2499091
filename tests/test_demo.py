"""The demo's visitors are understood by the collector, and what the demo names and draws finds what they do."""

import json
import random
from typing import Any

import pytest

from arrivals import clock, demo
from arrivals.audience import dashboards, tag_numbers
from arrivals.audience.models import Chart, Feature, Page
from arrivals.collect import calls
from arrivals.warehouse.client import Warehouse


def past() -> list[dict[str, Any]]:
    return demo.history(random.Random(7), clock.now())


def test_every_call_is_understood_and_its_message_id_is_its_own() -> None:
    received = round(clock.now().timestamp() * 1000)
    read = [calls.event("src_t", one, received_at=received) for one in past()]
    assert {one.kind for one in read} == {"identify", "page", "track", "click", "survey_shown", "survey_answered"}
    assert len({one.message_id for one in read}) == len(read)


def test_clicks_tell_the_element_as_the_agent_does() -> None:
    clicks = [one for one in past() if one["type"] == "click"]
    assert {one["name"] for one in clicks} == {name for _, name, *_ in (*demo.ELEMENTS, demo.PAY)}
    for one in clicks:
        assert one["properties"]["path"][-1] == "body"
        assert one["properties"]["text"]
        assert one["context"]["page"]["url"].startswith(demo.ADDRESS)


@pytest.mark.django_db
def test_what_it_names_and_draws_finds_what_they_did(fresh: Warehouse) -> None:
    demo.prepare()
    demo.prepare()
    page, feature = Page.objects.get(), Feature.objects.get()
    funnel = next(one for one in Chart.objects.all() if one.definition["kind"] == "funnel")
    assert funnel.id in [tile["chart"] for tile in dashboards.all_dashboards()[0].tiles]
    assert {"kind": "feature", "feature": feature.id} in funnel.definition["steps"]
    made = [calls.event(page.source_id, one, received_at=1, oldest_ms=10**15) for one in past()]
    told = [
        {"kind": one.kind, "url": one.url, "source_id": one.source_id, "properties": json.loads(one.properties)}
        for one in made
    ]
    assert any(tag_numbers.which("page", [one for one in told if one["kind"] == "page"]))
    assert any(tag_numbers.which("feature", [one for one in told if one["kind"] == "click"]))
