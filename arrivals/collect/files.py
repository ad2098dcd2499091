"""Files of events: CSV (comma, semicolon, tab, bar or spaces) and JSON lines, plain or gzip, read row by row."""

import csv
import gzip
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from arrivals.errors import Invalid

DELIMITERS = ",;\t|"
LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One data row: its number from 1, its values (None: it cannot be read, for the reason), and its text."""

    number: int
    values: dict[str, Any] | None
    reason: str
    text: str


class File:
    """A file to import. ``columns`` is the header of a CSV file, or the keys of the first line of JSON lines.

    Raises:
        Invalid: it cannot be read, is empty, or its header has an empty or a repeated name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with self._open() as file:
                first = file.readline(LONGEST_LINE).decode("utf-8-sig")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise Invalid(
                f"{path} cannot be read as UTF-8 text: {getattr(error, 'strerror', None) or error}."
            ) from error
        if not first.strip():
            raise Invalid(f"{path} is empty, or its first line is.")
        self.json = first.lstrip().startswith("{")
        self.delimiter = "" if self.json else _delimiter(first)
        self.columns = self._columns(first)
        self.segment = self.json and {"type", "userId"} <= set(self.columns) | (
            {"userId"} if "anonymousId" in self.columns else set()
        )

    def digest(self) -> str:
        """SHA-256 of the file's bytes as they lie on disk, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def rows(self, progress: Callable[[int], None] = lambda _bytes: None) -> Iterator[Row]:
        """All data rows. ``progress`` is told how many bytes of the file were read."""
        with self.path.open("rb") as raw:
            unpacked: Any = gzip.GzipFile(fileobj=raw) if _packed(self.path) else raw
            lines = io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape", newline="")
            try:
                for row in self._json_rows(lines) if self.json else self._csv_rows(lines):
                    progress(raw.tell())
                    yield row
            except (OSError, EOFError) as error:
                raise Invalid(f"{self.path} breaks off: {error}.") from error

    def _open(self) -> BinaryIO:
        return gzip.open(self.path, "rb") if _packed(self.path) else self.path.open("rb")  # type: ignore[return-value]

    def _columns(self, first: str) -> list[str]:
        if self.json:
            try:
                return list(orjson.loads(first))
            except orjson.JSONDecodeError as error:
                raise Invalid(f"The first line of {self.path} is not JSON: {error}.") from error
        names = [name.strip() for name in _split(first, self.delimiter)]
        for name, times in Counter(names).items():
            if not name or times > 1:
                raise Invalid(f"The header of {self.path} has {'an empty name' if not name else f'{name!r} twice'}.")
        return names

    def _csv_rows(self, lines: io.TextIOWrapper) -> Iterator[Row]:
        if not self.delimiter:  # columns set apart by spaces
            next(lines)
            parts: Any = ((line.split(), line) for line in lines)
        else:
            reader = csv.reader(lines, delimiter=self.delimiter)
            next(reader)
            parts = ((values, self.delimiter.join(values)) for values in reader)
        number = 0
        for values, text in parts:
            if not values:
                continue
            number += 1
            reason = (
                ""
                if len(values) == len(self.columns)
                else f"It has {len(values)} values; the header has {len(self.columns)}."
            )
            if "\udc80" <= max(text, default="") <= "\udcff":
                reason = "It is not UTF-8 text."
            read = None if reason else {name: value.strip() for name, value in zip(self.columns, values, strict=True)}
            yield Row(number, read, reason, text.rstrip("\r\n"))

    def _json_rows(self, lines: io.TextIOWrapper) -> Iterator[Row]:
        number = 0
        for line in lines:
            if not line.strip():
                continue
            number += 1
            try:
                values = orjson.loads(line.encode("utf-8", "surrogateescape"))
                reason = "" if isinstance(values, dict) else "It is not a JSON object."
            except orjson.JSONDecodeError as error:
                values, reason = None, f"It is not JSON: {error}."
            yield Row(number, None if reason else values, reason, line.rstrip("\r\n"))


class MessageIds:
    """Ids of rows made of their content: equal rows of one file get different ones, the same file the same again."""

    def __init__(self) -> None:
        self._times: Counter[bytes] = Counter()

    def of(self, values: dict[str, Any]) -> str:
        digest = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).digest()[:16]
        self._times[digest] += 1
        return f"{digest.hex()}-{self._times[digest]}"


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _delimiter(header: str) -> str:
    """The mark that the header has most of; none of them: spaces, or a single column."""
    counts = {mark: header.count(mark) for mark in DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ("" if len(header.split()) > 1 else ",")


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip("\r\n")], delimiter=delimiter)) if delimiter else line.split()
