"""The pages of a visitor and of an account, and the same over the API: what is known, what was done, why a workflow ran."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people, workspace
from arrivals.audience import persons, reports, tags
from arrivals.audience.models import Report
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.erasure.models import Erasure
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from arrivals.workflows import activation, workflows
from tests import events, makers

NOW = clock.now().replace(microsecond=0)


def ago(**span: float) -> Any:
    return NOW - timedelta(**span)


def signed_in(role: str = "member") -> Client:
    client = Client()
    client.force_login(people.create(f"{role}@example.com", password="a long password", role=role))
    return client


def belong(store: Warehouse) -> None:
    """Whom the events name, as the writer keeps it."""
    store.command(
        "INSERT INTO account_visitors (account, account_id, visitor, first, last) SELECT cityHash64(account_id), "
        "account_id, visitor, min(ts), max(ts) FROM events WHERE account_id != '' GROUP BY account_id, visitor"
    )


@pytest.fixture
def ann(fresh: Warehouse) -> Warehouse:
    """ann, who was anon before, of acme; with an answer and its reason, and an e-mail address."""
    events.add(
        fresh,
        ("anon", "page", "Home", ago(days=3), {"title": "Home"}, ""),
        ("ann", "track", "export", ago(days=1), {"rows": 3}, "acme"),
        ("ann", "track", "export", ago(days=1, minutes=-5), {}, "acme"),
        ("ann", "survey_answered", "nps", ago(hours=5), {"score": 9}, "acme"),
        ("ann", "survey_answered", "nps", ago(hours=4, minutes=50), {"reason": "Quick"}, ""),
        ("ann", "survey_answered", "csat", ago(hours=3), {"response": "Fine"}, ""),
        ("bob", "track", "export", ago(hours=2), {}, "acme"),
    )
    belong(fresh)
    events.link(fresh, "anon", "ann")
    events.metadata(fresh, "ann", ago(days=2), email="Ann@example.com", seats=5)
    return fresh


@pytest.mark.parametrize("id_", ["ann", "anon"])
def test_a_visitor_is_found_by_any_id_it_had(ann: Warehouse, id_: str) -> None:
    found = signed_in().get(f"/api/v2/visitors/{id_}").json()
    assert (found["id"], found["former_ids"]) == ("ann", ["anon"])
    assert (found["first_visit"], found["last_visit"]) == (clock.iso(ago(days=3)), clock.iso(ago(hours=3)))
    assert [one["id"] for one in found["accounts"]] == ["acme"]
    assert found["fields"]["agent"] == [
        {"field": "email", "value": "Ann@example.com", "at": clock.iso(ago(days=2))},
        {"field": "seats", "value": 5, "at": clock.iso(ago(days=2))},
    ]
    assert all(one.pop("id").startswith("m") for one in found["answers"])
    assert found["answers"] == [
        {"survey": "csat", "score": None, "class": None, "reason": "Fine", "at": clock.iso(ago(hours=3))},
        {"survey": "nps", "score": 9, "class": "promoter", "reason": "Quick", "at": clock.iso(ago(hours=5))},
    ]


@pytest.mark.parametrize("id_", ["https://id.example/u/7", "a/b", "ends/", "team/timeline/x"])
def test_an_id_may_have_slashes(fresh: Warehouse, id_: str) -> None:
    events.add(fresh, (id_, "track", "export", ago(days=1), {}, id_))
    belong(fresh)
    client = signed_in("admin")
    for kind in ("visitors", "accounts"):
        for path in (id_, quote(id_, safe="")):
            url = f"/api/v2/{kind}/{path}"
            assert client.get(url).json()["id"] == id_, url
            assert [one["name"] for one in client.get(f"{url}/timeline").json()["items"]] == ["export"], url
            assert client.get(f"{url}/workflows").json()["items"] == []
    assert client.get(f"/api/v2/visitors/{id_}/segments").status_code == 200
    assert [one["id"] for one in client.get(f"/api/v2/accounts/{id_}/visitors").json()["items"]] == [id_]
    assert client.delete(f"/api/v2/visitors/{id_}").status_code == 202
    assert client.delete(f"/api/v2/accounts/{id_}").status_code == 202


def test_the_timeline_is_newest_first_by_kind_and_paged(ann: Warehouse) -> None:
    client, url, found, cursor = signed_in(), "/api/v2/visitors/anon/timeline", [], ""
    while True:
        page = client.get(url, {"limit": 2, "cursor": cursor}).json()
        found += page["items"]
        if not page["next"]:
            break
        cursor = page["next"]
    assert [one["kind"] for one in found] == ["survey_answered"] * 3 + ["track", "track", "page"]
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)
    assert (found[-1]["visitor"], found[-2]["properties"]) == ("anon", {"rows": 3})
    only = client.get(url, {"kind": "page,track"}).json()["items"]
    assert [one["kind"] for one in only] == ["track", "track", "page"]
    assert client.get(url, {"cursor": "x"}).json()["path"] == "cursor"


def test_the_page_of_a_visitor_says_all_of_it_in_days_of_the_zone(ann: Warehouse) -> None:
    workspace.change(time_zone="Pacific/Auckland")
    text = signed_in().get("/visitors/ann").content.decode()
    for said in (
        "Ann@example.com",
        "/accounts/acme",
        "Quick",
        "promoter",
        "export",
        "known before as",
        "Usage trending",
    ):
        assert said in text, said
    day = workspace.day(ago(days=3))
    assert f"{day:%A}, {day.day} {day:%B %Y}" in text
    # Minutes lie between two answers and between two exports, hours between the others; midnight may part two of them.
    assert text.count('class="rows session"') in (4, 5, 6)
    part = signed_in("admin").get("/visitors/ann/timeline?kind=page").content.decode()
    assert "Home" in part
    assert "export" not in part


def test_an_account_shows_its_visitors_and_what_they_did(ann: Warehouse) -> None:
    client = signed_in()
    found = client.get("/api/v2/accounts/acme").json()
    assert (found["visitors"], found["first_visit"]) == (2, clock.iso(ago(days=1)))
    first = client.get("/api/v2/accounts/acme/visitors?limit=1").json()
    assert [one["id"] for one in first["items"]] == ["bob"]
    rest = client.get("/api/v2/accounts/acme/visitors", {"cursor": first["next"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["ann"], None)
    did = client.get("/api/v2/accounts/acme/timeline").json()["items"]
    assert [one["visitor"] for one in did] == ["bob", "ann", "ann", "ann"]
    text = client.get("/accounts/acme").content.decode()
    assert "/visitors/bob" in text
    assert client.get("/accounts/acme/visitors").status_code == 200


@pytest.mark.parametrize("id_", ["a/b", "a b?c#d&e", "..", "ä", "<b>", "%41"])
def test_any_id_has_a_page(fresh: Warehouse, id_: str) -> None:
    events.add(fresh, (id_, "track", "x", ago(hours=1), {}, id_))
    fresh.command(
        "INSERT INTO account_visitors (account, account_id, visitor, first, last) SELECT cityHash64(account_id), "
        "account_id, visitor, ts, ts FROM events"
    )
    client = signed_in()
    for kind in ("visitors", "accounts"):
        text = client.get(f"/{kind}").content.decode()
        if id_ != "..":  # a browser takes it for the folder above; the search leads to it no better
            assert f'href="/{kind}/{quote(id_, safe="")}"' in text
            assert client.get(f"/{kind}/{quote(id_, safe='')}").status_code == 200
            assert client.get(f"/{kind}/{quote(id_, safe='')}/timeline").status_code == 200


def test_the_search_leads_to_the_one_and_lists_several(ann: Warehouse) -> None:
    client = signed_in()
    led = {"ann": "/visitors/ann", "ANN@example.com": "/visitors/ann", "ac": "/accounts/acme", "anon": "/visitors/anon"}
    for text, place in led.items():
        answer = client.get("/search", {"q": text})
        assert (answer.status_code, answer.get("Location")) == (302, place), text
    listed = client.get("/search", {"q": "A"}).content.decode()
    assert "/visitors/ann" in listed
    assert "/accounts/acme" in listed
    assert "Nobody" in client.get("/search", {"q": "zed"}).content.decode()
    assert client.get("/search", {"q": " "})["Location"] == "/visitors"
    assert client.get("/api/v2/search", {"q": "ann@"}).json()["visitors"] == [
        {"id": "ann", "why": "agent.email Ann@example.com"}
    ]


def test_who_is_not_there_is_a_page_that_says_so(fresh: Warehouse) -> None:
    client = signed_in()
    for path in (
        "/visitors/x",
        "/accounts/x",
        "/visitors/x/timeline",
        "/api/v2/visitors/x",
        "/api/v2/accounts/x/visitors",
    ):
        assert client.get(path).status_code == 404, path


def why(client: Client, visitor: str) -> str:
    [one] = client.get(f"/api/v2/visitors/{visitor}/workflows").json()["items"]
    return str(one["why"])


def test_the_page_says_why_a_workflow_did_or_did_not_run(fresh: Warehouse) -> None:
    client, report = signed_in(), makers.report()
    makers.come(fresh, "early", "never")
    makers.leave(fresh, "never")
    workflow = makers.workflow(report)
    assert why(client, "early") == "It is off."
    activation.activate(workflow.id)
    assert "was on the report when it was first looked at" in why(client, "early")
    assert "has not entered" in why(client, "never")
    makers.come(fresh, "late")
    checks.check(report.id)
    assert why(client, "late") == "It is about to run."
    enqueue.enqueue_all()
    assert "It ran: this one entered" in why(client, "late")
    makers.leave(fresh, "late", "early")
    checks.check(report.id)
    makers.come(fresh, "late", "early")
    checks.check(report.id)
    enqueue.enqueue_all()
    assert Run.objects.count() == 1
    assert why(client, "late") == "It ran for this visitor before."
    assert "was on the report when the workflow was turned on" in why(client, "early")
    [on] = client.get("/api/v2/visitors/late").json()["reports"]
    assert (on["report"], on["on"], on["entry"], on["name"]) == (report.id, True, 2, "Pro")
    text = client.get("/visitors/late").content.decode()
    assert "2nd time" in text
    assert f"/runs/{Run.objects.get().id}" in text


def test_the_timeline_tells_events_by_the_names_they_got_later(fresh: Warehouse) -> None:
    events.add(
        fresh,
        ("ann", "click", "button#pay", ago(hours=1), {"path": ["button#pay", "body"]}),
        ("ann", "click", "button#add", ago(hours=2), {"path": ["button#add", "body"]}),
    )
    tags.create("feature", {"name": "Paid at last", "rules": [{"selector": "button#pay"}]})
    client = signed_in()
    for path in ("/visitors/ann", "/visitors/ann/timeline"):
        text = client.get(path).content.decode()
        assert text.count("Paid at last") == 1
        assert re.search(r"<b>Paid at last</b>\s+button#pay", text)


def test_the_page_shows_the_runs_for_its_answers_to_surveys(fresh: Warehouse) -> None:
    def answer(who: str, score: int, **before: float) -> None:
        events.add(fresh, (who, "survey_answered", "nps", ago(**before), {"score": score}))

    client = signed_in()
    answer("ann", 3, days=2)
    answer("bob", 4, days=2)
    events.add(fresh, ("eve", "track", "x", ago(days=1)))
    trigger = {"kind": "survey_response", "survey": "nps"}
    workflow = workflows.create({"name": "Tell", "trigger": trigger, "steps": [makers.post()]})
    assert why(client, "ann") == "Its report was not looked at yet."
    activation.activate(workflow.id)
    answer("ann", 9, minutes=5)
    checks.check(workflow.report_id or "")
    assert why(client, "ann") == "It is about to run."
    enqueue.enqueue_all()
    run = Run.objects.get()
    assert why(client, "ann") == "It ran for 1 of its 2 answers."
    assert "were there when the report was first looked at" in why(client, "bob")
    assert client.get("/api/v2/visitors/eve/workflows").json()["items"] == []
    assert f"/runs/{run.id}" in client.get("/visitors/ann").content.decode()
    assert f"/runs/{run.id}" not in client.get("/visitors/bob").content.decode()
    Report.objects.update(shared=False)
    assert client.get("/api/v2/visitors/ann/workflows").json()["items"] == []


def test_a_private_report_of_somebody_else_is_not_told(fresh: Warehouse) -> None:
    report = makers.report()
    makers.come(fresh, "ann")
    makers.workflow(report)
    checks.check(report.id)
    client = signed_in()
    assert len(client.get("/api/v2/visitors/ann").json()["reports"]) == 1
    report.shared = False
    report.save()
    assert client.get("/api/v2/visitors/ann").json()["reports"] == []
    assert client.get("/api/v2/visitors/ann/workflows").json()["items"] == []


def test_only_an_admin_erases_somebody(ann: Warehouse) -> None:
    member, admin = signed_in(), signed_in("admin")
    assert "Erase" not in member.get("/visitors/ann").content.decode()
    assert member.post("/visitors/ann/erase").status_code == 403
    assert member.delete("/api/v2/accounts/acme").status_code == 403
    assert not Erasure.objects.exists()
    assert admin.post("/visitors/anon/erase").status_code == 302
    assert admin.delete("/api/v2/accounts/acme").status_code == 202
    assert sorted(Erasure.objects.values_list("kind", "members")) == [("account", ["acme"]), ("visitor", ["ann"])]


def test_rows_lead_to_their_visitor_and_heads_sort(ann: Warehouse) -> None:
    report = reports.create(
        {"name": "All", "range": {"ever": True}, "columns": ["visitor.id", "metric.events", "account.id"]}
    )
    client = signed_in()
    text = client.get(f"/reports/{report.id}?sort=-metric.events").content.decode()
    assert 'href="/visitors/ann"' in text
    assert 'href="/accounts/acme"' in text
    assert 'aria-sort="descending"><a href="?sort=metric.events">' in text
    assert text.index("/visitors/ann") < text.index("/visitors/bob")
    assert f"/reports/{report.id}/rows.csv?sort=-metric.events" in text
    assert client.get(f"/reports/{report.id}?sort=x").status_code == 422


def test_the_visitors_seen_last_come_first(ann: Warehouse) -> None:
    assert [one["id"] for one in persons.recent()] == ["bob", "ann"]
    assert [(one["id"], one["visitors"]) for one in persons.recent_accounts()] == [("acme", 2)]
