"""Pages and features: named after the fact, they apply to all history at once, in segments and in reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import reports, rows, segments, tag_numbers, tags
from arrivals.audience.charts import saved
from arrivals.collect import sources
from arrivals.errors import Conflict, Invalid, InvalidReport, InvalidRules, InvalidTag, NotFound
from arrivals.warehouse.client import Warehouse
from tests import events

AT = datetime(2024, 3, 10, 9, 0, tzinfo=UTC)
SHOP = "https://shop.example"
ORDERS = {"name": "Orders", "rules": [{"url": {"wildcard": "//*/orders/**"}}]}
SAVE = {"name": "Save", "rules": [{"selector": "form#f > button.primary"}]}


def visit(
    store: Warehouse, visitor: str, url: str, at: datetime = AT, *, source: str = "src_t", name: str = ""
) -> None:
    """A page view with an address, which ``events.add`` does not give."""
    columns = [*events.EVENT]
    store.insert("events", [[source, 1, f"{visitor}{url}{at}", "page", name, visitor, "", at, at, url, "{}"]], columns)
    events.visitors(store, [visitor, at, at])


def click(store: Warehouse, visitor: str, *path: str, at: datetime = AT, name: str = "", **properties: Any) -> None:
    events.add(store, (visitor, "click", name or path[0], at, {"path": list(path), **properties}))


def who(**rule: Any) -> list[str]:
    return sorted(segments.preview({"all": [{"any": [rule]}]}).sample)


def test_a_new_page_applies_to_events_of_years_ago_without_a_rewrite(fresh: Warehouse) -> None:
    visit(fresh, "ada", f"{SHOP}/orders/7?x=1")
    visit(fresh, "bob", f"{SHOP}/cart")
    page = tags.create("page", ORDERS)
    assert who(kind="page", page=page.id) == ["ada"]
    assert who(kind="page", page=page.id, did=False) == ["bob"]
    assert who(kind="page", name="Orders") == ["ada"]
    tags.change("page", page.id, {**ORDERS, "rules": [{"url": {"exact": "/cart"}}]})
    assert who(kind="page", page=page.id) == ["bob"]
    assert fresh.query("SELECT count() FROM events") == [(2,)]


def test_a_name_means_the_events_that_came_with_it_and_all_that_are_called_so(fresh: Warehouse) -> None:
    visit(fresh, "ada", f"{SHOP}/orders")
    visit(fresh, "bob", "", name="Orders")
    visit(fresh, "cid", f"{SHOP}/old-orders")
    assert who(kind="page", name="Orders") == ["bob"]
    tags.create("page", ORDERS)
    assert who(kind="page", name="Orders") == ["ada", "bob"]
    tags.create("page", {"name": "Orders", "rules": [{"url": {"exact": "/old-orders"}}]})
    assert who(kind="page", name="Orders") == ["ada", "bob", "cid"]
    click(fresh, "ada", "button#save", "form")
    assert who(kind="feature", name="button#save") == ["ada"]
    tags.create("feature", {"name": "Save", "rules": [{"selector": "#save"}]})
    assert who(kind="feature", name="Save") == ["ada"]


def test_a_feature_counts_with_times_when_and_where(fresh: Warehouse) -> None:
    feature = tags.create("feature", SAVE)
    for day in range(3):
        click(fresh, "ada", "b", "button.primary.big", "form#f", at=AT + timedelta(days=day), plan="pro")
    click(fresh, "bob", "button.primary", "form#f", plan="free")
    click(fresh, "cid", "button.primary", "div", "form#f")
    rule = {"kind": "feature", "feature": feature.id}
    assert who(**rule) == ["ada", "bob"]
    assert who(**rule, times={"at_least": 2}) == ["ada"]
    assert who(**rule, times={"at_most": 1}) == ["bob"]
    assert who(**rule, when={"since": "2024-03-12"}) == ["ada"]
    assert who(**rule, where=[{"property": "plan", "op": "is", "value": "free"}]) == ["bob"]
    assert who(**rule, did=False) == ["cid"]


def test_a_linked_identity_is_one_visitor(fresh: Warehouse) -> None:
    feature = tags.create("feature", SAVE)
    click(fresh, "anonymous", "button.primary", "form#f")
    click(fresh, "ada", "button.primary", "form#f")
    events.link(fresh, "anonymous", "ada")
    assert who(kind="feature", feature=feature.id, times={"at_least": 2}) == ["ada"]
    recent = {**SAVE, "name": "Now"}
    now = tags.create("feature", recent)
    click(fresh, "anonymous", "button.primary", "form#f", at=clock.now())
    click(fresh, "ada", "button.primary", "form#f", at=clock.now())
    assert tag_numbers.of("feature", [now])[now.id]["visitors"] == 1


def test_a_report_counts_pages_and_features_by_name_and_by_id(fresh: Warehouse) -> None:
    page, feature = tags.create("page", ORDERS), tags.create("feature", SAVE)
    visit(fresh, "ada", f"{SHOP}/orders/1")
    visit(fresh, "ada", f"{SHOP}/orders/2", AT + timedelta(minutes=1))
    visit(fresh, "bob", f"{SHOP}/cart")
    click(fresh, "ada", "button.primary", "form#f", amount=3)
    columns = [
        "visitor.id",
        {"count": "page", "page": page.id, "as": "orders"},
        {"count": "page", "name": "Orders"},
        {"count": "feature", "feature": feature.id, "as": "saves"},
        {"count": "feature", "name": "Save"},
        {"sum": "feature", "feature": feature.id, "property": "amount", "as": "amount"},
    ]
    report = reports.create({"name": "R", "range": {"ever": True}, "columns": columns})
    assert sorted(tuple(row.values()) for row in rows.page(report, limit=10).items) == [
        ("ada", 2, 2, 1, 1, 3),
        ("bob", 0, 0, 0, 0, 0),
    ]


def test_one_source_is_meant_where_it_is_said(fresh: Warehouse) -> None:
    source, _ = sources.create("Shop")
    visit(fresh, "ada", f"{SHOP}/orders", source=source.id)
    visit(fresh, "bob", f"{SHOP}/orders", source="src_other")
    page = tags.create("page", {**ORDERS, "source": source.id})
    assert who(kind="page", page=page.id) == ["ada"]
    on_page = tags.create("feature", {"name": "x", "rules": [{"selector": "a", "page": page.id}]})
    assert who(kind="feature", feature=on_page.id) == []
    with pytest.raises(InvalidTag, match="There is no source"):
        tags.create("page", {**ORDERS, "source": "src_x"})


def test_a_feature_may_be_limited_to_a_page(fresh: Warehouse) -> None:
    page = tags.create("page", ORDERS)
    feature = tags.create("feature", {"name": "x", "rules": [{"selector": "button", "page": page.id}]})
    for visitor, url in (("ada", f"{SHOP}/orders/1"), ("bob", f"{SHOP}/cart")):
        row = ["src_t", 1, visitor, "click", "button", visitor, "", AT, AT, url, '{"path":["button"]}']
        fresh.insert("events", [row], events.EVENT)
        events.visitors(fresh, [visitor, AT, AT])
    assert who(kind="feature", feature=feature.id) == ["ada"]


def test_a_chart_keeps_its_feature(fresh: Warehouse) -> None:
    feature = tags.create("feature", SAVE)
    chart = saved.create(
        {"name": "Saved", "definition": {"kind": "trend", "series": [{"kind": "feature", "feature": feature.id}]}}
    )
    assert tags.users(feature) == [{"kind": "chart", "id": chart.id, "name": "Saved"}]
    with pytest.raises(Conflict, match="the chart 'Saved'"):
        tags.delete("feature", feature.id)


def test_what_uses_one_is_told_and_keeps_it_from_being_deleted(fresh: Warehouse) -> None:
    page, feature = tags.create("page", ORDERS), tags.create("feature", SAVE)
    assert tags.users(page) == []
    rule = {"kind": "page", "page": page.id}
    segment = segments.create("Buyers", {"all": [{"any": [rule]}]})
    columns = ["visitor.id", {"count": "page", "name": "Orders"}, {"count": "feature", "feature": feature.id}]
    report = reports.create({"name": "Counts", "range": {"ever": True}, "columns": columns})
    limited = tags.create("feature", {"name": "There", "rules": [{"selector": "a", "page": page.id}]})
    assert [(one["kind"], one["id"]) for one in tags.users(page)] == [
        ("segment", segment.id),
        ("report", report.id),
        ("feature", limited.id),
    ]
    assert [one["name"] for one in tags.users(feature)] == ["Counts"]
    with pytest.raises(Conflict, match="the segment 'Buyers', the report 'Counts', the feature 'There'"):
        tags.delete("page", page.id)
    tags.delete("feature", limited.id)
    reports.delete(report.id)
    segments.delete(segment.id)
    tags.delete("page", page.id)
    with pytest.raises(NotFound):
        tags.get("page", page.id)


def test_one_that_is_not_there_is_refused_by_its_path(fresh: Warehouse) -> None:
    for rule, path in (
        ({"kind": "page", "page": "pag_x"}, "rules.all[0].any[0].page"),
        ({"kind": "feature", "feature": 3}, "rules.all[0].any[0].feature"),
        ({"kind": "feature"}, "rules.all[0].any[0].name"),
        ({"kind": "page", "page": "x", "name": "y"}, "rules.all[0].any[0].name"),
    ):
        with pytest.raises(InvalidRules) as refused:
            segments.preview({"all": [{"any": [rule]}]})
        assert refused.value.path == path
    for column, path in (
        ({"count": "page", "page": "pag_x"}, "columns[0].page"),
        ({"count": "feature", "page": "x"}, "columns[0].page"),
        ({"count": "feature"}, "columns[0].name"),
    ):
        with pytest.raises(InvalidReport) as wrong:
            reports.create({"name": "R", "columns": [column]})
        assert wrong.value.path == path
    for data, path in (
        ([], ""),
        ({"name": "x", "rules": []}, "rules"),
        ({"rules": ORDERS["rules"]}, "name"),
        ({**ORDERS, "group": 3}, "group"),
        ({**ORDERS, "colour": "red"}, ".colour"),
    ):
        with pytest.raises(Invalid) as bad:
            tags.create("page", data)
        assert bad.value.path == path


def test_a_preview_counts_and_shows_examples(fresh: Warehouse) -> None:
    now = clock.now()
    visit(fresh, "ada", f"{SHOP}/orders/1?x=1", now)
    visit(fresh, "ada", f"{SHOP}/orders/1", now)
    visit(fresh, "bob", f"{SHOP}/orders/2", now)
    visit(fresh, "bob", f"{SHOP}/cart", now)
    visit(fresh, "cid", f"{SHOP}/orders/3", now - timedelta(days=40))
    found = tag_numbers.preview("page", ORDERS["rules"])
    assert (found.events, found.visitors, found.of) == (3, 2, 4)
    assert [(one["url"], one["events"]) for one in found.examples] == [(f"{SHOP}/orders/*", 3)]
    assert tag_numbers.preview("page", ORDERS["rules"], when={"ever": True}).events == 4
    page, other = (
        tags.create("page", ORDERS),
        tags.create("page", {**ORDERS, "rules": [{"url": {"contains": "never"}}]}),
    )
    numbers = tag_numbers.of("page", [page, other])
    assert (numbers[page.id]["events"], numbers[page.id]["visitors"]) == (3, 2)
    assert numbers[other.id] == {"events": 0, "visitors": 0, "last": None}
