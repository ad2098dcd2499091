"""Trying a workflow out over the API and by what the page asks; drafts that are unfinished; steps in words."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, people
from arrivals.accounts.models import AuditEntry
from arrivals.apps import tries
from arrivals.engine import samples
from arrivals.engine.models import Run, StepRun
from arrivals.errors import Conflict
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import deliveries, outlines, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers


@pytest.fixture
def api(fresh: Warehouse) -> Client:
    _, secret = keys.create("tests", write=True, by="ada@example.com")
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def web(fresh: Warehouse) -> Client:
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="admin"))
    return client


def send(client: Client, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    data = "" if body is None else json.dumps(body)
    answer = client.generic(method, path, data, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_draft_is_tried_pinned_and_published_over_the_api(api: Client, fresh: Warehouse) -> None:
    makers.come(fresh, "ann", "bob")
    report = makers.report()
    path = f"/api/v2/workflows/{send(api, 'POST', '/api/v2/workflows', makers.definition(report), status=201)['id']}"
    assert send(api, "PUT", f"{path}/pin", {"visitor": "bob"})["pinned"] == "bob"
    tried = send(api, "POST", f"{path}/test", {"dry": True})
    assert (tried["visitor"], tried["steps"][0]["inputs"], tried["untested"]) == ("bob", {"text": "bob"}, ["tell"])
    refused = send(api, "POST", f"{path}/activate", {"untested": False}, status=409)
    assert (refused["code"], "tell" in refused["detail"]) == ("untested", True)
    assert send(api, "POST", f"{path}/test", {"step": "tell", "visitor": "ann"})["untested"] == []
    assert send(api, "GET", f"{path}/test")["steps"][0]["visitor"] == "ann"
    assert send(api, "POST", f"{path}/activate", {"untested": False}) == {"on_report": 2, "will_run": 0}
    unfinished = {"name": "Later", "steps": [{"id": "a", "type": "delay"}]}
    send(api, "PUT", f"{path}/draft", unfinished, status=422)
    assert send(api, "PUT", f"{path}/draft?unfinished=true", unfinished)["draft"] == unfinished
    assert [one["path"] for one in send(api, "GET", f"{path}/test")["problems"]] == ["trigger", "steps[0]"]
    send(api, "POST", f"{path}/publish", status=422)
    send(api, "POST", f"{path}/test", {"step": "nothing"}, status=404)
    send(api, "POST", f"{path}/test", {"steps": "x"}, status=422)
    assert AuditEntry.objects.filter(action="workflow.test").count() == 2


def test_activating_over_the_api_asks_for_no_test(api: Client) -> None:
    made = send(api, "POST", "/api/v2/workflows", makers.definition(makers.report()), status=201)
    answer = send(api, "POST", f"/api/v2/workflows/{made['id']}/activate", {"existing": "skip"})
    assert answer == {"on_report": 0, "will_run": 0}


def test_the_page_keeps_checks_and_tries_what_is_being_written(web: Client, fresh: Warehouse) -> None:
    makers.come(fresh, "ann")
    definition = {**makers.definition(makers.report()), "name": ""}
    found = send(web, "POST", "/workflows/new/check", {"definition": definition})
    assert [one["path"] for one in found["problems"]] == ["name"]
    seen = send(web, "POST", "/workflows/new/sample", {"definition": definition})["sample"]
    assert (seen["visitor"]["id"], seen["row"]["times"]) == ("ann", 1)
    path = f"/workflows/{send(web, 'POST', '/workflows/new/draft', {'definition': definition})['id']}"
    tried = send(web, "POST", f"{path}/try", {"definition": definition, "dry": True})
    assert tried["steps"][0]["status"] == "dry"
    assert send(web, "POST", f"{path}/pin", {"visitor": "ann"}) == {"pinned": "ann"}
    assert send(web, "POST", f"{path}/check", {"definition": definition})["untested"] == ["tell"]
    assert send(web, "POST", f"{path}/try", {"step": "gone"}, status=404)["code"] == "not_found"
    assert send(web, "POST", f"{path}/try", [], status=400)["code"] == "invalid_json"
    assert web.post(f"{path}/try", "no", content_type="application/json").status_code == 400
    nobody = send(web, "POST", "/workflows/new/sample", {"definition": {"trigger": {"kind": "manual"}}, "visitor": "x"}, status=409)  # fmt: skip
    assert nobody["message"] == "There is no visitor 'x'."
    assert Client().post(f"{path}/try", "{}", content_type="application/json").status_code == 302
    kept = Workflow.objects.get()
    web.post(f"{path}/edit", {"definition": json.dumps({**definition, "name": "Named"}), "keep": "1"})
    assert Workflow.objects.get(pk=kept.pk).name == "Named"
    page = web.get(path).content.decode()
    assert "There is a draft that does not run yet" in page
    assert "Activate</button>" not in page
    web.post(f"{path}/publish")
    assert Workflow.objects.get().version is None
    web.post(f"{path}/publish", {"untested": "on"})
    assert Workflow.objects.get().version is not None


def test_what_came_newest_is_the_sample_of_a_trigger_without_a_report(fresh: Warehouse) -> None:
    assert samples.of({"kind": "event", "event": {"kind": "track", "name": "buy"}})["event"] is None
    events.add(fresh, ("ann", "track", "buy", clock.now()))
    seen = samples.of({"kind": "event", "event": {"kind": "track", "name": "buy"}})
    assert (seen["event"]["name"], seen["visitor"]["id"]) == ("buy", "ann")
    called = workflows.create({"name": "Hook", "trigger": {"kind": "webhook", "visitor": "{{ webhook.body.who }}"}, "steps": [makers.post("{{ webhook.body.who }}")]})  # fmt: skip
    assert samples.of({"kind": "webhook"}, workflow=called)["webhook"] is None
    deliveries.keep(called, {"body": {"who": "ann"}}, "")
    tried = tries.try_out(called.id, dry=True)
    assert (tried["visitor"], tried["steps"][0]["inputs"]) == ("ann", {"text": "ann"})
    assert samples.of({"kind": "schedule", "every": "day", "at": "09:00"})["schedule"]["zone"] == "UTC"
    assert samples.of({"kind": "run_failed"})["run"] is None
    run = Run.objects.create(workflow=called, version_id=called.version_id or 0, member="m", entry=1, state="failed", error={"message": "No."}, ended_at=clock.now())  # fmt: skip
    StepRun.objects.create(run=run, number=0, step="tell", status="failed", started_at=clock.now(), ended_at=clock.now())  # fmt: skip
    failed = samples.of({"kind": "run_failed"})["run"]
    assert (failed["id"], failed["step"], failed["error"]) == (run.id, "tell", {"message": "No."})


def test_a_response_is_the_sample_of_a_survey(fresh: Warehouse) -> None:
    trigger = {"kind": "survey_response", "survey": "nps"}
    with pytest.raises(Conflict, match="There is no response yet"):
        samples.of(trigger)
    for visitor, score in (("ann", 9), ("bob", 2)):
        events.add(fresh, (visitor, "survey_answered", "nps", clock.now(), {"survey": "nps", "score": score}))
    assert samples.of(trigger, visitor="ann")["response"]["score"] == 9
    assert samples.of(trigger)["response"]["score"] in (2, 9)


def test_steps_are_told_in_words(fresh: Warehouse) -> None:
    holds = [{"any": [{"left": "{{ row.score }}", "op": "lte", "value": 6}, {"left": "{{ row.x }}", "op": "is_set"}]}]
    steps = [
        {"id": "f", "type": "filter", "all": holds},
        {"id": "p", "type": "paths", "branches": [{"name": "Low", "all": holds, "steps": [makers.post()]}, {"fallback": True}]},
        {"id": "l", "type": "loop", "name": "Each", "over": "{{ row.items }}", "steps": []},
        {"id": "d", "type": "delay", "for": "1d"},
        {**makers.post(), "on_error": {"steps": [], "then": "go_on"}},
        {"id": "x"},
    ]  # fmt: skip
    told = outlines.of(steps)
    assert [one["said"] for one in told] == [
        "Goes on only if {{ row.score }} is at most 6 or {{ row.x }} is set",
        "Takes the first branch that holds",
        "For each of {{ row.items }}",
        "Waits 1 day",
        "Inbox: Post a message",
        "",
    ]
    assert [one["title"] for one in told[1]["inside"]] == [
        "Low: if {{ row.score }} is at most 6 or {{ row.x }} is set",
        "Branch 2: otherwise",
    ]
    assert told[1]["inside"][0]["steps"][0]["said"] == "Inbox: Post a message"
    assert (told[2]["name"], told[4]["inside"][0]["title"]) == ("Each", "If it fails, then go on:")
