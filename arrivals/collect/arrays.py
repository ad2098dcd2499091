"""A file that is one JSON array -> the text of each of its elements, of which one at a time is in memory."""

import re
from collections.abc import Iterable, Iterator

MARK = re.compile(r'["\\{}\[\],]')


def elements(pieces: Iterable[str], longest: int) -> Iterator[tuple[str, bool]]:
    """The elements as texts, and whether each is whole: of one that is longer than ``longest`` its beginning is told.

    Of an array that breaks off, the last element is what there is of it. What follows the array is an element too, so
    that whoever reads them says that it is none.
    """
    kept: list[str] = []
    size, depth, quoted, escaped = 0, 0, False, False

    def keep(text: str) -> None:
        nonlocal size
        if size <= longest:
            kept.append(text[: longest + 1 - size])
        size += len(text)

    def taken() -> Iterator[tuple[str, bool]]:
        nonlocal size
        text, whole = "".join(kept).strip(), size <= longest
        kept.clear()
        size = 0
        if text:
            yield text, whole

    for piece in pieces:
        start = at = 0
        if escaped:
            at, escaped = 1, False
        while mark := MARK.search(piece, at):
            char, place, at = mark.group(), mark.start(), mark.end()
            if quoted:
                if char == "\\":
                    at += 1
                    escaped = at > len(piece)
                elif char == '"':
                    quoted = False
            elif char == '"':
                quoted = True
            elif char in "{[":
                depth += 1
                if depth == 1:  # of the array itself
                    start = at
            elif char in "}]":
                depth -= 1
                if depth == 0:
                    keep(piece[start:place])
                    yield from taken()
                    start = at
            elif char == "," and depth == 1:
                keep(piece[start:place])
                yield from taken()
                start = at
        keep(piece[start:])
        if depth == 1 and not quoted and not "".join(kept).strip():
            kept.clear()  # a line of space between two elements counts for neither
            size = 0
    yield from taken()
