"""How an aggregation answers: types, CSV, keys, caps, the members of a segment, sources apart."""

import csv
import gzip
import io
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.audience import aggregation, segments
from arrivals.audience.aggregation import limits
from arrivals.errors import CheckTimeout, TooLarge
from arrivals.warehouse import client as warehouses
from arrivals.warehouse.client import Warehouse
from tests import events

NOW = clock.now().replace(microsecond=0)


def body(*stages: dict[str, Any], mime: str = "application/json") -> dict[str, Any]:
    return {
        "response": {"mimeType": mime},
        "request": {"pipeline": list(stages), "sort": ["x"], "unknown": 1},
        "more": 1,
    }


def rows(*stages: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return list(aggregation.run(body(*stages), **more).rows)


CONST = {"source": {"const": [{"a": "=1+1", "b": [1, "x"], "c": None, "d": {"e": "-2"}, "f": -5}, {"a": 'q"u'}]}}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_a_read_only_key_and_any_content_type_will_do(fresh: Warehouse, client: Client, content_type: str) -> None:
    _, secret = keys.create("reader", write=False, by="ada@example.com")
    for raw, encoding in ((orjson.dumps(body(CONST)), ""), (gzip.compress(orjson.dumps(body(CONST))), "gzip")):
        answer = client.generic(
            "POST",
            "/api/v1/aggregation",
            raw,
            content_type=content_type,
            headers={"x-pendo-integration-key": secret, "content-encoding": encoding},
        )
        assert (answer.status_code, answer["content-type"]) == (200, "application/json")
        read = orjson.loads(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
        assert list(read) == ["startTime", "results"]
        assert read["results"][0]["b"] == [1, "x"]


def test_a_wrong_key_gets_403_and_nothing_else(fresh: Warehouse, client: Client) -> None:
    answer = client.post("/api/v1/aggregation", body(CONST), content_type="application/json")
    assert (answer.status_code, answer.content) == (403, b"")


def test_csv_has_a_header_and_no_formulas(fresh: Warehouse, client: Client) -> None:
    _, secret = keys.create("reader", write=False, by="ada@example.com")
    answer = client.post(
        "/api/v1/aggregation",
        body(CONST, {"eval": {"g.h": "f * 2", "i": "f < 0"}}, mime="text/csv"),
        content_type="application/json",
        headers={"x-pendo-integration-key": secret},
    )
    assert answer["content-type"].startswith("text/csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b", "c", "d", "f", "g.h", "i"],
        ["'=1+1", '[1,"x"]', "", '{"e":"-2"}', "-5", "-10", "True"],
        ['q"u', "", "", "", "", "", "False"],
    ]


def test_an_answer_that_is_too_large_is_refused_whole(
    store: Warehouse, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    const = {"source": {"const": [{"n": number} for number in range(20)]}}
    monkeypatch.setattr(limits, "MOST_ROWS", 20)
    assert len(rows(const)) == 20
    monkeypatch.setattr(limits, "MOST_ROWS", 19)
    with pytest.raises(TooLarge, match="more than 19 rows"):
        rows(const)
    monkeypatch.setattr(limits, "MOST_BYTES", 10)
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        rows(const, {"limit": 5})


def test_an_aggregation_that_takes_too_long_is_told(
    store: Warehouse, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def late(self: Warehouse, sql: str, parameters: Any = None, *, seconds: float = 0) -> Any:
        given.append(seconds)
        raise CheckTimeout(retry_after=60)

    monkeypatch.setattr(warehouses.Warehouse, "strings", late)
    with pytest.raises(CheckTimeout, match="longer than 5 minutes") as told:
        rows(CONST)
    assert told.value.status == 504
    assert given == [pytest.approx(limits.SECONDS, abs=5)]


def test_too_much_memory_is_told(store: Warehouse, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SETTINGS", limits.SETTINGS.replace(str(limits.MEMORY), "1000000"))
    many = {"source": {"const": [{"n": number} for number in range(1000)]}}
    with pytest.raises(TooLarge, match="too much memory"):
        rows(many, {"eval": {"a": "n + `" + "x" * 2000 + "`"}}, {"group": {"group": ["a"]}})


def test_a_key_of_one_source_sees_that_source_only(fresh: Warehouse) -> None:
    columns = list(events.EVENT)
    made = [
        ["src_a", 1, "1", "page", "Home", "ann", "acme", NOW, NOW, "", "{}"],
        ["src_b", 2, "2", "page", "Docs", "bob", "globex", NOW, NOW, "", "{}"],
        ["src_b", 3, "3", "survey_answered", "nps", "bob", "globex", NOW, NOW, "", '{"score": 3}'],
    ]
    fresh.insert("events", made, columns)
    events.visitors(fresh, ["ann", NOW, NOW], ["bob", NOW, NOW], ["cyd", NOW, NOW])
    for source, field, seen in (
        ("visitors", "visitorId", {"ann"}),
        ("accounts", "accountId", {"acme"}),
        ("events", "visitorId", {"ann"}),
        ("singleEvents", "visitorId", {"ann"}),
        ("pages", "name", {"Home"}),
        ("guides", "name", set()),
        ("pollsSeenEver", "visitorId", set()),
        ("timespan", "visitorId", {"ann"}),
        ("apps", "name", set()),
    ):
        assert {row[field] for row in rows({"source": {source: None}}, source_id="src_a")} == seen, source
    assert {row["visitorId"] for row in rows({"source": {"visitors": None}})} == {"ann", "bob", "cyd"}


def test_the_members_of_a_segment_are_kept(fresh: Warehouse) -> None:
    events.add(fresh, ("ann", "track", "export", NOW), ("bob", "track", "login", NOW), ("anon", "track", "export", NOW))
    events.link(fresh, "anon", "cyd")
    rules = {"all": [{"any": [{"kind": "track", "name": "export", "did": True}]}]}
    segment = segments.create("Exporters", rules)
    source = {"source": {"events": None}}
    assert sorted(row["visitorId"] for row in rows(source, {"segment": {"id": segment.id}})) == ["ann", "cyd"]
    joined = rows(source, {"filter": "visitorId != `ann`"}, {"segment": {"id": segment.id}}, {"count": None})
    assert joined == [{"count": 1}]


def test_a_coarse_sum_is_the_same_as_a_count_of_whole_rows(fresh: Warehouse) -> None:
    """The shortcut for sums of events gives what the rows give, with and without links."""
    made = [
        (f"v{number % 7}", "track", f"t{number % 3}", NOW - timedelta(hours=number), {}, f"a{number % 2}")
        for number in range(60)
    ]
    events.add(fresh, *made)
    for number, (visitor, kind, name, at, _, account) in enumerate(made[:9]):  # in another app in the same minute
        row = ["src_u", number, f"u{number}", kind, name, visitor, account, at, at, "", "{}"]
        fresh.insert("events", [row], list(events.EVENT))
    whole = {"source": {"trackEvents": None}}
    for linked in (False, True):
        if linked:
            events.link(fresh, "v6", "v5")
        counted = rows(whole)
        assert len({(r["visitorId"], r["accountId"], r["appId"], r["trackTypeId"], r["day"]) for r in counted}) == len(
            counted
        )
        for keys_ in (["visitorId"], ["trackTypeId", "day"], ["accountId"], []):
            fields = {"n": {"sum": "numEvents"}, "who": {"count": "visitorId"}, "last": {"max": "day"}}
            minutes = {"m": {"sum": "numMinutes"}}
            both = [
                rows(whole, {"group": {"group": keys_, "fields": {**minutes, **more}}}, {"sort": keys_ or ["m"]})
                for more in ({}, {"rows": {"count": None}})
            ]
            assert [{**row, "rows": 0} for row in both[0]] == [{**row, "rows": 0} for row in both[1]]
            assert sum(row["m"] for row in both[0]) == sum(row["numMinutes"] for row in counted)
            quick = rows(whole, {"group": {"group": keys_, "fields": fields}})
            slow = rows(whole, {"group": {"group": keys_, "fields": {**fields, "rows": {"count": None}}}})
            wanted: dict[Any, list[dict[str, Any]]] = {}
            for row in counted:
                wanted.setdefault(tuple(row[key] for key in keys_), []).append(row)
            for found in (quick, slow):
                assert {tuple(row[key] for key in keys_): (row["n"], row["who"], row["last"]) for row in found} == {
                    key: (
                        sum(r["numEvents"] for r in own),
                        len({r["visitorId"] for r in own}),
                        max(r["day"] for r in own),
                    )
                    for key, own in wanted.items()
                }
            assert sum(row["rows"] for row in slow) == len(counted)


def test_a_filter_on_what_was_counted_looks_at_whole_rows(fresh: Warehouse) -> None:
    events.add(fresh, *(("ann", "page", "Home", NOW) for _ in range(3)), ("bob", "page", "Home", NOW))
    fields = {"n": {"sum": "numEvents"}}
    for field in ("numEvents", "m", "numMinutes + numEvents - 1"):
        found = rows(
            {"source": {"events": None}},
            {"eval": {"m": "numEvents * 1"}},
            {"filter": f"{field} > 1"},
            {"group": {"group": ["visitorId"], "fields": fields}},
        )
        assert found == [{"visitorId": "ann", "n": 3}]


def test_total_time_is_distinct_minutes(fresh: Warehouse) -> None:
    """Events at 0:50, 1:30 and 2:01 make 3 minutes; two in a minute make one (facts of the metrics)."""
    day = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=1)
    moments = [day + timedelta(seconds=second) for second in (50, 90, 121, 125)]
    events.add(fresh, *(("ann", "page", f"P{number}", moment) for number, moment in enumerate(moments)))
    series = {"period": "dayRange", "first": "now()", "count": -1}
    [row] = rows({"source": {"events": None, "timeSeries": series}})
    assert (row["numEvents"], row["numMinutes"]) == (4, 3)


def test_what_the_agent_tells_of_a_guide_is_a_guide_event(fresh: Warehouse) -> None:
    for kind, name in (("survey_shown", "g1"), ("guide", "guideDismissed"), ("survey_answered", "g1")):
        events.add(fresh, ("ann", kind, name, NOW, {"guide_id": "g1", "guide_step_id": "s1", "type": "x"}))
    found = rows({"source": {"guideEvents": {"guideId": ["g1"]}}}, {"sort": ["type"]})
    assert [(row["type"], row["guideId"], row["guideStepId"]) for row in found] == [
        ("guideDismissed", "g1", "s1"),
        ("guideSeen", "g1", "s1"),
    ]
    types = [row["type"] for row in rows({"source": {"rawEvents": None}}, {"sort": ["type"]})]
    assert types == ["guideDismissed", "guideSeen", "pollResponse"]
    assert [row["seenCount"] for row in rows({"source": {"guidesSeen": None}})] == [1]
