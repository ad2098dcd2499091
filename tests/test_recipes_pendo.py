"""The recipe on a report of a real Pendo: chosen from live lists, refused in words, one message for each new answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from arrivals.accounts import people
from arrivals.apps import connections, inbox_messages
from arrivals.apps.catalogue import Catalogue
from arrivals.audience.models import Report
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.engine.runner import Runner
from arrivals.errors import ArrivalsError, AuthorisationExpired, Invalid
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import recipe_looks, recipes
from arrivals.workflows.models import Workflow
from tests.fake_pendo import KEY, FakePendo, status

ANN = {
    "visitorId": "ann",
    "accountId": "acme",
    "visitor_agent_name": "Ann Lee",
    "visitor_agent_email": "ann@acme.example",
    "pollResponse": 9,
    "poll text": "Fast <!here>",
}
BOB = {"visitorId": "bob", "accountId": None, "pollResponse": "6", "poll text": None}


@pytest.fixture
def pendo(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePendo]:
    recipe_looks._seen.clear()
    with FakePendo() as pendo:
        pendo.rows["visitors"] = [ANN]
        yield pendo


@pytest.fixture
def connection(pendo: FakePendo) -> str:
    return connections.create("pendo", "Our Pendo", {"url": pendo.url, "key": KEY}).id


def params(connection: str, **more: Any) -> dict[str, Any]:
    return {"pendo": connection, "report": "visitors", "score": "pollResponse", "reason": "poll text", **more}


@async_to_sync
async def run_all(number: int) -> None:
    """Run what waits, with the real apps, until so many runs have ended."""
    import asyncio

    actions = Catalogue()
    runner = Runner(actions)
    await runner.start()
    try:
        for _ in range(200):
            if await Run.objects.filter(ended_at__isnull=False).acount() >= number:
                return
            await asyncio.sleep(0.03)
        raise AssertionError("The runs did not end.")
    finally:
        await runner.stop()
        await actions.close()


def test_a_preview_looks_at_the_live_report_once_and_stores_nothing(pendo: FakePendo, connection: str) -> None:
    for _ in range(3):
        found = recipes.preview("nps_pendo", params(connection))
    assert len(pendo.calls) <= 3
    assert (found["in_segment"], found["on_report"], found["shown_for"]) == (None, 1, "ann")
    assert found["message"]["title"] == "NPS: Ann Lee scored 9"
    lines = found["message"]["text"].split("\n")
    assert lines[:4] == [
        "Score: 9, a promoter",
        "Reason: Fast <!here>",
        "Visitor: Ann Lee · ann@acme.example · ann",
        "Account: acme",
    ]
    assert not Report.objects.exists()


def test_with_nobody_on_the_report_the_columns_are_taken_as_they_are(pendo: FakePendo, connection: str) -> None:
    pendo.rows["visitors"] = []
    found = recipes.preview("nps_pendo", params(connection))
    assert (found["on_report"], found["shown_for"]) == (0, None)
    assert "Score: 9, a promoter\nReason: It saves me an hour a day.\n" in found["message"]["text"]


def test_a_new_answer_is_one_message_and_the_snapshot_is_none(pendo: FakePendo, connection: str) -> None:
    made = recipes.make("nps_pendo", params(connection), activate=True)
    assert made.report.origin == {"connection": connection, "report": "visitors"}
    assert made.activation is not None
    assert (made.activation.on_report, made.activation.will_run) == (1, 0)
    pendo.rows["visitors"] = [ANN, BOB]
    assert checks.check(made.report.id).entered == 1
    assert enqueue.enqueue_all() == 1
    run_all(1)
    [message] = inbox_messages.page()[0]
    assert (message["title"], message["channel"]) == ("NPS: bob scored 6", "#nps")
    assert message["text"].startswith("Score: 6, a detractor\nReason: none given\nVisitor: bob\nAccount: none known\n")
    assert checks.check(made.report.id).entered == 0
    assert enqueue.enqueue_all() == 0


def test_a_row_without_a_score_is_no_detractor(pendo: FakePendo, connection: str) -> None:
    pendo.rows["visitors"] = [{**ANN, "pollResponse": None}]
    found = recipes.preview("nps_pendo", params(connection, app="webhook", url="https://hooks.example/x"))
    assert '"class": null' in found["message"]["body"]
    assert "Score" not in found["message"]["body"]


def test_made_twice_the_second_has_a_number(pendo: FakePendo, connection: str) -> None:
    made = [recipes.make("nps_pendo", params(connection)) for _ in range(2)]
    assert [one.report.name for one in made] == ["NPS responses of Pendo", "NPS responses of Pendo 2"]


WRONG: list[tuple[dict[str, Any], type[ArrivalsError], str]] = [
    ({"pendo": ""}, Invalid, "pendo"),
    ({"pendo": "con_x"}, Invalid, "pendo"),
    ({"report": "none"}, Invalid, "report"),
    ({"report": "accounts"}, Invalid, "report"),
    ({"report": "funnel"}, Invalid, "report"),
    ({"score": ""}, Invalid, "score"),
    ({"score": "rating"}, Invalid, "score"),
    ({"score": 'x"] }}'}, Invalid, "score"),
    ({"reason": "why"}, Invalid, "reason"),
    ({"channel": "{{"}, ArrivalsError, "steps[0].inputs.channel"),
]


@pytest.mark.parametrize(("more", "error", "path"), WRONG)
def test_wrong_choices_are_refused_by_their_name_and_nothing_is_made(
    pendo: FakePendo, connection: str, more: dict[str, Any], error: type[ArrivalsError], path: str
) -> None:
    with pytest.raises(error) as refusal:
        recipes.make("nps_pendo", params(connection, **more), activate=True)
    assert refusal.value.path == path
    assert (Report.objects.count(), Workflow.objects.count()) == (0, 0)


def test_a_pendo_that_refuses_says_so_and_nothing_is_made(pendo: FakePendo, connection: str) -> None:
    pendo.wrong["results.json"] = status(403)
    with pytest.raises(AuthorisationExpired):
        recipes.make("nps_pendo", params(connection), activate=True)
    assert (Report.objects.count(), Workflow.objects.count()) == (0, 0)


def test_the_form_offers_the_reports_and_the_columns_that_there_are(pendo: FakePendo, connection: str) -> None:
    people.create("admin@example.com", password="a long password", role="admin")
    client = Client()
    client.post("/sign-in", {"email": "admin@example.com", "password": "a long password"})
    place = "/workflows/recipes/nps_pendo"
    assert "Our Pendo" in client.get(place).content.decode()
    reports = client.post(f"{place}/fields", {"pendo": connection}).content.decode()
    assert "NPS responses</option>" in reports
    assert "Big accounts" not in reports
    columns = client.post(f"{place}/fields", {"pendo": connection, "report": "visitors"}).content.decode()
    assert "pollResponse (9)" in columns
    assert "poll text (Fast &lt;!here&gt;)" in columns
    made = client.post(place, {**params(connection), "app": "inbox", "then": "on"})
    assert made["Location"] == f"/workflows/{Workflow.objects.get().id}"
