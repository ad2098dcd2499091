"""Exports: whole, exact, in bounded pieces, and back into an empty install with the same numbers."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pyarrow import parquet

from arrivals.accounts import keys, people
from arrivals.accounts.models import AuditEntry
from arrivals.audience import reports, rows, segments
from arrivals.collect import imports, sources
from arrivals.collect.files import LONGEST_EXPORTED, File, content
from arrivals.collect.writer import Writer
from arrivals.warehouse import client, export, migrate, tables
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from tests import events, makers

DAY = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = ("purchase", 'say "hi", twice', "=1+1", "Zürich\nline")


def fill(store: Warehouse, people: int = 60) -> None:
    """Events of three months, an anonymous past, metadata of every type, an account, and a link."""
    rows_ = []
    for number in range(people):
        for turn in range(number % 5 + 1):
            at = DAY - timedelta(days=number + turn * 9, milliseconds=number)
            rows_.append((f"v{number}", "track", NAMES[(number + turn) % 4], at, {"n": number, "inner": {"a": [turn]}}, f"acme{number % 3}"))  # fmt: skip
        events.metadata(
            store, f"v{number}", DAY - timedelta(days=number), plan=("pro", "free")[number % 2], seats=number
        )
    rows_.append(("anon", "page", "Home", DAY, {}))
    events.add(store, *rows_)
    store.insert(
        "account_fields", [["agent", "city", "acme0", "Zürich", "string", DAY]], ["grp", "field", "account_id", "value", "type", "at"]
    )  # fmt: skip
    events.link(store, "anon", "v0")
    events.visitors(store, ["later", datetime(2200, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)])


@pytest.fixture
def reader(fresh: Warehouse) -> Client:
    secret = keys.create("reader", write=False, by="ada@example.com")[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def body(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    found: bytes = answer.getvalue() if answer.streaming else answer.content
    return found


def read(format_: str, data: bytes) -> list[dict[str, Any]]:
    if format_ == "parquet":
        found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(data)).to_pylist()
        return found
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("format_", tables.FORMATS)
def test_every_event_is_in_each_format_exactly_once(reader: Client, fresh: Warehouse, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    fill(fresh)
    monkeypatch.setattr(export, "PAGE", 7)  # so that there are many pages
    found = read(format_, body(reader.get(f"/api/v2/exports/events.{format_}")))
    expected = fresh.query("SELECT message_id, name, ts, properties FROM events")
    assert len(found) == len(expected) == len({one["message_id"] for one in found})
    by_id = {one["message_id"]: one for one in found}
    for message, name, ts, properties in expected:
        one = by_id[message]
        assert one["name"] == name
        assert (one["ts"] if format_ == "parquet" else datetime.fromisoformat(one["ts"])) == ts
        told = one["properties"] if format_ == "jsonl" else json.loads(one["properties"])
        assert told == json.loads(properties)


@pytest.mark.parametrize("format_", tables.FORMATS)
def test_visitors_have_their_times_and_metadata_of_every_type(reader: Client, fresh: Warehouse, format_: str) -> None:
    fill(fresh, people=3)
    found = {one["visitor_id"]: one for one in read(format_, body(reader.get(f"/api/v2/exports/visitors.{format_}")))}
    assert set(found) == {"v0", "v1", "v2", "anon", "later"}
    fields = found["v1"]["fields"]
    assert (fields if format_ == "jsonl" else json.loads(fields)) == {"agent": {"plan": "free", "seats": 1}}
    assert not found["later"]["first_visit"]
    assert not found["later"]["last_visit"]
    accounts = {
        one["account_id"]: one for one in read(format_, body(reader.get(f"/api/v2/exports/accounts.{format_}")))
    }
    assert "Zürich" in str(accounts["acme0"]["fields"]) or "Z\\u00fcrich" in str(accounts["acme0"]["fields"])
    links = read(format_, body(reader.get(f"/api/v2/exports/links.{format_}")))
    assert links == [{"alias_id": "anon", "visitor_id": "v0"}]


def test_a_page_ends_between_events_of_one_visitor_at_one_moment(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.add(
        fresh, *[("v", "track", f"e{n}", DAY) for n in range(9)], ("v", "track", "last", DAY + timedelta(seconds=1))
    )
    monkeypatch.setattr(export, "PAGE", 4)
    pages = list(export.events(export.Span()))
    assert [len(page) for page in pages] == [9, 1]


def test_a_span_is_from_its_first_moment_to_before_its_last(reader: Client, fresh: Warehouse) -> None:
    events.add(fresh, *[("v", "track", "e", DAY + timedelta(hours=n)) for n in range(4)])
    found = read(
        "jsonl", body(reader.get("/api/v2/exports/events.jsonl?since=2026-01-31T13:00:00Z&until=2026-01-31T15:00:00Z"))
    )
    assert [one["ts"] for one in found] == ["2026-01-31T13:00:00.000Z", "2026-01-31T14:00:00.000Z"]
    assert reader.get("/api/v2/exports").json() == {
        "months": [{"month": "2026-01", "events": 4}], "visitors": 1, "accounts": 0, "links": 0, "memberships": 0,
    }  # fmt: skip
    refused = reader.get("/api/v2/exports/events.csv?since=soon")
    assert (refused.status_code, refused.json()["path"]) == (422, "since")


def test_a_key_of_one_source_exports_that_sources_events_only(fresh: Warehouse, transactional_db: None) -> None:
    events.add(fresh, ("v", "track", "e", DAY))  # of src_t
    shop, _secret = sources.create("Shop")
    scoped = Client(
        headers={"Authorization": f"Bearer {keys.create('CI', write=False, by='a@b.c', source_id=shop.id)[1]}"}
    )
    assert read("csv", body(scoped.get("/api/v2/exports/events.csv"))) == []
    assert scoped.get("/api/v2/exports").json() == {"months": []}
    assert scoped.get("/api/v2/exports/events.csv?source=src_t").status_code == 403
    assert scoped.get("/api/v2/exports/visitors.csv").status_code == 403
    assert scoped.get("/api/v2/exports/responses.csv").status_code == 403
    whole = Client(headers={"Authorization": f"Bearer {keys.create('all', write=False, by='a@b.c')[1]}"})
    assert len(read("csv", body(whole.get("/api/v2/exports/events.csv?source=src_t")))) == 1
    told = AuditEntry.objects.get(action="export.events", details__source="src_t")
    assert told.subject == "csv"


def test_a_ledger_tells_who_is_and_was_on_a_report(reader: Client, fresh: Warehouse) -> None:
    from arrivals.watch import checks

    report = makers.report()
    makers.come(fresh, "ada", "bob")
    checks.check(report.id)
    makers.leave(fresh, "bob")
    makers.come(fresh, "cyd")
    checks.check(report.id)
    found = read("jsonl", body(reader.get("/api/v2/exports/memberships.jsonl")))
    assert {(one["member_id"], one["on_report"], one["entries"]) for one in found} == {
        ("ada", True, 1), ("bob", False, 1), ("cyd", True, 1),
    }  # fmt: skip
    assert {one["report_id"] for one in found} == {report.id}


def test_responses_have_numbers_as_numbers(reader: Client, fresh: Warehouse) -> None:
    events.add(
        fresh,
        ("ada", "survey_answered", "nps", DAY, {"survey": "nps", "score": 9, "reason": "It saves time."}),
        ("bob", "survey_answered", "plan", DAY, {"survey": "plan", "score": "the large one"}),
    )
    found = {one["visitor_id"]: one for one in read("parquet", body(reader.get("/api/v2/exports/responses.parquet")))}
    assert (found["ada"]["score"], found["ada"]["answer"], found["ada"]["reason"]) == (9.0, None, "It saves time.")
    assert (found["bob"]["score"], found["bob"]["answer"]) == (None, "the large one")


def test_parquet_is_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 10)
    made = []

    def blocks() -> Iterator[list[tuple[Any, ...]]]:
        for number in range(10):
            made.append(number)
            yield [(f"{number}-{n}", DAY) for n in range(5)]

    pieces = tables.pieces("parquet", [tables.Column("a", "text"), tables.Column("b", "time")], blocks())
    first = next(pieces)
    assert first
    assert len(made) == 2  # no more than a row group was read
    whole = first + b"".join(pieces)
    assert parquet.ParquetFile(io.BytesIO(whole)).num_row_groups == 5
    assert [one["a"] for one in read("parquet", whole)] == [f"{n}-{m}" for n in range(10) for m in range(5)]


@pytest.fixture
def other(fresh: Warehouse) -> Iterator[Callable[[], Warehouse]]:
    """An empty warehouse in the place of the first."""
    made: list[Warehouse] = []

    def switch() -> Warehouse:
        made.append(Warehouse(fresh.url, database=f"{fresh.database}_{len(made)}"))
        migrate.migrate(made[-1])
        client.use(made[-1])
        return made[-1]

    yield switch
    client.use(fresh)
    for one in made:
        fresh.command(f"DROP DATABASE `{one.database}`")
        one.close()


def numbers() -> dict[str, Any]:
    """What is counted: rows of reports of visitors and accounts, and metadata."""
    segment = segments.create(f"S{datetime.now(UTC)}", {"all": [{"any": [{"kind": "track", "name": "purchase", "did": True, "times": {"at_least": 1}, "when": "ever"}]}]})  # fmt: skip
    columns = ["visitor.id", "visitor.agent.plan", "visitor.agent.seats", "account.id", "metric.first_visit", "metric.last_visit",
               "metric.events", {"count": "track", "name": "=1+1", "as": "times"}, {"sum": "track", "name": "purchase", "property": "n", "as": "n"}]  # fmt: skip
    of_visitors = reports.create({"name": "V", "segment": segment.id, "range": {"ever": True}, "columns": columns})
    of_all = reports.create({"name": "W", "range": {"ever": True}, "columns": columns})
    of_accounts = reports.create({"name": "A", "kind": "account", "range": {"ever": True}, "columns": ["account.id", "metric.visitors", "account.agent.city"]})  # fmt: skip
    return {one.name: "".join(rows.csv(one)) for one in (of_visitors, of_all, of_accounts)}


async def back_in(folder: Path, source: str) -> list[Any]:
    writer = Writer(EventStore())
    await writer.start()
    done = []
    for path in sorted(folder.iterdir()):
        file = File(path, longest=LONGEST_EXPORTED)
        begun, _ = await asyncio.to_thread(imports.begin, source, filename=path.name, digest=file.digest(), mapping={"from": "arrivals"})  # fmt: skip
        batch = [{"id": content(row.values or {}), "row": row.values} for row in file.rows()]
        done.append(await imports.add(begun.id, offset=0, rows=batch, writer=writer))
    await writer.stop()
    return done


@pytest.mark.parametrize("format_", tables.FORMATS)
def test_an_export_in_an_empty_install_gives_the_same_numbers(
    reader: Client, fresh: Warehouse, other: Callable[[], Warehouse], format_: str, tmp_path: Path
) -> None:
    fill(fresh)
    before = numbers()
    assert before["V"].count("\r\n") > 20
    for what in ("accounts", "events", "links", "visitors"):
        (tmp_path / f"{what}.{format_}").write_bytes(body(reader.get(f"/api/v2/exports/{what}.{format_}")))
    empty = other()
    assert numbers()["W"].count("\r\n") == 1
    source, _ = sources.create("Moved")
    done = asyncio.run(back_in(tmp_path, source.id))
    assert [one["refused"] for one in done] == [[], [], [], []]
    assert numbers() == before
    assert empty.query("SELECT count() FROM visitors WHERE visitor_id = ''") == [(0,)]
    again = asyncio.run(back_in_again(tmp_path, source.id))
    assert again == 0
    assert numbers() == before


async def back_in_again(folder: Path, source: str) -> int:
    """How many events are new when the file of events comes once more, as another import."""
    [path] = folder.glob("events.*")
    file = File(path, longest=LONGEST_EXPORTED)
    writer = Writer(EventStore())
    await writer.start()
    begun, _ = await asyncio.to_thread(
        imports.begin, source, filename="x", digest="0" * 64, mapping={"from": "arrivals"}
    )
    batch = [{"id": content(row.values or {}), "row": row.values} for row in file.rows()]
    answer = await imports.add(begun.id, offset=0, rows=batch, writer=writer)
    await writer.stop()
    return int(answer["kept"])


def test_an_admin_finds_every_export_on_the_page_of_the_workspace(fresh: Warehouse) -> None:
    fill(fresh, people=3)
    browser = Client()
    browser.force_login(people.create("admin@example.com", password="a long password", role="admin"))
    links = re.findall(r'href="(/api/v2/exports/[^"]+)"', browser.get("/settings/workspace").content.decode())
    assert len(links) == 6 * len(tables.FORMATS)
    for link in links:
        assert browser.get(link).status_code == 200, link
