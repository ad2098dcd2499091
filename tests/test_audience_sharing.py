"""Private and shared reports and segments: who finds which, over the pages, the API, Pendo's API and in workflows."""

import json
from typing import Any

import pytest
from django.test import Client

from arrivals.accounts import keys, people
from arrivals.accounts.models import Person
from arrivals.audience import reports, segments
from arrivals.audience.models import Report, Segment
from arrivals.errors import NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks
from tests import makers

RULES = {"all": [{"any": [{"kind": "event"}]}]}


def signed_in(email: str, role: str = "member") -> Client:
    client = Client()
    client.force_login(people.create(email, password="a long password", role=role))
    return client


@pytest.fixture
def ann(fresh: Warehouse) -> Client:
    return signed_in("ann@example.com")


@pytest.fixture
def bob(fresh: Warehouse) -> Client:
    return signed_in("bob@example.com")


@pytest.fixture
def admin(fresh: Warehouse) -> Client:
    return signed_in("admin@example.com", "admin")


@pytest.fixture
def program(fresh: Warehouse) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create('program', write=True, by='admin@example.com')[1]}"}


def make(client: Client, path: str = "reports", **more: Any) -> Any:
    given = {"name": "Mine", **({"rules": RULES} if path == "segments" else {}), **more}
    return client.post(f"/api/v2/{path}", given, content_type="application/json").json()


def change(client: Client, made: Any, **more: Any) -> Any:
    return client.put(f"/api/v2/reports/{made['id']}", {**made, **more}, content_type="application/json")


def listed(client: Client, path: str = "reports", **headers: str) -> list[str]:
    return [one["id"] for one in client.get(f"/api/v2/{path}", headers=headers).json()["items"]]


def test_what_somebody_makes_is_theirs_and_shared_until_they_say_otherwise(ann: Client, bob: Client) -> None:
    made = make(ann)
    assert (made["shared"], made["owner"]) == (True, "ann@example.com")
    assert listed(bob) == [made["id"]]
    private = change(ann, made, shared=False).json()
    assert (private["shared"], private["owner"]) == (False, "ann@example.com")
    assert listed(ann) == [made["id"]]
    assert listed(bob) == []


@pytest.mark.parametrize("path", ["reports", "segments"])
def test_what_is_private_is_found_by_its_owner_and_admins_only(
    ann: Client, bob: Client, admin: Client, program: dict[str, str], path: str
) -> None:
    one = make(ann, path, shared=False)["id"]
    for client in (ann, admin):
        assert client.get(f"/api/v2/{path}/{one}").status_code == 200
        assert client.get(f"/{path}/{one}").status_code == 200
        assert "Mine" in client.get(f"/{path}").content.decode()
    for client, headers in ((bob, {}), (Client(), program), (admin, program)):
        assert client.get(f"/api/v2/{path}/{one}", headers=headers).status_code == 404
        assert client.delete(f"/api/v2/{path}/{one}", headers=headers).status_code == 404
        assert listed(client, path, **headers) == []
    assert bob.get(f"/{path}/{one}").status_code == 404
    assert "Mine" not in bob.get(f"/{path}").content.decode()


def test_every_operation_on_a_private_report_is_closed_to_others(ann: Client, bob: Client) -> None:
    one = make(ann, shared=False)["id"]
    for path in ("rows", "rows.csv", "fields", "members", "departures", "arrivals"):
        assert bob.get(f"/api/v2/reports/{one}/{path}").status_code == 404, path
        assert ann.get(f"/api/v2/reports/{one}/{path}").status_code == 200, path
    for path in ("check", "duplicate"):
        assert bob.post(f"/api/v2/reports/{one}/{path}", {}, content_type="application/json").status_code == 404, path
    for path in ("rows.csv", "edit"):
        assert bob.get(f"/reports/{one}/{path}").status_code == 404, path
    for path in ("check", "delete", "duplicate"):
        assert bob.post(f"/reports/{one}/{path}").status_code == 404, path
    assert Report.objects.count() == 1


def test_work_that_nobody_asked_for_finds_it(ann: Client) -> None:
    one = make(ann, shared=False)["id"]
    assert reports.get(one).id == one
    assert checks.check(one).on_report == 0


def test_a_workflow_starts_only_from_a_report_that_one_may_see(
    ann: Client, bob: Client, program: dict[str, str]
) -> None:
    one = make(ann, shared=False)["id"]
    definition = {"name": "W", "trigger": {"kind": "visitor_in_report", "report": one}, "steps": [makers.post()]}

    def create(client: Client, **headers: str) -> Any:
        return client.post("/api/v2/workflows", definition, content_type="application/json", headers=headers)

    for refused in (create(bob), create(Client(), **program)):
        assert (refused.status_code, refused.json()["path"]) == (422, "trigger.report")
    assert create(ann).status_code == 201


