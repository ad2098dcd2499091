"""Deliveries to the address of a workflow: on disk before they are answered, each once, kept while it is paused."""

import gzip
import hashlib
import hmac
import json
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, people
from arrivals.api import incoming
from arrivals.apps import signing
from arrivals.engine import deliveries as made
from arrivals.engine.models import Run
from arrivals.erasure import records
from arrivals.errors import Conflict, Invalid, InvalidSetting, TooMany
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, deliveries, workflows
from arrivals.workflows.models import Address, Delivery, Workflow
from tests import events, makers

WEBHOOK = {"kind": "webhook"}


@pytest.fixture(autouse=True)
def _unhurried() -> None:
    incoming._buckets.clear()


def path(workflow: Workflow) -> str:
    return f"/hooks/{deliveries.address(workflow.id).token}"


def off(**trigger: str) -> Workflow:
    return workflows.create({"name": "T", "trigger": {**WEBHOOK, **trigger}, "steps": [makers.post("x")]})


def send(client: Client, workflow: Workflow, body: Any = None, **headers: str) -> Any:
    return client.post(path(workflow), body or {"n": 1}, content_type="application/json", headers=headers)


def test_a_delivery_is_on_disk_when_it_is_answered_and_becomes_the_run_that_was_told(
    fresh: Warehouse, client: Client
) -> None:
    workflow = makers.on(WEBHOOK)
    answer = client.post(
        f"{path(workflow)}?team=a&team=b&token=xyz",
        {"user": {"id": "ann"}, "nul": "a\x00b"},
        content_type="application/json",
        headers={"Authorization": "Bearer s3cret", "X-Event": "made"},
    )
    assert answer.status_code == 202
    assert Delivery.objects.get().run == answer.json()["run"]
    assert made.make_runs() == 1
    run = Run.objects.get(pk=answer.json()["run"])
    told = run.input["webhook"]
    assert (told["method"], told["body"]) == ("POST", {"user": {"id": "ann"}, "nul": "ab"})
    assert told["query"] == {"team": ["a", "b"], "token": "••••"}
    assert (told["headers"]["x_event"], told["headers"]["authorization"]) == ("made", "••••")
    assert "s3cret" not in json.dumps(run.input)
    assert (run.kind, run.input["visitor"], Delivery.objects.count(), made.make_runs()) == ("web", {}, 0, 0)


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Request-Id", "webhook-id"])
def test_a_repeated_delivery_runs_once_before_and_after_it_became_a_run(
    fresh: Warehouse, client: Client, header: str
) -> None:
    workflow = makers.on(WEBHOOK)
    first = send(client, workflow, **{header: "one"}).json()
    assert send(client, workflow, **{header: "one"}).json() == {**first, "repeated": True}
    assert made.make_runs() == 1
    assert send(client, workflow, **{header: "one"}).json() == {**first, "repeated": True}
    assert made.make_runs() == 0
    assert send(client, workflow, **{header: "two"}).json() != first
    assert made.make_runs() == 1
    assert Run.objects.count() == 2


BODIES: list[tuple[bytes, str, Any]] = [
    (b"a=1&b=x+y&a=2", "application/x-www-form-urlencoded", {"a": ["1", "2"], "b": "x y"}),
    ("grüß".encode(), "text/plain; charset=utf-8", "grüß"),
    (b'{"a": 1}', "text/plain", {"a": 1}),
    (b"{not json", "text/plain", "{not json"),
    (b"[1, 2]", "application/vnd.x+json", [1, 2]),
    (b"", "application/json", None),
]


@pytest.mark.parametrize(("body", "content_type", "expected"), BODIES)
def test_bodies_of_all_kinds_are_read(
    fresh: Warehouse, client: Client, body: bytes, content_type: str, expected: Any
) -> None:
    workflow = makers.on(WEBHOOK)
    for given, headers in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
        answer = client.generic("PUT", path(workflow), given, content_type=content_type, headers=headers)
        assert answer.status_code == 202, answer.content
        assert Delivery.objects.order_by("-id")[0].content["body"] == expected


