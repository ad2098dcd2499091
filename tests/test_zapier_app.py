"""The app for Zapier's platform, in Zapier's own runtime, against a running server."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import zapier
from tests.server import Server
from tests.sink import Sink

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(zapier.NODE is None, reason="Skipped: there is no Node, so the app for Zapier was not run."),
]


class Zap:
    """What Zapier's cloud does around the app: it remembers the ids it has seen, and starts with the others."""

    def __init__(self, app: "App", trigger: str, **inputs: Any) -> None:
        self.app, self.trigger, self.inputs = app, trigger, inputs
        seen = self.ask(isPopulatingDedupe=True)
        self.seen = {one["id"] for one in seen}

    def ask(self, **meta: Any) -> list[dict[str, Any]]:
        path = f"triggers.{self.trigger}.operation.perform"
        found: list[dict[str, Any]] = self.app.call(path, inputData=self.inputs, meta=meta)
        return found

    def poll(self) -> list[dict[str, Any]]:
        new = [one for one in self.ask() if one["id"] not in self.seen]
        self.seen.update(one["id"] for one in new)
        return new


class App:
    def __init__(self, runtime: zapier.Runtime, server: Server) -> None:
        self.runtime, self.server = runtime, server
        self.auth = {"url": f"{server.url}/", "key": server.setup["integration_key"]}

    def call(self, path: str, **bundle: Any) -> Any:
        return self.runtime.call(path, **{"authData": self.auth, "inputData": {}, "meta": {}, **bundle})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("zapier")
    runtime = zapier.Runtime(folder)
    server = Server(folder / "home").set_up().start()
    yield App(runtime, server)
    runtime.close()
    server.stop()


@pytest.fixture(scope="module")
def api(app: App) -> Iterator[httpx.Client]:
    with app.server.client() as client:
        yield client


def buys(app: App, *visitors: str, times: int = 1) -> None:
    calls = [
        {"type": "track", "userId": one, "event": "buy", "context": {"groupId": "acme", "traits": {"email": f"{one}@x.example"}}}
        for one in visitors for _ in range(times)
    ]  # fmt: skip
    assert app.server.send(*calls).status_code == 200


def report(api: httpx.Client, **more: Any) -> str:
    rules = {"all": [{"any": [{"kind": "track", "name": "buy"}]}]}
    segment = api.post("/segments", json={"name": "Buyers", "rules": rules}).json()["id"]
    columns = ["visitor.id", "visitor.agent.email", {"count": "track", "name": "buy", "as": "buys"}]
    definition = {"name": "Buyers", "segment": segment, "range": {"within": "30d"}, "columns": columns, **more}
    made = api.post("/reports", json=definition)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def until(true: Callable[[], Any], seconds: float = 15) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def fresh(app: App, api: httpx.Client, report_id: str) -> None:
    """Look now, as the watcher will within minutes."""
    assert api.post(f"/reports/{report_id}/check").status_code == 200


def test_the_runtimes_own_validation_reports_nothing(app: App) -> None:
    assert app.runtime.call("validate") == []


def test_a_connection_is_tested_by_its_key_and_labelled(app: App) -> None:
    answer = app.call("authentication.test")
    assert answer["account"] == f"127.0.0.1:{app.server.port}"
    assert answer["write"] is True


def test_a_wrong_key_is_told_in_a_plain_sentence(app: App) -> None:
    wrong = {**app.auth, "key": "arr_wrong"}
    with pytest.raises(zapier.Refused) as told:
        app.call("authentication.test", authData=wrong)
    assert told.value.args[0] == "ExpiredAuthError"
    assert "does not accept the integration key" in told.value.args[1]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, "ExpiredAuthError"), (403, "ExpiredAuthError"), (429, "ThrottledError"), (503, "AppError")],
)
def test_each_status_is_the_error_of_zapiers_that_fits(app: App, status: int, error: str) -> None:
    with Sink() as server:
        server.status = status
        with pytest.raises(zapier.Refused) as told:
            app.call("authentication.test", authData={"url": server.url, "key": "arr_x"})
    assert told.value.args[0] == error


def test_what_is_refused_is_told_as_the_server_says_it(app: App) -> None:
    with pytest.raises(zapier.Refused, match="There is no report"):
        app.call("triggers.visitor_in_report.operation.perform", inputData={"report": "rep_none"})


