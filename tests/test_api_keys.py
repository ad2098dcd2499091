"""Integration keys over /api/v2: managed by an admin only; a key of one source sees that source only."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import key_forms, keys, wrong_keys
from arrivals.accounts.models import AuditEntry, IntegrationKey, Person, WrongKeys
from arrivals.api.arrivals.api import api
from arrivals.collect import imports, sources
from arrivals.collect.models import Import, Source
from arrivals.warehouse.client import Warehouse

pytestmark = pytest.mark.django_db
TOKEN = "a" * 32
SCOPED = {
    "GET /sources",
    "GET /sources/{source_id}",
    "GET /sources/{source_id}/events",
    "GET /sources/{source_id}/retention",
    "GET /imports",
    "POST /imports",
    "POST /imports/files",
    "GET /imports/{import_id}",
    "GET /imports/{import_id}/rejected",
    "POST /imports/{import_id}/rows",
    "POST /imports/{import_id}/finish",
    "POST /events",
    "GET /exports",
    "GET /exports/events.{format}",
    "GET /token",
    "GET /keys/current",
}
OPERATIONS = sorted(
    f"{method.upper()} {path.removeprefix('/api/v2')}"
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method in methods
    if path != "/api/v2/health"
)


def signed_in(role: str) -> Client:
    client = Client(enforce_csrf_checks=True, headers={"X-CSRFToken": TOKEN})
    client.force_login(Person.objects.create(email=f"{role}@example.com", role=role))
    client.cookies["arrivals_csrf"] = TOKEN
    return client


def ask(client: Client, operation: str, body: Any = None, **named: str) -> Any:
    method, path = operation.split(" ")
    for name, value in named.items():
        path = path.replace("{" + name + "}", value)
    return (
        client.generic(method, "/api/v2" + path, body, content_type="application/json")
        if body is None
        else getattr(client, method.lower())(f"/api/v2{path}", body, content_type="application/json")
    )


def with_key(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def admin() -> Client:
    return signed_in("admin")


@pytest.fixture
def shop() -> Source:
    return sources.create("Shop")[0]


@pytest.fixture
def other() -> Source:
    return sources.create("Other")[0]


def test_an_admin_makes_a_key_rotates_it_and_revokes_it(admin: Client, shop: Source) -> None:
    body = {"name": "CI", "write": True, "form": "pendo.eu", "source": shop.id, "expires_at": "2030-01-31"}
    made = ask(admin, "POST /keys", body)
    assert made.status_code == 201
    key = made.json()
    assert key["secret"].endswith(".eu")
    assert (key["write"], key["source"], key["state"]) == (True, shop.id, "active")
    assert key["expires_at"] == "2030-02-01T00:00:00.000Z"
    shown = ask(admin, "GET /keys/{key_id}", key_id=key["id"]).json()
    assert shown == {name: value for name, value in key.items() if name != "secret"}

    rotated = ask(admin, "POST /keys/{key_id}/rotate", {"overlap": "1h"}, key_id=key["id"])
    assert rotated.status_code == 201
    assert with_key(key["secret"]).get("/api/v2/keys/current").json()["replaced_by"] == rotated.json()["id"]
    assert ask(admin, "DELETE /keys/{key_id}", key_id=key["id"]).status_code == 204
    refused = with_key(key["secret"]).get("/api/v2/keys/current")
    assert (refused.status_code, "was rotated" in refused.json()["detail"]) == (401, True)
    assert with_key(rotated.json()["secret"]).get("/api/v2/keys/current").json()["id"] == rotated.json()["id"]
    states = {one["id"]: one["state"] for one in ask(admin, "GET /keys").json()["items"]}
    assert states == {key["id"]: "revoked", rotated.json()["id"]: "active"}
    assert [one.action for one in AuditEntry.objects.order_by("id")] == ["key.create", "key.rotate", "key.revoke"]
    assert key["secret"] not in str(list(AuditEntry.objects.values()))


WRONG: list[tuple[dict[str, Any], int, str | None]] = [
    ({}, 422, "name"),
    ({"name": " "}, 422, "name"),
    ({"name": "x" * 201}, 422, "name"),
    ({"name": 7}, 422, "name"),
    ({"name": "CI", "write": "perhaps"}, 422, "write"),
    ({"name": "CI", "form": "jwt"}, 422, "form"),
    ({"name": "CI", "source": "src_none"}, 404, None),
    ({"name": "CI", "source": ""}, 404, None),
    ({"name": "CI", "expires_at": "soon"}, 422, "expires_at"),
    ({"name": "CI", "expires_at": "2020-01-01"}, 422, "expires_at"),
    ({"name": "CI", "expires_at": "9999-12-31"}, 422, "expires_at"),
    ({"name": "CI", "admin": True}, 422, "admin"),
]


@pytest.mark.parametrize(("body", "status", "path"), WRONG)
def test_a_wrong_key_body_is_refused_and_no_key_is_made(
    admin: Client, body: dict[str, Any], status: int, path: str | None
) -> None:
    answer = ask(admin, "POST /keys", body)
    assert (answer.status_code, answer.json().get("path")) == (status, path)
    assert not IntegrationKey.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("caller", ["reader", "writer", "member"])
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if "/keys" in one and "current" not in one])
def test_neither_a_key_nor_a_member_manages_keys(operation: str, caller: str) -> None:
    key, secret = keys.create("CI", write=caller == "writer", by="ada@example.com")
    client = signed_in("member") if caller == "member" else with_key(secret)
    answer = ask(client, operation, {"name": "stronger"} if operation == "POST /keys" else None, key_id=key.pk)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert IntegrationKey.objects.get().state == "active"
    assert not AuditEntry.objects.exists()


def test_an_expired_key_is_told_so(admin: Client) -> None:
    key, secret = keys.create("CI", write=False, by="a@example.com", expires_at=clock.now() + timedelta(hours=1))
    assert with_key(secret).get("/api/v2/segments").status_code == 200
    IntegrationKey.objects.filter(pk=key.pk).update(expires_at=clock.now())
    answer = with_key(secret).get("/api/v2/segments")
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith(f"The integration key {key.hint} expired at 20")


def test_wrong_keys_are_counted_for_the_admin_and_the_metrics(admin: Client) -> None:
    wrong_keys.write()
    WrongKeys.objects.all().delete()
    for _ in range(3):
        with_key("arr_wrong").get("/api/v2/segments")
    found = ask(admin, "GET /keys/wrong").json()
    assert (found["uses"], found["addresses"], found["last_from"]) == (3, 1, "127.0.0.1")
    assert "arrivals_wrong_keys 3.0" in admin.get("/api/v2/metrics").content.decode()


def test_somebody_signed_in_has_no_current_key(admin: Client) -> None:
    assert ask(admin, "GET /keys/current").status_code == 404


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_key_of_one_source_may_use_only_what_belongs_to_a_source(operation: str, shop: Source) -> None:
    secret = keys.create("CI", write=True, by="ada@example.com", source_id=shop.id)[1]
    answer = ask(with_key(secret), operation, source_id=shop.id)
    if operation in SCOPED:
        assert answer.status_code != 403
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        assert "spans sources" in answer.json()["detail"] or "cannot manage keys" in answer.json()["detail"]
        assert not AuditEntry.objects.exists()


def test_a_key_of_one_source_sees_nothing_of_another(shop: Source, other: Source, fresh: Warehouse) -> None:
    client = with_key(keys.create("CI", write=True, by="ada@example.com", source_id=shop.id)[1])
    theirs, _ = imports.begin(other.id, filename="a.csv", digest="0" * 64, mapping={"segment": True})
    ours, _ = imports.begin(shop.id, filename="a.csv", digest="0" * 64, mapping={"segment": True})
    assert [one["id"] for one in client.get("/api/v2/sources").json()["items"]] == [shop.id]
    assert [one["id"] for one in client.get("/api/v2/imports").json()["items"]] == [ours.id]
    body = {"source": other.id, "filename": "b.csv", "digest": "1" * 64}
    rows = {"offset": 0, "rows": [{"id": "1", "row": {}}]}
    for operation, sent, named in (
        ("GET /sources/{source_id}", None, {"source_id": other.id}),
        ("GET /sources/{source_id}", None, {"source_id": "src_none"}),
        ("GET /sources/{source_id}/events", None, {"source_id": other.id}),
        ("POST /imports", body, {}),
        ("POST /events", {"source": other.id, "visitor_id": "ada", "event": "x"}, {}),
        ("POST /imports/{import_id}/rows", rows, {"import_id": theirs.id}),
        ("POST /imports/{import_id}/finish", None, {"import_id": theirs.id}),
    ):
        answer = ask(client, operation, sent, **named)
        assert (answer.status_code, "belongs to another source" in answer.json()["detail"]) == (403, True), operation
    assert Import.objects.count() == 2
    theirs.refresh_from_db()
    assert theirs.state == Import.State.RUNNING
    assert ask(client, "GET /sources/{source_id}/events", source_id=shop.id).json() == {"items": [], "next": None}
    assert ask(client, "POST /imports/{import_id}/finish", import_id=ours.id).json()["state"] == "done"


def test_a_key_of_one_source_still_needs_write_access_to_import(shop: Source) -> None:
    client = with_key(keys.create("CI", write=False, by="ada@example.com", source_id=shop.id)[1])
    answer = ask(client, "POST /imports", {"source": shop.id, "filename": "b.csv", "digest": "1" * 64})
    assert (answer.status_code, "write access" in answer.json()["detail"]) == (403, True)


def test_a_key_does_not_become_wider_when_its_source_is_deleted(shop: Source, other: Source) -> None:
    client = with_key(keys.create("CI", write=False, by="ada@example.com", source_id=shop.id)[1])
    sources.delete(shop.id)
    assert client.get("/api/v2/sources").json()["items"] == []
    assert client.get(f"/api/v2/sources/{other.id}").status_code == 403
    assert client.get("/api/v2/reports").status_code == 403


def test_the_operations_for_a_key_of_one_source_are_those_of_the_documentation() -> None:
    page = (Path(__file__).parents[1] / "docs" / "accounts.md").read_text(encoding="utf-8")
    table = page[page.index("| operation | with a key of one source |") :].split("\n\n")[0]
    assert set(re.findall(r"`([A-Z]+ /[^`]+)`", table)) == SCOPED


@pytest.mark.parametrize("form", key_forms.FORMS)
def test_every_form_of_a_key_is_documented(form: str) -> None:
    assert f"`{form}`" in (Path(__file__).parents[1] / "docs" / "accounts.md").read_text(encoding="utf-8")
