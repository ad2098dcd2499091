"""What an aggregation refuses: 422 that names the wrong part, and nothing was asked of the warehouse's events."""

from typing import Any

import pytest
from django.test import Client

from arrivals.accounts import keys
from arrivals.warehouse.client import Warehouse

SERIES = {"period": "dayRange", "first": "now()", "count": -7}
VISITORS = {"source": {"visitors": None}}


def events(**series: Any) -> dict[str, Any]:
    return {"source": {"events": None, "timeSeries": {**SERIES, **series}}}


def nested(depth: int) -> list[Any]:
    return [VISITORS] if depth == 0 else [{"spawn": [nested(depth - 1)]}]


# stages, the path of the wrong part, and words of the sentence
REFUSED: list[tuple[Any, str, str]] = [
    (None, "pipeline", "Required"),
    ([], "pipeline", "begins with source or spawn"),
    ({}, "pipeline", "begins with source or spawn"),
    ([{"filter": "a"}], "pipeline[0].filter", "begins with source or spawn"),
    ([VISITORS, VISITORS], "pipeline[1].source", "begins with source or spawn"),
    ([VISITORS, {"explode": 1}], "pipeline[1]", "'explode'"),
    ([VISITORS, {"limit": 1, "skip": 1}], "pipeline[1]", "only key"),
    ([VISITORS, {}], "pipeline[1]", "only key"),
    ([VISITORS, "limit"], "pipeline[1]", "only key"),
    ([{"source": {"users": None}}], "pipeline[0].source", "'users'"),
    ([{"source": {"visitors": None, "accounts": None}}], "pipeline[0].source", "One source"),
    ([{"source": "visitors"}], "pipeline[0].source", "names a source"),
    ([{"source": {"visitors": 5}}], "pipeline[0].source.visitors", "object or null"),
    ([{"source": {"events": {"appId": "x"}}}], "pipeline[0].source.events.appId", "expandAppIds"),
    ([{"source": {"events": {"appId": True}}}], "pipeline[0].source.events.appId", "expandAppIds"),
    ([{"source": {"events": {"blacklist": "maybe"}}}], "pipeline[0].source.events.blacklist", "apply, ignore, only"),
    ([{"source": {"pageEvents": {"pageId": 5}}}], "pipeline[0].source.pageEvents.pageId", "an id"),
    ([{"source": {"timespan": {"kind": "tree"}}}], "pipeline[0].source.timespan.kind", "visitor or account"),
    ([{"source": {"const": [1]}}], "pipeline[0].source.const", "list of objects"),
    ([{"source": {"events": None, "timeSeries": 5}}], "pipeline[0].source.timeSeries", "period, first"),
    ([events(period="yearly")], "pipeline[0].source.timeSeries.period", "'yearly'"),
    ([events(period=None)], "pipeline[0].source.timeSeries.period", "dayRange"),
    ([events(first=None)], "pipeline[0].source.timeSeries.first", "Required"),
    ([events(first="soon")], "pipeline[0].source.timeSeries.first", "not a time"),
    ([events(first=-5)], "pipeline[0].source.timeSeries.first", "not a time"),
    ([events(first=9e18)], "pipeline[0].source.timeSeries.first", "not a time"),
    ([events(first="then()")], "pipeline[0].source.timeSeries.first", "'then'"),
    ([events(first=[1])], "pipeline[0].source.timeSeries.first", "an expression"),
    ([events(count=0)], "pipeline[0].source.timeSeries.count", "not 0"),
    ([events(count="many")], "pipeline[0].source.timeSeries.count", "whole number"),
    ([events(count=None)], "pipeline[0].source.timeSeries.last", "last or count"),
    ([events(count=None, last="later")], "pipeline[0].source.timeSeries.last", "not a time"),
    ([events(period="hourly", count=-500)], "pipeline[0].source.timeSeries", "400 periods"),
    ([VISITORS, {"filter": "a =="}], "pipeline[1].filter", "breaks off"),
    ([VISITORS, {"filter": ["a"]}], "pipeline[1].filter", "a text"),
    ([VISITORS, {"identified": 5}], "pipeline[1].identified", "name of a field"),
    ([VISITORS, {"eval": {"a": "f()"}}], "pipeline[1].eval.a", "'f'"),
    ([VISITORS, {"eval": "a"}], "pipeline[1].eval", "an object"),
    ([VISITORS, {"eval": {"visitorId.x": "1"}}], "pipeline[1].eval.visitorId.x", "'visitorId.x'"),
    ([VISITORS, {"select": [1]}], "pipeline[1].select", "an object"),
    ([VISITORS, {"sort": 5}], "pipeline[1].sort", "list of fields"),
    ([VISITORS, {"sort": ["a+b"]}], "pipeline[1].sort[0]", "name of a field"),
    ([VISITORS, {"limit": -1}], "pipeline[1].limit", "0 or more"),
    ([VISITORS, {"limit": "all"}], "pipeline[1].limit", "whole number"),
    ([VISITORS, {"skip": 1.5}], "pipeline[1].skip", "whole number"),
    ([VISITORS, {"skip": True}], "pipeline[1].skip", "whole number"),
    ([VISITORS, {"group": ["visitorId"]}], "pipeline[1].group", "group and fields"),
    ([VISITORS, {"group": {}}], "pipeline[1].group.group", "Required"),
    ([VISITORS, {"group": {"group": ["a"], "fields": {"x": {"median": "a"}}}}], "pipeline[1].group.x", "'median'"),
    ([VISITORS, {"group": {"group": ["a"], "fields": {"x": {"sum": None}}}}], "pipeline[1].group.x.sum", "a field"),
    ([VISITORS, {"group": {"group": ["a"], "fields": {"x": "sum"}}}], "pipeline[1].group.x", "one of sum"),
    ([VISITORS, {"reduce": {}}], "pipeline[1].reduce", "at least one"),
    ([VISITORS, {"reduce": {"x": {"countIf": {}}}}], "pipeline[1].reduce.x.countIf.if", "Required"),
    ([VISITORS, {"unwind": {}}], "pipeline[1].unwind.field", "Required"),
    ([VISITORS, {"bulkExpand": {"page": {"p": "pageId"}}}], "pipeline[1].bulkExpand", "'page'"),
    ([VISITORS, {"segment": {}}], "pipeline[1].segment.id", "Required"),
    ([VISITORS, {"segment": {"id": "seg_none"}}], "pipeline[1].segment.id", "seg_none"),
    ([VISITORS, {"switch": {"a": {"b": [{"<": 1}]}}}], "pipeline[1].switch.a[0].value", "Required"),
    ([VISITORS, {"switch": {"a": {"b": [{"value": 1, "~": 1}]}}}], "pipeline[1].switch.a[0]", "'~'"),
    ([VISITORS, {"unmarshal": {"a": 5}}], "pipeline[1].unmarshal.a", "name of a field"),
    ([{"spawn": []}], "pipeline[0].spawn", "list of pipelines"),
    ([{"spawn": [[VISITORS], [{"zap": 1}]]}], "pipeline[0].spawn[1][0]", "'zap'"),
    ([{"spawn": [[VISITORS], [VISITORS]]}, {"join": {}}], "pipeline[1].join.fields", "list of fields"),
    ([{"spawn": [[VISITORS], [VISITORS]]}, {"join": {"fields": ["a"], "width": 3}}], "pipeline[1].join.width", "2"),
    ([VISITORS, {"merge": {"fields": ["visitorId"]}}], "pipeline[1].merge.pipeline", "Required"),
    ([VISITORS, {"merge": {"pipeline": [VISITORS]}}], "pipeline[1].merge.fields", "list of fields"),
    ([VISITORS, *[{"limit": 1}] * 100], "pipeline[100]", "100 stages"),
    (nested(8), "pipeline[0].spawn[0][0].spawn", "nested deeper"),
]


