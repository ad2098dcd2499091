"""The source's page: the snippet of the browser agent, and its switches."""

from html import unescape

import pytest
from django.test import Client

from arrivals import config
from arrivals.accounts import people
from arrivals.accounts.models import AuditEntry
from arrivals.collect import snippet, sources, switches
from arrivals.collect.models import Source
from arrivals.warehouse.client import Warehouse


@pytest.fixture
def client(fresh: Warehouse) -> Client:
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="admin"))
    return client


@pytest.fixture
def source(fresh: Warehouse) -> Source:
    return sources.create("Shop")[0]


def test_the_page_shows_what_to_copy(client: Client, source: Source) -> None:
    shown = unescape(client.get(f"/sources/{source.id}").content.decode())
    url = config.current().public_url
    assert snippet.snippet(url, source.write_key) in shown
    assert snippet.element(url, source.write_key) in shown


def test_what_is_ticked_is_on_and_the_rest_is_off(client: Client, source: Source) -> None:
    shown = client.get(f"/sources/{source.id}").content.decode()
    ticked = [one.name for one in switches.SWITCHES if f'value="{one.name}" checked' in shown]
    assert ticked == ["autocapture.page", "autocapture.click", "autocapture.change", "autocapture.submit"]
    answer = client.post(f"/sources/{source.id}/agent", {"on": ["autocapture.page", "mask_text", "nonsense"]})
    assert answer.status_code == 302
    assert switches.of(sources.get(source.id)) == {
        "autocapture": {"page": True, "click": False, "change": False, "submit": False},
        "mask_text": True,
        "respect_dnt": False,
    }
    shown = client.get(f"/sources/{source.id}").content.decode()
    assert [one.name for one in switches.SWITCHES if f'value="{one.name}" checked' in shown] == [
        "autocapture.page",
        "mask_text",
    ]
    assert AuditEntry.objects.filter(action="source.agent", subject=source.id).count() == 1


def test_a_stranger_changes_nothing(source: Source) -> None:
    assert Client().post(f"/sources/{source.id}/agent", {"on": []}).status_code == 302
    assert sources.get(source.id).agent == {}
