"""Files of rows: CSV (comma, semicolon, tab, bar or spaces), JSON lines, a JSON array, and Parquet; plain, gzip, or many
in a zip.

They are read row by row: what is in memory is a row, or a thousand rows of a Parquet file. A zip is one file whose rows
are those of its members, in the order of their names.
"""

import csv
import gzip
import hashlib
import io
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson

from arrivals.collect import arrays, parquet
from arrivals.errors import Invalid

DELIMITERS = ",;\t|"
LONGEST_LINE = 1024 * 1024
LONGEST_ROW = 32 * 1024  # characters: what one event of the tracking API may have
LONGEST_EXPORTED = 256 * 1024  # what a row of another product's export may have, most of which is not kept
SPOOLED = 8 * 1024 * 1024
FOLDED = 250_000
MOST_LAYERS = 3
ZIP = b"PK\x03\x04"
ARRAY = re.compile(r"\s*\[\s*([{\[\]\"\d-]|$)")  # and not a column that is called [so]


class EmptyFile(Invalid):
    """There is no row in it, and no header."""


@dataclass(frozen=True)
class Row:
    """One data row: its number from 1, its values (None: it cannot be read, for the reason), its text, and the member of
    a zip that it is in."""

    number: int
    values: dict[str, Any] | None
    reason: str
    text: str
    part: str = ""


class File:
    """A file to import. ``columns`` is the header of a CSV file, or the names in the first row of another.

    Of a zip, ``columns`` and the like are those of its first member. ``longest``: the characters a row may have.

    Raises:
        Invalid: it cannot be read, is empty, or its header has an empty or a repeated name.
    """

    def __init__(self, path: Path, *, longest: int = LONGEST_ROW) -> None:
        self.path = path
        self.longest = longest
        with _readable(path):
            self.members = _members(path)
            first = self._first()
        self.json, self.delimiter, self.columns = first.json, first.delimiter, first.columns
        self.segment = self.json and {"type", "userId"} <= set(self.columns) | (
            {"userId"} if "anonymousId" in self.columns else set()
        )

    def _first(self) -> "_Part":
        """The first table that there is: an export by the hour has members without an event."""
        for member in self.members:
            with self._opened(member) as (raw, _position), suppress(EmptyFile):
                return _Part(self.path, member, raw, self.longest)
        raise EmptyFile(f"{self.path} is empty.")

    def digest(self) -> str:
        """SHA-256 of the file's bytes as they lie on disk, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def rows(self, progress: Callable[[int], None] = lambda _bytes: None) -> Iterator[Row]:
        """All data rows. ``progress`` is told how many bytes of the file were read."""
        number = 0
        for member in self.members:
            with _readable(self.path), self._opened(member) as (raw, position):
                try:
                    part = _Part(self.path, member, raw, self.longest)
                except EmptyFile:
                    continue
                for row in part.rows():
                    number += 1
                    progress(position())
                    yield replace(row, number=number, part=member)

    @contextmanager
    def _opened(self, member: str) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
        """The bytes of the file, or of a member, and how many of the file's were read."""
        with self.path.open("rb") as raw:
            if not member:
                yield raw, raw.tell
                return
            with zipfile.ZipFile(raw) as archive, archive.open(member) as inner:
                yield io.BufferedReader(inner), raw.tell  # type: ignore[type-var]


