"""Rows -> CSV, JSON lines or Parquet, piece by piece."""

import csv as spreadsheet
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from arrivals import clock
from arrivals.errors import Invalid

ROW_GROUP = 50_000
FORMATS = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}
Blocks = Iterable[Sequence[tuple[Any, ...]]]


@dataclass(frozen=True)
class Column:
    """``kind``: text, time (aware UTC, whole milliseconds), json (an object as JSON text), number, whole or flag."""

    name: str
    kind: str


def pieces(format_: str, columns: Sequence[Column], blocks: Blocks) -> Iterator[bytes]:
    """The rows of ``blocks`` as one file, piece by piece; a file without rows has its head.

    Raises:
        Invalid: there is no such format.
    """
    return writer(format_)(columns, blocks)


def writer(format_: str) -> Callable[[Sequence[Column], Blocks], Iterator[bytes]]:
    """What writes a format. Raises Invalid."""
    if format_ not in FORMATS:
        raise Invalid(f"It must be one of {', '.join(FORMATS)}.", path="format")
    return {"parquet": _parquet, "csv": _csv, "jsonl": _json_lines}[format_]


def _csv(columns: Sequence[Column], blocks: Blocks) -> Iterator[bytes]:
    """RFC 4180, exact: nothing is put in front of what a spreadsheet would take for a formula."""
    times = [number for number, column in enumerate(columns) if column.kind == "time"]
    yield _lines([[column.name for column in columns]])
    for block in blocks:
        shown = []
        for row in block:
            cells = list(row)
            for number in times:
                cells[number] = clock.iso(cells[number]) if cells[number] is not None else ""
            shown.append([("true" if cell else "false") if isinstance(cell, bool) else cell for cell in cells])
        yield _lines(shown)


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    spreadsheet.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _json_lines(columns: Sequence[Column], blocks: Blocks) -> Iterator[bytes]:
    """One object a line; JSON columns stand in it as the objects they are."""
    for block in blocks:
        lines = []
        for row in block:
            shown = {}
            for column, value in zip(columns, row, strict=True):
                if column.kind == "time" and value is not None:
                    value = clock.iso(value)
                elif column.kind == "json":
                    value = orjson.Fragment(value or "{}")
                shown[column.name] = value
            lines.append(orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE))
        yield b"".join(lines)


class _Sink(io.RawIOBase):
    """Takes what the writer of Parquet writes, until it is asked for."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self.written.append(piece)
        self.position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self.position

    def take(self) -> bytes:
        """What was written since the last call."""
        piece, self.written = b"".join(self.written), []
        return piece


def _parquet(columns: Sequence[Column], blocks: Blocks) -> Iterator[bytes]:
    """Row groups of up to 70,000 rows, packed with zstd. JSON columns are texts, as other products export them."""
    import pyarrow as arrow
    from pyarrow import parquet

    kinds = {
        "text": arrow.string(),
        "json": arrow.string(),
        "time": arrow.timestamp("ms", tz="UTC"),
        "number": arrow.float64(),
        "whole": arrow.int64(),
        "flag": arrow.bool_(),
    }
    schema = arrow.schema([(column.name, kinds[column.kind]) for column in columns])
    sink = _Sink()
    with parquet.ParquetWriter(arrow.PythonFile(sink, "w"), schema, compression="zstd") as out:
        waiting: list[tuple[Any, ...]] = []
        for block in blocks:
            waiting.extend(block)
            if len(waiting) >= ROW_GROUP:
                out.write_table(_table(arrow, schema, columns, waiting))
                waiting = []
                yield sink.take()
        if waiting:
            out.write_table(_table(arrow, schema, columns, waiting))
            yield sink.take()
    yield sink.take()


def _table(arrow: Any, schema: Any, columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> Any:
    by_column = list(zip(*rows, strict=True))
    arrays = [
        arrow.array([_ms(value) for value in values] if column.kind == "time" else values, type=field.type)
        for column, field, values in zip(columns, schema, by_column, strict=True)
    ]
    return arrow.Table.from_arrays(arrays, schema=schema)


def _ms(value: datetime | None) -> int | None:
    if value is None:
        return None
    since = value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
