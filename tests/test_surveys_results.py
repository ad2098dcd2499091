"""Results of a survey: exactly what plain Python makes of the same answers."""

import random
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys, workspace
from arrivals.audience import reports, rows, segments, survey_results, surveys
from arrivals.audience.models import Segment, Survey
from arrivals.audience.survey_results import Asked
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse
from tests import events

NOW = clock.now().replace(microsecond=0)
PRO = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
ANSWER, SHOWN = "survey_answered", "survey_shown"


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def survey(kind: str = "nps", **more: Any) -> Survey:
    texts = {"question": "?"} if kind == "question" else {}
    return surveys.create({"key": kind, "name": kind, "kind": kind, "texts": texts, **more})


def summary(of: Survey, **more: Any) -> dict[str, Any]:
    return survey_results.summary(Asked(of, **more))


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
@pytest.mark.parametrize("kind", ["nps", "csat"])
def test_every_number_is_exact(fresh: Warehouse, kind: str, zone: str) -> None:
    workspace.change(time_zone=zone)
    chance = random.Random(kind)
    least, most = (0, 10) if kind == "nps" else (1, 5)
    people, pro = [f"v{number}" for number in range(40)], set[str]()
    happened: list[tuple[str, str, datetime, int]] = []
    for who in people:
        for _ in range(chance.randrange(3)):
            happened.append((who, SHOWN, ago(minutes=chance.randrange(60 * 24 * 120)), -1))
        for _ in range(chance.randrange(3)):
            happened.append(
                (who, ANSWER, ago(minutes=chance.randrange(60 * 24 * 120)), chance.randrange(least, most + 1))
            )
        if chance.random() < 0.5:
            pro.add(who)
            events.metadata(fresh, who, ago(days=1), plan="pro")
    events.add(
        fresh,
        *((who, what, kind, at, {"score": score} if what == ANSWER else {}) for who, what, at, score in happened),
        *((who, ANSWER, "another", ago(days=2), {"score": 1}) for who in people),
    )
    made, segment = survey(kind), segments.create("Pro", PRO)
    for within, first in (("90d", ago(days=90)), ("ever", None)):
        for inside in (None, segment):
            span = survey_results.span(within)
            expected = plain(kind, [
                one for one in happened if (first is None or one[2] > first) and (inside is None or one[0] in pro)
            ])  # fmt: skip
            found = summary(made, segment=inside, range=span)
            assert {name: found[name] for name in expected} == expected


def plain(kind: str, happened: list[tuple[str, str, datetime, int]]) -> dict[str, Any]:
    """The same numbers, by the definitions and nothing else."""
    good, bad = ((9, 10), (0, 6)) if kind == "nps" else ((4, 5), (1, 2))
    names = ("promoter", "passive", "detractor") if kind == "nps" else ("satisfied", "neutral", "dissatisfied")

    def score(given: list[int]) -> float | None:
        if not given:
            return None
        best = sum(good[0] <= one <= good[1] for one in given) * 100
        worst = sum(bad[0] <= one <= bad[1] for one in given) * 100
        return (best - worst if kind == "nps" else best) / len(given)

    given = [one[3] for one in happened if one[1] == ANSWER]
    best, worst = (sum(low <= one <= high for one in given) for low, high in (good, bad))
    counts = Counter(given)
    shown = {one[0] for one in happened if one[1] == SHOWN}
    answered = {one[0] for one in happened if one[1] == ANSWER} & shown
    weeks: dict[date, list[int]] = {}
    for _, what, at, value in happened:
        if what == ANSWER:
            day = at.astimezone(workspace.zone()).date()
            weeks.setdefault(day - timedelta(days=day.weekday()), []).append(value)
    at, over_time = min(weeks), []
    while at <= max(weeks):
        values = weeks.get(at, [])
        over_time.append({"from": at.isoformat(), "responses": len(values), "score": score(values)})
        at += timedelta(days=7)
    scale = range(11) if kind == "nps" else range(1, 6)
    return {
        "responses": len(given),
        "score": score(given),
        "average": sum(given) / len(given),
        "classes": dict(zip(names, (best, len(given) - best - worst, worst), strict=True)),
        "distribution": [{"value": one, "count": counts[one]} for one in scale],
        "outside": 0,
        "shown": len(shown),
        "answered": len(answered),
        "rate": len(answered) / len(shown),
        "period": "week",
        "over_time": over_time,
    }