class _Part:
    """One table of rows: a file, or a member of a zip."""

    def __init__(self, path: Path, member: str, raw: BinaryIO, longest: int) -> None:
        self.name = f"{path}: {member}" if member else str(path)
        self.longest = longest
        self.too_long = f"It has more than {longest:,} characters."
        self.raw = raw = _unpacked(raw)
        self._spooled: BinaryIO | None = None
        self.parquet = raw.peek(4)[:4] == parquet.MAGIC  # type: ignore[attr-defined]
        self.json, self.array, self.delimiter = True, False, ""
        if raw.peek(4)[:4] == ZIP:  # type: ignore[attr-defined]
            raise Invalid(f"{self.name} is a zip inside of a zip; unpack the outer one and name its folder.")
        if self.parquet:
            self.columns = parquet.columns(self._seekable(), self.name)
            return
        self.lines = _text(raw)
        first = self.lines.readline(LONGEST_LINE)
        while first and not first.strip():
            first = self.lines.readline(LONGEST_LINE)
        try:
            first.encode()  # what is not UTF-8 was read as lone surrogates
        except UnicodeEncodeError as error:
            raise Invalid(f"{self.name} cannot be read: its header is not UTF-8 text.") from error
        if not first.strip():
            raise EmptyFile(f"{self.name} is empty.")
        self.first = first
        self.array = bool(ARRAY.match(first))
        self.json = self.array or first.lstrip().startswith("{")
        if self.array:
            self.texts = arrays.elements(chain([first], _pieces(self.lines)), LONGEST_LINE)
            self.first, self.whole = next(self.texts, ("", True))
            if not self.first:
                raise EmptyFile(f"{self.name} is an empty JSON array.")
        self.delimiter = "" if self.json else _delimiter(first)
        self.columns = self._columns(self.first, self.lines)

    def rows(self) -> Iterator[Row]:
        if self.parquet:
            yield from self._parquet_rows()
        else:
            yield from self._json_rows() if self.json else self._csv_rows()

    def _columns(self, first: str, more: Iterable[str]) -> list[str]:
        """``more``: the lines after the first, for a quoted name that goes on there."""
        if self.json:
            try:
                return list(dict(orjson.loads(first)))
            except (ValueError, TypeError) as error:
                what = "element" if self.array else "line"
                raise Invalid(
                    f"The first {what} of {self.name} is not {'JSON' if isinstance(error, ValueError) else 'an object'}: {error}."
                ) from error
        try:
            header = (
                first.split()
                if not self.delimiter
                else next(csv.reader(chain([first], more), delimiter=self.delimiter))
            )
        except csv.Error as error:
            raise Invalid(f"The header of {self.name} cannot be read: {error}.") from error
        names = [name.strip() for name in header]
        for name, times in Counter(names).items():
            if not name or times > 1:
                raise Invalid(f"The header of {self.name} has {'an empty name' if not name else f'{name!r} twice'}.")
        return names

    def _csv_rows(self) -> Iterator[Row]:
        """The header was read; the lines go on behind it."""
        for values, text in self._split():
            if values == []:
                continue
            reason = self.too_long if values is None else self._unfit(text)
            if values is None or reason:
                yield Row(0, None, reason, self._writable(text))
            elif len(values) != len(self.columns):
                reason = f"It has {len(values)} values; the header has {len(self.columns)}."
                yield Row(0, None, reason, self._writable(text))
            else:
                read = {name: value.strip() for name, value in zip(self.columns, values, strict=True)}
                yield Row(0, read, "", self._writable(text))

    def _split(self) -> Iterator[tuple[list[str] | None, str]]:
        """The values of each data row and its text; None where one is longer than the reader of CSV takes."""
        if not self.delimiter:  # columns set apart by spaces
            yield from ((line.split(), line) for line in _pieces(self.lines))
            return
        reader = csv.reader(_pieces(self.lines), delimiter=self.delimiter)
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield None, f"(up to line {reader.line_num + 1:,})"
                continue
            yield values, self.delimiter.join(values)

    def _json_rows(self) -> Iterator[Row]:
        lines = chain([(self.first, self.whole)], self.texts) if self.array else None
        for line, whole in lines or _whole_lines(chain([self.first], _pieces(self.lines))):
            if not line.strip():
                continue
            values, reason = None, self.too_long if not whole else self._unfit(line)
            if not reason:
                try:
                    values = orjson.loads(line)
                    reason = "" if isinstance(values, dict) else "It is not a JSON object."
                except orjson.JSONDecodeError as error:
                    reason = f"It is not JSON: {error}."
            yield Row(0, None if reason else values, reason, self._writable(line))

    def _parquet_rows(self) -> Iterator[Row]:
        for values in parquet.rows(self._seekable(), self.name):
            text = orjson.dumps(values).decode()
            reason = self.too_long if len(text) > self.longest else ""
            yield Row(0, None if reason else values, reason, self._writable(text))

    def _seekable(self) -> BinaryIO:
        """Parquet is read from its end; a member of a zip is unpacked for that, on disk where it is large."""
        if isinstance(self.raw, io.BufferedReader) and isinstance(self.raw.raw, io.FileIO):
            return self.raw
        if self._spooled is not None:
            self._spooled.seek(0)
            return self._spooled
        spooled: Any = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 (closed with the last reference)
        while piece := self.raw.read(LONGEST_LINE):
            spooled.write(piece)
        spooled.seek(0)
        self._spooled = spooled
        return self._seekable()

    def _unfit(self, text: str) -> str:
        """Why a row's text cannot be taken, or nothing."""
        if len(text) > self.longest:
            return self.too_long
        try:
            text.encode()
        except UnicodeEncodeError:
            return "It is not UTF-8 text."
        return ""

    def _writable(self, text: str) -> str:
        """A row's text without its line end, as far as it can be written down again."""
        return text.rstrip("\r\n")[: self.longest].encode("utf-8", "replace").decode()