def test_pendos_api_lists_what_is_shared(ann: Client, program: dict[str, str]) -> None:
    shared, private = make(ann), make(ann, shared=False)
    headers = {"x-pendo-integration-key": program["Authorization"].removeprefix("Bearer ")}
    found = ann.get("/api/v1/report", headers=headers).json()
    assert [one["id"] for one in found] == [shared["id"]]
    assert ann.get(f"/api/v1/report/{private['id']}/results.json", headers=headers).status_code == 404


def test_only_the_owner_and_admins_make_it_private(
    ann: Client, bob: Client, admin: Client, program: dict[str, str]
) -> None:
    made = make(ann)
    assert change(bob, made, shared=False).status_code == 403
    by_key = Client().put(
        f"/api/v2/reports/{made['id']}", {**made, "shared": False}, content_type="application/json", headers=program
    )
    assert by_key.status_code == 403
    assert Report.objects.get().shared
    assert change(bob, made, name="Ours").json()["name"] == "Ours"
    assert change(admin, made, shared=False).json()["owner"] == "ann@example.com"
    assert change(ann, made, shared=True).json()["shared"]


def test_what_a_key_makes_is_shared_and_an_admin_who_makes_it_private_owns_it(
    admin: Client, program: dict[str, str]
) -> None:
    made = Client().post("/api/v2/reports", {"name": "R"}, content_type="application/json", headers=program).json()
    assert (made["shared"], made["owner"]) == (True, None)
    body = {"name": "R", "shared": False}
    refused = Client().post("/api/v2/reports", body, content_type="application/json", headers=program)
    assert refused.status_code == 403
    assert change(admin, made, shared=False).json()["owner"] == "admin@example.com"


def test_a_shared_report_has_no_private_segment(ann: Client, bob: Client) -> None:
    segment = make(ann, "segments", shared=False)
    refused = ann.post(
        "/api/v2/reports", {"name": "R", "segment": segment["id"]}, content_type="application/json"
    ).json()
    assert (refused["code"], refused["path"]) == ("invalid", "segment")
    unknown = bob.post(
        "/api/v2/reports", {"name": "R", "segment": segment["id"]}, content_type="application/json"
    ).json()
    assert "There is no segment" in unknown["detail"]
    assert make(ann, segment=segment["id"], shared=False)["segment"] == segment["id"]
    path = f"/api/v2/segments/{segment['id']}"
    assert ann.put(path, {"shared": True}, content_type="application/json").json()["shared"]
    make(ann, segment=segment["id"])
    conflict = ann.put(path, {"shared": False}, content_type="application/json")
    assert conflict.status_code == 409
    assert Segment.objects.get().shared


def inside(segment: Any) -> dict[str, Any]:
    return {"all": [{"any": [{"kind": "segment", "segment": segment["id"]}]}]}


def sent(client: Client, path: str, body: Any, method: str = "post", **headers: str) -> Any:
    """The answer, with ``status``."""
    answer = getattr(client, method)(f"/api/v2/{path}", body, content_type="application/json", headers=headers)
    return {"status": answer.status_code, **answer.json()}


def test_nobody_nests_the_private_segment_of_somebody_else(ann: Client, bob: Client, program: dict[str, str]) -> None:
    private = make(ann, "segments", name="Secret", shared=False)
    body = {"name": "S", "rules": inside(private), "shared": False}
    chart = {"kind": "trend", "series": [{"kind": "event"}], "segment": private["id"]}
    cell = {"kind": "chart", "chart": chart, "cell": {"series": 0}}
    mine = make(bob, "segments", shared=False)
    refused = [
        sent(bob, "segments", body),
        sent(bob, "segments/preview", {"rules": inside(private)}),
        sent(bob, f"segments/{mine['id']}", {"rules": inside(private)}, "put"),
        sent(Client(), "segments", {**body, "shared": True}, **program),
    ]
    for one in refused:
        assert (one["status"], one["path"]) == (422, "rules.all[0].any[0].segment"), one
        assert "There is no segment" in one["detail"]
    for asking in (
        sent(bob, "segments", {**body, "rules": {"all": [{"any": [cell]}]}}),
        sent(bob, f"segments/{mine['id']}", {"rules": {"all": [{"any": [cell]}]}}, "put"),
        sent(bob, "surveys", {"key": "nps", "name": "NPS", "kind": "nps", "segment": private["id"]}),
    ):
        assert asking["status"] == 422
        assert "Secret" not in asking["detail"]
    page = bob.post("/segments/explain", {"rules": json.dumps(inside(private)), "visitor": "ann"}).content.decode()
    assert "There is no segment" in page
    assert sent(ann, "segments", body)["status"] == 201


