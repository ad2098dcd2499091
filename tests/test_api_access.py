"""Who may do what over /api/v2: every operation, with every kind of caller."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals.accounts import keys, people
from arrivals.accounts.models import AuditEntry
from arrivals.api.arrivals.api import api

pytestmark = pytest.mark.django_db
READS = {("post", "/api/v2/segments/preview"), ("post", "/api/v2/recipes/{recipe_id}/preview")}
READS |= {("post", "/api/v2/charts/query"), ("post", "/api/v2/charts/people")}
OPEN = {("get", "/api/v2/health")}
IDS = {"source_id": "src_x", "segment_id": "seg_x", "list_id": "lst_x", "report_id": "rep_x", "connection_id": "con_x"}
IDS |= {"workflow_id": "wf_x", "run_id": "run_x", "import_id": "imp_x", "key_id": "key_x"}
IDS |= {"chart_id": "cha_x", "dashboard_id": "das_x"}
READS |= {("post", "/api/v2/surveys/preview")}
IDS |= {"survey_id": "sur_x"}
IDS |= {"visitor_id": "v_x", "account_id": "a_x"}
IDS |= {"hook_id": "wf_x", "recipe_id": "nps_responses"}
READS |= {("post", "/api/v2/pages/preview"), ("post", "/api/v2/features/preview")}
IDS |= {"page_id": "pag_x", "feature_id": "fea_x"}
IDS |= {"hook_id": "wf_x", "recipe_id": "nps_responses", "format": "csv", "what": "links"}
IDS |= {"visitor_id": "v", "number": "1"}
IDS |= {"step_id": "s"}
OPERATIONS = [(method, path) for path, methods in api.get_openapi_schema()["paths"].items() for method in methods]
GUARDED = [one for one in OPERATIONS if one not in OPEN]
MANAGED = [one for one in GUARDED if one[1].startswith("/api/v2/keys") and one[1] != "/api/v2/keys/current"]
WRITES = [one for one in GUARDED if one[0] != "get" and one not in READS]
DOCUMENTS = [("get", "/api/v2/openapi.json")]


def ask(client: Client, method: str, path: str, **headers: str) -> Any:
    # No JSON at all: whoever may not call must not learn what a body looks like.
    body = {"data": "{", "content_type": "application/json"} if method != "get" else {}
    return client.generic(method.upper(), path.format(**IDS), headers=headers, **body)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def reader() -> str:
    return keys.create("reader", write=False, by="ada@example.com")[1]


@pytest.fixture
def writer() -> str:
    return keys.create("writer", write=True, by="ada@example.com")[1]


@pytest.fixture
def revoked() -> str:
    key, secret = keys.create("old", write=True, by="ada@example.com")
    keys.revoke(key.pk)
    return secret


def person(role: str) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.create(f"{role}@example.com", password="a long password", role=role))
    return client


@pytest.mark.parametrize(("method", "path"), [*GUARDED, *DOCUMENTS])
def test_nothing_is_answered_without_a_valid_key(client: Client, revoked: str, method: str, path: str) -> None:
    for headers in (
        {},
        bearer("arr_wrong"),
        bearer(""),
        bearer(revoked),
        {"x-pendo-integration-key": "arr_wrong"},
        {"x-pendo-integration-key": revoked},
        {"Authorization": f"Basic {revoked}"},
    ):
        answer = ask(client, method, path, **headers)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json"), headers
        assert answer.json()["code"] == "not_signed_in"
        assert answer["WWW-Authenticate"] == "Bearer"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_key_that_may_only_read_is_refused_every_write(client: Client, reader: str, method: str, path: str) -> None:
    answer = ask(client, method, path, **bearer(reader))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert ("write access" if (method, path) not in MANAGED else "cannot manage keys") in answer.json()["detail"]
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("method", "path"), [one for one in WRITES if one[0] in ("post", "put")])
def test_a_session_without_its_csrf_token_is_refused_every_write(method: str, path: str) -> None:
    answer = ask(person("admin"), method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert "X-CSRFToken" in answer.json()["detail"]


def test_either_header_is_accepted(client: Client, reader: str) -> None:
    for headers in (bearer(reader), {"Authorization": f"bearer {reader}"}, {"x-pendo-integration-key": reader}):
        answer = client.get("/api/v2/segments", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


def test_a_wrong_key_is_refused_even_beside_a_session() -> None:
    assert person("admin").get("/api/v2/segments", headers=bearer("arr_wrong")).status_code == 401


def test_a_session_with_its_token_may_write() -> None:
    client = person("member")
    token = "a" * 32
    client.cookies["arrivals_csrf"] = token
    answer = client.post(
        "/api/v2/segments/preview", "{", content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_only_an_admin_changes_connections_on_a_session(method: str) -> None:
    path = "/api/v2/connections" if method == "post" else "/api/v2/connections/con_x"
    token = "a" * 32
    for role, refused in (("member", True), ("admin", False)):
        client = person(role)
        client.cookies["arrivals_csrf"] = token
        answer = ask(client, method, path, **{"X-CSRFToken": token})
        assert (answer.status_code == 403) == refused, role


def test_somebody_who_is_kept_out_is_not_answered_any_more() -> None:
    people.create("root@example.com", password="a long password", role="admin")
    client = person("member")
    assert client.get("/api/v2/segments").status_code == 200
    people.deactivate(people.Person.objects.get(email="member@example.com").pk)
    assert client.get("/api/v2/segments").status_code == 401


def test_too_many_wrong_keys_are_told_to_wait(client: Client, reader: str) -> None:
    for _ in range(60):
        client.get("/api/v2/runs", headers=bearer("arr_wrong"))
    answer = client.get("/api/v2/runs", headers=bearer("arr_wrong"))
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many")
    assert int(answer["Retry-After"]) == answer.json()["retry_after"] > 0
    assert client.get("/api/v2/segments", headers=bearer(reader)).status_code == 200


def test_the_page_of_the_api_leads_to_the_sign_in_and_loads_nothing_from_elsewhere(client: Client, reader: str) -> None:
    answer = client.get("/api/v2/docs")
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in?next=/api/v2/docs")
    page = person("member").get("/api/v2/docs").content.decode()
    assert "/static/ninja/swagger-ui-bundle.js" in page
    assert "http://" not in page
    assert "https://" not in page
    described = client.get("/api/v2/openapi.json", headers=bearer(reader)).json()
    assert json.dumps(described).count("operationId") == len(OPERATIONS)
