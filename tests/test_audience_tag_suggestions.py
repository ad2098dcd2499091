"""What was captured is offered with a name and a rule, and the rule that is proposed means what it was made of."""

from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import feature_rules, proposing, tag_suggestions, tags
from arrivals.audience.tag_suggestions import Asked
from arrivals.collect import sources
from arrivals.errors import InvalidTag
from arrivals.warehouse.client import Warehouse
from tests.test_audience_page_rules import asked
from tests.test_audience_selectors import row
from tests.test_audience_tags import SHOP, click, visit

PROPOSED: list[tuple[list[str], str, dict[str, Any]]] = [
    (["button#save.btn"], "Save", {"selector": "button#save"}),
    (["svg.icon", "button.btn[data-testid=save]", "form"], "", {"selector": '[data-testid="save"]'}),
    (["button#save[data-arrivals=go]"], "", {"selector": '[data-arrivals="go"]'}),
    (["input[name=plan]"], "", {"selector": 'input[name="plan"]'}),
    (["a.css-1x2y3z.nav-link.active:nth(3)", "nav#main", "body"], "Pricing", {"selector": "nav#main a.nav-link", "text": {"is": "Pricing"}}),
    (["a.nav-link:nth(3)", "nav#main", "body"], "", {"selector": "nav#main a.nav-link:nth(3)"}),
    (["a.nav-link:nth(3)", "body"], "Order 77", {"selector": "a.nav-link:nth(3)"}),
    (["button#item-10482.buy", "div[aria-label=Basket]"], "Buy", {"selector": 'div[aria-label="Basket"] button.buy', "text": {"is": "Buy"}}),
    (["button[type=submit]", "form"], "Go", {"selector": 'button[type="submit"]', "text": {"is": "Go"}}),
    (["button.md:flex.text-[14px].primary:nth(2)", "body"], "", {"selector": "button.primary:nth(2)"}),
    (["a[aria-label=Say \"hi\"]"], "", {"selector": "a[aria-label='Say \"hi\"']"}),
    (["a[aria-label=It's \"x\"]"], "", {"selector": r"a[aria-label^=It\'s\ \"x\"]"}),
    (["p", "main"], "", {"selector": "p"}),
    ([], "Save", {"text": {"is": "Save"}}),
    ([], "", {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "rule"), PROPOSED)
def test_a_rule_is_proposed(store: Warehouse, transactional_db: None, path: list[str], text: str, rule: Any) -> None:
    assert proposing.propose(path, text) == rule
    if rule:
        feature_rules.parse([rule])
        assert asked(store, "feature", [rule], [row(path, **({"text": text} if text else {}))]) == [True]


def test_a_piece_is_taken_apart() -> None:
    piece = "button#a.b.c[name=x y][role=tab]:nth(4)"
    assert proposing.read(piece) == proposing.Piece("button", "a", ("b", "c"), {"name": "x y", "role": "tab"}, 4)
    assert proposing.read("div.text-[#fff].x") == proposing.Piece("div", "", ("text-[#fff]", "x"))
    assert proposing.read("div") == proposing.Piece("div")


def test_addresses_are_grouped_with_ids_as_stars(fresh: Warehouse) -> None:
    now = clock.now()
    token = "cus_9f8e7d6c5b4a39281716"
    for number, path in enumerate(
        ("orders/1/edit?x=1", "orders/22/edit", "cart", f"c/{token}", "u/ada@example.com", "#/o/7?x=1")
    ):
        visit(fresh, f"v{number}", f"{SHOP}/{path}", now, name="Edit" if "edit" in path else "")
    visit(fresh, "v0", f"{SHOP}/u/550e8400-e29b-41d4-a716-446655440000", now)
    found = tag_suggestions.pages(Asked())
    assert [(one["address"], one["events"], one["visitors"], one["name"]) for one in found] == [
        (f"{SHOP}/orders/*/edit", 2, 2, "Edit"),
        (f"{SHOP}/u/*", 2, 2, ""),
        (f"{SHOP}/#/o/*", 1, 1, ""),
        (f"{SHOP}/c/*", 1, 1, ""),
        (f"{SHOP}/cart", 1, 1, ""),
    ]
    assert [one["rule"] for one in found][:1] == [{"url": {"wildcard": f"{SHOP}/orders/*/edit"}}]
    for one in found:
        tags.create("page", {"name": one["address"], "rules": [one["rule"]]})
    assert [one["named"] for one in tag_suggestions.pages(Asked())] == [[one["address"]] for one in found]
    assert [one["address"] for one in tag_suggestions.pages(Asked(search="ORDERS"))] == [f"{SHOP}/orders/*/edit"]
    assert tag_suggestions.site("") == f"{SHOP}/"


def test_elements_are_grouped_by_name_and_path(fresh: Warehouse) -> None:
    now = clock.now()
    source, _ = sources.create("Shop")
    for visitor in ("ada", "bob", "ada"):
        click(fresh, visitor, "button#save", "form", at=now, text="Save")
    click(fresh, "ada", "a", "nav", at=now, name='a "Home page"')
    first, second = tag_suggestions.features(Asked())
    assert (first["name"], first["text"], first["path"]) == ("button#save", "Save", ["button#save", "form"])
    assert (first["events"], first["visitors"], first["rule"]) == (3, 2, {"selector": "button#save"})
    assert second["rule"] == {"selector": "a", "text": {"is": "Home page"}}
    assert [one["name"] for one in tag_suggestions.features(Asked(search="home"))] == ['a "Home page"']
    tags.create("feature", {"name": "Save", "rules": [{"text": {"is": "save"}}, {"text": {"is": "Save"}}]})
    assert [one["named"] for one in tag_suggestions.features(Asked())] == [["Save"], []]
    assert tag_suggestions.features(Asked(source=source.id)) == []
    with pytest.raises(InvalidTag):
        tag_suggestions.features(Asked(source="src_x"))
