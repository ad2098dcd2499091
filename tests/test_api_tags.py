"""Pages and features over /api/v2, and what the picker on another site may ask."""

import json
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from arrivals.accounts import people
from arrivals.accounts.models import AuditEntry
from arrivals.audience import picking
from arrivals.clock import now
from arrivals.collect import sources
from arrivals.warehouse.client import Warehouse
from tests.test_api_things import api as api
from tests.test_api_things import send
from tests.test_audience_tags import SHOP, click, visit

PAGE = {"name": "Orders", "rules": [{"url": {"wildcard": "/orders/*"}}]}
FEATURE = {"name": "Save", "group": "Checkout", "rules": [{"selector": "#save"}]}


@pytest.mark.parametrize(("path", "kind", "definition"), [("/pages", "page", PAGE), ("/features", "feature", FEATURE)])
def test_one_is_made_changed_and_deleted(api: Client, path: str, kind: str, definition: dict[str, Any]) -> None:
    made = send(api, "POST", path, definition, status=201)
    assert {name: made[name] for name in definition} == definition
    assert made["id"].startswith(kind[:3] + "_")
    one = send(api, "GET", f"{path}/{made['id']}")
    assert one.pop("usage") == {"events": 0, "visitors": 0, "last": None, "used_by": []}
    assert one == made
    changed = send(api, "PUT", f"{path}/{made['id']}", {**made, "name": "Other"})
    assert (changed["name"], changed["rules"]) == ("Other", made["rules"])
    assert send(api, "GET", path)["items"] == [changed]
    rules = {"all": [{"any": [{"kind": kind, kind: made["id"]}]}]}
    segment = send(api, "POST", "/segments", {"name": "Users", "rules": rules}, status=201)
    refused = send(api, "DELETE", f"{path}/{made['id']}", status=409)
    assert refused["detail"] == "It is used by the segment 'Users'; change that first."
    used = send(api, "GET", f"{path}/{made['id']}")["usage"]["used_by"]
    assert used == [{"kind": "segment", "id": segment["id"], "name": "Users"}]
    send(api, "DELETE", f"/segments/{segment['id']}", status=204)
    send(api, "DELETE", f"{path}/{made['id']}", status=204)
    send(api, "GET", f"{path}/{made['id']}", status=404)
    noted = AuditEntry.objects.filter(subject=made["id"]).order_by("pk").values_list("action", flat=True)
    assert list(noted) == [f"{kind}.create", f"{kind}.change", f"{kind}.delete"]


def test_what_is_wrong_is_told_by_its_path(api: Client) -> None:
    refused = send(api, "POST", "/pages", {"name": "x", "rules": [{"url": {"regex": "x"}}]}, status=422)
    assert (refused["code"], refused["path"]) == ("invalid_tag", "rules[0].url")
    refused = send(api, "POST", "/features/preview", {"rules": [{"selector": "a["}]}, status=422)
    assert (refused["code"], refused["path"]) == ("invalid_tag", "rules[0].selector")


def test_suggestions_and_previews_have_numbers(api: Client, fresh: Warehouse) -> None:
    visit(fresh, "ada", f"{SHOP}/orders/7", now())
    click(fresh, "ada", "button#save", at=now(), text="Save")
    [page] = send(api, "GET", "/pages/suggestions")["items"]
    assert (page["address"], page["events"]) == (f"{SHOP}/orders/*", 1)
    [feature] = send(api, "GET", "/features/suggestions?search=save")["items"]
    assert (feature["name"], feature["rule"]) == ("button#save", {"selector": "button#save"})
    preview = send(api, "POST", "/pages/preview", {"rules": [page["rule"]]})
    assert preview == {
        "events": 1,
        "visitors": 1,
        "of": 1,
        "examples": [{"name": "", "url": page["address"], "events": 1}],
    }
    assert send(api, "POST", "/features/preview", {"rules": [feature["rule"]], "when": {"ever": True}})["events"] == 1


def ask(what: str, **body: Any) -> Any:
    browser = Client(enforce_csrf_checks=True)
    return browser.generic("POST", f"/picker/{what}", json.dumps(body), content_type="text/plain")


def test_a_token_names_things_of_one_source_and_of_a_person(fresh: Warehouse) -> None:
    person = people.create("ada@example.com", password="a long password", role="member")
    source, _ = sources.create("Shop")
    visit(fresh, "bob", f"{SHOP}/orders/7", now(), source=source.id)
    visit(fresh, "bob", f"{SHOP}/orders/7", now(), source="src_other")
    token = picking.token(person, source)
    answer = ask("look", token=token, url=f"{SHOP}/orders/9?x=1", path=["button#save"], text="Save")
    assert answer["Access-Control-Allow-Origin"] == "*"
    told = answer.json()
    assert told["page"] == {"rule": {"url": {"wildcard": f"{SHOP}/orders/*"}}, "events": 1, "visitors": 1, "named": []}
    assert told["feature"] == {"rule": {"selector": "button#save"}, "events": 0, "visitors": 0, "named": []}
    made = ask("save", token=token, kind="page", name="Order", rules=[told["page"]["rule"]], source="src_x").json()
    assert made["url"].endswith(f"/pages/{made['id']}")
    entry = AuditEntry.objects.get(subject=made["id"])
    assert (entry.who, entry.action, entry.details["by"]) == ("ada@example.com", "page.create", "picker")
    told = ask("look", token=token, url=f"{SHOP}/orders/9").json()
    assert (told["page"]["named"], "feature" in told) == (["Order"], False)
    wrong = ask("look", token=token, url="", path=["a"], rule={"selector": "a["})
    assert (wrong.status_code, wrong.json()["path"], wrong["Access-Control-Allow-Origin"]) == (
        422,
        "rules[0].selector",
        "*",
    )
    for body in ({"kind": "segment"}, {"kind": "page", "name": "x", "rules": []}, {"kind": "page", "rules": [PAGE]}):
        assert ask("save", token=token, **body).status_code == 422


def test_nothing_is_told_without_a_valid_token(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    person = people.create("ada@example.com", password="a long password", role="member")
    people.create("root@example.com", password="a long password", role="admin")
    source, _ = sources.create("Shop")
    token = picking.token(person, source)
    tampered = token[:-2] + ("xx" if not token.endswith("xx") else "yy")
    for given in (None, "", 3, "x", tampered, signing.dumps([person.pk, source.id], salt="other")):
        answer = ask("look", token=given, url="")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), given
    monkeypatch.setattr(picking, "SECONDS", -1)
    assert "over an hour ago" in ask("look", token=token).json()["detail"]
    monkeypatch.undo()
    people.deactivate(person.pk)
    assert "may not sign in" in ask("save", token=token, kind="page", name="x", rules=PAGE["rules"]).json()["detail"]
    sources.delete(source.id)
    assert ask("look", token=token).status_code == 401
    assert Client().get("/picker/look").status_code == 405
    assert ask("look", token=token, text="\x00").status_code == 422
    assert Client().generic("OPTIONS", "/picker/save")["Access-Control-Allow-Methods"] == "POST, OPTIONS"
