"""An aggregation, from its body to its answer. Blocks.

1. The body is read and compiled to one SELECT (of a time series with one result per period: one each).
2. The warehouse runs it; each row comes as the text of a JSON object.
3. The rows go to a temporary file, so that an answer that is too large or takes too long is refused with its status
   instead of breaking off, and none stands in memory as a whole.
"""

import csv
import io
import logging
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO, Any

import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError

from arrivals import clock
from arrivals.audience import compiler
from arrivals.audience.aggregation import fields, limits, pipelines
from arrivals.audience.aggregation.building import Builder
from arrivals.audience.aggregation.relations import Relation, columns_of, order_by, ranked
from arrivals.audience.aggregation.values import Column
from arrivals.audience.rows import guarded
from arrivals.collect import sources
from arrivals.errors import CheckTimeout, InvalidPipeline, TooLarge, TooMany
from arrivals.warehouse import client

log = logging.getLogger(__name__)
BLOCK = 1 << 18
IN_MEMORY = 8_000_000
START = ("startTime",)
# An aggregation may hold one of the warehouse's clients for minutes; the others are for everybody else.
_room = threading.BoundedSemaphore(limits.AT_ONCE)


@dataclass(frozen=True)
class Statement:
    """One SELECT of the column ``line``, its bound values, and the paths of the fields in its lines."""

    sql: str
    parameters: dict[str, Any]
    labels: tuple[tuple[str, ...], ...]


@dataclass
class Answer:
    """``start_time_ms``: the beginning of the time series, or the moment. ``mime``: what was asked for. ``size``: rows.

    Read ``rows`` (a dict each), ``json`` or ``csv`` (pieces of the whole answer) once, then close it.
    """

    start_time_ms: int
    mime: str
    labels: tuple[tuple[str, ...], ...]
    size: int = 0
    file: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        self.file.seek(0)
        for line in self.file:
            yield orjson.loads(line)

    def pieces(self) -> Iterator[bytes]:
        """The answer in the type that was asked for."""
        try:
            yield from self.csv() if self.mime == pipelines.CSV else self.json()
        finally:
            self.close()

    def json(self) -> Iterator[bytes]:
        """``{"startTime": ..., "results": [...]}``."""
        yield b'{"startTime":%d,"results":[' % self.start_time_ms
        self.file.seek(0)
        while piece := self.file.read(BLOCK):
            yield piece.replace(b"\n", b",")  # between rows only: in a row it is escaped
        yield b"]}"

    def csv(self) -> Iterator[bytes]:
        """RFC 4180, header first; lists and objects as JSON; no cell is a formula."""
        yield _lines([[".".join(label) for label in self.labels]])
        rows = self.rows
        while block := list(islice(rows, 1000)):
            yield _lines([[_cell(row, label) for label in self.labels] for row in block])

    def close(self) -> None:
        self.file.close()


def run(body: Any, *, source_id: str = "", now: datetime | None = None) -> Answer:
    """Answer an aggregation. ``source_id``: the only source whose data may be seen (empty: all of them).

    Raises:
        InvalidPipeline: with the path of the wrong part. TooLarge: the answer has too many rows or bytes, or needs too
        much memory. CheckTimeout: it takes longer than 5 minutes. TooMany: too many run at once.
    """
    request = pipelines.read(body)
    moment = clock.utc(now) if now else clock.now()
    statements, start = compiled(request.pipeline, source_id=source_id, now=moment)
    labels = tuple(dict.fromkeys(label for one in statements for label in one.labels))
    answer = Answer(start, request.mime, labels)
    if not _room.acquire(timeout=limits.SECONDS_OF_WAITING):
        raise TooMany(f"{limits.AT_ONCE} aggregations run already; try again in a moment.", retry_after=10)
    try:
        ends = clock.now().timestamp() + limits.SECONDS
        for statement in statements:
            _fetch(answer, statement, ends)
    except BaseException:
        answer.close()
        raise
    finally:
        _room.release()
    return answer


