"""Responses to a survey: what one is, which reason belongs to it, and the newest answer in reports of visitors."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience import reports, responses, rows, segments
from arrivals.audience.models import Report
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse
from tests import events

NOW = clock.now().replace(microsecond=0)
ANSWER = "survey_answered"


def ago(**span: float) -> Any:
    return NOW - timedelta(**span)


def report(**more: Any) -> Report:
    return reports.create({"name": "R", "kind": "response", "survey": "nps", **more})


def listed(survey: str = "nps", **more: Any) -> list[tuple[Any, ...]]:
    items, _ = responses.page(survey, **more)
    return [(one["visitor_id"], one["score"], one["reason"]) for one in items]


def test_a_response_has_all_its_parts(fresh: Warehouse) -> None:
    [_, id_] = events.add(
        fresh,
        ("ann", "page", "Home", ago(days=9), {}, "acme"),
        ("ann", ANSWER, "nps", ago(hours=1), {"score": 9, "reason": "Fast"}),
    )
    [one], following = responses.page("nps")
    assert following is None
    assert one == {
        "id": id_,
        "survey": "nps",
        "score": 9,
        "reason": "Fast",
        "class": "promoter",
        "visitor_id": "ann",
        "account_id": "acme",
        "at": clock.iso(ago(hours=1)),
    }


FORMS: list[tuple[str, list[tuple[str, float, dict[str, Any]]], list[tuple[Any, ...]], tuple[Any, Any]]] = [
    ("one event with both", [("ann", 60, {"score": 9, "reason": "a"})], [("ann", 9, "a")], (9, "a")),
    ("two events", [("ann", 60, {"score": 9}), ("ann", 55, {"reason": "b"})], [("ann", 9, "b")], (9, "b")),
    ("two at the same moment", [("ann", 60, {"score": 9}), ("ann", 60, {"reason": "b"})], [("ann", 9, "b")], (9, "b")),
    (
        "a later score without a reason",
        [("ann", 60, {"score": 9, "reason": "a"}), ("ann", 30, {"score": 2})],
        [("ann", 2, None), ("ann", 9, "a")],
        (2, None),
    ),
    (
        "each score its reason",
        [
            ("ann", 60, {"score": 9}),
            ("ann", 59, {"reason": "a"}),
            ("ann", 50, {"score": 2}),
            ("ann", 49, {"reason": "b"}),
        ],
        [("ann", 2, "b"), ("ann", 9, "a")],
        (2, "b"),
    ),
    (
        "a reason that was changed",
        [("ann", 60, {"score": 9, "reason": "a"}), ("ann", 50, {"reason": "b"})],
        [("ann", 9, "b")],
        (9, "b"),
    ),
    ("another's reason", [("ann", 60, {"score": 9}), ("bob", 55, {"reason": "b"})], [("ann", 9, None)], (9, None)),
    (
        "empty texts",
        [("ann", 60, {"score": 0, "reason": ""}), ("ann", 55, {"score": ""})],
        [("ann", 0, None)],
        (0, None),
    ),
    ("a reason before", [("ann", 60, {"reason": "a"}), ("ann", 55, {"score": 9})], [("ann", 9, None)], (9, None)),
    (
        "only a reason",
        [("ann", 60, {"reason": "a"}), ("ann", 50, {"reason": "b"})],
        [("ann", None, "b"), ("ann", None, "a")],
        (None, "b"),
    ),
    ("a choice", [("ann", 60, {"response": "blue"})], [("ann", None, "blue")], (None, None)),
]


@pytest.mark.parametrize(("_form", "answers", "expected", "newest"), FORMS, ids=[form[0] for form in FORMS])
def test_every_form_of_an_answer(
    fresh: Warehouse, _form: str, answers: Any, expected: list[tuple[Any, ...]], newest: tuple[Any, Any]
) -> None:
    events.add(fresh, *((who, ANSWER, "nps", ago(minutes=minutes), said) for who, minutes, said in answers))
    assert listed() == expected
    columns = [{"survey": "nps", "part": part, "as": part} for part in ("score", "reason", "class", "at")]
    visitors = reports.create({"name": "V", "columns": ["visitor.id", *columns]})
    ann = rows.page(visitors).items[0]
    assert (ann["visitor.id"], ann["score"], ann["reason"]) == ("ann", *newest)
    scored = [minutes for who, minutes, said in answers if who == "ann" and said.get("score", "") != ""]
    when = scored or [minutes for who, minutes, _ in answers if who == "ann"]
    assert ann["at"] == clock.iso(ago(minutes=min(when)))


def test_a_reason_after_an_hour_is_not_that_scores(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", ANSWER, "nps", ago(minutes=90), {"score": 9}))
    events.add(fresh, ("ann", ANSWER, "nps", ago(minutes=29), {"reason": "late"}))
    assert listed() == [("ann", 9, None)]


def test_a_text_in_a_survey_with_scores_is_no_response_even_when_the_scores_are_old(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", ANSWER, "nps", ago(days=90), {"score": 9}))
    events.add(
        fresh, ("bob", ANSWER, "nps", ago(days=1), {"reason": "x"}), ("bob", ANSWER, "q", ago(days=1), {"reason": "y"})
    )
    assert rows.page(report()).items == []
    assert listed("") == [("bob", None, "y"), ("ann", 9, None)]


def test_the_reason_of_an_anonymous_visitor_who_was_identified_meanwhile(fresh: Warehouse) -> None:
    events.add(fresh, ("anon", ANSWER, "nps", ago(minutes=60), {"score": 9}, "acme"))
    events.add(fresh, ("ann", ANSWER, "nps", ago(minutes=59), {"reason": "Fast"}))
    events.link(fresh, "anon", "ann")
    assert listed() == [("ann", 9, "Fast")]
    rules = {"all": [{"any": [{"kind": "visitor", "field": "visitor.id", "op": "is", "value": "ann"}]}]}
    mine = report(segment=segments.create("Ann", rules).id, columns=["visitor.id", "response.reason", "account.id"])
    assert [list(row.values()) for row in rows.page(mine).items] == [["ann", "Fast", "acme"]]
    others = {"all": [{"any": [{"kind": "visitor", "field": "visitor.id", "op": "is_not", "value": "ann"}]}]}
    assert rows.count(report(segment=segments.create("Others", others).id)) == 0


def test_a_report_of_responses_has_a_row_for_each_newest_first(fresh: Warehouse) -> None:
    ids = events.add(fresh, *(("ann", ANSWER, "nps", ago(hours=number), {"score": number}) for number in range(1, 11)))
    events.add(
        fresh, ("ann", ANSWER, "csat", ago(hours=1), {"score": 1}), ("old", ANSWER, "nps", ago(days=40), {"score": 1})
    )
    events.metadata(fresh, "ann", ago(days=1), plan="pro")
    columns = ["response.id", "response.at", "response.score", "response.class", "visitor.id", "visitor.agent.plan"]
    wanted, seen = report(columns=columns), []
    cursor: str | None = ""
    while cursor is not None:
        page = rows.page(wanted, limit=3, cursor=cursor)
        seen += page.items
        cursor = page.next
    assert [row["response.id"] for row in seen] == ids
    assert list(seen[8].values()) == [ids[8], clock.iso(ago(hours=9)), 9, "promoter", "ann", "pro"]
    assert rows.count(wanted) == 10
    assert "".join(rows.csv(wanted)).count("\r\n") == 11
    assert reports.labels(report(columns=["response.reason"])) == ["response.reason"]


def test_the_list_has_every_response_once_and_new_ones_do_not_move_it(fresh: Warehouse) -> None:
    same = ago(hours=1)
    ids = events.add(fresh, *((f"v{number}", ANSWER, "nps", same, {"score": 5}) for number in range(25)))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        items, cursor = responses.page("nps", limit=10, cursor=cursor)
        seen += [one["id"] for one in items]
        events.add(fresh, ("late", ANSWER, "nps", ago(seconds=1), {"score": 5}))
    assert seen == sorted(ids, reverse=True)
    assert len(responses.page("nps", since=clock.iso(ago(minutes=30)))[0]) == 3
    assert responses.page("other") == ([], None)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"limit": 0}, "limit"),
    ({"limit": 1001}, "limit"),
    ({"since": "soon"}, "since"),
    ({"cursor": "%%%"}, "cursor"),
    ({"cursor": "bm8"}, "cursor"),
    ({"cursor": "WzEsMl0"}, "cursor"),
]


@pytest.mark.parametrize(("wrong", "path"), WRONG)
def test_a_wrong_question_is_refused(fresh: Warehouse, wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        responses.page("nps", **wrong)
    assert refusal.value.path == path


def test_templates_see_the_response_and_its_visitor(fresh: Warehouse) -> None:
    [id_] = events.add(fresh, ("ann", ANSWER, "nps", ago(days=50), {"score": 3, "reason": "Slow"}, "acme"))
    events.metadata(fresh, "ann", ago(days=9), plan="pro")
    seen = rows.context(report(columns=["response.score"]), [id_, "erased"])
    assert seen[id_] == {
        "visitor": {"id": "ann", "agent": {"plan": "pro"}},
        "account": {"id": "acme"},
        "row": {"response.score": 3},
        "response": {
            "id": id_,
            "survey": "nps",
            "score": 3,
            "reason": "Slow",
            "class": "detractor",
            "at": clock.iso(ago(days=50)),
        },
    }
    assert (seen["erased"]["row"], seen["erased"]["visitor"]) == ({"response.score": None}, {})


def test_the_list_over_http(fresh: Warehouse) -> None:
    _, secret = keys.create("tests", write=False, by="ada@example.com")
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    events.add(
        fresh,
        ("ann", ANSWER, "nps", ago(hours=2), {"score": 3}),
        ("bob", ANSWER, "nps", ago(hours=1), {"score": 9}),
        ("cid", ANSWER, "csat", ago(hours=1), {"score": 1}),
    )
    answer = api.get("/api/v2/responses", {"survey": "nps", "limit": 1}).json()
    assert [one["visitor_id"] for one in answer["items"]] == ["bob"]
    answer = api.get("/api/v2/responses", {"survey": "nps", "limit": 1, "cursor": answer["next"]}).json()
    assert ([one["visitor_id"] for one in answer["items"]], answer["next"]) == (["ann"], None)
    assert len(api.get("/api/v2/responses", {"since": clock.iso(ago(minutes=90))}).json()["items"]) == 2
    refused = api.get("/api/v2/responses", {"since": "soon"})
    assert (refused.status_code, refused.json()["path"]) == (422, "since")
