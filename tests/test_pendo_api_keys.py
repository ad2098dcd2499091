"""Keys over /api/v1: an ended one gets 403 and nothing else, one of a source sees what was seen there."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import key_forms, keys
from arrivals.accounts.models import IntegrationKey
from arrivals.api.pendo.urls import ENDPOINTS, Endpoint
from arrivals.collect import sources
from arrivals.collect.models import Source
from arrivals.warehouse.client import Warehouse
from tests import events

ALLOWED = {
    "/token/verify", "/aggregation", "/visitor/{id}", "/visitor/{id}/history", "/account/{id}", "/metadata/schema/{kind}",
    "/page", "/page/{id}", "/feature", "/feature/{id}", "/tracktype", "/tracktype/{id}", "/guide", "/guide/{id}",
    "/guide/{id}/visitor/{visitor}/reset",
}  # fmt: skip


def with_key(secret: str) -> Client:
    return Client(headers={"x-pendo-integration-key": secret, "User-Agent": "tap/1"})


@pytest.fixture
def shop(fresh: Warehouse) -> Source:
    """Ada is seen by two sources; each has an account and a page of its own."""
    source, _ = sources.create("Shop")
    other, _ = sources.create("Other")
    now = clock.now()
    for one, page, hours in ((source, "Mine", 30), (other, "Theirs", 1)):
        at = now - timedelta(hours=hours)
        row = [one.id, hours, f"m{hours}", "page", page, "ada", f"acc-{page}", at, at, "", "{}"]
        fresh.insert("events", [row], events.EVENT)
        events.visitors(fresh, ["ada", at, at])
    return source


@pytest.mark.parametrize("form", key_forms.FORMS)
def test_a_key_of_any_form_is_taken_until_it_ends(fresh: Warehouse, form: str) -> None:
    key, secret = keys.create("tap", write=False, by="ada@example.com", form=form)
    client = with_key(secret)
    assert client.get("/api/v1/token/verify").json() == {"valid": True, "writeAccess": False}
    key.refresh_from_db()
    assert (key.last_used_from, key.last_used_by) == ("127.0.0.1", "tap/1")
    IntegrationKey.objects.update(expires_at=clock.now())
    answer = client.get("/api/v1/token/verify")
    assert (answer.status_code, answer.content) == (403, b"")


def test_a_key_of_one_source_is_answered_from_its_source(shop: Source) -> None:
    client = with_key(keys.create("tap", write=False, by="ada@example.com", source_id=shop.id)[1])
    [page] = client.get("/api/v1/page?expand=*").json()
    assert page["name"] == "Mine"
    everything = client.get("/api/v1/visitor/ada").json()
    assert everything["metadata"]["auto"]["accountids"] == ["acc-Mine"]
    assert clock.now().timestamp() * 1000 - everything["metadata"]["auto"]["lastvisit"] > 29 * 3_600_000
    assert [one for one in everything["metadata"] if one.startswith("auto_")] == [f"auto_{sources.app_id(shop.id)}"]
    assert client.get("/api/v1/visitor/ada/history").json() == []
    assert client.get("/api/v1/account/acc-Mine").status_code == 200
    assert client.get("/api/v1/account/acc-Theirs").status_code == 404
    pipeline: list[Any] = [{"source": {"visitors": None}}]
    asked = {"response": {"mimeType": "application/json"}, "request": {"pipeline": pipeline}}
    answer = client.post("/api/v1/aggregation", asked, content_type="application/json")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "ada" in text
    assert "Theirs" not in text


def test_a_visitor_that_another_source_saw_is_not_there(shop: Source, fresh: Warehouse) -> None:
    events.add(fresh, ("eve", "page", "Theirs", clock.now()))
    client = with_key(keys.create("tap", write=False, by="ada@example.com", source_id=shop.id)[1])
    for path in ("/visitor/eve", "/visitor/eve/history", "/visitor/nobody", "/visitor/nobody/history"):
        assert client.get(f"/api/v1{path}").status_code == 404


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_what_spans_sources_is_closed_to_a_key_of_one_source(shop: Source, endpoint: Endpoint) -> None:
    client = with_key(keys.create("tap", write=True, by="ada@example.com", source_id=shop.id)[1])
    path = endpoint.path.format(id="x", kind="visitor", group="custom", field="f", job="j", visitor="v")
    answer = client.generic(endpoint.method, f"/api/v1{path}")
    closed = answer.status_code == 403 and "one source only" in answer.content.decode()
    assert closed == (endpoint.path not in ALLOWED)
