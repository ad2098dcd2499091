"""What /api/v1 refuses: the answer, and that nothing else happened."""

from typing import Any

import pytest

from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry, IntegrationKey
from arrivals.api.pendo.urls import ENDPOINTS
from arrivals.audience import lists, segments
from arrivals.audience.models import Segment, VisitorList
from arrivals.erasure.models import Erasure
from arrivals.warehouse.client import Warehouse
from tests.pendo import HEADER, Api

RULES = {"all": [{"any": [{"kind": "track", "name": "export"}]}]}
PATCH = {"op": "add", "path": "/visitors", "value": ["a"]}
REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/segment/upload", b"{", 400, "body"),
    ("POST", "/segment/upload", b'{"name":"a\\u0000"}', 400, "body"),
    ("POST", "/segment/upload", [], 422, "body"),
    ("POST", "/segment/upload", {}, 422, "name"),
    ("POST", "/segment/upload", {"name": "x"}, 422, "visitors"),
    ("POST", "/segment/upload", {"name": "x", "visitors": "a"}, 422, "visitors"),
    ("POST", "/segment/upload", {"name": "x", "visitors": ["a", ""]}, 422, "visitors[1]"),
    ("POST", "/segment/upload", {"name": "x", "visitors": [None]}, 422, "visitors[0]"),
    ("PUT", "/segment/{rules}", {"visitors": ["a"]}, 422, "visitors"),
    ("PUT", "/segment/{list}", {"name": ""}, 422, "name"),
    ("PUT", "/segment/{list}", {"name": "New", "visitors": [""]}, 422, "visitors[0]"),
    ("PUT", "/segment/nothing", {"name": "x"}, 404, ""),
    ("DELETE", "/segment/nothing", None, 404, ""),
    ("PATCH", "/segment/{rules}/visitor", {"patch": [PATCH]}, 422, "visitors"),
    ("PATCH", "/segment/{list}/visitor", {}, 422, "patch"),
    ("PATCH", "/segment/{list}/visitor", {"patch": [{**PATCH, "op": "replace"}]}, 422, "patch[0].op"),
    ("PATCH", "/segment/{list}/visitor", {"patch": [PATCH, {**PATCH, "path": "/x"}]}, 422, "patch[1].path"),
    ("PATCH", "/segment/{list}/visitor", {"patch": [{**PATCH, "value": ["", "b"]}]}, 422, "patch[0].value[0]"),
    ("GET", "/segment/{list}/visitors/none/status", None, 404, ""),
    ("GET", "/segment/{list}/visitors/none/results/csv", None, 404, ""),
    ("GET", "/report/nothing/results.csv", None, 404, ""),
    ("GET", "/visitor/nobody/history", None, 404, ""),
    ("GET", "/visitor/nobody/history?starttime=yesterday", None, 422, "starttime"),
    ("GET", "/visitor/nobody/history?starttime=-5", None, 422, "starttime"),
    ("GET", "/visitor/nobody/history?starttime=99999999999999999999", None, 422, "starttime"),
    ("GET", "/visitor/a%00b", None, 422, "path"),
    ("GET", "/account/nobody", None, 404, ""),
    ("GET", "/metadata/schema/planet", None, 404, ""),
    ("POST", "/metadata/planet/custom/value", [{"visitorId": "a", "values": {"x": 1}}], 404, ""),
    ("POST", "/metadata/visitor/auto/value", [{"visitorId": "a", "values": {"x": 1}}], 422, "group"),
    ("POST", "/metadata/visitor/custom/value", {"visitorId": "a"}, 422, "body"),
    ("POST", "/metadata/visitor/custom/value", [], 422, "body"),
    ("POST", "/metadata/visitor/custom/value", [{"accountId": "a", "values": {"x": 1}}], 422, "[0].visitorId"),
    ("POST", "/metadata/visitor/custom/value", [{"visitorId": "a", "values": {}}], 422, "[0].values"),
    ("POST", "/metadata/visitor/custom/value?create=maybe", [{"visitorId": "a", "values": {"x": 1}}], 422, "create"),
    ("PUT", "/metadata/visitor/custom/value/nobody/x", 1, 404, ""),
    ("PUT", "/metadata/visitor/auto/value/nobody/x", 1, 422, "group"),
    ("GET", "/metadata/visitor/custom/value/nobody/x", None, 404, ""),
    ("PUT", "/metadata/visitor/pendo/value/nobody/donotprocess", "yes", 422, "body"),
    ("GET", "/page?appId=1&expand=*", None, 422, "expand"),
    ("GET", "/page?expand=all", None, 422, "expand"),
    ("GET", "/page?appId=x", None, 422, "appId"),
    ("GET", "/page?appId=12", None, 404, ""),
    ("GET", "/guide?state=loud", None, 422, "state"),
    ("GET", "/guide/nothing", None, 404, ""),
    ("POST", "/guide/nothing/visitor/a/reset", None, 404, ""),
    ("POST", "/bulkdelete/visitor", {"visitors": []}, 422, "visitors"),
    ("POST", "/bulkdelete/visitor", {"accounts": ["a"]}, 422, "visitors"),
    ("POST", "/bulkdelete/account", {"accounts": ["a", 7]}, 422, "accounts[1]"),
    ("GET", "/bulkdelete/nothing", None, 404, ""),
]  # fmt: skip


