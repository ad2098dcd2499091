"""What /api/v2 does: make, read, change, delete, and pages of all of them."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry
from arrivals.api.arrivals import health
from arrivals.audience.models import Segment
from arrivals.warehouse.client import Warehouse

RULES = {"all": [{"any": [{"kind": "track", "name": "export"}]}]}


@pytest.fixture
def api(fresh: Warehouse) -> Client:
    _, secret = keys.create("tests", write=True, by="ada@example.com")
    return Client(headers={"Authorization": f"Bearer {secret}"})


def send(api: Client, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    data = "" if body is None else json.dumps(body)
    answer = api.generic(method, f"/api/v2{path}", data, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def everything(api: Client, path: str, limit: int) -> list[dict[str, Any]]:
    items, cursor = [], ""
    while cursor is not None:
        page = send(api, "GET", f"{path}?limit={limit}&cursor={cursor}")
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page["next"]
    return items


def test_a_source_shows_its_track_secret_once(api: Client) -> None:
    made = send(api, "POST", "/sources", {"name": "Shop"}, status=201)
    secret = made.pop("track_secret")
    assert len(secret) >= 20
    assert send(api, "GET", f"/sources/{made['id']}") == made
    assert secret not in json.dumps(send(api, "GET", "/sources"))
    changed = send(api, "PUT", f"/sources/{made['id']}", {"name": "Store"})
    assert changed == {**made, "name": "Store"}
    masked = send(api, "PUT", f"/sources/{made['id']}", {"agent": {"mask_text": True}})
    assert masked == {**changed, "agent": {**made["agent"], "mask_text": True}}
    refused = send(api, "PUT", f"/sources/{made['id']}", {"name": "X", "agent": {"mask": True}}, status=422)
    assert (refused["code"], send(api, "GET", f"/sources/{made['id']}")) == ("invalid", masked)
    assert send(api, "GET", f"/sources/{made['id']}/events") == {"items": [], "next": None}
    send(api, "DELETE", f"/sources/{made['id']}", status=204)
    send(api, "GET", f"/sources/{made['id']}", status=404)
    noted = list(AuditEntry.objects.order_by("pk").values_list("action", "subject"))
    assert noted == [(f"source.{action}", made["id"]) for action in ("create", "change", "change", "delete")]
    assert AuditEntry.objects.first().who.startswith("key:arr_…")  # type: ignore[union-attr]


def test_a_segment_is_made_changed_and_deleted(api: Client) -> None:
    made = send(api, "POST", "/segments", {"name": "Exporters", "rules": RULES}, status=201)
    assert made["rules"] == RULES
    assert send(api, "PUT", f"/segments/{made['id']}", {"name": "Movers"})["rules"] == RULES
    assert send(api, "POST", "/segments/preview", {"rules": RULES}) == {"count": 0, "sample": []}
    send(api, "DELETE", f"/segments/{made['id']}", status=204)
    assert not Segment.objects.exists()


def test_a_list_is_replaced_as_a_whole(api: Client) -> None:
    made = send(api, "POST", "/lists", {"name": "Friends", "ids": ["a", "b", "a"]}, status=201)
    assert made["size"] == 2
    assert send(api, "PUT", f"/lists/{made['id']}", {"ids": ["c"]})["size"] == 1
    rules = {"all": [{"any": [{"kind": "list", "list": made["id"]}]}]}
    segment = send(api, "POST", "/segments", {"name": "F", "rules": rules}, status=201)["id"]
    refused = send(api, "DELETE", f"/lists/{made['id']}", status=409)
    assert (refused["code"], "'F'" in refused["detail"]) == ("conflict", True)
    send(api, "DELETE", f"/segments/{segment}", status=204)
    send(api, "DELETE", f"/lists/{made['id']}", status=204)


def test_a_report_may_be_sent_back_as_it_was_read(api: Client) -> None:
    segment = send(api, "POST", "/segments", {"name": "Exporters", "rules": RULES}, status=201)["id"]
    definition = {"name": "R", "segment": segment, "range": {"within": "30d"}, "columns": ["visitor.id"]}
    made = send(api, "POST", "/reports", definition, status=201)
    read = send(api, "GET", f"/reports/{made['id']}")
    assert read["watch"]["active"] is False
    assert send(api, "PUT", f"/reports/{made['id']}", {**read, "name": "S"})["name"] == "S"
    send(api, "DELETE", f"/segments/{segment}", status=409)
    assert send(api, "GET", f"/reports/{made['id']}/rows") == {"items": [], "next": None}
    checked = send(api, "POST", f"/reports/{made['id']}/check")
    assert set(checked) == {"on_report", "entered", "left", "ms"}
    assert send(api, "GET", f"/reports/{made['id']}/arrivals") == {"items": [], "next": None}
    answer = api.get(f"/api/v2/reports/{made['id']}/rows.csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == f'attachment; filename="{made["id"]}.csv"'
    assert b"".join(answer) == b"visitor.id\r\n"
    send(api, "DELETE", f"/reports/{made['id']}", status=204)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 1000])
def test_the_pages_of_a_list_hold_everything_once_newest_first(api: Client, limit: int) -> None:
    made = [Segment.objects.create(name=f"s{number}", rules=RULES).pk for number in range(4)]
    assert [one["id"] for one in everything(api, "/segments", limit)] == sorted(made, reverse=True)


def test_what_is_made_between_two_pages_moves_nothing(api: Client) -> None:
    for number in range(3):
        send(api, "POST", "/segments", {"name": f"s{number}", "rules": RULES}, status=201)
    first = send(api, "GET", "/segments?limit=2")
    send(api, "POST", "/segments", {"name": "new", "rules": RULES}, status=201)
    second = send(api, "GET", f"/segments?limit=2&cursor={first['next']}")
    assert len({one["id"] for one in first["items"] + second["items"]}) == 3
    assert second["next"] is None


def test_health_needs_no_key_and_tells_when_a_store_is_away(
    api: Client, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = client.get("/api/v2/health")
    assert (well.status_code, well.json()) == (200, {"status": "ok", "checks": {"database": "ok", "warehouse": "ok"}})

    def away() -> None:
        raise ConnectionError("secret address")

    monkeypatch.setitem(health.CHECKS, "warehouse", away)
    ill = client.get("/api/v2/health")
    assert ill.status_code == 503
    assert ill.json() == {"status": "failing", "checks": {"database": "ok", "warehouse": "failing"}}


def test_metrics_are_prometheus_text(api: Client) -> None:
    answer = api.get("/api/v2/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert b"arrivals_workflows_on 0.0\n" in answer.content


def test_the_apps_say_what_their_actions_take(api: Client) -> None:
    apps = {app["id"]: app for app in send(api, "GET", "/apps")["items"]}
    assert {"inbox", "webhook", "slack", "email"} <= set(apps)
    for app in apps.values():
        assert all(action["schema"]["type"] == "object" for action in app["actions"])


def test_a_connection_never_shows_its_secret(api: Client) -> None:
    body = {"app": "slack", "name": "Team", "fields": {"bot_token": "xoxb-very-secret-1234"}}
    made = send(api, "POST", "/connections", body, status=201)
    shown = json.dumps([made, send(api, "GET", f"/connections/{made['id']}"), send(api, "GET", "/connections")])
    assert "very-secret" not in shown
    assert send(api, "PUT", f"/connections/{made['id']}", {"name": "Crew"})["name"] == "Crew"
    refused = send(api, "POST", "/connections", {"app": "fax", "name": "x", "fields": {}}, status=422)
    assert refused["code"] == "invalid_connection"
    send(api, "DELETE", f"/connections/{made['id']}", status=204)
    assert "very-secret" not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))


def definition(report: str, name: str = "W") -> dict[str, Any]:
    step = {
        "id": "tell",
        "type": "action",
        "app": "inbox",
        "action": "post_message",
        "inputs": {"text": "{{ visitor.id }}"},
    }
    return {"name": name, "trigger": {"kind": "visitor_in_report", "report": report}, "steps": [step]}


def test_a_workflow_is_activated_paused_resumed_and_changed(api: Client) -> None:
    report = send(
        api, "POST", "/reports", {"name": "R", "range": {"within": "30d"}, "columns": ["visitor.id"]}, status=201
    )["id"]
    made = send(api, "POST", "/workflows", definition(report), status=201)
    path = f"/workflows/{made['id']}"
    assert made["state"] == "off"
    assert send(api, "GET", f"{path}/numbers")["on_report"] == 0
    assert send(api, "POST", f"{path}/activate") == {"on_report": 0, "will_run": 0}
    assert send(api, "POST", f"{path}/activate", {"existing": "run"}, status=409)["code"] == "conflict"
    assert send(api, "POST", f"{path}/pause")["state"] == "paused"
    assert send(api, "POST", f"{path}/resume", {"existing": {"since": "2026-01-01"}}) == {"on_report": 0, "will_run": 0}
    drafted = send(api, "POST", f"{path}/draft", definition(report, "X"))
    assert (drafted["name"], drafted["draft"]["name"]) == ("W", "X")
    assert send(api, "POST", f"{path}/publish")["version"] == 2
    assert send(api, "PUT", path, definition(report, "Y"))["name"] == "Y"
    assert send(api, "GET", f"{path}/runs") == {"items": [], "next": None}
    assert send(api, "GET", "/runs?state=failed") == {"items": [], "next": None}
    assert send(api, "GET", "/inbox") == {"items": [], "next": None}
    refused = send(api, "PUT", path, {**definition(report), "steps": []}, status=422)
    assert (refused["code"], refused["path"]) == ("invalid_definition", "steps")
    assert send(api, "DELETE", path, status=409)["code"] == "conflict"
    send(api, "POST", f"{path}/pause")
    send(api, "DELETE", path, status=204)
    send(api, "GET", path, status=404)