@pytest.mark.parametrize(("pipeline", "path", "sentence"), REFUSED)
def test_a_wrong_part_is_named(
    store: Warehouse, db: None, client: Client, pipeline: Any, path: str, sentence: str
) -> None:
    _, secret = keys.create("reader", write=False, by="ada@example.com")
    answer = client.post(
        "/api/v1/aggregation",
        {"response": {"mimeType": "application/json"}, "request": {"pipeline": pipeline}},
        content_type="application/json",
        headers={"x-pendo-integration-key": secret},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_pipeline")
    [(named, said)] = answer.json()["fields"].items()
    assert named.startswith(path)
    assert sentence in said
    assert named in answer.json()["message"]


BODIES: list[tuple[Any, int, str]] = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"[]", 422, "request.pipeline"),
    (b'"x"', 422, "request.pipeline"),
    (b'{"pipeline": []}', 422, "pipeline is required."),
    (b'{"request": []}', 422, "pipeline is required."),
    (b'{"request": {"pipeline": null}}', 422, "pipeline is required."),
    (b'{"source": {"visitors": null}, "requestId": "flat"}', 422, "pipeline is required."),
    (b'{"response": {"mimeType": "image/png"}, "request": {"pipeline": [1]}}', 422, "text/csv"),
    (b'{"request": {"pipeline": ["\\u0000"]}}', 400, "NUL"),
    (b'{"request": {"pipeline": [NaN]}}', 400, "not JSON"),
    (b'{"x": "' + b"x" * 2_000_000 + b'"}', 413, "2,000,000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "sentence"), BODIES)
def test_a_wrong_body_is_refused(
    store: Warehouse, db: None, client: Client, body: bytes, status: int, sentence: str
) -> None:
    _, secret = keys.create("reader", write=False, by="ada@example.com")
    answer = client.post(
        "/api/v1/aggregation", body, content_type="text/plain", headers={"x-pendo-integration-key": secret}
    )
    assert answer.status_code == status
    assert sentence in answer.json()["message"]
