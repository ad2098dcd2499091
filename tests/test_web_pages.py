"""Pages: who may see them, what an empty one says, and how a form's refusal looks."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from arrivals.accounts import people
from arrivals.accounts.models import IntegrationKey, Person
from arrivals.apps.models import Connection
from arrivals.audience.models import Report, Segment
from arrivals.collect import sources
from arrivals.collect.models import Source
from arrivals.errors import CheckTimeout, Unavailable
from arrivals.warehouse.client import Warehouse
from arrivals.workflows.models import Workflow
from tests import makers

PASSWORD = "a long password"
OPEN = {"sign-in", "sign-in/link/x", "sign-out"}
PLACES = {
    "source_id": "src_x", "segment_id": "seg_x", "report_id": "rep_x", "workflow_id": "wf_x", "run_id": "run_x",
    "chart_id": "cha_x", "dashboard_id": "das_x", "connection_id": "con_x", "key_id": "key_x",
    "person_id": "usr_x", "recipe_id": "x_x", "app": "slack", "token": "x", "list_id": "lst_x", "number": "1",
    "tag_id": "x_x", "survey_id": "sur_x", "replay_id": "rpl_x", "visitor_id": "v_x", "account_id": "a_x",
}  # fmt: skip


def addresses() -> list[str]:
    """Every page's address, with made-up ids."""
    found = []
    for pattern in get_resolver("arrivals.web.urls").url_patterns:
        found.append(re.sub(r"<\w+:(\w+)>", lambda match: PLACES[match[1]], str(pattern.pattern)))
    return [one for one in found if one not in OPEN]


@pytest.fixture
def admin(fresh: Warehouse) -> Client:
    people.create("admin@example.com", password=PASSWORD, role="admin")
    return signed_in("admin@example.com")


@pytest.fixture
def member(fresh: Warehouse) -> Client:
    people.create("admin@example.com", password=PASSWORD, role="admin")
    people.create("member@example.com", password=PASSWORD)
    return signed_in("member@example.com")


