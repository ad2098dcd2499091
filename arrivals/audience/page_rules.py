"""Rules of a page: which addresses are it. Read from data into values that are known to be right.

{"url": {"exact": "https://shop.example/orders"}}
{"url": {"wildcard": "//*/orders/*/edit"}, "parameters": [{"name": "tab", "value": "items"}, {"name": "debug"}]}
{"url": {"contains": "/orders"}, "title": {"contains": "Order"}}
"""

import re
from dataclasses import dataclass
from typing import Any

from arrivals.audience import shapes, texts
from arrivals.audience.texts import Text
from arrivals.errors import InvalidTag

MATCHES = ("exact", "contains", "wildcard")
KEYS = ("url", "parameters", "title")
LONGEST = 2000
LONGEST_NAME = 200
MOST_RULES = 50
MOST_PARAMETERS = 10
SCHEME = r"[a-z][a-z0-9+.-]*://"
START = re.compile(r"(?i:(?P<scheme>[a-z][a-z0-9+.-]*:)?//(?P<host>[^/?#\s]+))(?=[/?#]|$)")
STAR = re.compile(r"\*\*|\*")
# In which part of the address a star stands decides what it may stand for.
STARS = {
    "base": ("[^?#]*", "[^/?#]+"),
    "query": ("[^#]*", "[^&#]+"),
    "hash": (".*", "[^/?&#]+"),
}


@dataclass(frozen=True)
class Address:
    """How the whole address is compared: the texts of which one is in it (``literals``, of "contains" nothing else is
    asked), and an expression of escaped text."""

    literals: tuple[str, ...]
    pattern: str = ""


@dataclass(frozen=True)
class Parameter:
    """``value`` None: it only has to be there."""

    name: str
    value: str | None


@dataclass(frozen=True)
class PageRule:
    address: Address | None
    parameters: tuple[Parameter, ...]
    title: Text | None


def parse(data: Any, path: str = "rules") -> tuple[PageRule, ...]:
    """Read the rules of a page; an address is the page's when it satisfies one of them.

    Raises:
        InvalidTag: with the path of the wrong part and what is allowed.
    """
    if not isinstance(data, list) or not 0 < len(data) <= MOST_RULES:
        raise InvalidTag(f"It must be a list of 1 to {MOST_RULES} rules.", path=path)
    return tuple(_rule(one, f"{path}[{index}]") for index, one in enumerate(data))


def _rule(data: Any, path: str) -> PageRule:
    shapes.known(data, KEYS, InvalidTag, path)
    if "url" not in data and "title" not in data:
        raise InvalidTag("A rule of a page needs a url, a title or both.", path=path)
    return PageRule(
        _address(data["url"], f"{path}.url") if "url" in data else None,
        _parameters(data["parameters"], f"{path}.parameters") if "parameters" in data else (),
        texts.parse(data["title"], f"{path}.title", InvalidTag) if "title" in data else None,
    )


def _address(data: Any, path: str) -> Address:
    if not isinstance(data, dict) or len(data) != 1 or not set(data) <= set(MATCHES):
        raise InvalidTag('It must be {"exact": address}, {"contains": text} or {"wildcard": address}.', path=path)
    [(match, text)] = data.items()
    where = f"{path}.{match}"
    text = text.strip() if isinstance(text, str) else ""
    if not 0 < len(text) <= LONGEST or not text.isprintable() or " " in text:
        raise InvalidTag(f"It must be a text of 1 to {LONGEST:,} characters without spaces.", path=where)
    if match == "contains":
        return Address(tuple(dict.fromkeys((text, encoded(text)))))
    start = START.match(text)
    if start is None and (not text.startswith("/") or text.startswith("//")):
        raise InvalidTag(
            "It must begin with https://host or http://host, with //host (any scheme; //* is any host) or with a path /...",
            path=where,
        )
    if start is None and match == "wildcard" and not text.strip("/*"):
        raise InvalidTag("It would be every page; name at least one part of the path.", path=where)
    return _compared(text, start, match == "wildcard")


def _compared(text: str, start: re.Match[str] | None, wild: bool) -> Address:
    """``/`` at the end makes no difference; query and hash are compared only where they are given."""
    before, hash_, fragment = text.partition("#")
    base, mark, query = before.partition("?")
    if start:
        scheme = re.escape(start["scheme"].lower() + "//") if start["scheme"] else SCHEME
        host = start["host"].lower()
        origin, rest = scheme + _escaped(host, "base", wild), base[start.end() :]
    else:
        host, origin, rest = "", f"(?:{SCHEME}[^/?#]*)?", base
    pattern = f"^{origin}{_path(rest.rstrip('/'), wild)}/?(?:;[^/?#]*)?"
    pattern += rf"\?{_escaped(query, 'query', wild)}" if mark else r"(?:\?[^#]*)?"
    if hash_:
        pattern += f"#{_escaped(fragment.rstrip('/'), 'hash', wild)}/?(?:[?&]|$)"
    else:
        pattern += "(?:#|$)"
    return Address(_literals((host, rest.rstrip("/"), query, fragment.rstrip("/")), wild), pattern)


def _path(path: str, wild: bool) -> str:
    """A ``**`` that is a whole part of the path also stands for no part at all."""
    if not wild:
        return _escaped(path, "base", wild)
    pieces = re.split(r"/\*\*(?=/|$)", path)
    return "(?:/[^?#]*)?".join(_escaped(one, "base", wild) for one in pieces)


def _escaped(text: str, part: str, wild: bool) -> str:
    if not wild:
        return _plain(text)
    many, one = STARS[part]
    pieces, at = [], 0
    for star in STAR.finditer(text):
        pieces += [_plain(text[at : star.start()]), many if star[0] == "**" else one]
        at = star.end()
    return "".join([*pieces, _plain(text[at:])])


def _plain(text: str) -> str:
    """Text as it is; what is not ASCII may also stand encoded, as browsers tell it."""
    return "".join(re.escape(one) if one.isascii() else f"(?:{one}|{encoded(one)})" for one in text)


def encoded(text: str) -> str:
    """``text`` with the characters beyond ASCII as a browser's address has them."""
    return "".join(one if one.isascii() else "".join(f"%{byte:02X}" for byte in one.encode()) for one in text)


def _literals(parts: tuple[str, ...], wild: bool) -> tuple[str, ...]:
    """The longest piece of ASCII that every such address has in it."""
    splitter = re.compile(r"/\*\*(?=/|$)|[^\x21-\x7e]|\*" if wild else r"[^\x21-\x7e]")
    pieces = [piece for part in parts for piece in splitter.split(part)]
    longest = max(pieces, key=len)
    return (longest,) if longest else ()


def _parameters(data: Any, path: str) -> tuple[Parameter, ...]:
    if not isinstance(data, list) or len(data) > MOST_PARAMETERS:
        raise InvalidTag(f'It must be a list of at most {MOST_PARAMETERS} {{"name", "value"}}.', path=path)
    read = []
    for index, one in enumerate(data):
        where = f"{path}[{index}]"
        shapes.known(one, ("name", "value"), InvalidTag, where)
        name, value = one.get("name"), one.get("value")
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\x00" in name:
            raise InvalidTag(f"It must be a text of 1 to {LONGEST_NAME} characters.", path=f"{where}.name")
        if value is not None and (not isinstance(value, str) or len(value) > LONGEST or "\x00" in value):
            raise InvalidTag("It must be a text; leave it out for any value.", path=f"{where}.value")
        read.append(Parameter(name, value))
    return tuple(read)