def test_turning_on_seeds_and_a_later_arrival_fires_once(app: App, api: httpx.Client) -> None:
    buys(app, "early-1", "early-2")
    report_id = report(api)
    listed = app.call("triggers.visitor_reports.operation.perform")
    assert {"id": report_id, "name": "Buyers"} in listed
    zap = Zap(app, "visitor_in_report", report=report_id)
    assert {"early-1", "early-2"} <= zap.seen
    assert zap.poll() == []
    buys(app, "late", times=2)
    [new] = zap.poll()
    assert (new["id"], new["entry"], new["account"]["id"]) == ("late", 1, "acme")
    assert new["row"] == {"visitor_id": "late", "visitor_agent_email": "late@x.example", "buys": 2}
    assert zap.poll() == []
    # The latest entry comes first, and a sample has at most three.
    assert zap.ask()[0]["id"] == "late"
    assert len(zap.ask(isLoadingSample=True)) == 3
    fields = app.call("triggers.visitor_in_report.operation.outputFields.4", inputData={"report": report_id})
    assert [one["key"] for one in fields] == ["row__visitor_id", "row__visitor_agent_email", "row__buys"]


def test_a_departure_fires_once(app: App, api: httpx.Client) -> None:
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    segment = api.post("/segments", json={"name": "Pro", "rules": rules}).json()["id"]
    app.server.send({"type": "identify", "userId": "goer", "traits": {"plan": "pro"}})
    report_id = report(api, segment=segment, name="Pro")
    zap = Zap(app, "visitor_left_report", report=report_id)
    app.server.send({"type": "identify", "userId": "goer", "traits": {"plan": "free"}})
    [gone] = zap.poll()
    assert (gone["id"], gone["member"], gone["visitor"]["agent"]["plan"]) == ("goer:1", "goer", "free")
    assert gone["left_at"]
    assert zap.poll() == []


def test_an_account_in_a_report_fires_once(app: App, api: httpx.Client) -> None:
    buys(app, "someone")
    columns = ["account.id", "metric.events"]
    report_id = report(api, kind="account", name="Accounts", columns=columns)
    zap = Zap(app, "account_in_report", report=report_id)
    assert zap.seen == {"acme"}
    app.server.send({"type": "track", "userId": "x", "event": "buy", "context": {"groupId": "globex"}})
    assert [one["id"] for one in zap.poll()] == ["globex"]


def test_each_response_fires_a_second_one_of_a_visitor_too(app: App) -> None:
    answer = {"type": "track", "userId": "ada", "event": "Survey Answered"}
    app.server.send({**answer, "properties": {"survey": "nps", "score": 3, "reason": "Slow"}})
    zap = Zap(app, "nps_response", survey="nps")
    app.server.send({**answer, "properties": {"survey": "nps", "score": 9}})
    [new] = zap.poll()
    assert (new["score"], new["class"], new["visitor_id"]) == (9, "promoter", "ada")
    assert zap.poll() == []


def test_a_hook_delivers_signed_until_the_receiver_has_gone(app: App, api: httpx.Client) -> None:
    report_id = report(api, name="Hooked")
    path = "triggers.visitor_in_report_instant.operation"
    with Sink() as receiver:
        made = app.call(f"{path}.performSubscribe", inputData={"report": report_id}, targetUrl=f"{receiver.url}/hook")
        assert receiver.calls == []
        buys(app, "hooked-1")
        fresh(app, api, report_id)
        [call] = until(lambda: list(receiver.calls))
        assert (call.json["event"], call.json["member"]) == ("visitor_in_report", "hooked-1")
        assert call.json["row"]["visitor_agent_email"] == "hooked-1@x.example"
        at = call.headers["x-arrivals-timestamp"].encode()
        signed = hmac.new(made["secret"].encode(), at + b"." + call.body, hashlib.sha256).hexdigest()
        assert call.headers["x-arrivals-signature"] == f"sha256={signed}"
        [shown] = app.call(f"{path}.perform", cleanedRequest=json.loads(call.body))
        [listed] = app.call(f"{path}.performList", inputData={"report": report_id})[:1]
        assert (shown["id"], set(shown)) == ("hooked-1", set(listed))
        receiver.status = 410
        buys(app, "hooked-2", "hooked-3", "hooked-4")
        fresh(app, api, report_id)
        assert until(lambda: not api.get("/hooks").json()["items"])
        workflow = api.get(f"/workflows/{made['id']}").json()
        assert (workflow["state"], workflow["reason"]) == ("off", "The subscriber ended the subscription (410).")
        runs = f"/workflows/{made['id']}/runs"
        assert until(lambda: all(one["ended_at"] for one in api.get(runs).json()["items"]))
        receiver.status = 200
        called = len(receiver.calls)
        buys(app, "hooked-5")
        fresh(app, api, report_id)
        time.sleep(1)
        assert len(receiver.calls) == called
    # It has ended already; Zapier may turn the Zap off all the same.
    assert app.call(f"{path}.performUnsubscribe", subscribeData=made) == {"status": 404}
    assert api.get("/connections").json()["items"] == []