def signed_in(email: str) -> Client:
    client = Client()
    answer = client.post("/sign-in", {"email": email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


@pytest.mark.parametrize("path", addresses())
def test_a_stranger_is_sent_to_the_sign_in(fresh: Warehouse, path: str) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(), method)(f"/{path}")
        assert answer.status_code in {302, 405}
        assert answer.status_code == 405 or answer["Location"].startswith("/sign-in?next=")


@pytest.mark.parametrize(
    "path", ["settings/keys", "settings/people", "settings/workspace", "connections/new/slack", "connections/con_x"]
)
def test_a_member_may_not_see_what_is_for_admins(member: Client, path: str) -> None:
    answer = member.get(f"/{path}")
    assert answer.status_code == 403
    assert "for admins" in answer.content.decode()
    assert member.post(f"/{path}", {"name": "x"}).status_code == 403
    assert not IntegrationKey.objects.exists()


EMPTY = [
    ("/", "Make your first source"),
    ("/sources", "No source yet"),
    ("/segments", "Make the first segment"),
    ("/surveys", "Make an NPS survey"),
    ("/reports", "Make the first report"),
    ("/charts", "Make a trend"),
    ("/charts/new?kind=funnel", "Step 2"),
    ("/dashboards", "Make the overview"),
    ("/dashboards/new", "New dashboard"),
    ("/workflows", "First make a report"),
    ("/workflows", "NPS responses to Slack"),
    ("/workflows/recipes/nps_responses", "Make and activate"),
    ("/workflows/new", "First make a report"),
    ("/inbox", "No messages yet"),
    ("/connections", "No connections yet"),
    ("/settings/keys", "No keys yet"),
    ("/segments/new", "New segment"),
    ("/reports/new", "New report"),
    ("/connections/new/slack", "Slack"),
    ("/settings/people", "admin@example.com"),
    ("/settings/me", "Change your password"),
]


@pytest.mark.parametrize(("path", "sentence"), EMPTY)
def test_every_page_has_an_empty_state_that_says_what_to_do(admin: Client, path: str, sentence: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert "script-src 'self';" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", [one for one in addresses() if "_x" in one and one.count("/") == 1])
def test_what_does_not_exist_is_a_page_that_says_so(admin: Client, path: str) -> None:
    answer = admin.get(f"/{path}")
    assert answer.status_code in {404, 405}
    if answer.status_code == 404:
        assert "There is no" in answer.content.decode()


def test_a_form_without_its_token_is_refused(fresh: Warehouse) -> None:
    people.create("admin@example.com", password=PASSWORD, role="admin")
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/sign-in", {"email": "admin@example.com", "password": PASSWORD})
    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode()


def test_sign_in_slows_down_guessing(fresh: Warehouse) -> None:
    people.create("admin@example.com", password=PASSWORD, role="admin")
    client = Client()
    answers = [
        client.post("/sign-in", {"email": "admin@example.com", "password": "wrong"}).status_code for _ in range(11)
    ]
    assert answers == [401] * 10 + [429]
    right = client.post("/sign-in", {"email": "admin@example.com", "password": PASSWORD})
    assert right.status_code == 429


def test_a_link_signs_in_once_and_only_when_pressed(fresh: Warehouse) -> None:
    person = people.create("admin@example.com", password=PASSWORD, role="admin")
    path = people.link(person)
    client = Client()
    assert client.get(path).status_code == 200
    assert client.get("/").status_code == 302  # looking at the link does not use it
    assert client.post(path).status_code == 302
    assert client.get("/").status_code == 200
    assert Client().post(path).status_code == 401


def test_somebody_who_is_deactivated_is_out_at_once(member: Client) -> None:
    assert member.get("/").status_code == 200
    Person.objects.filter(email="member@example.com").update(is_active=False)
    assert member.get("/").status_code == 302


def test_signing_in_leads_only_to_this_site(fresh: Warehouse) -> None:
    people.create("admin@example.com", password=PASSWORD, role="admin")
    form = {"email": "admin@example.com", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/sign-in", form)["Location"] == "/"


RULES = '{"all":[{"any":[{"kind":"track","name":"export"}]}]}'
REFUSED: list[tuple[str, dict[str, str], str, Any]] = [
    ("/sources", {"name": ""}, "The name must be a text", Source),
    ("/segments/new", {"name": "", "rules": RULES}, "The name must be a text", Segment),
    ("/segments/new", {"name": "x", "rules": "{"}, "not JSON", Segment),
    (
        "/segments/new",
        {"name": "x", "rules": '{"all":[{"any":[{"kind":"dance"}]}]}'},
        "rules.all[0].any[0].kind",
        Segment,
    ),
    ("/reports/new", {"name": "x", "range": '{"within":"x"}', "columns": '["visitor.id"]'}, "range.within", Report),
    ("/reports/new", {"name": "x", "range": '{"ever":true}', "columns": '["money"]'}, "columns[0]", Report),
    (
        "/reports/new",
        {"name": "x", "segment": "seg_no", "range": '{"ever":true}', "columns": '["visitor.id"]'},
        "There is no segment",
        Report,
    ),
    ("/workflows/new", {"definition": "{}"}, "It is missing.", Workflow),
    ("/workflows/new", {"definition": "nope"}, "not JSON", Workflow),
    ("/workflows/recipes/power_user", {"app": "inbox"}, "Event is missing.", Workflow),
    ("/workflows/recipes/nps_responses", {"app": "inbox", "days": "many"}, "a whole number from 1 to 30", Segment),
    ("/workflows/recipes/nps_responses", {"app": "slack"}, "Connection is missing.", Report),
    ("/workflows/recipes/nps_responses", {"app": "inbox", "inbox-channel": "{{ x"}, "steps[0].inputs.channel", Report),
    ("/settings/keys", {"name": ""}, "name", IntegrationKey),
]


@pytest.mark.parametrize(("path", "form", "sentence", "model"), REFUSED)
def test_a_refused_form_says_what_is_wrong_and_stores_nothing(
    admin: Client, path: str, form: dict[str, str], sentence: str, model: Any
) -> None:
    answer = admin.post(path, form)
    assert answer.status_code == 422
    assert sentence in answer.content.decode().replace("&#x27;", "'").replace("&quot;", '"')
    assert not model.objects.exists()


@pytest.mark.parametrize(
    "path", ["/runs/run_%00", "/reports/rep_%00/rows.csv", "/workflows/new?report=%00", "/inbox?cursor=%00"]
)
def test_an_address_with_nul_is_a_page_that_says_so(admin: Client, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == (422 if "?" in path else 404)
    assert "NUL" in answer.content.decode()


NUL: list[tuple[str, dict[str, str], Any]] = [
    ("/sources", {"name": "a\x00"}, Source),
    ("/sources", {"name": "a", "x\x00": "b"}, Source),
    ("/segments/new", {"name": "a\x00", "rules": RULES}, Segment),
    ("/segments/new", {"name": "a", "rules": RULES.replace("export", "\\u0000")}, Segment),
    (
        "/reports/new",
        {"name": "\x00", "kind": "visitor", "range": '{"ever":true}', "columns": '["visitor.id"]'},
        Report,
    ),
    ("/settings/keys", {"name": "a\x00"}, IntegrationKey),
    ("/connections/new/webhook", {"name": "a\x00"}, Connection),
]


@pytest.mark.parametrize(("path", "form", "model"), NUL)
def test_a_form_with_nul_is_refused_and_stores_nothing(
    admin: Client, path: str, form: dict[str, str], model: Any
) -> None:
    answer = admin.post(path, form, headers={"Referer": f"http://testserver{path}"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert "the character NUL" in admin.get(path).content.decode()
    assert not model.objects.exists()


def test_what_was_typed_is_shown_again_after_a_refusal(admin: Client) -> None:
    answer = admin.post("/segments/new", {"name": "Kept name", "rules": '{"all":[{"any":[{"kind":"dance"}]}]}'})
    assert "Kept name" in answer.content.decode()
    assert "dance" in answer.content.decode()


def test_a_recipe_keeps_its_answers_after_a_refusal_and_leads_to_the_workflow_it_made(admin: Client) -> None:
    place = "/workflows/recipes/new_visitor"
    form = {"accounts": "acme\r\n globex ", "days": "0", "app": "webhook", "webhook-url": "https://h.example/x"}
    refused = admin.post(place, form).content.decode()
    assert "a whole number from 1 to 365" in refused
    assert "globex" in refused
    assert 'value="https://h.example/x"' in refused
    assert "2 accounts" in admin.post(f"{place}/preview", {**form, "days": "3"}).content.decode()
    made = admin.post(place, {**form, "days": "3", "then": "off"})
    workflow = Workflow.objects.get()
    assert made["Location"] == f"/workflows/{workflow.id}"
    assert (workflow.state, workflow.name) == ("off", "New visitors of 2 accounts to a webhook")
    assert Segment.objects.get().rules["all"][0]["any"][0]["where"][0]["value"] == ["acme", "globex"]
    admin.post("/workflows/recipes/nps_responses", {"app": "inbox", "then": "on", "name": "Mine"})
    assert Workflow.objects.get(name="Mine").state == "on"


def test_text_from_visitors_is_never_markup(admin: Client, fresh: Warehouse) -> None:
    from arrivals import clock
    from arrivals.audience import reports
    from tests import events

    events.add(fresh, ("<script>alert(1)</script>", "track", "x", clock.now()))
    report = reports.create({"name": "All", "range": {"ever": True}})
    page = admin.get(f"/reports/{report.id}").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_a_workflow_is_made_activated_paused_and_deleted_by_its_forms(admin: Client) -> None:
    from arrivals.audience import reports

    report = reports.create({"name": "All", "range": {"ever": True}})
    step = '{"id":"tell","type":"action","app":"inbox","action":"post_message","inputs":{"text":"hi"}}'
    definition = f'{{"name":"W","trigger":{{"kind":"visitor_in_report","report":"{report.id}"}},"steps":[{step}]}}'
    place = admin.post("/workflows/new", {"definition": definition})["Location"]
    assert "start nothing" in admin.get(f"{place}/numbers").content.decode()
    admin.post(f"{place}/activate", {"existing": "skip"})
    assert "Nobody has tried this step as it is: tell." in admin.get(place).content.decode()
    assert Workflow.objects.get().state == "off"
    admin.post(f"{place}/activate", {"existing": "skip", "untested": "on"})
    assert Workflow.objects.get().state == "on"
    admin.post(f"{place}/activate", {"existing": "skip"})
    assert "on already" in admin.get(place).content.decode()
    admin.post(f"{place}/edit", {"definition": definition.replace('"W"', '"W2"')})
    assert "does not run yet" in admin.get(place).content.decode()
    admin.post(f"{place}/publish")
    assert Workflow.objects.get().name == "W2"
    admin.post(f"{place}/delete")
    assert Workflow.objects.exists()  # it is on
    admin.post(f"{place}/pause")
    admin.post(f"{place}/delete")
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("error", [CheckTimeout(), Unavailable("Nobody is there.")])
def test_pages_are_of_use_while_the_event_store_is_slow(
    admin: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    report = makers.report()
    workflow = makers.workflow(report)
    source, _ = sources.create("Shop")

    def slow(*_arguments: Any, **_named: Any) -> Any:
        raise error

    monkeypatch.setattr(Warehouse, "query", slow)
    for path, sentence in (
        (f"/sources/{source.id}", source.write_key),
        (f"/sources/{source.id}/events", "The event store is slow just now"),
        (f"/reports/{report.id}", report.id),
        ("/segments/new", "As JSON"),
        (f"/segments/{report.segment_id}", "agent.plan"),
        ("/reports/new", "As JSON"),
        (f"/workflows/{workflow.id}/edit", "inbox"),
        ("/workflows/recipes/power_user", "Power user"),
    ):
        answer = admin.get(path)
        assert (answer.status_code, sentence in answer.content.decode()) == (200, True), path
