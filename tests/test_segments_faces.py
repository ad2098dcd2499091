"""Segments over the API and on their pages: history, copies, usage, reasons, suggestions."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people
from arrivals.accounts.models import AuditEntry
from arrivals.audience import segments
from arrivals.warehouse.client import Warehouse
from tests import events
from tests.test_api_things import RULES, api, everything, send
from tests.test_web_kinds import client, text

__all__ = ("api", "client")
OTHER = {"all": [{"any": [{"kind": "track", "name": "import"}]}]}


@pytest.fixture
def seen(fresh: Warehouse) -> Warehouse:
    now = clock.now()
    events.add(
        fresh,
        ("ann", "track", "export", now, {"format": "csv", "plan": {"tier": "gold"}}, "acme"),
        ("ann", "track", "export", now, {"format": "csv"}),
        ("a/b c", "track", "export", now, {"format": "pdf", "n": 3}),
    )
    events.metadata(fresh, "ann", now, plan="pro")
    return fresh


def test_the_api_tells_the_versions_and_puts_one_back(api: Client) -> None:
    made = send(api, "POST", "/segments", {"name": "S", "rules": RULES}, status=201)
    send(api, "PUT", f"/segments/{made['id']}", {"rules": OTHER})
    restored = send(api, "POST", f"/segments/{made['id']}/versions/1/restore")
    assert restored["rules"] == RULES
    told = everything(api, f"/segments/{made['id']}/versions", limit=2)
    assert [(one["number"], one["restored"]) for one in told] == [(3, 1), (2, None), (1, None)]
    assert told[1]["changed"] == [
        {"what": "removed", "text": "did export"},
        {"what": "added", "text": "did import"},
    ]
    assert told[0]["who"].startswith("key:")
    send(api, "POST", f"/segments/{made['id']}/versions/9/restore", status=404)
    send(api, "GET", f"/segments/{made['id']}/versions?cursor=x", status=422)
    assert AuditEntry.objects.filter(action="segment.restore", subject=made["id"]).count() == 1


def test_the_api_copies_a_segment_and_tells_what_uses_it(api: Client) -> None:
    made = send(api, "POST", "/segments", {"name": "S", "rules": RULES}, status=201)
    copy = send(api, "POST", f"/segments/{made['id']}/duplicate", {"name": "T"}, status=201)
    assert (copy["name"], copy["rules"]) == ("T", RULES)
    assert send(api, "GET", f"/segments/{made['id']}/usage") == {"items": [], "next": None}
    report = send(api, "POST", "/reports", {"name": "R", "segment": made["id"]}, status=201)
    [user] = send(api, "GET", f"/segments/{made['id']}/usage")["items"]
    assert user == {"kind": "report", "id": report["id"], "name": "R", "through": None}
    refused = send(api, "DELETE", f"/segments/{made['id']}", status=409)
    assert refused["detail"] == "The report 'R' uses it; change that first."


def test_the_api_tells_the_segments_of_a_visitor_and_why(seen: Warehouse, api: Client) -> None:
    made = send(api, "POST", "/segments", {"name": "Exporters", "rules": RULES}, status=201)
    send(api, "POST", "/segments", {"name": "Importers", "rules": OTHER}, status=201)
    told = send(api, "GET", "/visitors/ann/segments")["items"]
    assert [(one["segment"]["name"], one["in"], one["exact"]) for one in told] == [
        ("Exporters", True, True),
        ("Importers", False, False),
    ]
    assert told[0]["since"] is not None
    assert send(api, "GET", "/visitors/a/b%20c/segments?since=false")["items"][0]["in"] is True
    send(api, "GET", "/visitors/nobody/segments", status=404)
    why = send(api, "GET", f"/segments/{made['id']}/explain?visitor=ann")
    assert (why["in"], why["groups"][0]["rules"][0]["value"]) == (True, 2)
    send(api, "GET", f"/segments/{made['id']}/explain?visitor=nobody", status=404)


def test_the_page_of_a_segment_shows_its_use_and_makes_a_copy(client: Client) -> None:
    form = {"name": "Exporters", "rules": json.dumps(RULES)}
    page = client.post("/segments/new", form)["Location"]
    shown = text(client, page)
    assert "Nothing uses it." in shown
    assert "Delete the segment" in shown
    copy = client.post(f"{page}/duplicate")["Location"]
    assert "Exporters (copy)" in text(client, copy)
    nested = {"all": [{"any": [{"kind": "segment", "segment": page.rsplit("/", 1)[1]}]}]}
    client.post("/segments/new", {"name": "Outer", "rules": json.dumps(nested)})
    shown = text(client, page)
    assert "Outer" in shown
    assert "Delete the segment" not in shown
    assert "is in the segment Exporters" in text(client, "/segments")


def test_the_history_of_a_segment_is_shown_and_an_old_version_put_back(client: Client) -> None:
    page = client.post("/segments/new", {"name": "S", "rules": json.dumps(RULES)})["Location"]
    client.post(page, {"name": "T", "rules": json.dumps(OTHER)})
    shown = text(client, f"{page}/history")
    for word in ("Version 2", "by admin@example.com", "S → T", "<del>did export</del>", "<ins>did import</ins>"):
        assert word in shown
    assert client.post(f"{page}/history/1").status_code == 302
    assert segments.get(page.rsplit("/", 1)[1]).rules == RULES
    assert "put back to version 1" in text(client, f"{page}/history")


def test_a_visitor_is_tried_with_rules_that_are_not_saved_yet(seen: Warehouse, client: Client) -> None:
    def tried(visitor: str, rules: Any) -> str:
        answer = client.post("/segments/explain", {"visitor": visitor, "rules": json.dumps(rules)})
        assert answer.status_code == 200
        return answer.content.decode()

    assert "in the segment" in tried("ann", RULES)
    assert "(it is 2)" in tried("ann", RULES)
    assert "not in the segment" in tried("ann", OTHER)
    assert "There is no visitor" in tried("nobody", RULES)
    assert "Write the id" in tried(" ", RULES)
    assert "needs a kind" in tried("ann", {"all": [{"any": [{}]}]})


def test_a_form_is_offered_what_was_seen(seen: Warehouse, client: Client) -> None:
    def offered(query: str) -> Any:
        return client.get(f"/segments/suggest?{query}").json()["items"]

    assert offered("kind=track&name=export") == ["format", "n", "plan.tier"]
    assert offered("kind=track&name=export&property=format") == ["csv", "pdf"]
    assert offered("kind=track&name=export&property=plan.tier") == ["gold"]
    assert offered("kind=track&name=import") == []
    assert offered("owner=visitor&field=agent.plan") == ["pro"]
    assert offered("owner=account&field=account.id") == ["acme"]
    assert offered("kind=nonsense&property=a'b") == []


def test_the_page_of_a_visitor_shows_its_segments(seen: Warehouse, client: Client) -> None:
    segments.create("Exporters", RULES)
    segments.create("Importers", OTHER)
    assert "/visitors/ann/segments" in text(client, "/visitors/ann")
    part = text(client, "/visitors/a%2Fb%20c/segments")
    assert "Exporters" in part
    assert "since" in part
    assert "Importers" not in part


def test_what_is_private_to_somebody_else_is_not_told(fresh: Warehouse, client: Client, api: Client) -> None:
    people.create("member@example.com", password="a long password", role="member")
    member = Client()
    member.post("/sign-in", {"email": "member@example.com", "password": "a long password"})
    form = {"name": "Secret", "rules": json.dumps(RULES)}
    page = member.post("/segments/new", form)["Location"]
    secret = page.rsplit("/", 1)[1]
    shared = send(api, "POST", "/segments", {"name": "Shared", "rules": OTHER}, status=201)["id"]
    nested = {"all": [{"any": [{"kind": "segment", "segment": shared}]}]}
    member.post(page, {"name": "Secret", "rules": json.dumps(nested)})
    users = send(api, "GET", f"/segments/{shared}/usage")["items"]
    assert users == [{"kind": "segment", "id": None, "name": "private", "through": None}]
    refused = send(api, "DELETE", f"/segments/{shared}", status=409)
    assert refused["detail"] == "A private segment uses it; change that first."
    for path in ("versions", "usage", "explain?visitor=x"):
        send(api, "GET", f"/segments/{secret}/{path}", status=404)
    copy = member.post(f"{page}/duplicate")["Location"].rsplit("/", 1)[1]
    send(api, "GET", f"/segments/{copy}", status=404)
