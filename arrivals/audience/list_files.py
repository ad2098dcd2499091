"""A file of ids, one per line, read in pieces: of a file of any size one piece is in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

LONGEST = 512  # characters of an id
BLOCK = 50_000  # ids
SHOWN = 100  # bad lines that are told one by one
MARK = b"\xef\xbb\xbf"  # some programs write it in front of UTF-8
WINDOW = 4 * LONGEST + 8  # bytes; a longer line cannot be an id


@dataclass(frozen=True)
class BadLine:
    """``line`` counts from 1."""

    line: int
    reason: str


class Reader:
    """Reads a file once. What was read so far: ``lines``, ``ids`` (repeated ones too), ``refused`` lines, the first ``bad``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.lines = 0
        self.ids = 0
        self.refused = 0
        self.bad: list[BadLine] = []

    def blocks(self) -> Iterator[list[str]]:
        """The ids in blocks, without those that stood earlier in the same block."""
        block: dict[str, None] = {}
        for raw in self._lines():
            self.lines += 1
            if self.lines == 1:
                raw = raw.removeprefix(MARK)
            id_ = self._id(raw)
            if id_:
                self.ids += 1
                block[id_] = None
            if len(block) >= BLOCK:
                yield list(block)
                block = {}
        if block:
            yield list(block)

    def _lines(self) -> Iterator[bytes]:
        """Each line; of one that is too long only its beginning."""
        while line := self._file.readline(WINDOW):
            yield line
            while line and not line.endswith(b"\n") and len(line) >= WINDOW:
                line = self._file.readline(WINDOW)

    def _id(self, raw: bytes) -> str:
        """The id of a line; empty for a blank or a bad one."""
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            # A line that is too long may be cut within a character.
            return self._refuse("It is too long." if len(raw) >= WINDOW else "It is not UTF-8.")
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1].replace('""', '"').strip()
        if len(text) > LONGEST:
            return self._refuse(f"It has more than {LONGEST} characters.")
        if "\x00" in text:
            return self._refuse("It holds the character NUL.")
        return text

    def _refuse(self, reason: str) -> str:
        self.refused += 1
        if len(self.bad) < SHOWN:
            self.bad.append(BadLine(self.lines, reason))
        return ""