def compiled(pipeline: list[Any], *, source_id: str, now: datetime) -> tuple[list[Statement], int]:
    """The SELECTs of a pipeline, one for each period where there is a result per period, and the start time."""
    found = sources.all_sources()
    if source_id:
        found = [one for one in found if one.id == source_id]
    linked = compiler.linked()
    statements: list[Statement] = []
    start, number, many = round(now.timestamp() * 1000), 0, 1
    while number < many:
        builder = Builder(now, source_id, linked, found, period=number)
        streams = pipelines.streams(builder, pipeline)
        if number == 0:
            start = min(builder.starts, default=start)
            many = len(builder.periods) if builder.periods is not None else 1
        if builder.periods is None or builder.periods:
            statements.append(_statement(builder, streams))
        number += 1
    return statements, start


def _statement(builder: Builder, streams: list[Relation]) -> Statement:
    begin = builder.periods[builder.period] if builder.periods else None
    most = builder.bind.add(limits.MOST_ROWS + 1, "UInt64")
    if len(streams) == 1:
        [rows] = streams
        keys = rows.total() if rows.order else ()
        source = rows.sql({*rows.fields.values(), *columns_of(keys)})
        lines = f"SELECT {_line(builder, rows, begin)} AS line FROM ({source}){order_by(keys)}"
    else:
        # Each stream's rows have its own fields only.
        each = []
        for number, rows in enumerate(streams):
            ranks, rank = ranked(builder, rows)
            source = ranks.sql({*rows.fields.values(), rank})
            line = _line(builder, rows, begin)
            each.append(f"SELECT {line} AS line, {number} AS stream, {rank.alias} AS place FROM ({source})")
        lines = f"SELECT line FROM ({' UNION ALL '.join(each)}) ORDER BY stream, place"
    sql = f"{lines} LIMIT {most} SETTINGS {limits.SETTINGS}"
    if len(sql) > limits.LONGEST_SQL:
        raise InvalidPipeline("The pipeline is too large; split it into several requests.", path="pipeline")
    labels = [tuple(map(str, path)) for rows in streams for path in rows.fields]
    if begin is not None:
        labels.insert(0, START)
    return Statement(sql, builder.bind.parameters, tuple(dict.fromkeys(labels)))


def _line(builder: Builder, rows: Relation, begin: int | None) -> str:
    """SQL of a row's JSON; the beginning of its period goes in front, where there is a result per period."""
    if begin is None or START in rows.fields:
        return fields.root(builder, rows.fields)
    column = Column(f"toInt64({builder.bind.add(begin, 'Int64')})", "int")
    return fields.root(builder, {START: column, **rows.fields})


def _fetch(answer: Answer, statement: Statement, ends: float) -> None:
    """Run one statement and add its rows to the answer's file."""
    seconds = max(ends - clock.now().timestamp(), 0.1)
    try:
        for lines in client.warehouse().strings(statement.sql, statement.parameters, seconds=seconds):
            if not lines:
                continue
            piece = b"\n".join(lines) if answer.size == 0 else b"\n".join([b"", *lines])
            answer.size += len(lines)
            if answer.size > limits.MOST_ROWS:
                raise TooLarge(
                    f"The answer has more than {limits.MOST_ROWS:,} rows; ask for less at a time with filter and limit."
                )
            if answer.file.tell() + len(piece) > limits.MOST_BYTES:
                raise TooLarge(f"The answer has more than {limits.MOST_BYTES:,} bytes; select fewer fields or rows.")
            answer.file.write(piece)
    except CheckTimeout as error:
        raise CheckTimeout(
            f"The aggregation takes longer than {limits.SECONDS / 60:.0f} minutes; ask for a shorter time.",
            retry_after=60,
        ) from error
    except ClickHouseError as error:
        raise _told(error) from error


def _told(error: ClickHouseError) -> TooLarge | InvalidPipeline:
    text = str(error)
    if "MEMORY_LIMIT_EXCEEDED" in text:
        return TooLarge("The aggregation needs too much memory; ask for a shorter time, or fewer fields.")
    log.warning("The warehouse refused an aggregation: %s", text[:2000])
    return InvalidPipeline("The warehouse cannot compute this pipeline; simplify its expressions.", path="pipeline")


def _cell(row: dict[str, Any], label: tuple[str, ...]) -> Any:
    value: Any = row
    for name in label:
        value = value.get(name) if isinstance(value, dict) else None
    return guarded(orjson.dumps(value).decode() if isinstance(value, dict | list) else value)


def _lines(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
