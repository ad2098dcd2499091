"""Running a workflow for visitors that somebody chooses."""

from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, people
from arrivals.accounts.models import AuditEntry
from arrivals.audience import reports
from arrivals.engine import manual
from arrivals.engine.models import ManualStart, Run
from arrivals.errors import Conflict, Invalid
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, workflows
from tests import events, makers

MANUAL = {"kind": "manual"}


def seen(store: Warehouse, *visitors: str) -> None:
    for visitor in visitors:
        events.add(store, (visitor, "track", "x", clock.now(), {}, "acme"))
        events.metadata(store, visitor, clock.now(), plan="pro")


def test_each_chosen_visitor_runs_once_with_what_is_known_of_it(fresh: Warehouse) -> None:
    seen(fresh, "ann", "bob")
    workflow = makers.on(MANUAL)
    told = manual.start(workflow.id, ["ann", "bob", "ann"])
    assert [one["visitor"] for one in told] == ["ann", "bob"]
    run = Run.objects.get(pk=told[0]["run"])
    assert (run.member, run.kind, run.entry) == ("ann", "man", 1)
    assert run.input["visitor"] == {"id": "ann", "agent": {"plan": "pro"}}
    assert run.input["account"]["id"] == "acme"
    assert run.input["workflow"] == {"id": workflow.id, "name": "Tell"}


def test_choosing_somebody_again_runs_again(fresh: Warehouse) -> None:
    seen(fresh, "ann")
    workflow = makers.on(MANUAL)
    for _ in range(3):
        manual.start(workflow.id, ["ann"])
    assert list(Run.objects.order_by("id").values_list("entry", flat=True)) == [1, 2, 3]


def test_two_ids_of_one_visitor_are_one_run(fresh: Warehouse) -> None:
    seen(fresh, "ann")
    events.link(fresh, "anon", "ann")
    workflow = makers.on(MANUAL)
    told = manual.start(workflow.id, ["anon", "ann"])
    assert [one["visitor"] for one in told] == ["anon", "ann"]
    assert {one["run"] for one in told} == {Run.objects.get(member="ann").id}


def test_an_unknown_visitor_is_named_and_nobody_runs(fresh: Warehouse) -> None:
    seen(fresh, "ann")
    workflow = makers.on(MANUAL)
    with pytest.raises(Invalid, match="no visitor 'zoe', 'a', 'b', 'c', 'd' and 1 more") as refusal:
        manual.start(workflow.id, ["ann", "zoe", "a", "b", "c", "d", "e"])
    assert refusal.value.path == "visitors"
    assert not Run.objects.exists()


WRONG: list[tuple[Any, str]] = [
    ([], "visitors"),
    ("ann", "visitors"),
    (["v"] * 1001, "visitors"),
    (["ann", 5], "visitors[1]"),
    ([""], "visitors[0]"),
]


