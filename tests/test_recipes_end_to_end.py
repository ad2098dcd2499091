"""Each recipe from events over HTTP to its message, once: in the inbox, in Slack and at a webhook that listen here."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from arrivals import clock
from tests.server import Server
from tests.sink import Sink

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("recipes") / "home").set_up().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def send(server: Server, *calls: dict[str, Any]) -> None:
    key = server.setup["write_key"]
    httpx.post(f"{server.url}/v1/batch", auth=(key, ""), json={"batch": list(calls)}).raise_for_status()


def who(visitor: str, account: str = "", **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": visitor, "traits": traits, "context": {"groupId": account}}


def did(visitor: str, event: str, account: str = "", *, days: float = 0, **properties: Any) -> dict[str, Any]:
    at = clock.iso(clock.now() - timedelta(days=days))
    context = {"context": {"groupId": account}} if account else {}
    return {"type": "track", "event": event, "userId": visitor, "timestamp": at, "properties": properties, **context}


def answered(visitor: str, account: str, score: int, reason: str, survey: str = "nps") -> dict[str, Any]:
    return did(visitor, "Survey Answered", account, survey=survey, score=score, reason=reason)


def made(client: httpx.Client, recipe: str, **parameters: Any) -> dict[str, Any]:
    body = {"parameters": parameters, "activate": True}
    answer = client.post(f"/recipes/{recipe}", json=body)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()
    assert data["workflow"]["state"] == "on"
    return data


def check(client: httpx.Client, data: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(f"/reports/{data['report']['id']}/check").raise_for_status().json()
    return answer


def entered(client: httpx.Client, data: dict[str, Any]) -> int:
    """How many entered since this was asked before, whether a check or their own event saw it first."""
    check(client, data)
    looks = client.get(f"/reports/{data['report']['id']}/checks", params={"limit": 200}).raise_for_status().json()
    total = sum(one["entered"] for one in looks["items"])
    before, data["entered"] = data.get("entered", 0), total
    return int(total - before)


def inbox(client: httpx.Client, channel: str) -> list[dict[str, Any]]:
    return [one for one in client.get("/inbox").raise_for_status().json()["items"] if one["channel"] == channel]


def settled(count: Callable[[], int], number: int, seconds: float = 15) -> None:
    """Wait until there are so many, and a little longer: no more may follow."""
    end = time.monotonic() + seconds
    while count() < number and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.4)
    assert count() == number


def test_an_nps_response_is_a_message_with_all_that_is_known_once(server: Server, client: httpx.Client) -> None:
    send(server, who("old", "acme"), answered("old", "acme", 5, "Before."))
    data = made(client, "nps_responses")
    assert data["activation"] == {"on_report": 1, "will_run": 0}
    send(server, who("u-1", "globex", name="Ada Lopez", email="ada@globex.example"), did("u-1", "x", "globex"))
    send(server, answered("u-1", "globex", 9, "Saves me an hour."), who("u-2"), answered("u-2", "", 6, ""))
    assert entered(client, data) == 2
    settled(lambda: len(inbox(client, "#nps")), 2)
    assert entered(client, data) == 0
    messages = {one["visitor"]: one for one in inbox(client, "#nps")}
    ada, other = messages["u-1"], messages["u-2"]
    assert ada["title"] == "NPS: Ada Lopez scored 9"
    lines = ada["text"].split("\n")
    assert lines[:4] == [
        "Score: 9, a promoter",
        "Reason: Saves me an hour.",
        "Visitor: Ada Lopez · ada@globex.example · u-1",
        "Account: globex",
    ]
    assert re.fullmatch(r"Answered: \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[4])
    assert lines[5] == f"{server.url}/runs/{ada['run']}"
    assert "Score: 6, a detractor\nReason: none given\nVisitor: u-2\nAccount: none known\n" in other["text"]


def test_an_nps_response_goes_to_slack_and_mentions_nobody(server: Server, client: httpx.Client, sink: Sink) -> None:
    fields = {"webhook_url": f"{sink.url}/services/x"}
    hook = (
        client.post("/connections", json={"app": "slack", "name": "Team", "fields": fields}).raise_for_status().json()
    )
    data = made(client, "nps_responses", survey="Quarterly", app="slack", connection=hook["id"])
    assert data["workflow"]["name"] == "Quarterly responses to Slack"
    send(server, answered("u-3", "acme", 8, "<!channel> fine & well", "Quarterly"))
    check(client, data)
    settled(lambda: len(sink.calls), 1)
    text = sink.calls[0].json["text"]
    assert text.startswith("*Quarterly: u-3 scored 8*\nScore: 8, a passive\nReason: &lt;!channel&gt; fine &amp; well\n")
    assert sink.calls[0].path == "/services/x"


def test_a_webhook_gets_the_message_and_its_parts_as_json(server: Server, client: httpx.Client, sink: Sink) -> None:
    data = made(client, "nps_responses", survey="csat", app="webhook", url=f"{sink.url}/hook")
    send(server, answered("u-4", "acme", 10, 'Says "yes".', "csat"))
    check(client, data)
    settled(lambda: len(sink.calls), 1)
    body = sink.calls[0].json
    assert (body["visitor"], body["account"], body["score"], body["class"]) == ("u-4", "acme", 10, "promoter")
    assert (body["name"], body["reason"], body["title"]) == (None, 'Says "yes".', "CSAT: u-4 scored 10")
    assert body["run"].startswith(f"{server.url}/runs/run_")
    assert body["report"] == f"{server.url}/reports/{data['report']['id']}"


def test_each_response_of_the_same_visitor_is_a_message(server: Server, client: httpx.Client) -> None:
    send(server, answered("u-5", "acme", 1, "Before.", "weekly"))
    data = made(client, "each_response", survey="weekly", channel="#each")
    assert data["segment"] is None
    for score in (7, 9):
        send(server, answered("u-5", "acme", score, f"Because {score}.", "weekly"))
        assert entered(client, data) == 1
    settled(lambda: len(inbox(client, "#each")), 2)
    assert sorted(one["title"] for one in inbox(client, "#each")) == ["weekly: u-5 scored 7", "weekly: u-5 scored 9"]
    assert any(
        "Score: 9, a promoter\nReason: Because 9.\nVisitor: u-5\nAccount: acme\n" in one["text"]
        for one in inbox(client, "#each")
    )


def test_an_account_that_leaves_the_active_ones_is_a_message_once(server: Server, client: httpx.Client) -> None:
    # An event that names no account belongs to its visitor's newest account: so an account can go quiet at once.
    send(server, did("m-1", "x", "quiet-co", days=20), did("m-1", "x"), did("m-2", "x", "silent-co", days=20))
    data = made(client, "account_quiet", days=7, channel="#quiet")
    send(server, did("m-1", "x", "new-co"))
    assert check(client, data)["left"] == 1
    assert check(client, data)["left"] == 0
    settled(lambda: len(inbox(client, "#quiet")), 1)
    [message] = inbox(client, "#quiet")
    assert message["title"] == "Account gone quiet: quiet-co"
    assert message["text"].startswith("Nobody of quiet-co was here within 7 days.\nLast visit: 20")


def test_an_ending_trial_of_somebody_inactive_is_a_message_once(server: Server, client: httpx.Client) -> None:
    data = made(client, "trial_ending", channel="#trials", plan="trial")
    soon = (clock.now() + timedelta(days=2)).date().isoformat()
    later = (clock.now() + timedelta(days=9)).date().isoformat()
    send(server, *[did(one, "x", days=9) for one in ("idle", "busy", "late", "paid")], did("busy", "x"))
    for visitor, ends, plan in (
        ("idle", soon, "trial"),
        ("busy", soon, "trial"),
        ("late", later, "trial"),
        ("paid", soon, "pro"),
    ):
        call = who(visitor, trial_ends=ends, plan=plan)
        send(server, {**call, "timestamp": clock.iso(clock.now() - timedelta(days=8))})
    assert check(client, data)["on_report"] == 1
    settled(lambda: len(inbox(client, "#trials")), 1)
    [message] = inbox(client, "#trials")
    assert message["title"] == "Trial about to end, and no visit for 7 days: idle"
    assert f"The trial ends: {soon}\n" in message["text"]


def test_a_power_user_is_a_message_at_the_use_that_makes_one(server: Server, client: httpx.Client) -> None:
    send(server, *[did("before", "share") for _ in range(3)], *[did("ann", "share") for _ in range(2)])
    data = made(client, "power_user", event="share", times=3, channel="#power")
    send(server, did("bob", "share"))
    assert entered(client, data) == 0
    send(server, did("ann", "share"))
    assert entered(client, data) == 1
    settled(lambda: len(inbox(client, "#power")), 1)
    send(server, did("ann", "share"))
    assert entered(client, data) == 0
    settled(lambda: len(inbox(client, "#power")), 1)
    [message] = inbox(client, "#power")
    assert message["title"] == "Power user of share: ann"
    assert message["text"].startswith("share: 3 times in 30 days\n")


def test_a_new_visitor_of_a_named_account_is_a_message_and_an_old_one_is_not(
    server: Server, client: httpx.Client
) -> None:
    send(server, did("veteran", "x", "wayne", days=200))
    data = made(client, "new_visitor", accounts=["wayne", "stark"], days=7, channel="#new")
    send(server, did("veteran", "x", "wayne"), did("tony", "x", "stark"), did("other", "x", "oscorp"))
    assert entered(client, data) == 1
    settled(lambda: len(inbox(client, "#new")), 1)
    assert inbox(client, "#new")[0]["title"] == "New visitor of stark: tony"


def test_the_api_lists_previews_and_refuses(server: Server, client: httpx.Client) -> None:
    listed = client.get("/recipes").raise_for_status().json()
    assert listed["items"][0]["id"] == "nps_responses"
    shown = client.post("/recipes/nps_responses/preview", json={}).raise_for_status().json()
    assert shown["parameters"]["survey"] == "nps"
    before = len(client.get("/segments").json()["items"])
    for path, body, status, wrong in (
        ("/recipes/none", {}, 404, None),
        ("/recipes/power_user", {}, 422, "parameters.event"),
        ("/recipes/power_user", {"parameters": {"event": "x", "times": "3"}}, 422, "parameters.times"),
        ("/recipes/nps_responses", {"parameters": {"channel": "{{"}}, 422, "steps[0].inputs.channel"),
        ("/recipes/nps_responses/preview", {"parameters": {"app": "fax"}}, 422, "parameters.app"),
        ("/recipes/nps_responses", {"parameter": {}}, 422, "parameter"),
    ):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json().get("path")) == (status, wrong), answer.text
    assert len(client.get("/segments").json()["items"]) == before
