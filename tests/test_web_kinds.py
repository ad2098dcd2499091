"""Pages of the kinds of reports and triggers: what each says, and the question of activation for departures."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people
from arrivals.audience import columns, reports
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

PASSWORD = "a long password"


@pytest.fixture
def client(fresh: Warehouse) -> Client:
    people.create("admin@example.com", password=PASSWORD, role="admin")
    client = Client()
    client.post("/sign-in", {"email": "admin@example.com", "password": PASSWORD})
    return client


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def save(client: Client, kind: str, path: str = "/reports/new", **more: str) -> Any:
    form = {"name": "R", "kind": kind, "range": '{"within": "30d"}', "columns": json.dumps(columns.DEFAULT[kind])}
    return client.post(path, {**form, **more})


def test_a_report_of_each_kind_is_made_shown_and_changed(client: Client, fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "survey_answered", "nps", clock.now(), {"score": 3, "reason": "Slow"}, "acme"))
    for kind, empty, row in (
        ("visitor", "Everybody, active", "ann"),
        ("account", "Accounts of everybody, active", "acme"),
        ("response", "Responses to nps by everybody, given", "Slow"),
    ):
        made = save(client, kind, survey="nps")
        assert made.status_code == 302
        shown = text(client, made["Location"])
        assert empty in shown
        assert row in shown
        assert save(client, kind, f"{made['Location']}/edit", name=f"All {kind}s", survey="nps").status_code == 302
        assert f"All {kind}s" in text(client, "/reports")
    assert "responses to nps" in text(client, "/reports")


def test_a_report_of_responses_without_its_survey_is_refused_in_its_form(client: Client) -> None:
    answer = save(client, "response")
    assert answer.status_code == 422
    assert "needs its survey" in answer.content.decode()
    assert reports.all_reports() == []


EMPTY = [("account", "No account is on it now"), ("response", "No responses yet"), ("visitor", "Nobody is on it now")]


@pytest.mark.parametrize(("kind", "sentence"), EMPTY)
def test_an_empty_report_says_what_will_be_on_it(client: Client, kind: str, sentence: str) -> None:
    assert sentence in text(client, save(client, kind, survey="nps")["Location"])


def test_a_new_workflow_begins_with_the_trigger_of_its_report(client: Client) -> None:
    made = {kind: save(client, kind, survey="nps")["Location"].split("/")[-1] for kind in columns.DEFAULT}
    for kind, trigger in (("visitor", "visitor_in_report"), ("account", "account_in_report")):
        context = client.get("/workflows/new", {"report": made[kind]}).context
        assert json.loads(context["text"])["trigger"] == {"kind": trigger, "report": made[kind]}
    context = client.get("/workflows/new", {"report": made["response"]}).context
    assert json.loads(context["text"])["trigger"] == {"kind": "survey_response", "survey": "nps"}


def leaving() -> Workflow:
    report = makers.report()
    trigger = {"kind": "visitor_left_report", "report": report.id}
    return workflows.create({**makers.definition(report), "trigger": trigger})


def test_activation_of_a_departure_asks_nothing_and_says_why(client: Client, fresh: Warehouse) -> None:
    workflow = leaving()
    makers.come(fresh, "ann", "bob")
    page = text(client, f"/workflows/{workflow.id}")
    assert "When a visitor has left the report" in page
    assert 'name="since"' not in page
    dialog = text(client, f"/workflows/{workflow.id}/numbers")
    assert "Nobody on it has left it" in dialog
    assert 'value="run"' not in dialog
    client.post(f"/workflows/{workflow.id}/activate", {"existing": "skip", "untested": "on"})
    assert "It runs for each who leaves from here on." in text(client, f"/workflows/{workflow.id}")
    activation.pause(workflow.id)
    makers.leave(fresh, "ann")
    checks.check(workflow.report_id or "")
    assert "who left while it was paused" in text(client, f"/workflows/{workflow.id}/numbers")
    client.post(f"/workflows/{workflow.id}/activate", {"existing": "run"})
    assert enqueue.enqueue_all() == 1
    run = Run.objects.get()
    assert "<small>left</small>" in text(client, f"/workflows/{workflow.id}/runs")
    assert "left the report the 1st time" in text(client, f"/runs/{run.id}")


def test_runs_and_arrivals_of_responses_are_called_by_their_visitor(client: Client, fresh: Warehouse) -> None:
    trigger = {"kind": "survey_response", "survey": "nps"}
    workflow = workflows.create({"name": "T", "trigger": trigger, "steps": [makers.post()]})
    activation.activate(workflow.id)
    [id_] = events.add(fresh, ("ann@example.com", "survey_answered", "nps", clock.now(), {"score": 3}))
    checks.check(workflow.report_id or "")
    enqueue.enqueue_all()
    assert "When somebody answers the survey" in text(client, f"/workflows/{workflow.id}")
    runs = text(client, f"/workflows/{workflow.id}/runs")
    assert ">ann@example.com</a>" in runs
    assert f">{id_}<" not in runs
    assert f"response <code>{id_}</code>" in text(client, f"/runs/{Run.objects.get().id}")
    assert "<td>ann@example.com</td><td><span" in text(client, f"/reports/{workflow.report_id}")
