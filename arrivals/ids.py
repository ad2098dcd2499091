"""Public ids: a prefix that says what the thing is, then 24 characters that sort by the time of making.

The body is 6 bytes of milliseconds and 9 random bytes, in Crockford's base 32 (no i, l, o or u), so that an id
can be read aloud, sorted, and used as a primary key that grows to the right.
"""

import base64
import hashlib
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 24


def new(prefix: str) -> str:
    """Make an id such as ``run_06c2f7...`` for the prefix ``"run"``."""
    number = (time.time_ns() // 1_000_000) << 72 | secrets.randbits(72)
    characters = []
    for _ in range(LENGTH):
        number, index = divmod(number, 32)
        characters.append(ALPHABET[index])
    return f"{prefix}_{''.join(reversed(characters))}"


def derived(kind: str, name: str) -> str:
    """The id of something that is known only by its name (a page, a track type): 27 characters, always the same.

    Pendo's ids of objects have this length and alphabet (base64url). The warehouse makes the same of a name:
    ``base64URLEncode(substring(SHA256(concat('page:', name)), 1, 20))``.
    """
    digest = hashlib.sha256(f"{kind}:{name}".encode()).digest()[:20]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def source() -> str:
    return new("src")


def file_import() -> str:
    return new("imp")


def segment() -> str:
    return new("seg")


def visitor_list() -> str:
    return new("lst")


def page() -> str:
    return new("pag")


def feature() -> str:
    return new("fea")


def digest() -> str:
    return new("dig")


def report() -> str:
    return new("rep")


def chart() -> str:
    return new("cha")


def dashboard() -> str:
    return new("das")


def survey() -> str:
    return new("sur")


def workflow() -> str:
    return new("wf")


def activation() -> str:
    return new("act")


def run() -> str:
    return new("run")


def delivery() -> str:
    return new("dlv")


def erasure() -> str:
    return new("era")


def connection() -> str:
    return new("con")


def message() -> str:
    return new("msg")


def integration_key() -> str:
    return new("key")


def person() -> str:
    return new("usr")
