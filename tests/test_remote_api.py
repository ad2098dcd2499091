"""A real Pendo by /api/v2: connect it, choose a report of its live list, watch it."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.test import Client

from arrivals.accounts import keys
from arrivals.apps import connections
from arrivals.apps.models import Connection
from arrivals.apps.pendo import client
from arrivals.apps.pendo.origin import Origin
from arrivals.audience import origins
from arrivals.audience.models import Report
from arrivals.errors import InvalidConnection
from arrivals.warehouse.client import Warehouse
from tests.fake_pendo import FakePendo, Misbehaviour, slow, status


@pytest.fixture
def pendo(fresh: Warehouse) -> Iterator[FakePendo]:
    origins.install(Origin())
    with FakePendo() as fake:
        yield fake


@pytest.fixture
def api(pendo: FakePendo) -> "Api":
    return Api()


class Api:
    def __init__(self) -> None:
        secret = keys.create("Tests", write=True, by="tests")[1]
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = b"" if body is None else orjson.dumps(body)
        answer = self.client.generic(method, f"/api/v2{path}", data, content_type="application/json")
        return answer.status_code, answer.json() if answer.content else None


def connect(api: Api, pendo: FakePendo, **fields: str) -> tuple[int, Any]:
    given = {"url": pendo.url, "key": pendo.key, **fields}
    return api("POST", "/connections", {"app": "pendo", "name": "Pendo", "fields": given})


def test_a_key_that_pendo_accepts_is_stored_and_never_shown(api: Api, pendo: FakePendo) -> None:
    code, made = connect(api, pendo)
    assert (code, made["state"]) == (201, "ok")
    assert pendo.calls == ["/api/v1/token/verify"]
    assert pendo.key not in str(made)


REFUSED: list[tuple[str, Any, dict[str, str], str, str]] = [
    ("403", status(403), {}, client.INVALID, "fields.key"),
    ("401", status(401), {}, client.INVALID, "fields.key"),
    ("a 200 that says no", status(200, b'{"valid":false,"writeAccess":false}'), {}, client.INVALID, "fields.key"),
    ("another product", status(200, b"<html>", Content_Type="text/html"), {}, "no host of Pendo's API", "fields"),
    ("no boolean", status(200, b'{"valid":"yes"}'), {}, client.INVALID, "fields.key"),
    ("a redirect to sign in", status(307, Location="https://login.example/x"), {}, "redirect to login.example", "fields"),
    ("told to wait", status(429, Retry_After="9"), {}, "asked to wait 9 s", "fields"),
    ("out of order", status(503), {}, "answered 503", "fields"),
    ("nobody there", None, {"url": "http://127.0.0.1:1"}, "cannot be reached", "fields"),
    ("no address", None, {"url": "not a host"}, "must be an address", "fields"),
    ("no key", None, {"key": " "}, "Integration key is missing", "fields.key"),
    ("a key with space in it", None, {"key": "a b"}, client.INVALID, "fields"),
]  # fmt: skip


@pytest.mark.parametrize(("_what", "wrong", "fields", "sentence", "path"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_cannot_be_verified_is_not_stored(
    api: Api, pendo: FakePendo, _what: str, wrong: Misbehaviour | None, fields: dict[str, str], sentence: str, path: str
) -> None:
    if wrong is not None:
        pendo.wrong["/token/verify"] = wrong
    code, problem = connect(api, pendo, **fields)
    assert (code, problem["code"], problem["path"]) == (422, "invalid_connection", path)
    assert sentence in problem["detail"]
    assert not Connection.objects.exists()


def test_the_sentence_on_a_refused_key_is_exactly_this(api: Api, pendo: FakePendo) -> None:
    sentence = "Invalid integration key: it must match the one made in Pendo exactly"
    assert connect(api, pendo, key="wrong")[1]["detail"] == sentence


REGIONS: list[tuple[str, str, str]] = [
    ("https://app.pendo.io", "k.eu", f"{client.INVALID}. It ends in .eu: its host is https://app.eu.pendo.io."),
    ("app.eu.pendo.io/", "k.us", f"{client.INVALID}. It ends in .us: its host is https://app.pendo.io."),
    ("https://app.pendo.io/api/v1", "k.us", client.INVALID),
    ("https://us1.app.pendo.io", "k.us", client.INVALID),
    ("https://app.jpn.pendo.io", "k", client.INVALID),
    ("https://pendo.example", "k.eu", client.INVALID),
]


@pytest.mark.parametrize(("url", "key", "sentence"), REGIONS)
def test_a_key_of_another_region_is_told_its_host(url: str, key: str, sentence: str) -> None:
    assert client.refused({"url": url, "key": key}).message == sentence


def test_a_changed_key_is_verified_before_it_takes_the_place_of_the_old(pendo: FakePendo) -> None:
    made = connections.create("pendo", "Pendo", {"url": pendo.url, "key": pendo.key})
    with pytest.raises(InvalidConnection, match="must match"):
        connections.change(made.id, fields={"key": "wrong"})
    assert connections.fields_of(connections.get(made.id))["key"] == pendo.key


def test_the_live_list_says_which_reports_can_be_used(api: Api, pendo: FakePendo) -> None:
    pendo.reports += [
        {"id": "columns", "name": "By its columns", "aggregation": {"fields": [{"field": "visitorId"}, {"field": "accountId"}]}},
        {"id": "nothing", "name": "z of neither"},
        {"name": "without an id"},
    ]  # fmt: skip
    connection = connect(api, pendo)[1]["id"]
    code, listed = api("GET", f"/connections/{connection}/pendo-reports")
    assert code == 200
    kinds = {one["id"]: one["kind"] for one in listed["items"]}
    assert kinds == {"visitors": "visitor", "accounts": "account", "columns": "visitor", "funnel": "", "nothing": ""}
    names = [one["name"] for one in listed["items"]]
    assert names == sorted(names, key=str.casefold)
    problems = {one["id"]: one["problem"] for one in listed["items"]}
    assert "funnel report" in problems["funnel"]
    assert "neither" in problems["nothing"]
    assert problems["visitors"] == ""


def test_a_report_is_made_watched_and_read_like_one_of_our_own(api: Api, pendo: FakePendo) -> None:
    connection = connect(api, pendo)[1]["id"]
    origin = {"connection": connection, "report": "visitors"}
    code, made = api("POST", "/reports", {"origin": origin})
    assert (code, made["name"], made["kind"], made["origin"]) == (201, "NPS responses", "visitor", origin)
    pendo.visitors(*(f"v{number:02}" for number in range(30)), score=9)
    path = f"/reports/{made['id']}"
    code, result = api("POST", f"{path}/check")
    assert (code, result["on_report"], result["entered"]) == (200, 30, 0)
    code, rows = api("GET", f"{path}/rows?limit=2")
    assert rows["items"][0] == {"visitorId": "v00", "accountId": "acme", "score": 9}
    assert rows["next"]
    pendo.rows["visitors"] = []
    code, problem = api("POST", f"{path}/check")
    assert (code, problem["code"]) == (409, "report_replaced")
    assert api("GET", path)[1]["watch"]["error"] == problem["detail"]
    code, result = api("POST", f"{path}/check", {"accept": "snapshot"})
    assert (code, result["on_report"], result["left"]) == (200, 0, 0)
    answer = api("GET", path)[1]
    assert api("PUT", path, {**answer, "name": "Ours"})[1]["name"] == "Ours"
    assert api("PUT", path, {**answer, "range": {"within": "1d"}})[1]["path"] == "range"
    assert api("DELETE", f"/connections/{connection}")[0] == 409
    assert api("DELETE", path)[0] == 204
    assert api("DELETE", f"/connections/{connection}")[0] == 204


BAD: list[tuple[Any, str, str]] = [
    ("visitors", "origin", "object with connection and report"),
    ({"connection": "con_1"}, "origin", "object with connection and report"),
    ({"connection": "con_none", "report": "visitors"}, "origin.connection", "no connection"),
    ({"report": "other"}, "origin.report", "share it with Everyone"),
    ({"report": "funnel"}, "origin.report", "funnel report"),
    ({"report": ""}, "origin.report", "1 to 200"),
]


@pytest.mark.parametrize(("origin", "path", "sentence"), BAD)
def test_an_origin_that_cannot_be_is_refused(api: Api, pendo: FakePendo, origin: Any, path: str, sentence: str) -> None:
    if isinstance(origin, dict) and "report" in origin and "connection" not in origin:
        origin = {"connection": connect(api, pendo)[1]["id"], **origin}
    code, problem = api("POST", "/reports", {"origin": origin})
    assert (code, problem["code"], problem["path"]) == (422, "invalid_report", path)
    assert sentence in problem["detail"]
    assert not Report.objects.exists()


def test_what_our_own_reports_have_is_refused_on_a_remote_one(api: Api, pendo: FakePendo) -> None:
    origin = {"connection": connect(api, pendo)[1]["id"], "report": "visitors"}
    assert api("POST", "/reports", {"origin": origin, "columns": ["visitor.id"]})[1]["path"] == "columns"
    assert api("POST", "/reports", {"origin": origin, "kind": "account"})[1]["path"] == "kind"
    assert api("POST", "/reports", {"origin": origin, "name": 7})[1]["path"] == "name"


def test_a_subscription_that_cannot_be_asked_is_an_error_of_the_other_product(
    api: Api, pendo: FakePendo, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(api, pendo)[1]["id"]
    pendo.wrong["/api/v1/report"] = status(500)
    assert api("GET", f"/connections/{connection}/pendo-reports")[1]["code"] == "retryable"
    monkeypatch.setattr(client, "SECONDS", 0.4)
    pendo.wrong["/api/v1/report"] = slow
    code, problem = api("GET", f"/connections/{connection}/pendo-reports")
    assert (code, problem["code"]) == (502, "retryable")
    pendo.wrong["/api/v1/report"] = status(403)
    assert api("GET", f"/connections/{connection}/pendo-reports")[1]["code"] == "authorisation_expired"
    assert Connection.objects.get().state == "stale"
