"""A JSON array of objects, read piece by piece: each object comes out as soon as it is whole.

Only the place where an object begins and ends is found here; what is in it is read by ``orjson``. Memory holds one
piece and one object. A parser that builds all values as events come takes three times as long, and one that keeps the
path of each value can be made to fill the memory by deep nesting.
"""

import re

import orjson

MOST = 1024 * 1024  # bytes of one object
STRING = rb'"(?:[^"\\]++|\\.)*+"'
FLAT = re.compile(rb'\{(?:[^{}\[\]"]++|' + STRING + rb")*+\}", re.DOTALL)  # an object without objects or arrays in it
TOKEN = re.compile(STRING + rb'|[\[\]{}"]', re.DOTALL)  # a lone quote begins a string whose end is not here yet
SPACE = b" \t\r\n"


class NotAnArray(ValueError):
    """It is not a JSON array of objects. ``str()`` of it says what it looks like."""


class Objects:
    """Feed it the pieces in order, then close it. ``null`` is an empty array, as Pendo sends it."""

    def __init__(self) -> None:
        self._rest = b""  # not read yet, or the object that is not whole yet
        self._at = 0  # where in ``_rest`` to read on
        self._depth = 0  # of brackets around that place, without the array's own
        self._begun = self._ended = self._any = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The objects that became whole, as JSON text.

        Raises:
            NotAnArray: it is none, or one of its objects has more than 1 MB.
        """
        data = self._rest + piece
        if not self._begun:
            data = data.lstrip(SPACE)
            if data[:1] not in (b"[", b""):
                if not b"null".startswith(data[:4]) or data[4:].strip(SPACE):
                    raise NotAnArray(_looks_like(data))
                self._rest = data
                return []
            self._begun = data != b""
            data, self._at = data[1:], 0
        found: list[bytes] = []
        begin, at, depth = 0, self._at, self._depth  # begin: of the object, or of what stands before it
        while not self._ended and (token := TOKEN.search(data, at)):
            mark = token[0]
            if depth == 0:
                self._between(data[begin : token.start()], last=mark == b"]")
                if mark == b"]":
                    self._ended, begin = True, token.end()
                    break
                if mark != b"{":
                    raise NotAnArray("an array whose items are no objects")
                begin, self._any = token.start(), True
                flat = FLAT.match(data, begin)
                if flat is None:
                    at, depth = token.end(), 1
                    continue
                found.append(_object(flat[0]))
                begin = at = flat.end()
            elif mark == b'"':
                at = token.start()
                break
            else:
                at = token.end()
                depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
                if depth == 0:
                    found.append(_object(data[begin:at]))
                    begin = at
        else:
            at = len(data) if depth else begin
        if self._ended:
            if data[begin:].strip(SPACE):
                raise NotAnArray("an array with something after it")
            begin = at = len(data)
        if len(data) - begin > MOST:
            raise NotAnArray(f"an array with an object of more than {MOST:,} bytes")
        self._rest, self._at, self._depth = data[begin:], at - begin, depth
        return found

    def close(self) -> None:
        """Raises NotAnArray when the array is not complete."""
        if not self._ended and not (not self._begun and self._rest.strip(SPACE) == b"null"):
            raise NotAnArray("an array that breaks off" if self._begun else "nothing")

    def _between(self, text: bytes, *, last: bool) -> None:
        """Between two objects stands one comma, before the first and after the last none."""
        if text.strip(SPACE) != (b"," if self._any and not last else b""):
            raise NotAnArray("an array with something between its items")


def _object(text: bytes) -> bytes:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotAnArray("an array with an item that is not valid JSON") from None
    return text


def _looks_like(data: bytes) -> str:
    return {b"<": "a web page", b"{": "an object"}.get(data[:1], "no JSON")