def test_what_cannot_be_taken_is_refused_and_nothing_is_kept(fresh: Warehouse, client: Client) -> None:
    workflow = makers.on(WEBHOOK)
    large, json_ = b"x" * 1_000_001, "application/json"
    refused: list[tuple[str, bytes, dict[str, str], int]] = [
        ("POST", large, {}, 413),
        ("POST", gzip.compress(b"0" * 5_000_000), {"Content-Encoding": "gzip"}, 413),
        ("POST", b"{}", {"Content-Encoding": "gzip"}, 422),
        ("POST", gzip.compress(b"{}")[:-9], {"Content-Encoding": "gzip"}, 422),
        ("POST", b"{", {}, 400),
        ("POST", b"{}", {"Idempotency-Key": "k" * 256}, 422),
        ("DELETE", b"", {}, 405),
    ]
    for method, body, headers, status in refused:
        answer = client.generic(method, path(workflow), body, content_type=json_, headers=headers)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert client.post("/hooks/none").status_code == 404
    assert not Delivery.objects.exists()
    assert client.get(f"{path(workflow)}?n=1").status_code == 202


def test_an_address_takes_thirty_a_second(fresh: Warehouse, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(incoming.time, "monotonic", lambda: now[0])
    for _ in range(30):
        incoming._paced("t")
    with pytest.raises(TooMany):
        incoming._paced("t")
    incoming._paced("another")
    now[0] += 0.5
    for _ in range(15):
        incoming._paced("t")
    with pytest.raises(TooMany) as refusal:
        incoming._paced("t")
    assert refusal.value.retry_after == 1
    workflow = makers.on(WEBHOOK)
    incoming._buckets[deliveries.address(workflow.id).token] = (0.0, now[0])
    answer = send(client, workflow)
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")


def test_while_it_is_off_the_newest_three_are_samples_and_start_nothing(fresh: Warehouse, client: Client) -> None:
    workflow = off()
    for number in range(5):
        answer = send(client, workflow, {"n": number}, **{"Idempotency-Key": "same"})
        assert answer.json() == {"run": None, "sample": True}
    assert [one["webhook"]["body"]["n"] for one in deliveries.samples(workflow)] == [4, 3, 2]
    activation.activate(workflow.id)
    assert made.make_runs() == 0
    send(client, workflow, {"n": 5}, **{"Idempotency-Key": "same"})
    assert (made.make_runs(), len(deliveries.samples(workflow))) == (1, 3)


def test_what_came_while_it_was_paused_is_kept_and_asked_about(fresh: Warehouse, client: Client) -> None:
    workflow = makers.on(WEBHOOK)
    activation.pause(workflow.id)
    answer = send(client, workflow, {"n": 1}, **{"Idempotency-Key": "k"})
    assert answer.json() == {"run": None, "kept": True}
    assert send(client, workflow, {"n": 1}, **{"Idempotency-Key": "k"}).json()["repeated"]
    middle = clock.iso(clock.now())
    send(client, workflow, {"n": 2})
    assert made.make_runs() == 0
    numbers = activation.numbers(workflow.id, since=middle)
    assert numbers["will_run"] == {"skip": 0, "run": 2, "since": 1}
    assert numbers["said"] == "2 deliveries came while it was paused."
    assert activation.resume(workflow.id, {"since": middle}).will_run == 1
    assert made.make_runs() == 1
    assert Run.objects.get().input["webhook"]["body"] == {"n": 2}
    activation.pause(workflow.id)
    send(client, workflow)
    activation.resume(workflow.id)
    assert (made.make_runs(), Delivery.objects.count()) == (0, 0)


def test_too_many_that_wait_are_told_to_come_later(
    fresh: Warehouse, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_KEPT", 1)
    workflow = makers.on(WEBHOOK)
    activation.pause(workflow.id)
    send(client, workflow)
    answer = send(client, workflow)
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")


def test_a_delivery_that_was_taken_before_a_pause_is_not_lost(fresh: Warehouse, client: Client) -> None:
    workflow = makers.on(WEBHOOK)
    told = send(client, workflow).json()
    activation.pause(workflow.id)
    assert made.make_runs() == 0
    assert activation.resume(workflow.id, "run").will_run == 1
    assert made.make_runs() == 1
    assert Run.objects.get().id == told["run"]


def test_the_trigger_says_whose_run_it_is(fresh: Warehouse, client: Client) -> None:
    events.add(fresh, ("ann", "track", "x", clock.now(), {}, "acme"))
    events.metadata(fresh, "ann", clock.now(), plan="pro")
    workflow = makers.on({**WEBHOOK, "visitor": "{{ webhook.body.user.id }}"})
    for body in ({"user": {"id": "ann"}}, {"user": {"id": "zoe"}}, {"user": 5}):
        send(client, workflow, body)
    assert made.make_runs() == 3
    ann, zoe, nobody = Run.objects.order_by("id").values_list("input", flat=True)
    assert (ann["visitor"], ann["account"]["id"]) == ({"id": "ann", "agent": {"plan": "pro"}}, "acme")
    assert (zoe["visitor"], zoe["account"]) == ({"id": "zoe"}, {})
    assert nobody["visitor"] == {}


class Died(BaseException):
    """Stands for kill -9."""


def test_dying_while_runs_are_made_neither_loses_nor_repeats(
    fresh: Warehouse, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = makers.on(WEBHOOK)
    told = [send(client, workflow).json()["run"] for _ in range(2)]

    def die(*_: Any, **__: Any) -> Any:
        raise Died

    for place in ((made.starts, "insert"), (made, "_told")):
        with monkeypatch.context() as patch:
            patch.setattr(*place, die)
            with pytest.raises(Died):
                made.make_runs()
    assert made.make_runs() == 2
    assert list(Run.objects.order_by("id").values_list("id", flat=True)) == told


def test_only_a_signed_delivery_is_taken_where_the_trigger_names_a_signature(fresh: Warehouse, client: Client) -> None:
    workflow = makers.on({**WEBHOOK, "signature": "X-Signature"})
    body = b'{"n": 1}'
    assert send(client, workflow).status_code == 403  # there is no secret yet
    secret = signing.set_secret(workflow.id)
    assert secret.encode() not in bytes(deliveries.address(workflow.id).secret or b"")
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for signature, status in (
        (right, 202),
        (f"sha256={right.upper()}", 202),
        ("", 403),
        ("0" * 64, 403),
        (right[:-1], 403),
    ):
        answer = client.generic(
            "POST", path(workflow), body, content_type="application/json", headers={"X-Signature": signature}
        )
        assert answer.status_code == status, signature
    signing.set_secret(workflow.id, "a secret of the sender")
    answer = client.generic("POST", path(workflow), body, headers={"X-Signature": right})
    assert answer.status_code == 403
    with pytest.raises(Invalid):
        signing.set_secret(workflow.id, "short")
    signing.check_keys()
    Address.objects.update(secret_key_id="gone")
    with pytest.raises(InvalidSetting, match="key id gone"):
        signing.check_keys()


def test_a_rotated_address_leads_nowhere(fresh: Warehouse, client: Client) -> None:
    workflow = makers.on(WEBHOOK)
    before = path(workflow)
    deliveries.rotate(workflow.id)
    assert client.post(before).status_code == 404
    assert client.post(path(workflow)).status_code == 202
    with pytest.raises(Conflict, match="no webhook"):
        deliveries.address(makers.on({"kind": "manual"}).id)


def test_the_api_tells_the_address_only_to_those_who_may_write(fresh: Warehouse, client: Client) -> None:
    workflow = off(signature="X-Signature")
    send(client, workflow)
    send_sample = {"n": 1}
    write, read = (
        {"Authorization": f"Bearer {keys.create('k', write=one, by='ada@example.com')[1]}"} for one in (True, False)
    )
    base = f"/api/v2/workflows/{workflow.id}/webhook"
    assert client.get(base, headers=read).status_code == 403
    told = client.get(base, headers=write).json()
    assert told["url"].endswith(path(workflow))
    assert (told["signature"], told["signed"], told["waiting"]) == ("X-Signature", False, 0)
    assert told["samples"] == []  # it was not signed
    made_ = client.put(f"{base}/secret", {}, content_type="application/json", headers=write).json()["secret"]
    signature = hmac.new(made_.encode(), json.dumps(send_sample).encode(), hashlib.sha256).hexdigest()
    send(client, workflow, send_sample, **{"X-Signature": signature})
    told = client.get(base, headers=write).json()
    assert (told["signed"], told["samples"][0]["webhook"]["body"]) == (True, send_sample)
    assert client.post(f"{base}/rotate", headers=write).json()["url"] != told["url"]
    other = makers.on({"kind": "manual"})
    assert client.get(f"/api/v2/workflows/{other.id}/webhook", headers=write).status_code == 409


def test_its_page_shows_the_address_the_samples_and_the_question(fresh: Warehouse) -> None:
    people.create("ada@example.com", password="a long password", role="member")
    page = Client(enforce_csrf_checks=False)
    page.post("/sign-in", {"email": "ada@example.com", "password": "a long password"})
    workflow = off(signature="X-Signature")
    address = f"/workflows/{workflow.id}"
    secret = signing.set_secret(workflow.id)
    strict = Client(enforce_csrf_checks=True)  # no session, no token
    body = b'{"hello": "samples"}'
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    sent = strict.generic("POST", path(workflow), body, headers={"X-Signature": signature})
    assert sent.status_code == 202
    shown = page.get(address).content.decode()
    assert path(workflow) in shown
    assert "hello" in shown
    assert "When its address is called" in shown
    numbers = page.get(f"{address}/numbers").content.decode()
    assert "Nobody is there already" in numbers
    assert "on the report" not in numbers
    assert page.post(f"{address}/activate", {"existing": "skip", "untested": "on"}).status_code == 302
    assert "It is on. It runs for each delivery" in page.get(address).content.decode()
    page.post(f"{address}/pause")
    assert "What is delivered meanwhile is kept" in page.get(address).content.decode()
    strict.generic("POST", path(workflow), body, headers={"X-Signature": signature})
    numbers = page.get(f"{address}/numbers").content.decode()
    assert "Run for all 1" in numbers
    assert page.post(f"{address}/webhook/rotate").status_code == 302
    assert page.post(f"{address}/webhook/secret", {"secret": ""}).status_code == 302
    assert "shown only now" in page.get(address).content.decode()
    assert "When its address is called" in page.get("/workflows").content.decode()


@pytest.mark.parametrize("who", ["zoë", "a_1%"])
def test_erasure_reaches_samples_what_waits_and_runs_that_name_somebody(
    fresh: Warehouse, client: Client, who: str
) -> None:
    sampled, workflow = off(), makers.on(WEBHOOK)
    for body in ({"user": {"id": who}}, {"user": {"id": who + "x"}}):
        for one in (sampled, workflow):
            send(client, one, body)
    made.make_runs()
    activation.pause(workflow.id)
    send(client, workflow, {"who": [who]})
    records.erase("visitor", [who])
    assert [one.content["body"] for one in Delivery.objects.all()] == [{"user": {"id": who + "x"}}]
    gone, kept = Run.objects.order_by("id")
    assert (gone.input, gone.member[:7], gone.state) == ({}, "erased ", "cancelled")
    assert kept.input["webhook"]["body"] == {"user": {"id": who + "x"}}