def test_linked_ids_are_one_person_and_a_reason_makes_no_second_answer(fresh: Warehouse) -> None:
    events.add(
        fresh,
        ("an1", SHOWN, "nps", ago(hours=3)),
        ("ada", SHOWN, "nps", ago(hours=2)),
        ("ada", ANSWER, "nps", ago(minutes=30), {"score": 10}),
        ("ada", ANSWER, "nps", ago(minutes=29), {"reason": "Fast"}),
        ("bob", SHOWN, "nps", ago(hours=2)),
        ("bob", SHOWN, "nps", ago(hours=1), {"dismissed": True}),
    )
    events.link(fresh, "an1", "ada")
    events.metadata(fresh, "ada", ago(days=1), plan="pro")
    made = survey()
    found = summary(made)
    assert (found["responses"], found["shown"], found["answered"], found["rate"]) == (1, 2, 1, 0.5)
    found = summary(made, segment=segments.create("Pro", PRO))
    assert (found["responses"], found["shown"], found["score"]) == (1, 1, 100)
    [one], following = survey_results.page(Asked(made))
    assert (one["visitor_id"], one["score"], one["reason"], one["class"], following) == (
        "ada", 10, "Fast", "promoter", None,
    )  # fmt: skip


def test_nothing_was_answered_yet(fresh: Warehouse) -> None:
    found = summary(survey())
    assert (found["responses"], found["score"], found["rate"], found["over_time"]) == (0, None, None, [])
    assert found["classes"] == {"promoter": 0, "passive": 0, "detractor": 0}


def test_a_score_that_is_none_of_the_scale_counts_nowhere(fresh: Warehouse) -> None:
    for number, score in enumerate([9, 11, -1, 8.5, "many", 0]):
        events.add(fresh, (f"v{number}", ANSWER, "nps", ago(hours=1), {"score": score}))
    found = summary(survey())
    assert (found["responses"], found["outside"], found["score"]) == (2, 4, 0)


def test_the_list_has_the_numbers_of_all_in_one_question(fresh: Warehouse) -> None:
    found = [survey("nps"), survey("csat"), survey("question")]
    for kind, scores in (("nps", (10, 9, 3, 11)), ("csat", (5, 1)), ("other", (1,))):
        for number, score in enumerate(scores):
            events.add(fresh, (f"v{number}", ANSWER, kind, ago(hours=1), {"score": score}))
    events.add(fresh, ("v1", ANSWER, "question", ago(hours=1), {"response": "x"}))
    events.add(
        fresh, ("v1", ANSWER, "nps", ago(days=91), {"score": 0}), ("v1", ANSWER, "nps", ago(hours=1), {"reason": "x"})
    )
    told = survey_results.overview(found)
    assert told["nps"] == (3, pytest.approx(100 / 3))
    assert told["csat"] == (2, 50)
    assert told["question"] == (1, None)
    for one in found:
        full = summary(one)
        assert (full["responses"], full["score"]) == told[one.key]


def test_choices_and_words(fresh: Warehouse) -> None:
    for number, said in enumerate(["Blue", "Blue", "Red", "Pink"]):
        events.add(fresh, (f"v{number}", ANSWER, "colour", ago(hours=number + 1), {"response": said}))
    events.add(fresh, ("v9", ANSWER, "why", ago(hours=1), {"response": "So", "reason": "So"}))
    colour = surveys.create(
        {
            "key": "colour",
            "name": "C",
            "kind": "question",
            "texts": {"question": "?"},
            "choices": ["Red", "Blue", "Grey"],
        }
    )
    found = summary(colour)
    assert [(one["value"], one["count"]) for one in found["distribution"]] == [
        ("Red", 1), ("Blue", 2), ("Grey", 0), ("", 1),
    ]  # fmt: skip
    assert (found["responses"], found["score"], found["classes"]) == (4, None, {})
    assert [one["reason"] for one in survey_results.page(Asked(colour))[0]] == ["Blue", "Blue", "Red", "Pink"]
    why = surveys.create({"key": "why", "name": "W", "kind": "question", "texts": {"question": "?"}})
    assert (summary(why)["responses"], summary(why)["distribution"]) == (1, [])


