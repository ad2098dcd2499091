"""Pages of surveys: make, refuse, preview, go live, results with their filters, and what a deletion shows."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people
from arrivals.audience import reports, segments, surveys, tags
from arrivals.audience.models import Survey
from arrivals.warehouse.client import Warehouse
from tests import events

FORM = {
    "kind": "nps", "key": "nps", "name": "NPS", "state": "draft", "reason": "on", "text_question": "Well?",
    "page_match": ["wildcard", "exact"], "page_url": ["/orders/*", ""], "delay_seconds": "5", "recontact_days": "30",
    "quiet_days": "0", "again_days": "", "look_accent": "#112233", "look_theme": "dark", "look_position": "centre",
    "look_language": "auto",
}  # fmt: skip
PRO = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}


@pytest.fixture
def client(fresh: Warehouse) -> Client:
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password"))
    return client


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def answered(store: Warehouse, key: str = "nps") -> Survey:
    now = clock.now()
    for number, score in enumerate((10, 9, 7, 3)):
        at = now - timedelta(hours=number + 1)
        events.add(
            store, (f"v{number}", "survey_shown", key, at), (f"v{number}", "survey_answered", key, at, {"score": score})
        )
    events.add(store, ("v9", "survey_shown", key, now - timedelta(hours=1)))
    events.add(store, ("v3", "survey_answered", key, now - timedelta(hours=3, minutes=50), {"reason": "<b>Slow</b>"}))
    events.metadata(store, "v3", now, plan="pro")
    return surveys.create({"key": key, "name": "Our NPS", "kind": "nps", "state": "live"})


def test_a_survey_is_made_and_changed_by_the_form(client: Client) -> None:
    answer = client.post("/surveys/new", FORM)
    [made] = surveys.all_surveys()
    assert (answer.status_code, answer["Location"]) == (302, f"/surveys/{made.id}")
    parts = surveys.definition(made)
    assert (parts["texts"], parts["pages"]) == ({"question": "Well?"}, [{"url": {"wildcard": "/orders/*"}}])
    assert (parts["delay_seconds"], parts["again_days"], parts["reason"], parts["state"]) == (5, None, True, "draft")
    assert parts["look"] == {"accent": "#112233", "theme": "dark", "position": "centre", "language": "auto"}
    shown = client.get(f"/surveys/{made.id}/edit").content.decode()
    assert 'value="/orders/*"' in shown
    client.post(f"/surveys/{made.id}/edit", {**FORM, "state": "live", "again_days": "90"})
    assert (surveys.get(made.id).state, surveys.definition(surveys.get(made.id))["again_days"]) == ("live", 90)
    client.post(f"/surveys/{made.id}/state", {"state": "paused"})
    assert surveys.get(made.id).state == "paused"


REFUSED = [
    ({"key": "a b"}, "key", "letters, digits"),
    ({"delay_seconds": "soon"}, "delay_seconds", "whole number"),
    ({"page_url": ["orders", ""]}, "pages[0].url.wildcard", "begin with"),
    ({"translations": "{"}, "translations", "not JSON"),
    ({"segment": "seg_x"}, "segment", "no segment"),
]


@pytest.mark.parametrize(("change", "path", "words"), REFUSED)
def test_a_refusal_names_the_part_and_keeps_what_was_written(
    client: Client, change: Any, path: str, words: str
) -> None:
    answer = client.post("/surveys/new", {**FORM, **change})
    assert answer.status_code == 422
    assert f'data-path="{path}"' in answer.content.decode()
    assert words in text(answer)
    assert 'value="NPS"' in answer.content.decode()
    assert surveys.all_surveys() == []


def test_a_key_that_is_taken_is_said_in_the_form(client: Client) -> None:
    client.post("/surveys/new", FORM)
    answer = client.post("/surveys/new", FORM)
    assert answer.status_code == 409
    assert "is a survey with the key" in text(answer)


def test_a_new_survey_begins_with_a_key_that_is_free(client: Client) -> None:
    assert 'name="key" value="nps"' in client.get("/surveys/new").content.decode()
    for key in ("nps", "nps-2"):
        surveys.create({"key": key, "name": key, "kind": "nps"})
    page = client.get("/surveys/new").content.decode()
    assert 'name="key" value="nps-3"' in page
    assert 'name="name" value="NPS 3"' in page
    assert 'value="csat" data-key="csat" data-name="CSAT"' in page
    assert 'name="key" value=""' in client.get("/surveys/new?kind=question").content.decode()


def test_pages_that_have_a_name_are_ticked(client: Client) -> None:
    page = tags.create("page", {"name": "The cart", "rules": [{"url": {"exact": "/cart"}}]})
    assert "The cart" in text(client.get("/surveys/new"))
    client.post("/surveys/new", {**FORM, "page_named": [page.id]})
    survey = Survey.objects.get()
    assert survey.definition["pages"] == [{"url": {"wildcard": "/orders/*"}}, {"page": page.id}]
    assert f'value="{page.id}" checked' in client.get(f"/surveys/{survey.id}/edit").content.decode()
    client.post(f"/surveys/{survey.id}/edit", FORM)
    survey.refresh_from_db()
    assert survey.definition["pages"] == [{"url": {"wildcard": "/orders/*"}}]


def test_the_preview_tells_what_the_agent_is_told_or_what_is_wrong(client: Client) -> None:
    told = client.post("/surveys/preview", {**FORM, "preview_language": "fr", "text_question": ""}).json()
    assert told["texts"]["question"].startswith("Quelle est la probabilité")
    assert told["look"]["accent"] == "#112233"
    wrong = client.post("/surveys/preview", {**FORM, "look_accent": "red"}).json()
    assert (wrong["path"], "colour" in wrong["problem"]) == ("look.accent", True)
    empty = client.post("/surveys/preview", {**FORM, "kind": "question", "text_question": ""}).json()
    assert empty["texts"]["question"] == "…"


def test_results_show_every_number_and_lead_on(client: Client, fresh: Warehouse) -> None:
    made = answered(fresh)
    page = client.get(f"/surveys/{made.id}")
    words = text(page)
    for number in (
        "NPS 25",
        "7.3 on average",
        "Responses 4",
        "Response rate 80 %",
        "4 of 5 people",
        "promoters 2 50 %",
        "detractors 1 25 %",
    ):
        assert number in words, number
    html = page.content.decode()
    assert "&lt;b&gt;Slow&lt;/b&gt;" in html
    assert 'href="/reports/new?kind=response&amp;survey=nps"' in html
    assert 'href="/workflows/recipes/each_response?survey=nps"' in html
    assert "style=" not in html
    assert 'value="nps"' in client.get("/workflows/recipes/each_response?survey=nps").content.decode()
    assert "25" in text(client.get("/surveys"))


def test_results_are_filtered_by_segment_time_class_and_words(client: Client, fresh: Warehouse) -> None:
    made, segment = answered(fresh), segments.create("Pro", PRO)

    def listed(**query: str) -> list[str]:
        return sorted(set(re.findall(r"\bv\d\b", text(client.get(f"/surveys/{made.id}", query)))))

    assert listed() == ["v0", "v1", "v2", "v3"]
    assert listed(segment=segment.id) == ["v3"]
    assert listed(within="150m") == ["v0", "v1"]
    assert listed(**{"class": "promoter"}) == ["v0", "v1"]
    assert listed(commented="1") == ["v3"]
    assert listed(since="2020-01-01", until="2020-12-31") == []
    assert "No answers of this segment" in text(
        client.get(f"/surveys/{made.id}", {"segment": segment.id, "within": "30m"})
    )
    wrong = client.get(f"/surveys/{made.id}", {"since": "x"})
    assert (wrong.status_code, "range.since" in text(wrong)) == (422, True)
    csv = client.get(f"/surveys/{made.id}/responses.csv", {"class": "detractor"})
    assert csv.getvalue().decode().splitlines()[1].split(",")[1:6] == ["v3", "", "3", "detractor", "<b>Slow</b>"]


def test_deleting_shows_what_uses_it_first(client: Client, fresh: Warehouse) -> None:
    made = answered(fresh)
    reports.create({"name": "Answers of ours", "kind": "response", "survey": "nps"})
    assert "Answers of ours" in text(client.get(f"/surveys/{made.id}/delete"))
    assert surveys.all_surveys() != []
    assert client.post(f"/surveys/{made.id}/delete")["Location"] == "/surveys"
    assert surveys.all_surveys() == []


def test_a_survey_without_an_answer_is_suggested_where_rules_name_one(client: Client) -> None:
    surveys.create({"key": "brand-new", "name": "N", "kind": "nps"})
    assert "brand-new" in client.get("/segments/new").content.decode()
    assert "brand-new" in client.get("/reports/new").content.decode()
