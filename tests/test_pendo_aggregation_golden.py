"""Bodies of Pendo's API and their answers, over a small fixed world: tests/golden/aggregation."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience.aggregation import pipelines, sources
from arrivals.warehouse.client import Warehouse
from tests import pendo_events

FOLDER = Path(__file__).parent / "golden" / "aggregation"
GOLDEN = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}


@pytest.fixture(scope="module")
def world(store: Warehouse, django_db_blocker: Any, django_db_setup: None) -> Any:
    """The fixed world, made once: its rows in the control database are taken away at the end."""
    from arrivals.accounts.models import IntegrationKey
    from arrivals.collect.models import Source

    with django_db_blocker.unblock():
        pendo_events.add(store)
        _, secret = keys.create("reader", write=False, by="ada@example.com")
        yield secret
        Source.objects.all().delete()
        IntegrationKey.objects.all().delete()


@pytest.mark.parametrize("name", GOLDEN)
def test_a_body_has_its_answer(
    world: str, db: None, client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(clock, "now", lambda: pendo_events.NOW)
    answer = client.post(
        "/api/v1/aggregation",
        orjson.dumps(GOLDEN[name]["request"]),
        content_type="application/json",
        headers={"x-pendo-integration-key": world},
    )
    assert answer.status_code == 200
    assert orjson.loads(b"".join(answer.streaming_content)) == GOLDEN[name]["answer"]  # type: ignore[attr-defined]


def names_in(data: Any, known: Any) -> set[str]:
    if isinstance(data, list):
        return {name for one in data for name in names_in(one, known)}
    if isinstance(data, dict):
        return {name for name in data if name in known} | names_in(list(data.values()), known)
    return set()


def test_every_source_and_every_stage_is_in_a_body() -> None:
    bodies = [one["request"] for one in GOLDEN.values()]
    unseen = {"rawEvents", "guidesSeen", "pollsSeen"}  # as singleEvents, guidesSeenEver, pollsSeenEver in a span
    assert set(sources.SOURCES) - names_in(bodies, sources.SOURCES) == unseen
    assert set(pipelines.STAGES) - names_in(bodies, pipelines.STAGES) == {"segment"}  # in a test of its own