@pytest.mark.parametrize(("visitors", "path"), WRONG)
def test_wrong_ids_are_refused_by_their_place(fresh: Warehouse, visitors: Any, path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        manual.start(makers.on(MANUAL).id, visitors)
    assert refusal.value.path == path


def test_a_repeated_request_starts_nothing_and_is_told_the_same(fresh: Warehouse) -> None:
    seen(fresh, "ann", "bob")
    workflow = makers.on(MANUAL)
    first = manual.start(workflow.id, ["ann", "bob"], key="one")
    assert manual.start(workflow.id, ["ann", "bob"], key="one") == first
    with pytest.raises(Conflict, match="used for other visitors"):
        manual.start(workflow.id, ["ann"], key="one")
    assert manual.start(workflow.id, ["ann"], key="two")[0]["run"] != first[0]["run"]
    assert Run.objects.count() == 3
    manual.forget()
    assert ManualStart.objects.count() == 2
    ManualStart.objects.update(at=clock.now() - manual.KEPT * 2)
    manual.forget()
    assert ManualStart.objects.count() == 0


def test_a_workflow_that_is_not_on_runs_for_nobody(fresh: Warehouse) -> None:
    seen(fresh, "ann")
    workflow = workflows.create({"name": "T", "trigger": MANUAL, "steps": [makers.post()]})
    with pytest.raises(Conflict, match="off; activate"):
        manual.start(workflow.id, ["ann"])
    activation.activate(workflow.id)
    activation.pause(workflow.id)
    with pytest.raises(Conflict, match="paused; resume"):
        manual.start(workflow.id, ["ann"])
    assert activation.resume(workflow.id).will_run == 0
    assert len(manual.start(workflow.id, ["ann"])) == 1


def test_a_workflow_on_a_report_runs_for_somebody_who_is_not_on_it_and_its_policy_is_not_asked(
    fresh: Warehouse,
) -> None:
    report = makers.report()
    events.add(fresh, ("ann", "track", "x", clock.now()))
    workflow = makers.workflow(report)
    activation.activate(workflow.id)
    for _ in range(2):
        manual.start(workflow.id, ["ann"])
    run = Run.objects.order_by("-id")[0]
    assert run.input["row"]["times"] == 1
    assert run.input["arrival"] | {"at": ""} == {
        "report": report.id, "kind": "man", "at": "", "existing": False, "member": "ann", "entry": 2,
    }  # fmt: skip


def test_only_workflows_about_visitors_can_be_run_for_them(fresh: Warehouse) -> None:
    seen(fresh, "ann")
    accounts = reports.create({"name": "A", "kind": "account"})
    workflow = workflows.create(
        {"name": "T", "trigger": {"kind": "account_in_report", "report": accounts.id}, "steps": [makers.post("x")]}
    )
    activation.activate(workflow.id)
    for one in (workflow, makers.on({"kind": "schedule", "every": "day"})):
        with pytest.raises(Conflict, match="only one that is manual"):
            manual.start(one.id, ["ann"])


def test_the_api_starts_runs_once_by_their_key_and_notes_who_did(fresh: Warehouse, client: Client) -> None:
    seen(fresh, "ann")
    workflow = makers.on(MANUAL)
    bearer = {"Authorization": f"Bearer {keys.create('k', write=True, by='ada@example.com')[1]}"}
    path, body = f"/api/v2/workflows/{workflow.id}/start", {"visitors": ["ann"]}
    answers = [
        client.post(path, body, content_type="application/json", headers={**bearer, "Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [202, 202]
    assert answers[0].json() == answers[1].json() == {"runs": [{"visitor": "ann", "run": Run.objects.get().id}]}
    assert AuditEntry.objects.filter(action="workflow.start", subject=workflow.id).exists()
    wrong = client.post(path, {"visitors": ["zoe"]}, content_type="application/json", headers=bearer)
    assert (wrong.status_code, wrong.json()["path"]) == (422, "visitors")


@pytest.fixture
def page(fresh: Warehouse) -> Client:
    people.create("ada@example.com", password="a long password", role="member")
    client = Client()
    client.post("/sign-in", {"email": "ada@example.com", "password": "a long password"})
    return client


def test_somebody_starts_it_on_its_page_and_on_the_page_of_a_visitor(fresh: Warehouse, page: Client) -> None:
    seen(fresh, "ann", "bob")
    workflow = makers.on(MANUAL)
    shown = page.get(f"/workflows/{workflow.id}").content.decode()
    assert f'action="/workflows/{workflow.id}/start"' in shown
    answer = page.post(f"/workflows/{workflow.id}/start", {"visitors": "ann\n\n bob \n", "key": "form1"})
    assert answer.status_code == 302
    page.post(f"/workflows/{workflow.id}/start", {"visitors": "ann\nbob", "key": "form1"})  # the button, twice
    assert sorted(Run.objects.values_list("member", flat=True)) == ["ann", "bob"]
    assert "2 runs were started" in page.get(f"/workflows/{workflow.id}").content.decode()
    shown = page.get("/visitors/ann").content.decode()
    assert workflow.id in shown
    page.post("/visitors/ann/run", {"workflow": workflow.id})
    assert Run.objects.filter(member="ann").count() == 2
    newest = Run.objects.filter(member="ann").order_by("-id")[0]
    assert "chosen the 2nd time" in page.get(f"/runs/{newest.id}").content.decode()
    newest.kind, newest.input = "sub", {"parent": {"run": "run_x"}}
    newest.save()
    shown = page.get(f"/runs/{newest.id}").content.decode()
    assert "started by a call by another run" in shown
    assert 'href="/runs/run_x"' in shown
    assert "Somebody chose this one." in page.get("/visitors/ann").content.decode()


def test_a_refusal_is_said_on_the_page(fresh: Warehouse, page: Client) -> None:
    workflow = makers.on(MANUAL)
    answer = page.post(
        f"/workflows/{workflow.id}/start",
        {"visitors": "zoe"},
        headers={"Referer": f"http://testserver/workflows/{workflow.id}"},
    )
    assert answer.status_code == 302
    assert "There is no visitor &#x27;zoe&#x27;" in page.get(f"/workflows/{workflow.id}").content.decode()