def test_a_report_says_the_class_by_the_kind_of_the_survey(fresh: Warehouse) -> None:
    survey("csat")
    events.add(fresh, ("ada", ANSWER, "csat", ago(hours=1), {"score": 5}))
    events.add(fresh, ("ada", ANSWER, "unknown", ago(hours=1), {"score": 5}))
    for key, class_ in (("csat", "satisfied"), ("unknown", "detractor")):
        listed = reports.create({"name": "R", "kind": "response", "survey": key, "columns": ["response.class"]})
        newest = reports.create({"name": "V", "columns": [{"survey": key, "part": "class", "as": "c"}]})
        assert rows.page(listed).items == [{"response.class": class_}]
        assert rows.page(newest).items == [{"c": class_}]


def test_responses_by_class_with_words_page_by_page_and_as_csv(client: Client, fresh: Warehouse) -> None:
    made, segment = survey(), segments.create("Pro", PRO)
    for number in range(7):
        events.add(fresh, (f"v{number}", ANSWER, "nps", ago(hours=number + 1), {"score": number + 4}))
    events.add(fresh, ("v6", ANSWER, "nps", ago(hours=6, minutes=50), {"reason": "=Fast"}))
    events.metadata(fresh, "v0", ago(days=1), plan="pro")
    asking: Any = {"headers": {"Authorization": f"Bearer {keys.create('k', write=False, by='a')[1]}"}}

    def get(**query: Any) -> list[Any]:
        items, cursor = [], ""
        while cursor is not None:
            found = client.get(f"/api/v2/surveys/{made.id}/responses", {**query, "cursor": cursor}, **asking).json()
            items, cursor = items + found["items"], found["next"]
        return [one["visitor_id"] for one in items]

    assert get(limit=2) == [f"v{number}" for number in range(7)]
    assert get(limit=2, **{"class": "detractor"}) == ["v0", "v1", "v2"]
    assert get(commented=True) == ["v6"]
    assert get(segment=segment.id) == ["v0"]
    assert get(within="150m") == ["v0", "v1"]
    text = client.get(f"/api/v2/surveys/{made.id}/responses.csv", **asking).getvalue().decode()
    lines = text.splitlines()
    assert len(lines) == 8
    assert ",v6,,10,promoter,'=Fast," in lines[7]
    results = client.get(f"/api/v2/surveys/{made.id}/results", {"within": "30d"}, **asking).json()
    assert results["classes"] == {"promoter": 2, "passive": 2, "detractor": 3}
    for wrong, path in (
        ({"class": "happy"}, "class"),
        ({"within": "x"}, "range.within"),
        ({"within": "1d", "since": "2026-01-01"}, "within"),
    ):
        refused = client.get(f"/api/v2/surveys/{made.id}/responses", wrong, **asking)
        assert (refused.status_code, refused.json()["path"]) == (422, path)


def test_a_long_time_is_shown_by_month_and_an_empty_one_stays_in(fresh: Warehouse) -> None:
    made = survey()
    for at in (datetime(2025, 1, 31, 12, tzinfo=NOW.tzinfo), datetime(2025, 12, 1, 12, tzinfo=NOW.tzinfo)):
        events.add(fresh, ("ada", ANSWER, "nps", at, {"score": 9}))
    found = summary(made, range=survey_results.span(first="2025-01-01", last="2025-12-31"))
    assert (found["period"], len(found["over_time"])) == ("month", 12)
    assert found["over_time"][0] == {"from": "2025-01-01", "responses": 1, "score": 100}
    assert found["over_time"][1] == {"from": "2025-02-01", "responses": 0, "score": None}


def test_a_segment_with_rules_that_are_gone_is_said(fresh: Warehouse) -> None:
    made = survey()
    broken = Segment.objects.create(name="x", rules={"all": [{"any": [{"kind": "list", "list": "lst_gone"}]}]})
    with pytest.raises(Invalid):
        summary(made, segment=broken)
