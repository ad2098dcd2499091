"""Who may use /api/v1, and how it refuses."""

import pytest
from django.test import Client

from arrivals.accounts import keys
from arrivals.warehouse.client import Warehouse


@pytest.mark.parametrize("name", ["x-pendo-integration-key", "X-Pendo-Integration-Key", "X-PENDO-INTEGRATION-KEY"])
def test_a_key_is_taken_in_pendos_header_in_any_case(fresh: Warehouse, client: Client, name: str) -> None:
    _, secret = keys.create("reader", write=False, by="ada@example.com")
    answer = client.get("/api/v1/token/verify", headers={name: secret, "content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {"valid": True, "writeAccess": False})


def test_a_bearer_token_is_taken_too(fresh: Warehouse, client: Client) -> None:
    _, secret = keys.create("writer", write=True, by="ada@example.com")
    answer = client.get("/api/v1/token/verify", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json() == {"valid": True, "writeAccess": True}


@pytest.mark.parametrize("headers", [{}, {"x-pendo-integration-key": "wrong"}, {"x-pendo-integration-key": ""}])
@pytest.mark.parametrize(("method", "path"), [("GET", "/token/verify")])
def test_a_wrong_key_gets_403_and_nothing_else(
    fresh: Warehouse, client: Client, headers: dict[str, str], method: str, path: str
) -> None:
    answer = client.generic(method, f"/api/v1{path}", headers=headers)
    assert (answer.status_code, answer.content) == (403, b"")


def test_an_address_that_leads_nowhere_is_told_as_json(fresh: Warehouse, client: Client) -> None:
    for path in ("/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/report/x/y/z"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_another_method_is_refused(fresh: Warehouse, client: Client) -> None:
    answer = client.post("/api/v1/token/verify")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")
