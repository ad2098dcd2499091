"""How an address of /api/v1 finds its endpoint, whatever an id looks like; and long answers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import AsyncClient

from arrivals.accounts import keys
from arrivals.api.pendo import urls
from arrivals.audience import reports
from arrivals.warehouse.client import Warehouse
from tests import events
from tests.pendo import HEADER, Api

AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
ROUTES = [
    ("GET", "/visitor/a%2Fhistory", "/visitor/{id}", {"id": "a/history"}),
    ("GET", "/visitor/a/history", "/visitor/{id}/history", {"id": "a"}),
    ("GET", "/visitor/a/b/history", "/visitor/{id}/history", {"id": "a/b"}),
    ("GET", "/visitor/a/b", "/visitor/{id}", {"id": "a/b"}),
    ("GET", "/visitor/%C3%BC%25%2F%3F/history", "/visitor/{id}/history", {"id": "ü%/?"}),
    ("GET", "/account/https%3A%2F%2Fx.com%2F", "/account/{id}", {"id": "https://x.com/"}),
    (
        "PUT",
        "/metadata/visitor/pendo/value/x/donotprocess",
        "/metadata/visitor/pendo/value/{id}/donotprocess",
        {"id": "x"},
    ),
    (
        "GET",
        "/metadata/visitor/pendo/value/x/donotprocess",
        "/metadata/{kind}/{group}/value/{id}/{field}",
        {"kind": "visitor", "group": "pendo", "id": "x", "field": "donotprocess"},
    ),
    (
        "PUT",
        "/metadata/account/custom/value/a%2Fb/c%2Fd",
        "/metadata/{kind}/{group}/value/{id}/{field}",
        {"kind": "account", "group": "custom", "id": "a/b", "field": "c/d"},
    ),
    ("GET", "/report/", "/report", {}),
]


@pytest.mark.parametrize(("method", "path", "template", "values"), ROUTES)
def test_an_id_may_hold_anything(method: str, path: str, template: str, values: dict[str, str]) -> None:
    scope = {"type": "http", "method": method, "path": "", "raw_path": f"/api/v1{path}".encode(), "headers": []}
    parts = urls.parts_of(ASGIRequest(scope, None))
    found = next((one, given) for one, given in urls.matches(parts) if one.method == method)
    assert (found[0].path, found[1]) == (template, values)


def test_a_report_of_more_rows_than_one_page_is_whole_and_in_order(fresh: Warehouse) -> None:
    names = [f"v{number:04}" for number in range(1203)]
    events.add(fresh, *[(name, "track", "x", AT) for name in reversed(names)], ("Ünï", "track", "x", AT))
    made = reports.create({"name": "All", "range": {"ever": True}, "columns": ["metric.events"]})
    rows = Api().send("GET", f"/report/{made.id}/results.json")
    assert [row["visitorId"] for row in rows] == sorted([*names, "Ünï"])
    csv = Api().send("GET", f"/report/{made.id}/results.csv")
    assert csv.count("\r\n") == 1205


async def test_an_event_loop_gets_the_rows_piece_by_piece(fresh: Warehouse) -> None:
    from asgiref.sync import sync_to_async

    def prepare() -> tuple[str, str]:
        events.add(fresh, *[(f"v{number}", "track", "x", AT) for number in range(600)])
        made = reports.create({"name": "All", "range": {"ever": True}, "columns": ["metric.events"]})
        return made.id, keys.create("reader", write=False, by="ada@example.com")[1]

    report, secret = await sync_to_async(prepare)()
    answer: Any = await AsyncClient().get(f"/api/v1/report/{report}/results.json", headers={HEADER: secret})
    pieces = [piece async for piece in answer.streaming_content]
    assert len(pieces) == 2
    assert len(json.loads(b"".join(pieces))) == 600
