"""What an imported row becomes, and which maps and rows are refused."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.collect import imports, mapping, sources
from arrivals.collect.calls import LONGEST_ID, LONGEST_NAME
from arrivals.collect.event import Event, Field
from arrivals.collect.mapping import Map
from arrivals.collect.models import Import
from arrivals.collect.writer import Writer
from arrivals.errors import Conflict, Invalid, InvalidEvent, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore

NOW = round(clock.parse("2026-11-24T12:00:00Z").timestamp() * 1000)
MAP = {"columns": {"visitor": "who", "ts": "when"}, "constants": {"event": "purchase"}}


def event(row: dict[str, Any], columns: dict[str, str], **more: Any) -> Event:
    map_ = mapping.parse({"columns": {"visitor": "who", **columns}, **more})
    return mapping.event(map_, "src_t", {"who": "ann", **row}, message_id="m1", received_at=NOW)


def properties(found: Event) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(found.properties)
    return read


WRONG_MAPS: list[tuple[Any, str, str]] = [
    (None, "mapping", "A map has columns"),
    ([], "mapping", "A map has columns"),
    ({"column": {}}, "mapping", "A map has columns"),
    ({"columns": []}, "mapping.columns", "must be an object"),
    ({"constants": "x"}, "mapping.constants", "must be an object"),
    ({"columns": {"who": "x"}}, "mapping.columns", "'who' is not a field"),
    ({"columns": {"property.": "x"}}, "mapping.columns", "'property.' is not a field"),
    ({"columns": {"visitor.plan": "x"}}, "mapping.columns", "visitor.<group>.<field>"),
    ({"columns": {"visitor.custom.": "x"}}, "mapping.columns", "is not a field"),
    ({"columns": {"account..plan": "x"}}, "mapping.columns", "is not a field"),
    ({"columns": {"visitor": 5}}, "mapping.columns.visitor", "must be a text"),
    ({"columns": {"visitor": ""}}, "mapping.columns.visitor", "must be a text"),
    ({"columns": {"visitor": "x"}, "constants": {"event": None}}, "mapping.constants.event", "must be a text"),
    ({"columns": {"visitor": "x"}, "constants": {"visitor": "y"}}, "mapping", "both as a column and as a constant"),
    ({}, "mapping.columns.visitor", "--map visitor=COLUMN"),
    ({"columns": {"ts": "when"}}, "mapping.columns.visitor", "--map visitor=COLUMN"),
    ({"columns": {"visitor": "x"}, "rest": "keep"}, "mapping.rest", "properties or drop"),
    ({"columns": {"visitor": "x"}, "rest": []}, "mapping.rest", "properties or drop"),
    ({"columns": {"visitor": "x"}, "date_format": ""}, "mapping.date_format", "auto, iso, s, ms"),
    ({"columns": {"visitor": "x"}, "date_format": "dd/mm/yyyy"}, "mapping.date_format", "%d/%m/%Y"),
    ({"columns": {"visitor": "x"}, "date_format": 5}, "mapping.date_format", "auto, iso, s, ms"),
    ({"columns": {"visitor": "x"}, "date_format": ["s"]}, "mapping.date_format", "auto, iso, s, ms"),
]


@pytest.mark.parametrize(("data", "path", "sentence"), WRONG_MAPS)
def test_a_wrong_map_is_refused_by_its_part_and_no_import_begins(
    fresh: Warehouse, data: Any, path: str, sentence: str
) -> None:
    source, _ = sources.create("Shop")
    with pytest.raises(Invalid) as refusal:
        imports.begin(source.id, filename="f.csv", digest="0" * 64, mapping=data)
    assert refusal.value.path == path
    assert sentence in refusal.value.message
    assert not Import.objects.exists()


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, 5, None])
def test_a_wrong_digest_is_refused(fresh: Warehouse, digest: Any) -> None:
    source, _ = sources.create("Shop")
    with pytest.raises(Invalid) as refusal:
        imports.begin(source.id, filename="f.csv", digest=digest, mapping=MAP)
    assert refusal.value.path == "digest"


def test_an_import_is_found_again_by_file_and_map(fresh: Warehouse) -> None:
    source, _ = sources.create("Shop")
    other, _ = sources.create("Other shop")
    first, new = imports.begin(source.id, filename="a.csv", digest="1" * 64, mapping=MAP)
    assert new
    turned = {"constants": MAP["constants"], "columns": dict(reversed(MAP["columns"].items()))}
    assert imports.begin(source.id, filename="renamed.csv", digest="1" * 64, mapping=turned) == (first, False)
    for where, digest, map_ in (
        (source, "2" * 64, MAP),
        (source, "1" * 64, {**MAP, "rest": "drop"}),
        (other, "1" * 64, MAP),
    ):
        assert imports.begin(where.id, filename="a.csv", digest=digest, mapping=map_)[1]
    with pytest.raises(NotFound, match="src_x"):
        imports.begin("src_x", filename="a.csv", digest="1" * 64, mapping=MAP)


def test_a_row_becomes_an_event_with_all_its_parts() -> None:
    columns = {
        "ts": "when",
        "event": "what",
        "account": "company",
        "message_id": "id",
        "url": "page",
        "property.price": "eur",
        "visitor.custom.plan": "plan",
        "account.agent.size": "size",
    }
    row = {
        "when": "2026-01-31T10:00:00+01:00",
        "what": " purchase ",
        "company": "acme",
        "id": "order-7",
        "page": "https://shop.example/",
        "eur": "9.50",
        "plan": "pro",
        "size": "12",
        "colour": "red",
    }
    found = event(row, columns)
    assert found == Event(
        source_id="src_t",
        message_id="order-7",
        kind="track",
        name="purchase",
        visitor_id="ann",
        ts=round(clock.parse("2026-01-31T09:00:00Z").timestamp() * 1000),
        received_at=NOW,
        account_id="acme",
        url="https://shop.example/",
        properties='{"price":9.5,"colour":"red"}',
        visitor_fields=(Field("custom", "plan", "pro", "string"),),
        account_fields=(Field("agent", "size", "12", "number"),),
    )


TIMES: list[tuple[str, Any, str]] = [
    ("auto", "2026-01-31", "2026-01-31T00:00:00Z"),
    ("auto", "20260131", "2026-01-31T00:00:00Z"),
    ("auto", "2026-01-31 10:11:12", "2026-01-31T10:11:12Z"),
    ("auto", "2026-01-31T10:11:12.345Z", "2026-01-31T10:11:12.345Z"),
    ("auto", "2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00Z"),
    ("auto", "1769853600", "2026-01-31T10:00:00Z"),
    ("auto", "1769853600123", "2026-01-31T10:00:00.123Z"),
    ("auto", 1769853600, "2026-01-31T10:00:00Z"),
    ("iso", "2026-01-31", "2026-01-31T00:00:00Z"),
    ("s", "1769853600.5", "2026-01-31T10:00:00.5Z"),
    ("s", "100000", "1970-01-02T03:46:40Z"),
    ("ms", "1769853600123", "2026-01-31T10:00:00.123Z"),
    ("%d/%m/%Y", "31/01/2026", "2026-01-31T00:00:00Z"),
    ("%d/%m/%Y %H:%M %z", "31/01/2026 10:00 +0200", "2026-01-31T08:00:00Z"),
    ("auto", "2027-01-31", "2026-11-24T12:00:00Z"),  # later than its receipt
]


@pytest.mark.parametrize(("format_", "text", "expected"), TIMES)
def test_times_are_read_and_are_utc(format_: str, text: Any, expected: str) -> None:
    found = event({"when": text}, {"ts": "when"}, constants={"event": "x"}, date_format=format_)
    assert found.ts == round(clock.parse(expected).timestamp() * 1000)


WRONG_TIMES: list[tuple[str, str, str]] = [
    ("auto", "yesterday", "is not a time."),
    ("auto", "31/01/2026", "is not a time."),
    ("auto", "2026-02-30", "is not a time."),
    ("iso", "1769853600", "of the form iso"),
    ("s", "soon", "of the form s"),
    ("s", "1e99", "of the form s"),
    ("s", "nan", "of the form s"),
    ("ms", "", "The time is empty."),
    ("%d/%m/%Y", "2026-01-31", "of the form %d/%m/%Y"),
    ("auto", "1969-12-31", "not between 1970 and 2199"),
    ("auto", "2300-01-01", "not between 1970 and 2199"),
    ("%Y-%m-%d %z", "0001-01-01 +2300", "is not"),
]


@pytest.mark.parametrize(("format_", "text", "sentence"), WRONG_TIMES)
def test_a_text_that_is_no_time_is_refused(format_: str, text: str, sentence: str) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        event({"when": text}, {"ts": "when"}, constants={"event": "x"}, date_format=format_)
    assert refusal.value.path == "ts"
    assert sentence in refusal.value.message


WRONG_ROWS: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    ({"who": ""}, {}, "visitor", "The visitor is empty."),
    ({"who": "  "}, {}, "visitor", "The visitor is empty."),
    ({"who": None}, {}, "visitor", "The visitor is empty."),
    ({"who": "v" * (LONGEST_ID + 1)}, {}, "visitor", f"more than {LONGEST_ID}"),
    ({"who": ["ann"]}, {}, "visitor", "a text or a number"),
    ({"who": True}, {}, "visitor", "a text or a number"),
    ({"a": {"id": 1}}, {"account": "a"}, "account", "a text or a number"),
    ({"a": "a" * (LONGEST_ID + 1)}, {"account": "a"}, "account", f"more than {LONGEST_ID}"),
    ({"m": "m" * (LONGEST_ID + 1)}, {"message_id": "m"}, "message_id", f"more than {LONGEST_ID}"),
    ({}, {"event": "what"}, "event", "no column 'what'"),
    ({"what": "x" * (LONGEST_NAME + 1)}, {"event": "what"}, "event", f"1 to {LONGEST_NAME}"),
    ({"what": "   "}, {"event": "what"}, "event", f"1 to {LONGEST_NAME}"),
    ({"what": ["x"]}, {"event": "what"}, "event", f"1 to {LONGEST_NAME}"),
    ({"k": "click", "what": "x"}, {"event": "what", "kind": "k"}, "kind", "track, page, screen"),
    ({"k": ["page"], "what": "x"}, {"event": "what", "kind": "k"}, "kind", "track, page, screen"),
    ({"k": "page"}, {"kind": "k"}, "event", f"1 to {LONGEST_NAME}"),
]


@pytest.mark.parametrize(("row", "columns", "path", "sentence"), WRONG_ROWS)
def test_a_wrong_row_is_refused_by_its_field(
    row: dict[str, Any], columns: dict[str, str], path: str, sentence: str
) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        event(row, columns)
    assert refusal.value.path == path
    assert sentence in refusal.value.message


def test_a_row_without_an_event_only_sets_metadata() -> None:
    found = event(
        {"plan": "pro", "old": "", "since": "2026-01-31", "id": "007"},
        {"visitor.custom.plan": "plan", "visitor.custom.old": "old", "visitor.custom.since": "since"},
        rest="drop",
    )
    assert (found.kind, found.name, found.ts) == ("", "", NOW)
    assert found.visitor_fields == (
        Field("custom", "plan", "pro", "string"),
        Field("custom", "since", "2026-01-31", "date"),
    )


def test_an_answer_to_a_survey_by_its_kind_and_by_its_events_name() -> None:
    by_kind = event({"s": "9", "r": "fine"}, {"property.score": "s", "property.reason": "r"}, constants={"kind": "survey_answered", "event": "nps"})  # fmt: skip
    by_name = event({"survey": "nps", "score": "9", "reason": "fine"}, {}, constants={"event": "Survey Answered"})
    assert (by_kind.kind, by_kind.name) == (by_name.kind, by_name.name) == ("survey_answered", "nps")
    assert properties(by_kind) == {"score": 9, "reason": "fine"}
    assert properties(by_name) == {"survey": "nps", "score": 9, "reason": "fine"}


VALUES: list[tuple[Any, Any]] = [
    ("5", 5),
    ("-5", -5),
    ("5.25", 5.25),
    ("0", 0),
    ("0.5", 0.5),
    ("007", "007"),
    ("+5", "+5"),
    ("1e5", "1e5"),
    ("1,5", "1,5"),
    (" 5", " 5"),
    ("٥", "٥"),
    ("1234567890123456", "1234567890123456"),
    ("true", "true"),
    (5, 5),
    (True, True),
    (["a", 1], ["a", 1]),
    ({"b": None}, {"b": None}),
]


@pytest.mark.parametrize(("given", "kept"), VALUES)
def test_a_text_that_is_a_number_becomes_one(given: Any, kept: Any) -> None:
    found = event({"x": given, "y": given}, {"property.a": "x"}, constants={"event": "e"})
    assert properties(found) == {"a": kept, "y": kept}
    assert type(properties(found)["a"]) is type(kept)


def test_columns_without_a_place_are_kept_or_dropped_and_empty_ones_are_not_there() -> None:
    row = {"colour": "red", "size": "", "none": None}
    assert properties(event(row, {}, constants={"event": "e"})) == {"colour": "red"}
    assert properties(event(row, {}, constants={"event": "e"}, rest="drop")) == {}


def test_a_constant_visitor_is_allowed() -> None:
    found = mapping.event(Map({}, {"visitor": "house", "event": "x"}), "src_t", {}, message_id="m", received_at=NOW)
    assert (found.visitor_id, found.message_id) == ("house", "m:track:x")


def test_the_same_row_told_as_another_event_is_another_event() -> None:
    row, ids = {"who": "ann"}, set()
    for event in ("signed up", "activated"):
        map_ = mapping.parse({"columns": {"visitor": "who"}, "constants": {"event": event}})
        ids.add(mapping.event(map_, "src_1", row, message_id="m", received_at=0).message_id)
    assert len(ids) == 2


ODD_ROWS: list[tuple[Any, str]] = [
    ("ann", "A row must be an object with id and row."),
    ({"row": {"who": "ann"}}, "A row must be an object with id and row."),
    ({"id": "m", "row": ["ann"]}, "A row must be an object with id and row."),
    ({"id": "", "row": {"who": "ann"}}, "A row's id must have 1 to"),
    ({"id": "m" * (LONGEST_ID + 1), "row": {"who": "ann"}}, "A row's id must have 1 to"),
    ({"id": "m", "row": {"who": "\ud800"}}, "The row cannot be kept"),
    ({"id": "m", "row": {"who": "ann", "n": 10**30}}, "The row cannot be kept"),
    ({"id": "m", "row": {"who": "ann", "list": [1, "\udfff"]}}, "The row cannot be kept"),
]


async def test_rows_that_no_file_could_hold_are_refused_one_by_one_and_the_others_kept(fresh: Warehouse) -> None:
    source, _ = await sync_to_async(sources.create)("Shop")
    map_ = {"columns": {"visitor": "who"}, "constants": {"event": "x"}}
    begun, _ = await sync_to_async(imports.begin)(source.id, filename="f", digest="0" * 64, mapping=map_)
    writer = Writer(EventStore())
    await writer.start()
    try:
        rows = [*(row for row, _ in ODD_ROWS), {"id": "good", "row": {"who": "ann"}}]
        answer = await imports.add(begun.id, offset=0, rows=rows, writer=writer)
        for wrong in ([], "rows", [{}] * (imports.MOST_ROWS + 1)):
            with pytest.raises(Invalid) as refusal:
                await imports.add(begun.id, offset=0, rows=wrong, writer=writer)
            assert refusal.value.path == "rows"
        for offset in (-1, len(rows) + 1):
            with pytest.raises(Conflict):
                await imports.add(begun.id, offset=offset, rows=rows, writer=writer)
    finally:
        await writer.stop()
    assert (answer["kept"], answer["offset"]) == (1, len(rows))
    assert [one["row"] for one in answer["refused"]] == list(range(1, len(ODD_ROWS) + 1))
    for one, (_, reason) in zip(answer["refused"], ODD_ROWS, strict=True):
        assert one["reason"].startswith(reason)
    assert fresh.query("SELECT visitor_id, count() FROM events GROUP BY 1") == [("ann", 1)]
