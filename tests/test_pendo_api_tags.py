"""Pages and features that got their names after the fact, as Pendo's API shows and counts them."""

import re
from datetime import UTC, datetime
from typing import Any

from arrivals.audience import tags
from arrivals.collect import sources
from arrivals.warehouse.client import Warehouse
from tests.pendo import Api
from tests.test_audience_tags import SHOP, click, visit

AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
RULES: list[Any] = [
    {"url": {"wildcard": "//*/orders/*"}, "parameters": [{"name": "tab"}]},
    {"url": {"contains": "order.id"}},
    {"title": {"is": "Orders"}},
]


def test_they_stand_beside_those_that_events_name(fresh: Warehouse) -> None:
    source, _ = sources.create("Shop")
    other, _ = sources.create("Other")
    visit(fresh, "ada", f"{SHOP}/x", AT, name="Home", source=source.id)
    page = tags.create("page", {"name": "Orders", "group": "Shop", "source": source.id, "rules": RULES})
    element = {"selector": "form#f > button", "text": {"is": 'Say "hi"'}, "page": page.id}
    feature = tags.create("feature", {"name": "Save", "rules": [element]})
    everywhere = tags.create("feature", {"name": "Any", "rules": [{"text": {"contains": "save"}}]})
    api = Api()
    home, orders = api.send("GET", "/page")
    assert (home["name"], orders["id"], orders["name"], orders["group"]["name"]) == ("Home", page.id, "Orders", "Shop")
    assert set(home) == set(orders)
    assert orders["appIds"] == [sources.app_id(source.id)]
    assert [one["rule"] for one in orders["rules"]] == ["//*/orders/*", "**order.id**"]
    assert re.search(orders["rules"][0]["parsedRule"], f"{SHOP}/orders/7?tab=1")
    assert re.search(orders["rules"][1]["parsedRule"], f"{SHOP}/?order.id=7")
    assert not re.search(orders["rules"][1]["parsedRule"], f"{SHOP}/?order-id=7")
    assert api.send("GET", f"/page/{page.id}") == orders
    saved, anywhere = sorted(api.send("GET", "/feature"), key=lambda one: one["id"] == everywhere.id)
    assert (saved["elementPathRules"], saved["appWide"], saved["pageId"]) == (
        ['form#f > button:contains("Say \\"hi\\"")'],
        False,
        page.id,
    )
    assert (anywhere["id"], anywhere["elementPathRules"], anywhere["appWide"]) == (
        everywhere.id,
        [':contains("save")'],
        True,
    )
    assert anywhere["appIds"] == [sources.app_id(source.id), sources.app_id(other.id)]
    assert api.send("GET", f"/page?appId={sources.app_id(other.id)}") == []
    assert [one["id"] for one in api.send("GET", f"/feature?id={feature.id}")] == [feature.id]


def test_an_aggregation_counts_them_by_their_id(fresh: Warehouse) -> None:
    page = tags.create("page", {"name": "Orders", "rules": RULES[1:2]})
    feature = tags.create("feature", {"name": "Save", "rules": [{"selector": "#save"}]})
    for visitor in ("ada", "ada", "bob"):
        visit(fresh, visitor, f"{SHOP}/?order.id=1", AT, name="")
    visit(fresh, "bob", f"{SHOP}/cart", AT, name="Cart")
    click(fresh, "bob", "b", "button#save", at=AT)
    api = Api()

    def counted(source: dict[str, Any]) -> list[tuple[str, str, int]]:
        spawn = [{"source": source}]
        body = {"response": {"mimeType": "application/json"}, "request": {"pipeline": spawn}}
        kind = "pageId" if "pageEvents" in source else "featureId"
        found = api.send("POST", "/aggregation", body)["results"]
        return sorted((one["visitorId"], one[kind], one["numEvents"]) for one in found)

    times = {"timeSeries": {"period": "dayRange", "first": int(AT.timestamp() * 1000), "count": 2}}
    assert counted({"pageEvents": {"pageId": page.id}, **times}) == [("ada", page.id, 2), ("bob", page.id, 1)]
    assert counted({"featureEvents": {"featureId": feature.id}, **times}) == [("bob", feature.id, 1)]
    assert counted({"pageEvents": {"pageId": "pag_" + "0" * 24}, **times}) == []
    assert [number for _, _, number in counted({"pageEvents": None, **times})] == [1]
