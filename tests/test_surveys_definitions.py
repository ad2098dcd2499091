"""A survey's definition: what is refused and where, what stays, what the agent is told, what uses it."""

from typing import Any

import pytest
from django.test import Client

from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry
from arrivals.audience import reports, segments, survey_forms, survey_pages, survey_texts, surveys, tags
from arrivals.collect import sources
from arrivals.errors import Conflict, InvalidSurvey
from arrivals.warehouse.client import Warehouse
from tests import makers

pytestmark = pytest.mark.django_db
NPS = {"key": "nps", "name": "NPS", "kind": "nps"}


def asker() -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {keys.create('k', write=True, by='a')[1]}"}}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"key": "a b"}, "key", "letters, digits"),
    ({"key": ""}, "key", "1 to 64"),
    ({"name": " "}, "name", "1 to 200"),
    ({"kind": "ces"}, "kind", "nps, csat, question"),
    ({"state": "on"}, "state", "draft, live, paused"),
    ({"segment": "seg_x"}, "segment", "no segment"),
    ({"sources": ["src_x"]}, "sources[0]", "no source"),
    ({"texts": {"title": "x"}}, "texts", "question, low"),
    ({"texts": {"question": 7}}, "texts.question", "at most 500"),
    ({"texts": {"question": "x" * 501}}, "texts.question", "at most 500"),
    ({"translations": {"xx": {}}}, "translations", "en, de"),
    ({"translations": {"de": {"low": 1}}}, "translations.de.low", "text"),
    ({"kind": "question"}, "texts.question", "needs its question"),
    ({"choices": ["a", "b"]}, "choices", "kind question"),
    ({"kind": "question", "texts": {"question": "?"}, "choices": ["a"]}, "choices", "at least 2"),
    ({"kind": "question", "texts": {"question": "?"}, "choices": ["a", " a"]}, "choices[1]", "twice"),
    ({"kind": "question", "texts": {"question": "?"}, "choices": ["a", ""]}, "choices[1]", "1 to 200"),
    ({"pages": [{"url": "/x"}]}, "pages[0]", "wildcard"),
    ({"pages": [{"url": {"exact": "/x"}, "title": "x"}]}, "pages[0]", "wildcard"),
    ({"pages": [{"url": {"exact": "/a b"}}]}, "pages[0].url.exact", "without spaces"),
    ({"pages": [{"url": {"exact": "orders"}}]}, "pages[0].url.exact", "begin with"),
    ({"pages": [{"page": "pag_x"}]}, "pages[0].page", "no page"),
    ({"pages": [{"url": {"exact": "/a"}}, {"page": 7}]}, "pages[1].page", "id of a page"),
    ({"pages": [{"page": "pag_x", "url": {"exact": "/a"}}]}, "pages[0]", "pag_"),
    ({"pages": [{"url": {"regex": "/a"}}]}, "pages[0].url", "exact, contains, wildcard"),
    ({"recontact_days": -1}, "recontact_days", "0 to 3,650"),
    ({"recontact_days": "30"}, "recontact_days", "whole number"),
    ({"again_days": 0}, "again_days", "1 to 3,650"),
    ({"delay_seconds": 3601}, "delay_seconds", "0 to 3,600"),
    ({"anonymous": "yes"}, "anonymous", "true or false"),
    ({"look": {"accent": "red"}}, "look.accent", "#2a6b5a"),
    ({"look": {"theme": "blue"}}, "look.theme", "auto, light, dark"),
    ({"look": {"position": "top"}}, "look.position", "bottom_right"),
    ({"look": {"language": "xx"}}, "look.language", "auto, en"),
    ({"look": {"font": "x"}}, "look", "accent, theme"),
    ({"colour": "red"}, "colour", "not known here"),
]


