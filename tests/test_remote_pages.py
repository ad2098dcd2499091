"""The pages of a real Pendo: connect, choose, watch, accept."""

from collections.abc import Iterator

import pytest
from django.test import Client

from arrivals.accounts import people
from arrivals.apps.models import Connection
from arrivals.apps.pendo.client import INVALID
from arrivals.apps.pendo.origin import Origin
from arrivals.audience import origins
from arrivals.audience.models import Report
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation
from tests import makers
from tests import remote as make
from tests.fake_pendo import FakePendo, status

PATH = "/reports/new/pendo"


@pytest.fixture
def pendo(fresh: Warehouse) -> Iterator[FakePendo]:
    origins.install(Origin())
    with FakePendo() as fake:
        yield fake


def signed_in(*, admin: bool = True) -> Client:
    person = people.create("a@example.com", password="a long password", role="admin" if admin else "member")
    client = Client()
    client.force_login(person)
    return client


def test_from_the_key_to_the_rows(pendo: FakePendo) -> None:
    client = signed_in()
    fields = {"region": "other", "url": pendo.url, "key": "wrong"}
    answer = client.post(f"{PATH}/connect", fields)
    assert answer.status_code == 422
    assert INVALID in answer.content.decode()
    assert not Connection.objects.exists()
    answer = client.post(f"{PATH}/connect", {**fields, "key": pendo.key}, follow=True)
    page = answer.content.decode()
    assert "Pendo accepts the key" in page
    assert "NPS responses" in page
    assert "funnel report" in page
    assert pendo.key not in page
    connection = Connection.objects.get().id
    pendo.visitors("ann")
    answer = client.post(f"{PATH}?connection={connection}", {"report": "visitors", "name": ""}, follow=True)
    report = Report.objects.get()
    assert 'hx-trigger="load"' in answer.content.decode()
    assert "1</b> on the report" in client.post(f"/reports/{report.id}/check").content.decode()
    page = client.get(f"/reports/{report.id}").content.decode()
    assert "Visitor report of" in page
    assert "ann" in page
    assert 'hx-trigger="load"' not in page
    client.post(f"/reports/{report.id}/edit", {"name": "Ours"})
    assert Report.objects.get().name == "Ours"


def test_a_report_that_cannot_be_used_is_refused_with_the_reason(pendo: FakePendo) -> None:
    client = signed_in()
    connection = make.connection(pendo).id
    page = client.post(f"{PATH}?connection={connection}", {"report": "funnel"}, headers={"Referer": PATH}, follow=True)
    assert "funnel report" in page.content.decode()
    assert not Report.objects.exists()


def test_a_member_chooses_but_does_not_connect(pendo: FakePendo) -> None:
    client = signed_in(admin=False)
    assert "An admin connects it" in client.get(PATH).content.decode()
    assert client.post(f"{PATH}/connect", {"region": "US", "key": "k"}).status_code == 403
    make.connection(pendo)
    assert "NPS responses" in client.get(PATH).content.decode()


def test_a_subscription_that_cannot_be_asked_says_so_on_the_page(pendo: FakePendo) -> None:
    client = signed_in()
    make.connection(pendo)
    pendo.wrong["/api/v1/report"] = status(503)
    assert "answered 503" in client.get(PATH).content.decode()
    pendo.wrong["/api/v1/report"] = status(403)
    assert "Put in another key" in client.get(PATH).content.decode()


def test_a_replaced_report_is_shown_and_accepted(pendo: FakePendo) -> None:
    client = signed_in()
    report = make.report(pendo)
    pendo.visitors(*(f"v{number}" for number in range(30)))
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    pendo.visitors(*(f"w{number}" for number in range(30)))
    page = client.post(f"/reports/{report.id}/check", headers={"HX-Request": "true"}).content.decode()
    assert checks.ASK in page
    assert "As a new snapshot" in page
    assert "cannot be looked at" in client.get(f"/workflows/{workflow.id}").content.decode()
    page = client.post(f"/reports/{report.id}/check", {"accept": "snapshot"}).content.decode()
    assert "30</b> on the report, <b>0</b> entered" in page
    assert "As a new snapshot" not in page
    assert "cannot be looked at" not in client.get(f"/workflows/{workflow.id}").content.decode()
