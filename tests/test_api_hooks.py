"""Hooks: subscribed over the API, an arrival is posted once, signed, until somebody ends it."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry, IntegrationKey, Person
from arrivals.apps.catalogue import Catalogue
from arrivals.apps.hook import ending
from arrivals.apps.models import Connection
from arrivals.audience import reports
from arrivals.audience.models import Report
from arrivals.engine import enqueue
from arrivals.engine.models import Run, StepRun
from arrivals.engine.runner import Runner
from arrivals.errors import CheckTimeout, InvalidDefinition
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, watches
from arrivals.workflows import activation
from arrivals.workflows.models import Workflow
from tests import events, makers
from tests.sink import Sink


@pytest.fixture
def api(fresh: Warehouse) -> Client:
    _, secret = keys.create("Zaps", write=True, by="ada@example.com")
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def send(api: Client, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    data = "" if body is None else json.dumps(body)
    answer = api.generic(method, f"/api/v2{path}", data, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def wanted(report: Report, url: str, **more: Any) -> dict[str, Any]:
    return {"target_url": url, "event": "visitor_in_report", "report": report.id, "name": "Zapier", **more}


def subscribe(api: Client, report: Report, url: str, **more: Any) -> dict[str, Any]:
    return dict(send(api, "POST", "/hooks", wanted(report, url, **more), status=201))


def drive() -> dict[str, str]:
    """Let the product do what is due; the state of each run by its member."""

    async def run() -> None:
        catalogue = Catalogue()
        runner = Runner(catalogue)
        await runner.start()
        for _ in range(300):
            if not await asyncio.to_thread(busy):
                break
            await asyncio.sleep(0.03)
        await runner.stop()
        await catalogue.close()

    def busy() -> bool:
        from django.db import connections

        try:
            return Run.objects.filter(due__lte=clock.now() + timedelta(seconds=30)).exists()
        finally:
            connections.close_all()

    enqueue.enqueue_all()
    asyncio.run(run())
    return dict(Run.objects.values_list("member", "state"))


def arrive(store: Warehouse, report: Report, *visitors: str) -> dict[str, str]:
    makers.come(store, *visitors)
    checks.check(report.id)
    return drive()


def test_an_arrival_after_the_subscription_is_posted_once_and_signed(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    hook = subscribe(api, report, f"{sink.url}/hooks/1")
    secret = hook.pop("secret")
    assert (hook["state"], hook["event"], hook["target"]) == ("on", "visitor_in_report", "127.0.0.1")
    assert hook["name"] == "Zapier: Pro"
    assert send(api, "GET", f"/hooks/{hook['id']}") == hook
    assert send(api, "GET", "/hooks") == {"items": [hook], "next": None}
    assert drive() == {}
    assert arrive(fresh, report, "bob") == {"bob": "succeeded"}
    checks.check(report.id)
    drive()
    [got] = sink.calls
    assert (got.method, got.path) == ("POST", "/hooks/1")
    assert got.key == f"{Run.objects.get().pk}:deliver"
    at = got.headers["x-arrivals-timestamp"]
    assert abs(int(at) - time.time()) < 60
    expected = hmac.new(secret.encode(), at.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-arrivals-signature"] == f"sha256={expected}"
    body = got.json
    assert body.pop("entered_at") <= clock.iso(clock.now())
    assert body == {
        "id": "bob",
        "event": "visitor_in_report",
        "report": report.id,
        "member": "bob",
        "entry": 1,
        "visitor": {"id": "bob", "agent": {"plan": "pro"}},
        "account": {"id": None},
        "row": {"visitor_id": "bob", "visitor_agent_plan": "pro", "times": 1},
    }


def test_what_is_posted_looks_as_what_is_polled(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    for reentry in ("never", "each_return"):
        subscribe(api, report, f"{sink.url}/{reentry}", reentry=reentry)
    arrive(fresh, report, "bob")
    posted = {call.path.strip("/"): call.json for call in sink.calls}
    for reentry, query in (("never", ""), ("each_return", "?returns=true")):
        [polled] = send(api, "GET", f"/reports/{report.id}/members{query}")["items"]
        told = posted[reentry]
        assert {key: told[key] for key in polled} == polled
        assert set(told) - set(polled) == {"event", "report"}
    assert posted["each_return"]["id"] == "bob:1"


def test_gone_ends_the_subscription_at_once(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    hook = subscribe(api, report, sink.url)
    sink.status = 410
    states = arrive(fresh, report, "bob", "cid", "dan")
    assert set(states.values()) <= {"halted", "cancelled"}
    called = len(sink.calls)
    assert 1 <= called <= 3
    workflow = Workflow.objects.get()
    assert (workflow.state, "410" in workflow.reason) == ("off", True)
    assert send(api, "GET", "/hooks")["items"] == []
    send(api, "GET", f"/hooks/{hook['id']}", status=404)
    assert not Connection.objects.exists()
    assert watches.as_dict(report.id)["active"] is False
    sink.status = 200
    arrive(fresh, report, "eve")
    assert len(sink.calls) == called


def test_a_revoked_key_ends_its_subscriptions(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    subscribe(api, report, sink.url)
    keys.revoke(IntegrationKey.objects.get().pk)
    assert arrive(fresh, report, "bob") == {"bob": "halted"}
    assert sink.calls == []
    workflow = Workflow.objects.get()
    assert (workflow.state, "revoked" in workflow.reason) == ("off", True)


def test_a_subscription_outlives_a_rotation_with_an_overlap(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    subscribe(api, report, sink.url)
    key = IntegrationKey.objects.get()
    successor, _ = keys.rotate(key.pk, overlap="1h", by="ada@example.com")
    IntegrationKey.objects.filter(pk=key.pk).update(expires_at=clock.now())
    assert arrive(fresh, report, "bob") == {"bob": "succeeded"}
    keys.revoke(successor.pk)
    assert arrive(fresh, report, "eve")["eve"] == "halted"
    assert len(sink.calls) == 1
    assert Workflow.objects.get().state == "off"


@pytest.mark.parametrize("how", ["revoke", "rotate"])
def test_what_an_admin_revokes_ends_its_subscriptions_at_once(
    api: Client, fresh: Warehouse, sink: Sink, how: str
) -> None:
    report = makers.report()
    subscribe(api, report, sink.url)
    admin = Client()
    admin.force_login(Person.objects.create(email="admin@example.com", role="admin"))
    path = f"/api/v2/keys/{IntegrationKey.objects.get().pk}"
    if how == "revoke":
        assert admin.delete(path).status_code == 204
    else:
        assert admin.post(f"{path}/rotate", {"overlap": "0"}, content_type="application/json").status_code == 201
    assert Workflow.objects.get().state == "off"


def test_all_subscriptions_of_a_key_end_together(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    subscribe(api, report, sink.url)
    _, other = keys.create("Others", write=True, by="ada@example.com")
    kept = subscribe(Client(headers={"Authorization": f"Bearer {other}"}), report, sink.url)
    assert ending.end_of_key(IntegrationKey.objects.get(name="Zaps").pk) == 1
    assert [one["id"] for one in send(api, "GET", "/hooks")["items"]] == [kept["id"]]
    assert watches.as_dict(report.id)["active"] is True


def test_what_the_subscriber_could_not_take_is_tried_again_with_the_same_key(
    api: Client, fresh: Warehouse, sink: Sink
) -> None:
    report = makers.report()
    subscribe(api, report, sink.url)
    sink.status = 503
    assert arrive(fresh, report, "bob") == {"bob": "scheduled"}
    sink.status = 200
    Run.objects.update(due=clock.now())
    assert drive() == {"bob": "succeeded"}
    assert len({call.key for call in sink.calls}) == 1
    assert len(sink.calls) == 2
    assert StepRun.objects.get().tries == 2


def test_unsubscribing_leaves_nothing_that_was_never_used(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    hook = subscribe(api, report, sink.url)
    send(api, "DELETE", f"/hooks/{hook['id']}", status=204)
    send(api, "DELETE", f"/hooks/{hook['id']}", status=404)
    assert not Workflow.objects.exists()
    assert not Connection.objects.exists()
    noted = list(AuditEntry.objects.order_by("pk").values_list("action", "subject"))
    assert noted == [("hook.create", hook["id"]), ("hook.delete", hook["id"])]
    assert arrive(fresh, report, "bob") == {}


def test_unsubscribing_keeps_the_history_and_cancels_what_waits(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    hook = subscribe(api, report, sink.url)
    arrive(fresh, report, "bob")
    sink.status = 500
    arrive(fresh, report, "cid")
    send(api, "DELETE", f"/hooks/{hook['id']}", status=204)
    assert dict(Run.objects.values_list("member", "state")) == {"bob": "succeeded", "cid": "cancelled"}
    workflow = Workflow.objects.get()
    assert (workflow.state, workflow.reason) == ("off", "The subscriber unsubscribed.")
    assert send(api, "GET", "/hooks")["items"] == []
    sink.status, sink.calls[:] = 200, []
    with pytest.raises(InvalidDefinition, match="connection"):
        activation.activate(workflow.id)
    assert "dan" not in arrive(fresh, report, "dan")
    assert sink.calls == []


def test_the_address_and_the_secret_are_shown_nowhere(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    hook = subscribe(api, report, f"{sink.url}/hooks/standard/1234567/abcdefgh")
    arrive(fresh, report, "bob")
    run = Run.objects.get().pk
    paths = ("/hooks", "/connections", "/workflows", f"/workflows/{hook['id']}", f"/runs/{run}", "/apps")
    shown = json.dumps([send(api, "GET", path) for path in paths])
    assert hook["secret"] not in shown
    assert "/hooks/standard" not in shown


def test_a_hook_is_a_workflow_that_may_be_paused(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    hook = subscribe(api, report, sink.url)
    send(api, "POST", f"/workflows/{hook['id']}/pause")
    assert arrive(fresh, report, "bob") == {}
    assert [one["state"] for one in send(api, "GET", "/hooks")["items"]] == ["paused"]
    assert send(api, "POST", f"/workflows/{hook['id']}/resume", {"existing": "run"})["will_run"] == 1
    assert drive() == {"bob": "succeeded"}


REFUSED: list[tuple[dict[str, Any], str, int]] = [
    ({"target_url": "ftp://example.com"}, "target_url", 422),
    ({"event": "visitor_sneezed"}, "event", 422),
    ({"reentry": "sometimes"}, "reentry", 422),
    ({"report": "rep_none"}, "", 404),
    ({"colour": "red"}, "colour", 422),
]


@pytest.mark.parametrize(("change", "path", "status"), REFUSED)
def test_a_wrong_subscription_is_refused_and_leaves_nothing(
    api: Client, fresh: Warehouse, change: dict[str, Any], path: str, status: int
) -> None:
    told = send(api, "POST", "/hooks", {**wanted(makers.report(), "https://example.com"), **change}, status=status)
    assert told.get("path", "") == path
    assert not Workflow.objects.exists()
    assert not Connection.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_subscription_that_cannot_be_activated_leaves_nothing(
    api: Client, fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any, **__: Any) -> None:
        raise CheckTimeout

    monkeypatch.setattr(activation, "activate", slow)
    told = send(api, "POST", "/hooks", wanted(makers.report(), "https://example.com"), status=504)
    assert told["code"] == "check_timeout"
    assert not Workflow.objects.exists()
    assert not Connection.objects.exists()


def test_a_departure_and_a_response_are_posted_as_they_are_listed(api: Client, fresh: Warehouse, sink: Sink) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    subscribe(api, report, f"{sink.url}/left", event="visitor_left_report")
    subscribe(api, report, f"{sink.url}/answer", event="survey_response", survey="nps")
    makers.leave(fresh, "ann")
    checks.check(report.id)
    events.add(fresh, ("ann", "survey_answered", "nps", clock.now(), {"score": 9, "reason": "Quick"}))
    checks.check(reports.responses_to("nps").id)
    assert set(drive().values()) == {"succeeded"}
    posted = {call.path.strip("/"): call.json for call in sink.calls}
    [polled] = send(api, "GET", f"/reports/{report.id}/departures")["items"]
    assert {key: posted["left"][key] for key in polled} == polled
    assert polled["id"] == "ann:1"
    answer = posted["answer"]
    assert (answer["event"], answer["id"]) == ("survey_response", answer["member"])
    assert (answer["visitor"]["id"], answer["row"]["response_score"], answer["row"]["response_class"]) == (
        "ann",
        9,
        "promoter",
    )
    assert answer["response"]["reason"] == "Quick"
    [listed] = send(api, "GET", f"/reports/{answer['report']}/members")["items"]
    assert {key: answer[key] for key in listed} == listed
