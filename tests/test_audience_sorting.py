"""Rows sorted by any column: the order is total, and pages by cursor are whole."""

import base64
import csv
import io
import json
import random
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience import columns, reports, rows
from arrivals.audience.models import Report
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse
from tests import events, makers

MONEY = {"sum": "track", "name": "buy", "property": "price", "as": "spent"}
COUNT = {"count": "track", "name": "buy", "as": "bought"}
ANSWERS = [{"survey": "nps", "part": part, "as": part} for part in columns.PARTS]
FIELDS = ["visitor.agent.plan", "visitor.agent.seats", "account.id", "account.agent.size"]
CHOSEN: dict[str, list[Any]] = {
    "visitor": [
        "visitor.id", *FIELDS, *(f"metric.{one}" for one in columns.METRICS["visitor"]), COUNT, MONEY, *ANSWERS,
    ],
    "account": ["account.id", "account.agent.size", *(f"metric.{one}" for one in columns.METRICS["account"]), COUNT, MONEY],
    "response": [*(f"response.{one}" for one in columns.RESPONSE), "visitor.id", *FIELDS],
}  # fmt: skip


@pytest.fixture
def people(fresh: Warehouse) -> Warehouse:
    """15 visitors of 4 accounts (some of none), of whom two had another id; with answers, money, and mixed metadata."""
    chance, now = random.Random(11), clock.now().replace(microsecond=0)
    stored: list[tuple[Any, ...]] = []
    for number in range(15):
        who = f"{'aBc'[number % 3]}{number:02}"
        account = f"acc{number % 4}" if number % 4 else ""
        for turn in range(chance.randint(1, 6)):
            at, raw = (
                now - timedelta(days=chance.random() * 25, seconds=9),
                f"anon-{who}" if number < 2 and turn % 2 else who,
            )
            stored.append((raw, "track", "buy", at, {"price": chance.choice([0.1, 0.2, 9.99, 10, "free"])}, account))
            if chance.random() < 0.7:
                score, late = chance.choice([0, 6, 7, 9, 9, 10, "?"]), at + timedelta(minutes=chance.randint(0, 90))
                stored.append((raw, "survey_answered", "nps", at, {"score": score}, account if turn % 2 else ""))
                stored.append(
                    (raw, "survey_answered", "nps", min(late, now), {"reason": chance.choice(["Fast", "fast", "slow"])})
                )
        if number % 5:
            events.metadata(
                fresh, who, now, plan=chance.choice(["pro", "Pro", "free"]), seats=chance.choice([3, 20, "many"])
            )
    events.add(fresh, *stored)
    fresh.command(
        "INSERT INTO account_visitors (account, account_id, visitor, first, last) SELECT cityHash64(account_id), "
        "account_id, visitor, min(ts), max(ts) FROM events WHERE account_id != '' GROUP BY account_id, visitor"
    )
    sizes = [["agent", "size", f"acc{number}", str(size), "number", now] for number, size in ((1, 100), (2, 9))]
    fresh.insert("account_fields", sizes, ["grp", "field", "account_id", "value", "type", "at"])
    for who in ("a00", "B01"):
        events.link(fresh, f"anon-{who}", who)
    return fresh


def report(kind: str, range_: Any, chosen: Any = None) -> Report:
    given = {"survey": "nps"} if kind == "response" else {}
    return reports.create({"name": "R", "kind": kind, "range": range_, "columns": chosen or CHOSEN[kind], **given})


def paged(of: Report, sort: str, limit: int) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        page = rows.page(of, limit=limit, cursor=cursor, sort=sort)
        found += page.items
        if page.next is None:
            return found
        cursor = page.next


BANDS = ["none", "low", "medium", "high"]


def key(label: str, value: Any) -> tuple[Any, ...]:
    """What a value is sorted by: numbers before texts, whatever the case; ids exactly."""
    if label == "metric.frequency":
        return (0, BANDS.index(value), "")
    if isinstance(value, int | float):
        return (0, value, "")
    return (1, 0, value if label.endswith(".id") else value.lower())


ORDERED = [(kind, {"within": "20d"}, chosen) for kind, chosen in CHOSEN.items()]
ORDERED += [("visitor", {"last": "10d"}, ["visitor.id", "account.id", "account.agent.size", "metric.usage_trending"])]


@pytest.mark.parametrize(("kind", "range_", "chosen"), ORDERED, ids=[*CHOSEN, "range in the past"])
def test_rows_are_sorted_by_any_column_and_pages_are_whole(
    people: Warehouse, kind: str, range_: Any, chosen: list[Any]
) -> None:
    id_ = {"visitor": "visitor.id", "account": "account.id", "response": "response.id"}[kind]
    whole = report(kind, range_, chosen)
    ids = sorted(row[id_] for row in rows.page(whole, limit=1000).items)
    assert len(ids) >= 3
    for label, column in zip(reports.labels(whole), chosen, strict=True):
        # Of one column only, since every page looks up all of them.
        of = report(kind, range_, [column] if label == id_ else [id_, column])
        for sort, limit in ((label, 6), (f"-{label}", 1000)):
            found = paged(of, sort, limit)
            assert sorted(row[id_] for row in found) == ids, sort
            there = [row for row in found if row[label] is not None]
            assert found[: len(there)] == there, f"{sort}: those without a value are last"
            its = [key(label, row[label]) for row in there]
            for numbers in (True, False):
                mine = [one for one in its if (one[0] == 0) == numbers]
                assert mine == sorted(mine, reverse=sort.startswith("-")), sort
            assert [one[0] for one in its] == sorted(one[0] for one in its), sort
            if not any(isinstance(row[label], float) for row in there):  # shown rounded, sorted exactly
                ties = [(one, row[id_]) for one, row in zip(its, there, strict=True)]
                assert all(one[0] != next_[0] or one[1] < next_[1] for one, next_ in pairwise(ties)), sort


