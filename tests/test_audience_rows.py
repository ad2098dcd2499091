"""Rows: every column is exact, pages are whole, and CSV is safe to open."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import reports, rows, segments
from arrivals.audience.models import Report
from arrivals.errors import Conflict, Invalid, InvalidReport
from arrivals.warehouse.client import Warehouse
from tests import events, makers

NOW = clock.now().replace(microsecond=0)
COLUMNS: list[Any] = [
    "visitor.id",
    "visitor.agent.plan",
    "visitor.agent.seats",
    "account.id",
    "metric.days_active",
    "metric.events",
    "metric.first_visit",
    "metric.last_visit",
    {"count": "track", "name": "purchase", "as": "purchases"},
    {"count": "event", "as": "everything"},
    {"count": "track", "name": "purchase", "where": [{"property": "revenue", "op": "gt", "value": 15}], "as": "big"},
    {"sum": "track", "name": "purchase", "property": "revenue", "as": "revenue"},
    {"survey": "nps", "part": "score", "as": "score"},
    {"survey": "nps", "part": "class", "as": "class"},
    {"survey": "nps", "part": "reason", "as": "reason"},
    {"survey": "nps", "part": "at", "as": "answered"},
]


def ago(**span: float) -> Any:
    return NOW - timedelta(**span)


def report(columns: Any = COLUMNS, **more: Any) -> Report:
    return reports.create({"name": "R", "range": {"within": "30d"}, "columns": columns, **more})


def people(store: Warehouse) -> None:
    events.add(
        store,
        ("ann", "track", "purchase", ago(days=40), {"revenue": 100}, "old"),
        ("ann", "track", "purchase", ago(days=3), {"revenue": 11.77}, "acme"),
        ("ann", "track", "purchase", ago(days=3), {"revenue": "20.23"}),
        ("ann", "track", "purchase", ago(days=2), {"revenue": "free"}),
        ("ann", "survey_answered", "nps", ago(days=5), {"score": 3, "reason": "Slow"}),
        ("ann", "survey_answered", "nps", ago(days=1), {"score": 9, "reason": "Fast"}),
        ("bob", "page", "Home", ago(days=60), {}, "globex"),
        ("bob", "page", "Home", ago(hours=1)),
    )
    events.metadata(store, "ann", ago(days=9), plan="pro", seats=5)


def test_every_column_is_exact(fresh: Warehouse) -> None:
    people(fresh)
    found = rows.page(report())
    assert found.next is None
    assert found.items == [
        {
            "visitor.id": "ann",
            "visitor.agent.plan": "pro",
            "visitor.agent.seats": 5,
            "account.id": "acme",
            "metric.days_active": len({ago(days=number).date() for number in (5, 3, 2, 1)}),
            "metric.events": 5,
            "metric.first_visit": clock.iso(ago(days=40)),
            "metric.last_visit": clock.iso(ago(days=1)),
            "purchases": 3,
            "everything": 5,
            "big": 1,
            "revenue": 32,
            "score": 9,
            "class": "promoter",
            "reason": "Fast",
            "answered": clock.iso(ago(days=1)),
        },
        {
            "visitor.id": "bob",
            "visitor.agent.plan": None,
            "visitor.agent.seats": None,
            "account.id": "globex",
            "metric.days_active": 1,
            "metric.events": 1,
            "metric.first_visit": clock.iso(ago(days=60)),
            "metric.last_visit": clock.iso(ago(hours=1)),
            "purchases": 0,
            "everything": 1,
            "big": 0,
            "revenue": 0,
            "score": None,
            "class": None,
            "reason": None,
            "answered": None,
        },
    ]


def test_a_linked_identity_is_one_row(fresh: Warehouse) -> None:
    people(fresh)
    events.add(
        fresh,
        ("anon", "track", "purchase", ago(days=50), {"revenue": 0.5}),
        ("anon", "track", "purchase", ago(hours=2), {"revenue": 0.01}),
    )
    events.metadata(fresh, "anon", ago(days=1), seats=6)
    events.link(fresh, "anon", "ann")
    ann, bob = rows.page(report()).items
    assert (ann["purchases"], ann["revenue"], ann["visitor.agent.seats"], ann["visitor.agent.plan"]) == (
        4,
        32.01,
        6,
        "pro",
    )
    assert (ann["metric.first_visit"], ann["metric.last_visit"]) == (clock.iso(ago(days=50)), clock.iso(ago(hours=2)))
    assert ann["account.id"] == "acme"
    assert bob["everything"] == 1


def test_a_range_in_the_past_counts_only_what_was_in_it(fresh: Warehouse) -> None:
    people(fresh)
    span = {"between": [clock.iso(ago(days=45)), clock.iso(ago(days=35))]}
    [ann] = rows.page(report(range=span)).items
    assert (ann["purchases"], ann["revenue"], ann["score"], ann["account.id"]) == (1, 100, None, "acme")


def test_money_adds_up_to_the_cent(fresh: Warehouse) -> None:
    amounts = [Decimal(number * 7 % 9973) / 100 for number in range(2000)]
    events.add(fresh, *(("ann", "track", "purchase", ago(hours=1), {"revenue": float(amount)}) for amount in amounts))
    [row] = rows.page(report([{"sum": "track", "name": "purchase", "property": "revenue", "as": "revenue"}])).items
    assert Decimal(str(row["revenue"])) == sum(amounts)


ODD = [
    "=1+1",
    " space",
    "ünï",
    '"quoted"',
    "a,b",
    "'",
    "+49",
    "-5",
    "@x",
    "\ttab",
    "<b>",
    "%s",
    "{x}",
    "0",
    "ann",
    "日本",
]


def test_pages_are_whole_in_order_and_without_repetition(fresh: Warehouse) -> None:
    names = ODD + [f"v{number:04}" for number in range(230)]
    events.add(fresh, *((name, "track", "x", ago(hours=1)) for name in names))
    wanted = report(["visitor.id"])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = rows.page(wanted, limit=37, cursor=cursor)
        seen += [row["visitor.id"] for row in page.items]
        cursor = page.next
    assert seen == sorted(names, key=lambda name: name.encode())
    assert rows.count(wanted) == len(names)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"cursor": "%%%"}, {"cursor": "ÿ"}])
def test_a_wrong_page_is_refused(fresh: Warehouse, wrong: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        rows.page(report(["visitor.id"]), **wrong)
    assert refusal.value.path == next(iter(wrong))


def test_csv_is_whole_and_no_cell_is_a_formula(fresh: Warehouse) -> None:
    events.add(fresh, *((name, "track", "x", ago(hours=1), {"n": -5.5}) for name in ODD))
    text = "".join(rows.csv(report(["visitor.id", {"sum": "track", "name": "x", "property": "n", "as": "total"}])))
    read = list(csv.reader(io.StringIO(text)))
    assert read[0] == ["visitor.id", "total"]
    assert {row[0].removeprefix("'") if row[0] != "'" else row[0] for row in read[1:]} == set(ODD)
    assert not [row for row in read[1:] if row[0].startswith(("=", "+", "-", "@", "\t"))]
    assert {row[1] for row in read[1:]} == {"-5.5"}
    assert text.endswith("\r\n")


def test_what_templates_see(fresh: Warehouse) -> None:
    people(fresh)
    fresh.insert(
        "account_fields",
        [["agent", "address.city", "acme", "Oslo", "string", NOW]],
        ["grp", "field", "account_id", "value", "type", "at"],
    )
    seen = rows.context(report(["visitor.id", "account.agent.address.city"]), ["ann", "nobody"])
    assert seen["ann"] == {
        "visitor": {"id": "ann", "agent": {"plan": "pro", "seats": 5}},
        "account": {"id": "acme", "agent": {"address": {"city": "Oslo"}}},
        "row": {"visitor.id": "ann", "account.agent.address.city": "Oslo"},
    }
    assert seen["nobody"]["row"]["visitor.id"] == "nobody"


REFUSED: list[tuple[Any, str, str]] = [
    ([], "report", "must be an object"),
    ({"name": ""}, "name", "1 to 200"),
    ({"name": "x", "colour": 1}, "colour", "not known here"),
    ({"name": "x", "kind": "crowd"}, "kind", "visitor, account, response"),
    ({"name": "x", "kind": "response"}, "survey", "needs its survey"),
    ({"name": "x", "survey": "nps"}, "survey", "Only a report of kind response"),
    ({"name": "x", "kind": "account", "columns": ["visitor.id"]}, "columns[0]", "account.id"),
    ({"name": "x", "kind": "account", "columns": [{"survey": "nps", "part": "score"}]}, "columns[0]", "not a column"),
    (
        {"name": "x", "kind": "response", "survey": "nps", "columns": [{"count": "event"}]},
        "columns[0]",
        "response.score",
    ),
    ({"name": "x", "segment": "seg_none"}, "segment", "no segment"),
    ({"name": "x", "segment": 5}, "segment", "no segment"),
    ({"name": "x", "range": {"within": "1y"}}, "range.within", "not a duration"),
    ({"name": "x", "range": "lately"}, "range", "one of"),
    ({"name": "x", "columns": []}, "columns", "1 to 50"),
    ({"name": "x", "columns": ["visitor"]}, "columns[0]", "not a column"),
    ({"name": "x", "columns": ["metric.money"]}, "columns[0]", "not a column"),
    ({"name": "x", "columns": ["visitor.id", "visitor.id"]}, "columns[1]", "Two columns"),
    ({"name": "x", "columns": [{"average": "track"}]}, "columns[0]", "not a column"),
    ({"name": "x", "columns": [{"count": "click", "name": "x"}]}, "columns[0].count", "one of track"),
    ({"name": "x", "columns": [{"count": "track"}]}, "columns[0].name", "1 to 255"),
    ({"name": "x", "columns": [{"sum": "track", "name": "x"}]}, "columns[0].property", "1 to 255"),
    ({"name": "x", "columns": [{"survey": "nps", "part": "colour"}]}, "columns[0].part", "score, reason"),
    ({"name": "x", "columns": [{"count": "event", "as": "1x"}]}, "columns[0].as", "begin with a letter"),
    ({"name": "x", "columns": [{"count": "event", "size": 1}]}, "columns[0].size", "not known here"),
    (
        {"name": "x", "columns": [{"count": "event", "where": [{"property": "a", "op": "like"}]}]},
        "columns[0].where[0].op",
        "not an operator",
    ),
]


@pytest.mark.parametrize(("definition", "path", "sentence"), REFUSED)
def test_a_wrong_report_is_refused_by_its_path_and_nothing_is_stored(
    fresh: Warehouse, definition: Any, path: str, sentence: str
) -> None:
    with pytest.raises(InvalidReport) as refusal:
        reports.create(definition)
    assert refusal.value.path == path
    assert sentence in refusal.value.message
    assert not Report.objects.exists()


def test_a_report_in_use_is_not_deleted(fresh: Warehouse) -> None:
    used = makers.report()
    makers.workflow(used)
    with pytest.raises(Conflict, match="'Tell'"):
        reports.delete(used.id)
    with pytest.raises(Conflict, match="The report 'Pro' uses it"):
        segments.delete(used.segment_id or "")
    with pytest.raises(InvalidReport):
        reports.change(used.id, {"name": ""})
    assert reports.get(used.id).name == "Pro"
