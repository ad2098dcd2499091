"""Files of events: CSV (comma, semicolon, tab, bar or spaces) and JSON lines, plain or gzip, read row by row."""

import csv
import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from arrivals.errors import Invalid

DELIMITERS = ",;\t|"
LONGEST_LINE = 1024 * 1024
LONGEST_ROW = 32 * 1024  # characters: what one event of the tracking API may have
TOO_LONG = f"It has more than {LONGEST_ROW:,} characters."


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
            with path.open("rb") as raw:
                lines = _text(raw)
                first = lines.readline(LONGEST_LINE)
                first.encode()  # what is not UTF-8 was read as lone surrogates
                if not first.strip():
                    raise Invalid(f"{path} is empty, or its first line is.")
                self.json = first.lstrip().startswith("{")
                self.delimiter = "" if self.json else _delimiter(first)
                self.columns = self._columns(first, lines)
        except UnicodeEncodeError as error:
            raise Invalid(f"{path} cannot be read: its header is not UTF-8 text.") from error
        except (OSError, EOFError, zlib.error) as error:
            raise _broken(path, error) from error
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
            try:
                lines = _text(raw)
                for row in self._json_rows(lines) if self.json else self._csv_rows(lines):
                    progress(raw.tell())
                    yield row
            except (OSError, EOFError, zlib.error) as error:
                raise _broken(self.path, error) from error

    def _columns(self, first: str, more: Iterable[str]) -> list[str]:
        """``more``: the lines after the first, for a quoted name that goes on there."""
        if self.json:
            try:
                return list(orjson.loads(first))
            except orjson.JSONDecodeError as error:
                raise Invalid(f"The first line of {self.path} is not JSON: {error}.") from error
        try:
            header = (
                first.split()
                if not self.delimiter
                else next(csv.reader(chain([first], more), delimiter=self.delimiter))
            )
        except csv.Error as error:
            raise Invalid(f"The header of {self.path} cannot be read: {error}.") from error
        names = [name.strip() for name in header]
        for name, times in Counter(names).items():
            if not name or times > 1:
                raise Invalid(f"The header of {self.path} has {'an empty name' if not name else f'{name!r} twice'}.")
        return names

    def _csv_rows(self, lines: io.TextIOWrapper) -> Iterator[Row]:
        number = 0
        for values, text in self._split(lines):
            if values == []:
                continue
            number += 1
            reason = TOO_LONG if values is None else _unfit(text)
            if values is None or reason:
                yield Row(number, None, reason, _writable(text))
            elif len(values) != len(self.columns):
                reason = f"It has {len(values)} values; the header has {len(self.columns)}."
                yield Row(number, None, reason, _writable(text))
            else:
                read = {name: value.strip() for name, value in zip(self.columns, values, strict=True)}
                yield Row(number, read, "", _writable(text))

    def _split(self, lines: io.TextIOWrapper) -> Iterator[tuple[list[str] | None, str]]:
        """The values of each data row and its text; None where one is longer than the reader of CSV takes."""
        if not self.delimiter:  # columns set apart by spaces
            next(lines)
            yield from ((line.split(), line) for line in lines)
            return
        reader = csv.reader(lines, delimiter=self.delimiter)
        next(reader)
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield None, f"(up to line {reader.line_num:,})"
                continue
            yield values, self.delimiter.join(values)

    def _json_rows(self, lines: io.TextIOWrapper) -> Iterator[Row]:
        number = 0
        for line in lines:
            if not line.strip():
                continue
            number += 1
            values, reason = None, _unfit(line)
            if not reason:
                try:
                    values = orjson.loads(line)
                    reason = "" if isinstance(values, dict) else "It is not a JSON object."
                except orjson.JSONDecodeError as error:
                    reason = f"It is not JSON: {error}."
            yield Row(number, None if reason else values, reason, _writable(line))


class MessageIds:
    """Ids of rows made of their content: equal rows of one file get different ones, the same file the same again."""

    def __init__(self) -> None:
        self._times: Counter[bytes] = Counter()

    def of(self, values: dict[str, Any]) -> str:
        digest = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).digest()[:16]
        self._times[digest] += 1
        return f"{digest.hex()}-{self._times[digest]}"


def _delimiter(header: str) -> str:
    """The mark that the header has most of; none of them: spaces, or a single column."""
    counts = {mark: header.count(mark) for mark in DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ("" if len(header.split()) > 1 else ",")


def _text(raw: BinaryIO) -> io.TextIOWrapper:
    """The lines of an open file, unpacked; their ends are kept, since a quoted value may hold some."""
    packed = raw.peek(2)[:2] == b"\x1f\x8b"  # type: ignore[attr-defined]
    unpacked: Any = gzip.GzipFile(fileobj=raw) if packed else raw
    return io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _unfit(text: str) -> str:
    """Why a row's text cannot be taken, or nothing."""
    if len(text) > LONGEST_ROW:
        return TOO_LONG
    try:
        text.encode()
    except UnicodeEncodeError:
        return "It is not UTF-8 text."
    return ""


def _writable(text: str) -> str:
    """A row's text without its line end, as far as it can be written down again."""
    return text.rstrip("\r\n")[:LONGEST_ROW].encode("utf-8", "replace").decode()


def _broken(path: Path, error: Exception) -> Invalid:
    reason = getattr(error, "strerror", None)
    return Invalid(f"{path} cannot be read: {reason}." if reason else f"{path} breaks off: {error}.")