@pytest.mark.parametrize(("change", "path", "words"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_a_wrong_part_is_named_with_what_is_allowed(change: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(InvalidSurvey) as refused:
        surveys.create({**NPS, **change})
    assert refused.value.path == path
    assert words in refused.value.message
    assert surveys.all_surveys() == []


def test_what_is_left_out_has_its_default_and_the_answer_can_be_sent_back(client: Client) -> None:
    source, _ = sources.create("Shop")
    asking = asker()
    made = client.post("/api/v2/surveys", {**NPS, "sources": [source.id]}, content_type="application/json", **asking)
    assert made.status_code == 201
    told = made.json()
    assert {name: told[name] for name in survey_forms.DEFAULTS} == {**survey_forms.DEFAULTS, "sources": [source.id]}
    assert (told["state"], told["segment"], told["live_since"]) == ("draft", None, None)
    sent = {**told, "name": "Other"}
    again = client.put(f"/api/v2/surveys/{told['id']}", sent, content_type="application/json", **asking).json()
    assert {**again, "updated_at": ""} == {**sent, "updated_at": ""}
    assert AuditEntry.objects.filter(subject=told["id"]).count() == 2


def test_key_and_kind_stay(client: Client) -> None:
    survey = surveys.create(NPS)
    for change in ({"key": "other"}, {"kind": "csat"}):
        with pytest.raises(InvalidSurvey) as refused:
            surveys.change(survey.id, change)
        assert refused.value.path == next(iter(change))
    with pytest.raises(Conflict):
        surveys.create({**NPS, "name": "Second"})
    assert surveys.change(survey.id, {"state": "live"}).live_since is not None


@pytest.mark.parametrize("language", survey_texts.LANGUAGES)
@pytest.mark.parametrize("kind", survey_forms.KINDS)
def test_every_text_is_there_in_every_language(language: str, kind: str) -> None:
    texts = {"question": "Why?"} if kind == "question" else {}
    told = surveys.for_agent("sur_x", surveys.checked({**NPS, "kind": kind, "texts": texts}), [language], [])
    assert told["language"] == language
    assert told["direction"] == ("rtl" if language == "ar" else "ltr")
    needed = set(survey_forms.TEXTS) - ({"low", "high"} if kind == "question" else set())
    assert all(told["texts"][name] for name in needed)
    if language != "en":
        assert told["texts"]["send"] != survey_texts.TEXTS["en"]["send"]


def test_own_texts_win_and_a_translation_wins_over_them() -> None:
    parts = surveys.checked(
        {**NPS, "texts": {"question": "Well?", "low": " "}, "translations": {"de": {"question": "Na?"}}}
    )

    def question(*languages: str) -> str:
        return str(surveys.for_agent("", parts, languages, [])["texts"]["question"])

    assert (question("de-CH"), question("fr"), question("xx", "de"), question()) == ("Na?", "Well?", "Na?", "Well?")
    assert surveys.for_agent("", parts, ["fr"], [])["texts"]["low"] == "Pas du tout probable"
    fixed = surveys.checked({**NPS, "look": {"language": "ja"}})
    assert surveys.for_agent("", fixed, ["de"], [])["language"] == "ja"


@pytest.mark.parametrize(("accent", "ink"), [("#000000", "#ffffff"), ("#ffff00", "#000000"), ("#2a6b5a", "#ffffff")])
def test_the_words_on_the_accent_can_be_read(accent: str, ink: str) -> None:
    assert surveys.ink(accent) == ink


def test_deleting_says_what_uses_the_key_and_its_answers_stay(client: Client, fresh: Warehouse) -> None:
    survey, asking = surveys.create(NPS), asker()
    rules = {"all": [{"any": [{"kind": "survey", "survey": "nps"}]}]}
    segment = segments.create("Responders", rules)
    named = [
        reports.create({"name": "A", "kind": "response", "survey": "nps"}),
        reports.create({"name": "B", "columns": [{"survey": "nps", "part": "score", "as": "s"}]}),
        reports.create({"name": "C", "columns": [{"count": "survey", "name": "nps", "as": "n"}]}),
        reports.create({"name": "D", "segment": segment.id}),
    ]
    reports.create({"name": "Other", "kind": "response", "survey": "csat"})
    workflow = makers.workflow(named[3])
    found = client.get(f"/api/v2/surveys/{survey.id}/usage", **asking).json()
    assert [one["name"] for one in found["segments"]] == ["Responders"]
    assert {one["name"] for one in found["reports"]} == {"A", "B", "C", "D"}
    assert [one["id"] for one in found["workflows"]] == [workflow.id]
    refused = client.delete(f"/api/v2/surveys/{survey.id}", **asking)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "'Responders'" in refused.json()["detail"]
    assert client.delete(f"/api/v2/surveys/{survey.id}?anyway=true", **asking).status_code == 204
    assert surveys.all_surveys() == []


def test_a_survey_of_a_source_that_is_gone_can_be_paused_and_runs_nowhere_else() -> None:
    source, _ = sources.create("Shop")
    other, _ = sources.create("Other")
    survey = surveys.create({**NPS, "sources": [source.id], "state": "live"})
    sources.delete(source.id)
    survey = surveys.change(survey.id, {"state": "paused"})
    assert (survey.state, surveys.in_source(survey, other.id)) == ("paused", False)
    with pytest.raises(InvalidSurvey):
        surveys.change(survey.id, {"sources": ["src_x"]})


def test_a_segment_that_a_survey_is_for_is_not_deleted() -> None:
    segment = segments.create("Pro", {"all": []})
    surveys.create({**NPS, "segment": segment.id})
    with pytest.raises(Conflict) as refused:
        segments.delete(segment.id)
    assert "The survey 'NPS' uses it" in refused.value.message


TITLED = {"url": {"exact": "/orders"}, "title": {"contains": "Order"}}


def test_a_page_that_also_asks_for_a_title_is_refused_and_one_that_does_later_stops_nothing() -> None:
    titled = tags.create("page", {"name": "Titled", "rules": [TITLED]})
    with pytest.raises(InvalidSurvey) as refused:
        surveys.create({**NPS, "pages": [{"page": titled.id}]})
    assert refused.value.path == "pages[0].page"
    assert "'Titled' also asks for" in refused.value.message
    plain = tags.create("page", {"name": "Plain", "rules": [{"url": {"exact": "/cart"}}]})
    survey = surveys.create({**NPS, "state": "live", "pages": [{"page": plain.id}]})
    tags.change("page", plain.id, {"name": "Plain", "rules": [TITLED]})
    assert survey_pages.told(survey.definition["pages"], survey_pages.of([survey])) is None
    assert surveys.change(survey.id, {"state": "paused"}).state == "paused"


def test_a_page_is_not_deleted_while_a_survey_names_it(client: Client) -> None:
    page = tags.create("page", {"name": "Cart", "rules": [{"url": {"exact": "/cart"}}]})
    survey = surveys.create({**NPS, "pages": [{"page": page.id}]})
    assert tags.users(page) == [{"kind": "survey", "id": survey.id, "name": survey.name}]
    refused = client.delete(f"/api/v2/pages/{page.id}", **asker())
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        f"It is used by the survey {survey.name!r}; change that first.",
    )
    surveys.change(survey.id, {"pages": []})
    assert client.delete(f"/api/v2/pages/{page.id}", **asker()).status_code == 204


def test_the_preview_tells_a_page_by_its_addresses(client: Client) -> None:
    page = tags.create("page", {"name": "Cart", "rules": [{"url": {"exact": "/cart"}}]})
    pages = [{"url": {"contains": "x"}}, {"page": page.id}]
    body = {**NPS, "pages": pages}
    told = client.post("/api/v2/surveys/preview", body, content_type="application/json", **asker()).json()
    assert told["pages"] == [{"url": {"contains": "x"}}, {"url": {"exact": "/cart"}}]
