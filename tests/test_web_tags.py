"""The pages Pages and Features: lists, the form with its live numbers, what was captured, and the link to point."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people
from arrivals.accounts.models import AuditEntry
from arrivals.audience import picking, segments, tags
from arrivals.audience.models import Feature, Page
from arrivals.collect import sources
from arrivals.warehouse.client import Warehouse
from tests.test_audience_tags import SHOP, click, visit

RULES = [{"url": {"wildcard": "/orders/*"}}]


@pytest.fixture
def web(fresh: Warehouse) -> Client:
    client = Client()
    client.force_login(people.create("ada@example.com", password="a long password", role="admin"))
    return client


def text(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    return str(answer.content.decode())


def form(**given: Any) -> dict[str, str]:
    return {"name": "Order", "group": "", "source": "", "rules": json.dumps(RULES), **given}


def test_an_empty_list_offers_the_first_step(web: Client) -> None:
    assert "Name the first page" in text(web.get("/pages"))
    assert "Name the first feature" in text(web.get("/features"))
    assert "No click came in the past 30 days" in text(web.get("/features/suggestions"))


def test_what_was_captured_is_one_click_from_a_name(web: Client, fresh: Warehouse) -> None:
    visit(fresh, "ada", f"{SHOP}/orders/7", clock.now(), name="Order")
    click(fresh, "ada", "button#save", at=clock.now(), text="Save")
    for kind, rule, name in (
        ("page", {"url": {"wildcard": f"{SHOP}/orders/*"}}, "Order"),
        ("feature", {"selector": "button#save"}, "Save"),
    ):
        page = text(web.get(f"/{kind}s/suggestions"))
        link = page.split('href="')[1].split('"')[0].replace("&amp;", "&")
        given = parse_qs(urlsplit(link).query)
        assert (json.loads(given["rule"][0]), given["name"]) == (rule, [name])
        shown = text(web.get(link))
        assert f'value="{name}"' in shown
        assert "Use</button>" in text(web.get(f"/{kind}s/suggestions?pick"))
        assert "Nothing with" in text(web.get(f"/{kind}s/suggestions?search=nowhere"))


def test_one_is_made_changed_and_deleted(web: Client, fresh: Warehouse) -> None:
    made = web.post("/pages/new", form(group="Shop"))
    page = Page.objects.get()
    assert (made.status_code, made["Location"], page.rules) == (302, f"/pages/{page.id}", RULES)
    web.post(f"/pages/{page.id}", form(name="Orders"))
    visit(fresh, "ada", f"{SHOP}/orders/7", clock.now())
    numbers = text(web.get("/pages/numbers"))
    assert "Orders" in numbers
    assert "wildcard /orders/*" in numbers
    assert numbers.count('<td class="right">1</td>') == 2
    segment = segments.create("Buyers", {"all": [{"any": [{"kind": "page", "page": page.id}]}]})
    shown = text(web.get(f"/pages/{page.id}"))
    assert f'href="/segments/{segment.id}"' in shown
    assert "Delete the page" not in shown
    web.post(f"/pages/{page.id}/delete")
    assert "used by the segment &#x27;Buyers&#x27;" in text(web.get("/pages"))
    segments.delete(segment.id)
    assert web.post(f"/pages/{page.id}/delete")["Location"] == "/pages"
    assert not Page.objects.exists()
    actions = AuditEntry.objects.filter(subject=page.id).order_by("pk").values_list("who", "action")
    assert list(actions) == [("ada@example.com", f"page.{one}") for one in ("create", "change", "delete")]


def test_a_refused_form_keeps_what_was_written(web: Client) -> None:
    rules = json.dumps([{"selector": "a:hover"}])
    page = text(web.post("/features/new", form(name="Hover", rules=rules)), 422)
    assert "only :nth(n) is allowed" in page
    assert 'data-path="rules[0].selector"' in page
    assert 'value="Hover"' in page
    assert "a:hover" in page
    assert "The rules are not JSON" in text(web.post("/features/new", form(rules="[")), 422)
    assert not Feature.objects.exists()


def test_the_preview_counts_while_one_writes(web: Client, fresh: Warehouse) -> None:
    visit(fresh, "ada", f"{SHOP}/orders/7", clock.now())
    visit(fresh, "ada", f"{SHOP}/cart", clock.now())
    shown = text(web.post("/pages/preview", {"rules": json.dumps(RULES), "source": ""}))
    assert '<b class="count">1</b> event of 1 visitor' in shown
    assert f"{SHOP}/orders/*" in shown
    wrong = text(web.post("/pages/preview", {"rules": "[{}]", "source": ""}))
    assert 'data-path="rules[0]"' in wrong


def test_the_link_to_point_is_for_one_source_and_names_the_person(web: Client) -> None:
    assert "Make a source" in text(web.get("/features/point"))
    source, _ = sources.create("Shop")
    given = {"source": source.id, "address": "https://shop.example/orders?x=1#top"}
    page = text(web.post("/features/point", given))
    link = page.split('id="open-site" href="')[1].split('"')[0]
    assert link.startswith("https://shop.example/orders?x=1#arrivals-picker=")
    read = picking.read(link.split("arrivals-picker=")[1])
    assert (read.by, read.source) == ("ada@example.com", source)
    assert AuditEntry.objects.get(action="picker.link").details == {"site": "shop.example"}
    for address in ("javascript:alert(1)", "shop.example", "https://", "https://a b", ""):
        refused = text(web.post("/pages/point", {**given, "address": address}), 422)
        assert "must be the address of a page" in refused
        assert "arrivals-picker" not in refused
    assert web.post("/pages/point", {**given, "source": "src_x"}).status_code == 404


def test_the_builders_of_segments_and_reports_know_the_names(web: Client) -> None:
    tags.create("page", {"name": "Order page", "rules": RULES})
    tags.create("feature", {"name": "Save feature", "rules": [{"selector": "#save"}]})
    for path in ("/segments/new", "/reports/new"):
        page = text(web.get(path))
        assert "Order page" in page
        assert "Save feature" in page