def test_turning_a_zap_off_unsubscribes(app: App, api: httpx.Client) -> None:
    report_id = report(api, name="Unhooked")
    path = "triggers.visitor_in_report_instant.operation"
    with Sink() as receiver:
        inputs = {"report": report_id, "returns": "true"}
        made = app.call(f"{path}.performSubscribe", inputData=inputs, targetUrl=receiver.url)
        [hook] = api.get("/hooks").json()["items"]
        assert (hook["id"], hook["reentry"], hook["name"]) == (made["id"], "each_return", "Zapier: Unhooked")
        assert app.call(f"{path}.performUnsubscribe", subscribeData=made) == {"status": 204}
        assert api.get("/hooks").json()["items"] == []
        buys(app, "unhooked")
        fresh(app, api, report_id)
        assert receiver.calls == []


def test_a_visitor_who_returns_fires_again_only_where_that_is_wanted(app: App, api: httpx.Client) -> None:
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.tier", "op": "is", "value": "gold"}]}]}
    segment = api.post("/segments", json={"name": "Gold", "rules": rules}).json()["id"]
    report_id = report(api, segment=segment, name="Gold")
    once = Zap(app, "visitor_in_report", report=report_id)
    each = Zap(app, "visitor_in_report", report=report_id, returns="true")
    fired = []
    for tier in ("gold", "iron", "gold"):
        app.server.send({"type": "identify", "userId": "boomerang", "traits": {"tier": tier}})
        fired.append(([one["id"] for one in once.poll()], [one["id"] for one in each.poll()]))
    assert fired == [(["boomerang"], ["boomerang:1"]), ([], []), ([], ["boomerang:2"])]


def test_one_who_is_identified_later_does_not_fire_again(app: App, api: httpx.Client) -> None:
    report_id = report(api, name="Anonymous")
    zap = Zap(app, "visitor_in_report", report=report_id)
    app.server.send({"type": "track", "anonymousId": "anon-9", "event": "buy"})
    assert [one["id"] for one in zap.poll()] == ["anon-9"]
    app.server.send({"type": "identify", "userId": "known-9", "anonymousId": "anon-9"})
    assert zap.poll() == []
    [now] = [one for one in zap.ask() if one["id"] == "anon-9"]
    assert now["visitor"]["id"] == "known-9"


def test_a_hook_may_be_refused_and_then_there_is_none(app: App, api: httpx.Client) -> None:
    for body, path in (
        ({"target_url": "ftp://x.example", "event": "visitor_in_report", "report": "r"}, "target_url"),
        ({"target_url": "http://127.0.0.1:9/", "event": "dance", "report": "r"}, "event"),
    ):
        answer = api.post("/hooks", json=body)
        assert (answer.status_code, answer.json()["path"]) == (422, path)
    unknown = {"target_url": "http://127.0.0.1:9/", "event": "visitor_in_report", "report": "rep_none"}
    assert api.post("/hooks", json=unknown).status_code == 404
    assert api.get("/hooks").json()["items"] == []
    assert api.get("/connections").json()["items"] == []


def test_actions_change_what_the_segments_see(app: App, api: httpx.Client) -> None:
    kept = app.call("creates.track_event.operation.perform", inputData={
        "visitor_id": "zed", "event": "invoice paid", "properties": {"total": "9"}, "account_id": "acme"})  # fmt: skip
    assert kept["repeated"] is False
    app.call("creates.update_visitor.operation.perform", inputData={"visitor_id": "zed", "values": {"tier": "gold"}})
    made = api.post("/lists", json={"name": "Pilots", "ids": ["other"]}).json()
    listed = app.call("creates.add_to_list.operation.perform", inputData={"list": made["id"], "visitor_id": "zed"})
    assert listed["size"] == 2
    for rule in (
        {"kind": "track", "name": "invoice paid"},
        {"kind": "visitor", "field": "custom.tier", "op": "is", "value": "gold"},
        {"kind": "list", "list": made["id"]},
    ):
        found = api.post("/segments/preview", json={"rules": {"all": [{"any": [rule]}]}}).json()
        assert found["sample"] == ["zed"], rule
    search = "searches.find_visitor.operation.perform"
    [by_id] = app.call(search, inputData={"id": "zed"})
    assert by_id["metadata"]["custom"] == {"tier": "gold"}
    [by_field] = app.call(search, inputData={"field": "custom.tier", "value": "gold"})
    assert by_field["id"] == "zed"
    assert app.call(search, inputData={"id": "nobody"}) == []
    with pytest.raises(zapier.Refused, match="There is no visitor"):
        app.call("creates.update_visitor.operation.perform", inputData={"visitor_id": "nobody", "values": {"a": 1}})


def test_the_app_has_no_address_of_a_registry(tmp_path: Path) -> None:
    assert "resolved" not in (zapier.ROOT / "zapier" / "package-lock.json").read_text()
