"""Files of other products' exports into a source: importing twice doubles nothing, and what is refused is told."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from arrivals.collect import imports, sources
from arrivals.collect.files import LONGEST_EXPORTED, File, content
from arrivals.collect.writer import Writer
from arrivals.errors import Invalid
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from tests.exports import (
    AMPLITUDE,
    POSTHOG,
    ga4,
    mixpanel,
    param,
    read,
)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet(*rows: dict[str, Any]) -> bytes:
    import pyarrow as arrow
    from pyarrow import parquet as written

    sink = io.BytesIO()
    written.write_table(arrow.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


async def imported(store: Warehouse, path: Path, source: str, product: str) -> dict[str, Any]:
    """A file into a source as the command does it; batches of two rows, so that there are some."""
    import asyncio

    writer = Writer(EventStore())
    await writer.start()
    file = File(path, longest=LONGEST_EXPORTED)
    begun, _new = await asyncio.to_thread(
        imports.begin, source, filename=path.name, digest=file.digest(), mapping={"from": product}
    )
    rows = [{"id": content(row.values or {"text": row.text}), "row": row.values} for row in file.rows()]
    refused: list[Any] = []
    for start in range(0, len(rows), 2):
        answer = await imports.add(begun.id, offset=start, rows=rows[start : start + 2], writer=writer)
        refused += answer["refused"]
    await writer.stop()
    done = await asyncio.to_thread(imports.get, begun.id)
    return {"kept": done.kept, "repeated": done.repeated, "refused": refused}


async def source_of(name: str = "Shop") -> str:
    import asyncio

    made, _secret = await asyncio.to_thread(sources.create, name)
    return made.id


async def test_a_zip_of_amplitude_comes_in_once_however_often_and_whatever_overlaps(
    fresh: Warehouse, tmp_path: Path
) -> None:
    source = await source_of()
    hour = [{**AMPLITUDE, "$insert_id": f"i{n}", "event_time": f"2025-12-0{n + 1} 10:00:00"} for n in range(5)]
    late = {
        **hour[4],
        "user_properties": {"plan": "enterprise"},
        "$insert_id": "i9",
        "event_time": "2026-01-02 10:00:00",
    }
    path = zipped(tmp_path / "export.zip", {
        "1/1_2025-12-01_10#0.json.gz": gzip.compress(lines(*hour[:3])), "1/1_2025-12-02_10#0.json.gz": gzip.compress(lines(late, *hour[3:])),
    })  # fmt: skip
    assert await imported(fresh, path, source, "amplitude") == {"kept": 6, "repeated": 0, "refused": []}
    overlap = zipped(
        tmp_path / "next.zip", {"1/2.json.gz": gzip.compress(lines(*hour[3:], {**AMPLITUDE, "$insert_id": "new"}))}
    )
    assert await imported(fresh, overlap, source, "amplitude") == {"kept": 1, "repeated": 2, "refused": []}
    assert fresh.query("SELECT count(), uniqExact(message_id), min(ts) < '2025-12-02' FROM events") == [(7, 7, 1)]
    assert fresh.query("SELECT alias_id, visitor_id FROM links FINAL") == [("dev-1", "ada")]
    # AMPLITUDE itself is of the end of January: of all plans, its is the newest.
    assert fresh.query("SELECT value FROM visitor_fields FINAL WHERE field = 'plan'") == [("pro",)]
    assert fresh.query("SELECT account_id, value FROM account_fields FINAL") == [("acme", "7")]


async def test_parquet_and_json_lines_of_one_export_are_the_same_events(fresh: Warehouse, tmp_path: Path) -> None:
    source = await source_of()
    rows = [
        ga4("page_view", param("page_location", string_value="https://x.example/"), event_timestamp=1769860800123456),
        ga4("purchase", param("value", double_value=12.5), param("n", int_value=3), event_timestamp=1769860800999999),
    ]
    (tmp_path / "events.parquet").write_bytes(parquet(*rows))
    texts = [{**row, "event_timestamp": str(row["event_timestamp"])} for row in rows]
    texts[1]["event_params"][1]["value"]["int_value"] = "3"
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress(lines(*texts)))
    assert await imported(fresh, tmp_path / "events.parquet", source, "ga4") == {
        "kept": 2,
        "repeated": 0,
        "refused": [],
    }
    assert await imported(fresh, tmp_path / "events.jsonl.gz", source, "ga4") == {
        "kept": 0,
        "repeated": 2,
        "refused": [],
    }


async def test_a_parquet_of_posthog_comes_in_with_its_times(fresh: Warehouse, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    row = {**POSTHOG, "properties": json.dumps(POSTHOG["properties"]), "person_properties": json.dumps(POSTHOG["person_properties"]),
           "timestamp": datetime(2019, 5, 1, 12, tzinfo=UTC), "created_at": datetime(2019, 5, 1, 12, tzinfo=UTC)}  # fmt: skip
    (tmp_path / "events.parquet").write_bytes(parquet(row))
    assert (await imported(fresh, tmp_path / "events.parquet", await source_of(), "posthog"))["kept"] == 1
    assert fresh.query("SELECT toString(ts), visitor_id, account_id FROM events") == [
        ("2019-05-01 12:00:00.000", "ada", "acme")
    ]


async def test_bad_rows_are_told_by_their_number_in_the_whole_zip(fresh: Warehouse, tmp_path: Path) -> None:
    good = mixpanel("x", distinct_id="u")
    bad = mixpanel("x")
    path = zipped(tmp_path / "all.zip", {
        "b.jsonl": lines(bad) + b"{nope\n" + lines({**good, "event": "y"}), "a.jsonl": lines(good, bad), "__MACOSX/._a": b"x",
        ".DS_Store": b"x",
    })  # fmt: skip
    done = await imported(fresh, path, await source_of(), "mixpanel")
    assert [one["row"] for one in done["refused"]] == [2, 3, 4]
    assert done["kept"] == 2
    assert [(row.number, row.part) for row in File(path).rows()] == [
        (1, "a.jsonl"), (2, "a.jsonl"), (3, "b.jsonl"), (4, "b.jsonl"), (5, "b.jsonl"),
    ]  # fmt: skip


def test_of_the_same_field_only_the_newest_value_is_written() -> None:
    rows = [
        {**AMPLITUDE, "event_time": f"2026-01-0{day} 10:00:00", "user_properties": {"plan": plan, "n": day}}
        for day, plan in ((1, "a"), (3, "b"), (2, "c"))
    ]
    kept = imports.thinned([read("amplitude", row) for row in rows])
    assert [[field.value for field in event.visitor_fields] for event in kept] == [[], ["b", "3"], []]
    assert [len(event.account_fields) for event in kept] == [0, 1, 0]
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[{nope}]\n", "is not JSON"),
        (b"PAR1 and then nothing", "cannot be read as Parquet"),
        (b"PK\x03\x04 and then nothing", "breaks off"),
    ],
)
def test_a_file_that_is_none_of_these_is_refused_in_a_sentence(tmp_path: Path, body: bytes, reason: str) -> None:
    (tmp_path / "file").write_bytes(body)
    with pytest.raises(Invalid, match=reason):
        File(tmp_path / "file")


def test_a_line_longer_than_memory_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b'{"a":1}\n{"a":"' + b"x" * 3_000_000 + b'"}\n{"a":2}\n')
    rows = list(File(tmp_path / "long").rows())
    assert [(row.number, row.values) for row in rows] == [(1, {"a": 1}), (2, None), (3, {"a": 2})]
