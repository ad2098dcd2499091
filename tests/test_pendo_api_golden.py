"""Every endpoint of /api/v1, with its request and answer to the letter in tests/golden/v1."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from arrivals import ids
from arrivals.api.pendo.urls import ENDPOINTS
from arrivals.audience import reports, segments
from arrivals.warehouse.client import Warehouse
from tests import events
from tests.pendo import FOLDER, Api, golden

AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
ODD = "ünï/ codé?#%"  # an id as bad as ids get


@pytest.fixture
def api(fresh: Warehouse) -> Api:
    add = [
        ("ada", "page", "Home", AT, {}, "acme"),
        ("ada", "click", "Save", AT + timedelta(minutes=1), {}, "acme"),
        ("ada", "track", "purchase", AT + timedelta(minutes=2), {"revenue": 19.9}, "acme"),
        ("ada", "page", "Prices", AT + timedelta(minutes=5), {}, "acme"),
        ("ada", "survey_answered", "nps", AT + timedelta(minutes=6), {"score": 9, "reason": "=1+1"}, "acme"),
        (ODD, "page", "Home", AT + timedelta(days=1), {}, "Größe & Co"),
    ]
    events.add(fresh, *add)
    events.metadata(fresh, "ada", AT, email="ada@example.com", seats=5)
    return Api()


def report() -> str:
    rules = {"all": [{"any": [{"kind": "track", "name": "purchase"}]}]}
    segment = segments.create("Buyers", rules)
    columns: list[Any] = [
        "visitor.agent.email",
        "visitor.agent.seats",
        "metric.days_active",
        "metric.events",
        "metric.first_visit",
        "metric.last_visit",
        {"count": "track", "name": "purchase", "as": "purchases"},
        {"sum": "track", "name": "purchase", "property": "revenue", "as": "revenue"},
        {"survey": "nps", "part": "score", "as": "nps_score"},
        {"survey": "nps", "part": "reason", "as": "nps_reason"},
        {"survey": "nps", "part": "at", "as": "nps_at"},
    ]
    definition = {"name": "Buyers", "segment": segment.id, "range": {"since": "2026-03-01"}, "columns": columns}
    return reports.create(definition).id


def test_a_key_is_verified(api: Api) -> None:
    golden(api, "token_verify", "GET", "/token/verify")


def test_reports_and_their_rows(api: Api) -> None:
    made = report()
    golden(api, "report", "GET", "/report")
    [row] = golden(api, "report_results_json", "GET", f"/report/{made}/results.json")
    assert api.send("GET", f"/report/{made}/json") == [row]
    assert row["visitor_auto_firstvisit"] == round(AT.timestamp() * 1000)
    golden(api, "report_results_csv", "GET", f"/report/{made}/results.csv")
    golden(api, "report_unknown", "GET", "/report/rep_nothing/results.json", status=404)


def test_segments(api: Api) -> None:
    made = golden(api, "segment_upload", "POST", "/segment/upload", {"name": "Friends", "visitors": ["ada", "bob"]})
    path = f"/segment/{made['segmentId']}"
    golden(api, "segment_list", "GET", "/segment")
    golden(api, "segment_get", "GET", path)
    golden(api, "segment_put", "PUT", path, {"name": "Best friends", "visitors": ["ada", ODD]})
    patch = [
        {"op": "add", "path": "/visitors", "value": ["cyd", "ada"]},
        {"op": "remove", "path": "/visitors", "value": [ODD, "nobody"]},
    ]
    golden(api, "segment_patch", "PATCH", f"{path}/visitor", {"patch": patch})
    job = golden(api, "segment_export", "POST", f"{path}/visitors")["jobId"]
    golden(api, "segment_export_status", "GET", f"{path}/visitors/{job}/status")
    csv = golden(api, "segment_export_csv", "GET", f"{path}/visitors/{job}/results/csv")
    assert csv == "visitorId\r\nada\r\ncyd\r\n"
    golden(api, "segment_delete", "DELETE", path, status=204)
    golden(api, "segment_gone", "GET", path, status=404)


def test_visitors_and_accounts(api: Api) -> None:
    golden(api, "visitor", "GET", "/visitor/ada")
    golden(api, "visitor_odd", "GET", f"/visitor/{quote(ODD, safe='')}")
    golden(api, "account", "GET", "/account/acme")
    assert api.send("GET", f"/account/{quote('Größe & Co')}")["id"] == "Größe & Co"
    start = round(AT.timestamp() * 1000)
    golden(api, "visitor_history", "GET", f"/visitor/ada/history?starttime={start}")
    golden(api, "visitor_unknown", "GET", "/visitor/nobody", status=404)


def test_metadata(api: Api) -> None:
    batch = [
        {"visitorId": "ada", "values": {"plan": "pro", "since": "2026-01-31", "active": True, "ratio": 0.5}},
        {"visitorId": "nobody", "values": {"plan": "pro"}},
    ]
    golden(api, "metadata_write", "POST", "/metadata/visitor/custom/value", batch)
    batch = [{"accountId": "neu", "values": {"tier": 1}}]
    golden(api, "metadata_write_create", "POST", "/metadata/account/agent/value?create=true", batch)
    golden(api, "metadata_put", "PUT", "/metadata/visitor/custom/value/ada/plan", "free")
    golden(api, "metadata_get", "GET", "/metadata/visitor/custom/value/ada/plan")
    golden(api, "metadata_donotprocess", "PUT", "/metadata/visitor/pendo/value/ada/donotprocess", True)
    assert api.send("GET", "/metadata/visitor/pendo/value/ada/donotprocess") is True
    for kind in ("visitor", "account", "parentAccount"):
        golden(api, f"metadata_schema_{kind}", "GET", f"/metadata/schema/{kind}")


def test_definitions(api: Api) -> None:
    for name in ("page", "feature", "tracktype", "guide"):
        [first, *_] = golden(api, name, "GET", f"/{name}?expand=*")
        assert api.send("GET", f"/{name}?id={first['id']}") == [first] == [api.send("GET", f"/{name}/{first['id']}")]
    assert api.send("GET", "/guide?state=draft") == []
    guide = ids.derived("guide", "nps")
    golden(api, "guide_reset", "POST", f"/guide/{guide}/visitor/ada/reset")


def test_bulk_deletes(api: Api) -> None:
    made = golden(api, "bulkdelete_visitor", "POST", "/bulkdelete/visitor", {"visitors": ["ada", ODD]})
    golden(api, "bulkdelete_status", "GET", f"/bulkdelete/{made['id']}")
    golden(api, "bulkdelete_account", "POST", "/bulkdelete/account", {"accounts": ["acme"]})
    assert [one["kind"] for one in golden(api, "bulkdelete_list", "GET", "/bulkdelete")] == ["account", "visitor"]


def test_errors(api: Api) -> None:
    golden(api, "error_fields", "POST", "/segment/upload", {"name": "Friends"}, status=422)
    golden(api, "error_method", "DELETE", "/token/verify", status=405)
    golden(api, "error_address", "GET", "/nothing", status=404)


def test_a_report_of_accounts_has_their_keys(api: Api) -> None:
    columns = ["account.id", "metric.visitors", "metric.first_visit", "metric.events"]
    made = reports.create({"name": "All", "kind": "account", "range": {"ever": True}, "columns": columns})
    [_, row] = golden(api, "report_results_json_accounts", "GET", f"/report/{made.id}/results.json")
    assert list(row) == ["accountId", "numVisitors", "account_auto_firstvisit", "numEvents"]
    assert api.send("GET", "/report")[0]["target"] == "account"


def test_an_aggregation_says_the_same(api: Api) -> None:
    """Where the same is asked for in two ways, the keys that both have hold the same."""

    def aggregated(source: dict[str, Any]) -> list[dict[str, Any]]:
        body = {"response": {"mimeType": "application/json"}, "request": {"pipeline": [{"source": source}]}}
        found: list[dict[str, Any]] = api.send("POST", "/aggregation", body)["results"]
        return found

    def compare(one: dict[str, Any], other: dict[str, Any], *but: str) -> None:
        both = [key for key in one if key in other and key not in but]
        assert {key: one[key] for key in both} == {key: other[key] for key in both}
        assert len(both) > 4

    visitors = {row["visitorId"]: row["metadata"] for row in aggregated({"visitors": None})}
    own = api.send("GET", "/visitor/ada")["metadata"]
    compare(own["auto"], visitors["ada"]["auto"])
    assert own["agent"] == visitors["ada"]["agent"]
    no_details = (
        "resetAt",
        "createdByUser",
        "lastUpdatedByUser",
        "group",
        "rules",
        "trackTypeRules",
        "attributes",
        "polls",
    )
    for name, source in (("page", "pages"), ("feature", "features"), ("tracktype", "trackTypes"), ("guide", "guides")):
        listed = {row["id"]: row for row in aggregated({source: None})}
        for one in api.send("GET", f"/{name}"):
            compare(one, listed[one["id"]], *no_details)
    [survey] = api.send("GET", "/guide")
    [same] = aggregated({"guides": None})
    assert [(one["id"], one["attributes"]) for one in survey["polls"]] == [
        (one["id"], one["attributes"]) for one in same["polls"]
    ]


def test_every_endpoint_has_a_golden_file() -> None:
    seen = {json.loads(file.read_text(encoding="utf-8"))["endpoint"] for file in FOLDER.glob("*.json")}
    same = {"GET /report/{id}/json", *(f"GET /{one}/{{id}}" for one in ("page", "feature", "tracktype", "guide"))}
    assert {f"{one.method} {one.path}" for one in ENDPOINTS} - seen == same | {"POST /aggregation"}
