"""Failures over the API, on the pages and by the command."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, people
from arrivals.accounts.models import AuditEntry, Person
from arrivals.apps import inbox_messages
from arrivals.engine import notices, replaying
from arrivals.engine.models import BulkReplay, Run, StepRun
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import workflows
from arrivals.workflows.models import Workflow
from tests import makers


@pytest.fixture
def workflow(fresh: Warehouse) -> Workflow:
    return makers.workflow(makers.report(), makers.post(id_="first"))


@pytest.fixture
def ada(fresh: Warehouse) -> Person:
    return people.create("ada@example.com", password="a long password", role="admin")


@pytest.fixture
def page(ada: Person) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def api(fresh: Warehouse) -> Any:
    secret = keys.create("k", write=True, by="ada@example.com")[1]

    def call(method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {secret}"}
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return Client().generic(method, f"/api/v2{path}", headers=headers, **data)

    return call


def made(workflow: Workflow, state: str, number: int = 1, **values: Any) -> list[Run]:
    begin, found = Run.objects.count(), []
    for one in range(begin, begin + number):
        ended = None if state in ("held", "scheduled") else clock.now()
        run = Run.objects.create(
            workflow=workflow, version_id=workflow.version_id, member=f"v{one}", entry=1, state=state, due=None,
            ended_at=ended, input={"visitor": {"id": f"v{one}"}}, **values,
        )  # fmt: skip
        error = {"code": "permanent", "message": "The channel is gone."}
        if state in ("failed", "scheduled"):
            Run.objects.filter(pk=run.pk).update(error=error)
            log = [{"at": "2026-05-01T12:00:00.000Z", **error}, {"at": "2026-05-01T12:05:00.000Z", **error}]
            StepRun.objects.create(
                run=run, number=0, step="first", status=state, error=error, log=log, tries=2,
                started_at=clock.now(), ended_at=clock.now(),
            )  # fmt: skip
        found.append(run)
    return found


def test_many_runs_are_previewed_replayed_and_watched_over_the_api(workflow: Workflow, api: Any) -> None:
    made(workflow, "failed", 3)
    told = api("POST", f"/workflows/{workflow.id}/replay", {"error": "channel", "preview": True}).json()
    assert (told["runs"], told["will_replay"], BulkReplay.objects.count()) == (3, 3, 0)
    answer = api("POST", f"/workflows/{workflow.id}/replay", {"error": "channel"})
    assert (answer.status_code, answer.json()["total"]) == (202, 3)
    bulk = answer.json()["id"]
    assert api("POST", f"/workflows/{workflow.id}/replay", {}).status_code == 409
    replaying.work()
    told = api("GET", f"/workflows/{workflow.id}/replays/{bulk}").json()
    assert (told["state"], told["replayed"]) == ("done", 3)
    assert api("POST", f"/workflows/{workflow.id}/replays/{bulk}/stop").status_code == 409
    assert [one["id"] for one in api("GET", f"/workflows/{workflow.id}/replays").json()["items"]] == [bulk]
    refused = api("POST", f"/workflows/{workflow.id}/replay", {"state": "running"})
    assert (refused.status_code, refused.json()["path"]) == (422, "state")
    assert AuditEntry.objects.filter(action="workflow.replay").count() == 1


def test_held_runs_over_the_api(workflow: Workflow, api: Any) -> None:
    first, second, *_ = made(workflow, "held", 4, held_for="tasks")
    [cause] = api("GET", f"/workflows/{workflow.id}/held").json()["items"]
    assert (cause["for"], cause["runs"]) == ("tasks", 4)
    assert [one["held_for"] for one in api("GET", "/runs?state=held").json()["items"]] == ["tasks"] * 4
    assert api("POST", f"/runs/{first.pk}/release").json()["state"] == "waiting"
    assert api("POST", f"/runs/{second.pk}/discard").json()["error"]["code"] == "discarded"
    assert api("POST", f"/workflows/{workflow.id}/held/discard", {"for": "tasks"}).json() == {"discarded": 2}
    assert api("POST", f"/workflows/{workflow.id}/held/release", {"for": "flood"}).json() == {"released": 0}
    assert api("POST", f"/workflows/{workflow.id}/held/release", {"for": "x"}).status_code == 422


def test_the_switch_and_a_run_on_the_newest_version_over_the_api(workflow: Workflow, api: Any) -> None:
    answer = api("PUT", f"/workflows/{workflow.id}/turn-off", {"override": True}).json()
    assert answer["turn_off"] == {"override": True, "at": None}
    [run] = made(workflow, "failed")
    assert workflow.version is not None
    workflows.save_draft(workflow.id, {**workflow.version.definition, "steps": [makers.post("mended", "first")]})
    workflows.publish(workflow.id)
    told = api("POST", f"/runs/{run.pk}/replay", {"from": "failed", "version": "newest"}).json()
    assert (told["id"], told["version"], told["state"]) == (run.pk, 2, "waiting")
    assert api("POST", f"/runs/{run.pk}/cancel").json()["state"] == "cancelled"


def test_notices_over_the_api_and_on_the_page(workflow: Workflow, api: Any, page: Client, ada: Person) -> None:
    notices.tell("run_failed", "It failed", ["No.", ("The run", "/runs/run_1")], once="x", workflow=workflow.id)
    [told] = api("GET", "/notices").json()["items"]
    assert told["lines"] == [{"text": "No.", "path": None}, {"text": "The run", "path": "/runs/run_1"}]
    assert api("GET", "/notices/mails").status_code == 409
    assert "It failed" in page.get("/").content.decode()
    shown = page.get("/notices").content.decode()
    assert '<a href="/runs/run_1">The run</a>' in shown
    assert "no mail server" in shown
    page.post("/notices/seen")
    assert notices.unseen(ada.pk) == 0
    assert "It failed" not in page.get("/").content.decode()
    page.post("/settings/me/notices", {"when": "hourly"})
    assert notices.choice(ada.pk) == "hourly"
    assert page.get("/api/v2/notices/mails").json() == {"when": "hourly"}
    assert page.get("/api/v2/notices").json()["items"][0]["seen"]


def test_the_page_of_a_run_shows_its_tries_and_what_can_be_done(workflow: Workflow, page: Client) -> None:
    [failed] = made(workflow, "failed")
    shown = page.get(f"/runs/{failed.pk}").content.decode()
    assert "Tries that failed: 2" in shown
    assert "Trying again without a change does not help." in shown
    assert "The newest one of the workflow" in shown
    [scheduled] = made(workflow, "scheduled")
    assert "Try now" in page.get(f"/runs/{scheduled.pk}").content.decode()
    [held] = made(workflow, "held", held_for="tasks")
    assert "tasks of this month are used up" in page.get(f"/runs/{held.pk}").content.decode()
    page.post(f"/runs/{held.pk}/discard")
    assert "Discarded by ada@example.com" in page.get(f"/runs/{held.pk}").content.decode()
    [held] = made(workflow, "held", held_for="tasks")
    page.post(f"/runs/{held.pk}/release")
    assert Run.objects.get(pk=held.pk).state == "waiting"


def test_many_runs_are_chosen_previewed_and_replayed_on_the_page(workflow: Workflow, page: Client) -> None:
    runs = made(workflow, "failed", 3)
    base = f"/workflows/{workflow.id}"
    assert 'name="runs"' in page.get(f"{base}/runs?state=failed").content.decode()
    shown = page.get(f"{base}/replay/preview?state=failed&from=start&error=").content.decode()
    assert "<b>3</b> runs will be replayed" in shown
    page.post(
        f"{base}/replay", {"state": "failed", "runs": [runs[0].pk], "from": "failed", "since": "2020-01-01T10:00"}
    )
    assert "<b>0</b> of 1 run replayed" in page.get(f"{base}/runs").content.decode()
    replaying.work()
    assert [run.state for run in Run.objects.order_by("id")] == ["waiting", "failed", "failed"]
    page.post(f"{base}/replay", {"state": "failed"})
    bulk = BulkReplay.objects.get(state="running")
    page.post(f"{base}/replays/{bulk.pk}/stop")
    assert "stopped" in page.get(f"{base}/runs").content.decode()
    page.post(f"{base}/replay", {"state": "failed", "since": "yesterday"})
    assert not BulkReplay.objects.filter(state="running").exists()


def test_the_page_of_a_workflow_explains_held_runs_and_has_the_switch(workflow: Workflow, page: Client) -> None:
    made(workflow, "held", 3, held_for="flood")
    base = f"/workflows/{workflow.id}"
    shown = page.get(base).content.decode()
    assert "Release 1 a second" in shown
    page.post(f"{base}/held/release", {"for": "flood"})
    assert Run.objects.filter(state="waiting").count() == 3
    made(workflow, "held", 2, held_for="tasks")
    page.post(f"{base}/held/discard", {"for": "tasks"})
    assert Run.objects.filter(state="cancelled").count() == 2
    page.post(f"{base}/turn-off", {"override": "on"})
    assert workflows.get(workflow.id).override
    page.post(f"{base}/turn-off")
    assert not workflows.get(workflow.id).override


def test_the_page_of_one_run_says_what_a_replay_sends_again_and_counts_turns_from_one(
    page: Client, workflow: Workflow
) -> None:
    [run] = made(workflow, "failed")
    StepRun.objects.filter(run=run).update(turn="2.0")
    shown = page.get(f"/runs/{run.id}").content.decode()
    assert "turn 3.1 ·" in shown
    asked = f'hx-get="/workflows/{workflow.id}/replay/preview" hx-vals=\'{{"runs": "{run.id}", "state": "failed"}}\''
    assert asked in shown
    told = page.get(
        f"/workflows/{workflow.id}/replay/preview",
        {"runs": run.id, "state": "failed", "from": "start", "version": "same"},
    )
    assert "<b>1</b> run will be replayed" in told.content.decode()


def test_all_runs_are_led_to_and_a_message_of_a_test_leads_to_no_run(page: Client, workflow: Workflow) -> None:
    [run] = made(workflow, "succeeded")
    inbox_messages.keep(key=f"{run.id}:tell", channel="#a", title="", text="one", visitor="")
    inbox_messages.keep(key="test_1:tell", channel="#a", title="", text="two", visitor="")
    messages = page.get("/inbox").content.decode()
    assert f'href="/runs/{run.id}"' in messages
    assert "written by a test" in messages
    assert "/runs/test_1" not in messages
    assert 'href="/runs"' in page.get("/workflows").content.decode()
    assert 'aria-current="page">Workflows' in page.get("/runs").content.decode()
