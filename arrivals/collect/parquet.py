"""Rows of Parquet files, as JSON knows them."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import orjson

from arrivals.errors import Invalid

MAGIC = b"PAR1"
ROWS = 1_000


def columns(file: BinaryIO, name: str) -> list[str]:
    """The names of the columns. ``name`` is what a refusal calls the file. Raises Invalid."""
    return list(_opened(file, name).schema_arrow.names)


def rows(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """All rows, of which a thousand at a time are in memory. Raises Invalid."""
    import pyarrow as arrow

    try:
        for batch in _opened(file, name).iter_batches(ROWS):
            yield from map(_plain, batch.to_pylist())
    except (arrow.ArrowException, OSError) as error:
        raise Invalid(f"{name} breaks off: {str(error).splitlines()[0]}.") from error


def _opened(file: BinaryIO, name: str) -> Any:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(file, pre_buffer=False)
    except (arrow.ArrowException, OSError) as error:
        raise Invalid(f"{name} cannot be read as Parquet: {str(error).splitlines()[0]}.") from error


def _plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, in UTC where they have a zone; a map as an object."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) and len(one) == 2 for one in value):
            return {str(key): _plain(one) for key, one in value}
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):  # what some libraries write for nothing
        return None
    try:
        orjson.dumps(value)
    except TypeError:
        return str(value)
    return value