class MessageIds:
    """Ids of rows made of their content: equal rows of one file get different ones, the same file the same again.

    Eight bytes a row are remembered. Two rows whose first 64 bits of the digest are equal are numbered together, which
    leaves their ids different as well.
    """

    def __init__(self) -> None:
        self._fresh: set[int] = set()
        self._sorted: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._repeated: Counter[int] = Counter()

    def of(self, values: dict[str, Any]) -> str:
        """The id of the next row."""
        digest = content(values)
        return f"{digest}-{self._times(int(digest[:16], 16))}"

    def _times(self, key: int) -> int:
        if key in self._fresh or self._has(key):
            self._repeated[key] += 1
            return self._repeated[key] + 1
        self._fresh.add(key)
        if len(self._fresh) >= FOLDED:
            fresh = np.fromiter(self._fresh, dtype=np.uint64, count=len(self._fresh))
            self._sorted = np.sort(np.concatenate([self._sorted, fresh]), kind="stable")
            self._fresh = set()
        return 1

    def _has(self, key: int) -> bool:
        if not len(self._sorted):
            return False
        place = int(np.searchsorted(self._sorted, np.uint64(key)))
        return place < len(self._sorted) and int(self._sorted[place]) == key


def content(values: dict[str, Any]) -> str:
    """32 hexadecimal digits made of a row's values."""
    return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).digest()[:16].hex()


def _members(path: Path) -> list[str]:
    """The names of a zip's files, sorted; one empty name for a file that is no zip."""
    with path.open("rb") as raw:
        if raw.read(4) != ZIP:
            return [""]
    with zipfile.ZipFile(path) as archive:
        names = [one.filename for one in archive.infolist() if not one.is_dir() and one.file_size]
    shown = sorted(one for one in names if not one.startswith("__MACOSX") and not Path(one).name.startswith("."))
    if not shown:
        raise Invalid(f"{path} holds no file.")
    return shown


def _pieces(lines: io.TextIOWrapper) -> Iterator[str]:
    """Lines with their ends, or pieces of a line that is too long for memory."""
    while piece := lines.readline(LONGEST_LINE):
        yield piece


def _whole_lines(pieces: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Lines, and whether each is whole; of a line of many pieces the first is told."""
    started = ""
    for piece in pieces:
        ended = piece.endswith(("\n", "\r")) or len(piece) < LONGEST_LINE
        if not started:
            if ended:
                yield piece, True
            else:
                started = piece
        elif ended:
            yield started, False
            started = ""
    if started:
        yield started, False


def _delimiter(header: str) -> str:
    """The mark that the header has most of; none of them: spaces, or a single column."""
    counts = {mark: header.count(mark) for mark in DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ("" if len(header.split()) > 1 else ",")


def _unpacked(raw: BinaryIO) -> BinaryIO:
    """The bytes of an open file without their gzip; what was stored packed is often sent packed once more."""
    layers = 0
    while layers < MOST_LAYERS and raw.peek(2)[:2] == b"\x1f\x8b":  # type: ignore[attr-defined]
        packed: Any = gzip.GzipFile(fileobj=raw, mode="rb")
        raw = io.BufferedReader(packed)
        layers += 1
    return raw


def _text(raw: BinaryIO) -> io.TextIOWrapper:
    """The lines of an open file; their ends are kept, since a quoted value may hold some."""
    opened: Any = raw
    return io.TextIOWrapper(opened, encoding="utf-8-sig", errors="surrogateescape", newline="")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = getattr(error, "strerror", None)
        if isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError):
            if "encrypted" not in str(error):
                raise
            raise Invalid(f"{path} is encrypted; unpack it first.") from error
        raise Invalid(f"{path} cannot be read: {reason}." if reason else f"{path} breaks off: {error}.") from error