def test_what_everyone_sees_names_no_private_segment(ann: Client, bob: Client) -> None:
    private = make(ann, "segments", name="Secret", shared=False)
    shared = sent(ann, "segments", {"name": "S", "rules": inside(private)})
    assert (shared["status"], shared["path"]) == (422, "rules.all[0].any[0].segment")
    assert "'Secret' is private" in shared["detail"]
    own = make(ann, "segments", name="Own", rules=inside(private), shared=False)
    later = sent(ann, f"segments/{own['id']}", {"shared": True}, "put")
    assert (later["status"], Segment.objects.get(pk=own["id"]).shared) == (422, False)
    survey = sent(ann, "surveys", {"key": "nps", "name": "NPS", "kind": "nps", "segment": private["id"]})
    assert (survey["status"], survey["path"]) == (422, "segment")


@pytest.mark.parametrize("user", ["shared", "of somebody else", "survey"])
def test_a_segment_that_others_use_cannot_become_private(ann: Client, bob: Client, user: str) -> None:
    made = make(ann, "segments")
    if user == "survey":
        sent(bob, "surveys", {"key": "nps", "name": "NPS", "kind": "nps", "segment": made["id"]})
    else:
        make(bob, "segments", name="Hers", rules=inside(made), shared=user == "shared")
    make(ann, "segments", name="Own", rules=inside(made), shared=False)
    refused = sent(ann, f"segments/{made['id']}", {"shared": False}, "put")
    assert (refused["status"], Segment.objects.get(pk=made["id"]).shared) == (409, True)
    assert ("Hers" in refused["detail"]) == (user == "shared")


def test_what_uses_a_survey_tells_no_private_name(ann: Client, bob: Client) -> None:
    survey = sent(bob, "surveys", {"key": "nps", "name": "NPS", "kind": "nps"})
    rules = {"all": [{"any": [{"kind": "survey", "survey": "nps"}]}]}
    make(ann, "segments", name="Secret", rules=rules, shared=False)
    make(ann, name="Hidden", kind="response", survey="nps", shared=False)
    told = bob.get(f"/api/v2/surveys/{survey['id']}/usage").json()
    assert told == {**{key: [{"id": None, "name": "private"}] for key in ("segments", "reports")}, "workflows": []}
    for found in (
        bob.delete(f"/api/v2/surveys/{survey['id']}").json()["detail"],
        bob.get(f"/surveys/{survey['id']}/delete").content.decode(),
    ):
        assert "private segment" in found
        assert "Secret" not in found
        assert "Hidden" not in found
    assert "Secret" in ann.get(f"/surveys/{survey['id']}/delete").content.decode()


def test_what_uses_a_page_tells_no_private_name(ann: Client, bob: Client) -> None:
    page = sent(bob, "pages", {"name": "Cart", "rules": [{"url": {"exact": "/cart"}}]})
    make(ann, "segments", name="Secret", rules={"all": [{"any": [{"kind": "page", "page": page["id"]}]}]}, shared=False)
    told = bob.get(f"/api/v2/pages/{page['id']}").json()["usage"]["used_by"]
    assert told == [{"kind": "segment", "id": "", "name": "private"}]
    assert "a private segment" in bob.delete(f"/api/v2/pages/{page['id']}").json()["detail"]
    assert "Secret" not in bob.get(f"/pages/{page['id']}").content.decode()
    assert ann.get(f"/api/v2/pages/{page['id']}").json()["usage"]["used_by"][0]["name"] == "Secret"


def test_a_report_of_a_chart_for_a_private_segment_is_private(ann: Client) -> None:
    private = make(ann, "segments", shared=False)
    chart = {"kind": "trend", "series": [{"kind": "event"}], "segment": private["id"]}
    made = sent(ann, "charts/people/report", {"name": "These", "definition": chart, "cell": {"series": 0}})
    assert (made["status"], made["shared"]) == (201, False)
    assert not Segment.objects.get(pk=made["segment"]).shared


def test_a_copy_is_private_to_who_made_it(ann: Client, bob: Client, program: dict[str, str]) -> None:
    made = make(ann, columns=["visitor.id", "metric.events"], range={"last": "7d"})
    copy = bob.post(f"/api/v2/reports/{made['id']}/duplicate", {}, content_type="application/json").json()
    assert (copy["name"], copy["shared"], copy["owner"]) == ("Mine (copy)", False, "bob@example.com")
    assert (copy["columns"], copy["range"]) == (made["columns"], made["range"])
    assert copy["id"] not in listed(ann)
    shared = Client().post(f"/api/v2/reports/{made['id']}/duplicate", headers=program).json()
    assert (shared["shared"], shared["owner"]) == (True, None)
    assert bob.post(f"/reports/{made['id']}/duplicate").status_code == 302


def test_without_a_viewer_nothing_is_hidden_and_none_outlives_its_request(ann: Client, bob: Client) -> None:
    one = make(ann, shared=False)["id"]
    bob.get("/reports")
    assert reports.get(one).shared is False
    with pytest.raises(NotFound):
        segments.get("seg_x")
    Person.objects.filter(email="ann@example.com").delete()
    assert reports.as_dict(reports.get(one))["owner"] is None