@pytest.fixture
def api(fresh: Warehouse) -> Api:
    segments.create("Rules", RULES)
    friends = lists.create("Friends", ["ada"])
    segments.create("List", {"all": [{"any": [{"kind": "list", "list": friends.id}]}]})
    return Api()


def state(store: Warehouse) -> list[Any]:
    """All that a refused request could have changed."""
    tables = ("visitors", "visitor_fields", "account_fields")
    kept: list[Any] = [store.query(f"SELECT * FROM {table}") for table in tables]
    [visitor_list] = lists.all_lists()
    kept.append([one for block in lists.members(visitor_list.id) for one in block])
    for model in (Segment, VisitorList, Erasure, AuditEntry):
        kept.append(list(model.objects.order_by("pk").values()))
    return kept


def test_what_is_wrong_is_told_and_nothing_else_happens(api: Api, fresh: Warehouse) -> None:
    before = state(fresh)
    for method, path, body, status, field in REFUSED:
        path = path.replace("{rules}", Segment.objects.get(name="Rules").id)
        path = path.replace("{list}", Segment.objects.get(name="List").id)
        refused = api.send(method, path, body, status=status)
        assert list(refused.get("fields", {})) == ([field] if field else []), (method, path)
        assert refused["message"].endswith("."), (method, path)
        assert state(fresh) == before, (method, path)


def test_an_endpoint_needs_the_access_that_the_table_says(api: Api) -> None:
    reader = Api(write=False)
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("{", "").replace("}", "")
        if path == "/aggregation":  # it has tests of its own
            continue
        nobody = api.client.generic(endpoint.method, f"/api/v1{path}", headers={HEADER: "wrong"})
        assert (nobody.status_code, nobody.content) == (403, b"")
        refused = reader.raw(endpoint.method, path)
        assert refused.status_code in ({403} if endpoint.needs == "write" else {200, 404}), endpoint
        if endpoint.needs == "write":
            assert "may only read" in refused.json()["message"], endpoint


def test_too_many_wrong_keys_are_told_with_the_standard_phrase(api: Api) -> None:
    for _ in range(keys.MOST_WRONG):
        api.client.get("/api/v1/report", headers={HEADER: "wrong"})
    answer = api.client.get("/api/v1/report", headers={HEADER: "wrong"})
    assert (answer.status_code, answer.reason_phrase) == (429, "Too Many Requests")
    assert int(answer["Retry-After"]) > 0
    assert api.raw("GET", "/report").status_code == 200


def test_a_key_for_one_source_sees_nothing_that_spans_all(api: Api) -> None:
    IntegrationKey.objects.update(source_id="src_other")
    for path in ("/report", "/segment", "/bulkdelete", "/metadata/visitor/custom/value/ada/x"):
        assert "one source only" in api.send("GET", path, status=403)["message"]


def test_something_unforeseen_is_told_without_its_words(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("a secret")

    monkeypatch.setattr(segments, "all_segments", broken)
    told = api.send("GET", "/segment", status=500)
    assert "secret" not in str(told)