def test_nobody_is_left_out_or_shown_twice_when_others_come_in_between(people: Warehouse) -> None:
    of = report("visitor", {"within": "20d"}, ["visitor.id", "metric.events"])
    before = [row["visitor.id"] for row in paged(of, "-metric.events", 1000)]
    first = rows.page(of, limit=5, sort="-metric.events")
    events.add(people, *[("a new one", "track", "buy", clock.now()) for _ in range(50)])
    rest = rows.page(of, limit=1000, cursor=first.next or "", sort="-metric.events")
    assert [row["visitor.id"] for row in first.items + rest.items] == before


REFUSED = [
    ("metric.minutes", "sort", "is not a column of this report; allowed are visitor.id, metric.events"),
    ("--metric.events", "sort", "is not a column"),
    ("-", "sort", "is not a column"),
]


@pytest.mark.parametrize(("sort", "path", "words"), REFUSED)
def test_what_is_no_column_is_refused(people: Warehouse, sort: str, path: str, words: str) -> None:
    with pytest.raises(Invalid) as refusal:
        rows.page(report("visitor", {"ever": True}, ["visitor.id", "metric.events"]), sort=sort)
    assert refusal.value.path == path
    assert words in refusal.value.message


def test_a_cursor_of_another_order_is_refused(people: Warehouse) -> None:
    of = report("visitor", {"ever": True}, ["visitor.id", "metric.events", "visitor.agent.plan", MONEY])

    def made(data: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode()

    good = rows.page(of, limit=2, sort="metric.events").next or ""
    wrong = [
        ("-metric.events", good),
        ("visitor.agent.plan", good),
        ("metric.events", "x"),
        ("metric.events", made([1])),
    ]
    wrong += [("metric.events", made(["metric.events", [one], "a"])) for one in ("1", 2**64, True, 1.5, [1])]
    wrong += [("spent", made(["spent", [one], "a"])) for one in ("1e9", "x", "1'", 1, "")]
    for sort, cursor in wrong:
        with pytest.raises(Invalid) as refusal:
            rows.page(of, cursor=cursor, sort=sort)
        assert refusal.value.path == "cursor", (sort, cursor)


def test_the_csv_is_in_the_chosen_order_and_asks_for_the_members_once(
    people: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST", 4)
    monkeypatch.setattr(rows, "MOST_AT_ONCE", 8)
    asked = []
    blocks = Warehouse.blocks
    monkeypatch.setattr(Warehouse, "blocks", lambda self, sql, *a, **k: asked.append(sql) or blocks(self, sql, *a, **k))
    of = report("visitor", {"within": "20d"}, ["visitor.id", MONEY, "account.id"])
    found = list(csv.reader(io.StringIO("".join(rows.csv(of, "-spent")))))
    assert len(asked) == 1
    assert found[0] == ["visitor.id", "spent", "account.id"]
    assert [line[0] for line in found[1:]] == [row["visitor.id"] for row in paged(of, "-spent", 1)]


def test_the_api_and_the_csv_take_a_sort(people: Warehouse, client: Client) -> None:
    of = report("visitor", {"ever": True}, ["visitor.id", "metric.events"])
    headers = {"Authorization": f"Bearer {keys.create('reader', write=False, by='ada@example.com')[1]}"}
    asked = client.get(f"/api/v2/reports/{of.id}/rows?sort=-metric.events&limit=2", headers=headers).json()
    assert asked["items"] == paged(of, "-metric.events", 1000)[:2]
    following = client.get(
        f"/api/v2/reports/{of.id}/rows",
        {"sort": "-metric.events", "limit": 1, "cursor": asked["next"]},
        headers=headers,
    ).json()
    assert following["items"] == paged(of, "-metric.events", 1000)[2:3]
    table = client.get(f"/api/v2/reports/{of.id}/rows.csv?sort=-metric.events", headers=headers)
    lines = b"".join(table.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[1].split(",")[0] == asked["items"][0]["visitor.id"]
    refused = client.get(f"/api/v2/reports/{of.id}/rows?sort=nothing", headers=headers)
    assert (refused.status_code, refused.json()["path"]) == (422, "sort")


def test_rows_without_a_sort_are_in_the_order_of_the_id(fresh: Warehouse) -> None:
    makers.come(fresh, "b", "a", "C")
    assert [row["visitor.id"] for row in rows.page(makers.report()).items] == ["C", "a", "b"]
