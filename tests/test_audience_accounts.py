"""Reports of accounts: who is on them, and every column exact."""

import csv
import io
from datetime import timedelta
from typing import Any

from arrivals import clock
from arrivals.audience import members, reports, rows, segments
from arrivals.audience.models import Report
from arrivals.warehouse import client
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from tests import events

NOW = clock.now().replace(microsecond=0)
COLUMNS: list[Any] = [
    "account.id",
    "account.agent.plan",
    "metric.visitors",
    "metric.events",
    "metric.days_active",
    "metric.first_visit",
    "metric.last_visit",
    {"count": "track", "name": "purchase", "as": "purchases"},
    {"sum": "track", "name": "purchase", "property": "revenue", "as": "revenue"},
]


def ago(**span: float) -> Any:
    return NOW - timedelta(**span)


def report(columns: Any = COLUMNS, **more: Any) -> Report:
    return reports.create({"name": "R", "kind": "account", "range": {"within": "30d"}, "columns": columns, **more})


def on(report_: Report, **more: Any) -> set[str]:
    found = members.of(report_, **more)
    sql = f"SELECT id FROM ({found.names}) WHERE visitor IN ({found.ids.sql})"
    return {id_ for (id_,) in client.warehouse().query(sql, found.ids.parameters)}


def companies(store: Warehouse) -> None:
    events.add(
        store,
        ("ann", "track", "purchase", ago(days=40), {"revenue": 100}, "acme"),
        ("ann", "track", "purchase", ago(days=3), {"revenue": 10.5}, "acme"),
        ("ann", "track", "purchase", ago(days=2), {"revenue": 1}),  # names none: it belongs to acme
        ("bob", "page", "Home", ago(days=3), {}, "acme"),
        ("cid", "page", "Home", ago(days=1), {}, "globex"),
        ("dan", "page", "Home", ago(days=1)),  # of no account at all
        ("eva", "page", "Home", ago(days=60), {}, "old"),
    )
    row = ["agent", "plan", "acme", "gold", "string", NOW]
    store.insert("account_fields", [row], ["grp", "field", "account_id", "value", "type", "at"])


def test_every_column_is_exact(fresh: Warehouse) -> None:
    companies(fresh)
    assert rows.page(report()).items == [
        {
            "account.id": "acme",
            "account.agent.plan": "gold",
            "metric.visitors": 2,
            "metric.events": 3,
            "metric.days_active": 2,
            "metric.first_visit": clock.iso(ago(days=40)),
            "metric.last_visit": clock.iso(ago(days=2)),
            "purchases": 2,
            "revenue": 11.5,
        },
        {
            "account.id": "globex",
            "account.agent.plan": None,
            "metric.visitors": 1,
            "metric.events": 1,
            "metric.days_active": 1,
            "metric.first_visit": clock.iso(ago(days=1)),
            "metric.last_visit": clock.iso(ago(days=1)),
            "purchases": 0,
            "revenue": 0,
        },
    ]


def test_a_visitor_of_two_accounts_counts_for_each_what_names_it(fresh: Warehouse) -> None:
    events.add(
        fresh,
        ("ann", "track", "purchase", ago(days=3), {"revenue": 5}, "acme"),
        ("ann", "track", "purchase", ago(days=2), {"revenue": 7}, "globex"),
        ("ann", "track", "purchase", ago(days=4), {"revenue": 1}),  # of the newest account: globex
    )
    acme, globex = rows.page(report(["account.id", COLUMNS[-1]])).items
    assert (acme["revenue"], globex["revenue"]) == (5, 8)


def test_the_segment_says_whose_events_count(fresh: Warehouse) -> None:
    companies(fresh)
    rules = {"all": [{"any": [{"kind": "track", "name": "purchase", "times": {"at_least": 2}}]}]}
    buyers = report(segment=segments.create("Buyers", rules).id)
    assert on(buyers) == {"acme"}
    [acme] = rows.page(buyers).items
    assert (acme["metric.visitors"], acme["metric.events"], acme["revenue"]) == (1, 2, 11.5)
    assert acme["metric.first_visit"] == clock.iso(ago(days=40))


def test_an_anonymous_visitor_who_is_identified_is_one_of_the_account(fresh: Warehouse) -> None:
    companies(fresh)
    events.add(fresh, ("anon", "track", "purchase", ago(days=5), {"revenue": 2}))
    assert rows.page(report()).items[0]["revenue"] == 11.5
    events.link(fresh, "anon", "ann")
    [acme, _] = rows.page(report()).items
    assert (acme["revenue"], acme["metric.visitors"]) == (13.5, 2)
    rules = {"all": [{"any": [{"kind": "visitor", "field": "visitor.id", "op": "is", "value": "ann"}]}]}
    [mine] = rows.page(report(segment=segments.create("Ann", rules).id)).items
    assert (mine["account.id"], mine["revenue"], mine["metric.visitors"]) == ("acme", 13.5, 1)


def test_the_account_is_on_it_by_an_event_that_does_not_name_it(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "group", "", ago(days=50), {}, "acme"), ("ann", "page", "Home", ago(days=1)))
    assert on(report()) == {"acme"}


def test_who_was_on_it_then_is_asked_of_the_events_of_then(fresh: Warehouse) -> None:
    companies(fresh)
    assert on(report()) == {"acme", "globex"}
    assert on(report(), now=ago(days=2)) == {"acme"}
    assert on(report(), now=ago(days=35)) == {"acme", "old"}


def test_pages_and_csv_are_whole(fresh: Warehouse) -> None:
    names = [f"a{number:03}" for number in range(23)] + ["=evil", "日本"]
    events.add(fresh, *((f"v{name}", "track", "x", ago(hours=1), {}, name) for name in names))
    wanted, seen = report(["account.id", "metric.visitors"]), []
    cursor: str | None = ""
    while cursor is not None:
        page = rows.page(wanted, limit=7, cursor=cursor)
        seen += [row["account.id"] for row in page.items]
        cursor = page.next
    assert seen == sorted(names)
    assert rows.count(wanted) == len(names)
    read = list(csv.reader(io.StringIO("".join(rows.csv(wanted)))))
    assert (read[0], ["'=evil", "1"] in read, len(read)) == (["account.id", "metric.visitors"], True, 26)


def test_templates_see_the_account_and_no_visitor(fresh: Warehouse) -> None:
    companies(fresh)
    seen = rows.context(report(["account.id", "metric.last_visit"]), ["acme", "nobody"])
    assert seen["acme"] == {
        "visitor": {},
        "account": {"id": "acme", "agent": {"plan": "gold"}},
        "row": {"account.id": "acme", "metric.last_visit": clock.iso(ago(days=2))},
    }
    assert seen["nobody"]["row"] == {"account.id": "nobody", "metric.last_visit": None}


def test_what_a_crash_left_out_is_added_at_the_next_start(fresh: Warehouse) -> None:
    companies(fresh)
    before = on(report())
    for table in ("visitors", "account_visitors"):
        fresh.command(f"TRUNCATE TABLE {table}")
    assert on(report()) == set()
    for _ in range(2):
        EventStore().mend(0)
        assert on(report()) == before
    assert rows.page(report()).items[0]["revenue"] == 11.5
