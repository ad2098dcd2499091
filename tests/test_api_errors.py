"""What /api/v2 refuses, and how it says so: problem+json with a code, a sentence and the path of the wrong part."""

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from arrivals import errors
from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry
from arrivals.api.arrivals import problems, segments
from arrivals.audience.models import Report, Segment, VisitorList
from arrivals.collect.models import Source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]
RULES = {"all": [{"any": [{"kind": "track", "name": "export"}]}]}


@pytest.fixture
def api() -> Client:
    _, secret = keys.create("tests", write=True, by="ada@example.com")
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def send(api: Client, method: str, path: str, body: Any) -> Any:
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return api.generic(method, f"/api/v2{path}", data, content_type="application/json")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "where"),
    [
        ("POST", "/sources", "{", 400, "invalid_json", ""),
        ("POST", "/sources", b"\xff\xfe", 400, "invalid_json", ""),
        ("POST", "/sources", '{"name": NaN}', 400, "invalid_json", ""),
        ("POST", "/sources", '{"name": "a\\u0000b"}', 400, "invalid_json", ""),
        ("POST", "/sources", '{"name": "\\ud800"}', 400, "invalid_json", ""),
        ("POST", "/sources", "", 422, "invalid", ""),
        ("POST", "/sources", [], 422, "invalid", ""),
        ("POST", "/sources", {}, 422, "invalid", "name"),
        ("POST", "/sources", {"name": 5}, 422, "invalid", "name"),
        ("POST", "/sources", {"name": None}, 422, "invalid", "name"),
        ("POST", "/sources", {"name": "a", "colour": "red"}, 422, "invalid", "colour"),
        ("POST", "/segments", {"name": "a"}, 422, "invalid", "rules"),
        ("POST", "/segments", {"name": "", "rules": RULES}, 422, "invalid", "name"),
        ("POST", "/segments", {"name": "a", "rules": {"all": 5}}, 422, "invalid_rules", "rules.all"),
        ("POST", "/segments", {"name": "a", "rules": {"all": [{"any": [{"kind": "no"}]}]}}, 422, "invalid_rules", "rules.all[0].any[0].kind"),
        ("POST", "/segments/preview", {"rules": {"all": [{"any": [{"kind": "no"}]}]}}, 422, "invalid_rules", "rules.all[0].any[0].kind"),
        ("POST", "/reports", {"name": ""}, 422, "invalid_report", "name"),
        ("POST", "/reports", {"name": "a", "segment": "seg_no"}, 422, "invalid_report", "segment"),
        ("POST", "/reports", {"name": "a", "kind": "cat"}, 422, "invalid_report", "kind"),
        ("POST", "/lists", {"name": "a", "ids": ["", "b"]}, 422, "invalid", "ids[0]"),
        ("POST", "/lists", {"name": "a", "ids": ["b", 5]}, 422, "invalid", "ids[1]"),
        ("POST", "/workflows/wf_x/activate", {"existing": "all"}, 422, "invalid", "existing"),
        ("POST", "/runs/run_x/replay", {"from": "middle"}, 422, "invalid", "from"),
        ("POST", "/runs/run_x/replay", {}, 422, "invalid", "from"),
        ("POST", "/imports", {"source": "s", "filename": "f", "digest": "x"}, 422, "invalid", "digest"),
        ("POST", "/imports/imp_x/rows", {"offset": -1, "rows": []}, 422, "invalid", "offset"),
        ("POST", "/imports/imp_x/rows", {"offset": 0, "rows": [5]}, 422, "invalid", "rows[0]"),
        ("GET", "/segments?limit=0", "", 422, "invalid", "limit"),
        ("GET", "/segments?limit=1001", "", 422, "invalid", "limit"),
        ("GET", "/segments?limit=x", "", 422, "invalid", "limit"),
        ("GET", "/segments?cursor=x", "", 422, "invalid", "cursor"),
        ("GET", "/segments?cursor=%00", "", 422, "invalid", ""),
        ("GET", "/segments/%00", "", 422, "invalid", ""),
        ("GET", "/runs?state=lost", "", 422, "invalid", "state"),
        ("GET", "/segments/seg_x", "", 404, "not_found", ""),
        ("PUT", "/segments/seg_x", {"name": "a"}, 404, "not_found", ""),
        ("DELETE", "/segments/seg_x", "", 404, "not_found", ""),
        ("GET", "/reports/rep_x", "", 404, "not_found", ""),
        ("GET", "/reports/rep_x/rows", "", 404, "not_found", ""),
        ("GET", "/reports/rep_x/rows.csv", "", 404, "not_found", ""),
        ("GET", "/lists/lst_x", "", 404, "not_found", ""),
        ("GET", "/sources/src_x", "", 404, "not_found", ""),
        ("GET", "/cats", "", 404, "not_found", ""),
        ("GET", "", "", 404, "not_found", ""),
        ("GET", "/", "", 404, "not_found", ""),
        ("POST", "/segments/", {}, 404, "not_found", ""),
        ("PATCH", "/segments", {}, 405, "method_not_allowed", ""),
        ("DELETE", "/health", "", 405, "method_not_allowed", ""),
        ("GET", "/imports/imp_x/rows", "", 405, "method_not_allowed", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_changed(
    api: Client, method: str, path: str, body: Any, status: int, code: str, where: str
) -> None:
    answer = send(api, method, path, body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    problem = answer.json()
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code), problem
    assert problem.get("path", "").startswith(where), problem
    assert bool(problem.get("path")) == bool(where), problem
    assert problem["detail"].endswith("."), problem
    assert problem["title"]
    for kind in (Segment, Report, VisitorList, Source, AuditEntry):
        assert not kind.objects.exists()


def test_something_unforeseen_is_told_without_details(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_id: str) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(segments.segments, "get", broken)
    answer = api.get("/api/v2/segments/seg_x")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert b"hunter2" not in answer.content


def test_a_database_that_is_away_is_told_as_something_that_passes(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_id: str) -> None:
        raise OperationalError("connection to server at 10.0.0.5 failed")

    monkeypatch.setattr(segments.segments, "get", away)
    answer = api.get("/api/v2/segments/seg_x")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "5")
    assert b"10.0.0.5" not in answer.content


def test_a_body_over_20_mb_is_too_large(api: Client) -> None:
    answer = send(api, "POST", "/sources", json.dumps({"name": "x" * (21 * 1024 * 1024)}))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (errors.Conflict("It is on already."), 409, "conflict", None),
        (errors.Unavailable("Full.", retry_after=0.2), 503, "unavailable", "1"),
        (errors.TooMany("Wait.", retry_after=61.5), 429, "too_many", "62"),
        (errors.CheckTimeout(retry_after=60), 504, "check_timeout", "60"),
        (errors.Throttled("Wait.", retry_after=5), 502, "throttled", "5"),
    ],
)
def test_each_error_has_its_status_and_its_time_to_wait(
    error: errors.ArrivalsError, status: int, code: str, retry_after: str | None
) -> None:
    answer = problems.response(error)
    assert answer.status_code == status
    assert json.loads(answer.content)["code"] == code
    assert answer.get("Retry-After") == retry_after
