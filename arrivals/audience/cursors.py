"""Places in lists, as the texts that the next page is asked for with."""

import base64
from datetime import datetime

import orjson

from arrivals.errors import Invalid

WRONG = "It is not a cursor of this list; take it from next of the page before."


def encoded(text: bytes) -> str:
    """Bytes as letters that need no quoting in an address."""
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decoded(cursor: str) -> bytes:
    """Raises ValueError when they are not such letters."""
    padded = (cursor + "=" * (-len(cursor) % 4)).encode("ascii")
    return base64.b64decode(padded, altchars=b"-_", validate=True)


def of_id(id_: str) -> str:
    """A place in a list in the order of an id. That of the empty id is not empty."""
    return encoded(id_.encode()) or "="


def read_id(cursor: str) -> str:
    """Raises Invalid when it is not a cursor of ours."""
    try:
        return decoded(cursor).decode()
    except ValueError as error:
        raise Invalid(WRONG, path="cursor") from error


def read_number(cursor: str, digits: int) -> int:
    """That of a list in the order of a number of at most so many digits. Raises Invalid when it is not a cursor of ours."""
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= digits:
        return int(cursor)
    raise Invalid(WRONG, path="cursor")


def of_moment(at: datetime, id_: str) -> str:
    """A place in a list that is sorted by time and id, newest first."""
    return encoded(orjson.dumps([round(at.timestamp() * 1000), id_]))


def read_moment(cursor: str) -> tuple[int, str]:
    """Milliseconds since 1970, and the id. Raises Invalid when it is not a cursor of ours."""
    try:
        at, id_ = orjson.loads(decoded(cursor))
        if isinstance(at, int) and isinstance(id_, str) and abs(at) < 2**53:
            return at, id_
    except (ValueError, TypeError):
        pass
    raise Invalid(WRONG, path="cursor")
