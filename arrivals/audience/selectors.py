"""Selectors of elements: a subset of CSS, read into values. What they mean on captured pieces is said in ``pieces``.

    tag  *  #id  .class  [attr]  [attr=value]  [attr^=value]  [attr*=value]  [attr$=value]  :nth(n)  A B  A > B

A value may stand in quotes; a backslash takes the next character as it is, and before hexadecimal digits it means the
character of that number. ``:nth-of-type(n)`` means ``:nth(n)``: the
n-th among the siblings of the same tag. Attributes are those that are captured.
"""

import re
from dataclasses import dataclass

from arrivals.collect.pendo_elements import MARKED
from arrivals.errors import Invalid

LONGEST = 500
MOST_PARTS = 10
ATTRIBUTES = ("id", *MARKED)
OPERATORS = ("=", "^=", "*=", "$=")
NAME = re.compile(r"(?:\w|-|[^\x00-\x7f]|\\[0-9a-fA-F]{1,6}[ ]?|\\[^\n])+")
SPACE = re.compile(r"[ \t\n\r\f]*")
TAG = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
NTH = re.compile(r":nth(?:-of-type)?\(\s*(\d{1,5})\s*\)")
ATTRIBUTE = re.compile(
    r"\[\s*(?P<name>[A-Za-z-]+)\s*(?:(?P<op>[\^*$~|]?=)\s*"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>(?:[^\s\"'\[\]\\]|\\.)+))\s*)?\]"
)
ALLOWED = (
    "tag, #id, .class, [attr], [attr=value], [attr^=value], [attr*=value], [attr$=value], :nth(n), "
    "with a space for any depth and > for a child"
)


@dataclass(frozen=True)
class Attribute:
    """``op`` is empty where the attribute only has to be there."""

    name: str
    op: str = ""
    value: str = ""


@dataclass(frozen=True)
class Compound:
    """One element: everything that is given has to hold. Empty: any element."""

    tag: str = ""
    id: str = ""
    classes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    nth: int = 0


@dataclass(frozen=True)
class Selector:
    """Chains of elements, the outermost first; inside a chain each is the child of the one before, between two chains
    lies any depth. The last of the last is the element that is meant."""

    chains: tuple[tuple[Compound, ...], ...]


def parse(text: object, path: str, error: type[Invalid]) -> Selector:
    """Read a selector.

    Raises:
        Invalid: of the class ``error``: what is wrong, at which character, and what is allowed.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST or "\x00" in text:
        raise error(f"A selector is a text of 1 to {LONGEST} characters: {ALLOWED}.", path=path)
    reader = _Reader(text, path, error)
    chains: list[list[Compound]] = [[reader.compound()]]
    while True:
        combinator = reader.combinator()
        if not combinator:
            break
        if sum(map(len, chains)) >= MOST_PARTS:
            raise error(f"A selector names at most {MOST_PARTS} elements.", path=path)
        if combinator == ">":
            chains[-1].append(reader.compound())
        else:
            chains.append([reader.compound()])
    return Selector(tuple(map(tuple, chains)))


def quoted(name: str) -> str:
    """A name as it stands in a selector: what is no letter, digit, hyphen or underscore gets a backslash."""
    return re.sub(r"[^\w-]", lambda found: f"\\{found[0]}" if found[0].isascii() else found[0], name)


class _Reader:
    """The text and the place in it."""

    def __init__(self, text: str, path: str, error: type[Invalid]) -> None:
        self.text, self.path, self.error = text, path, error
        self.at = 0
        self.space()

    def space(self) -> bool:
        """Skip space; whether there was any."""
        found = SPACE.match(self.text, self.at)
        start, self.at = self.at, found.end() if found else self.at
        return self.at > start

    def combinator(self) -> str:
        """ " " or ">", or nothing at the end."""
        spaced = self.space()
        if self.at == len(self.text):
            return ""
        if self.text[self.at] == ">":
            self.at += 1
            self.space()
            return ">"
        if not spaced:
            raise self.wrong()
        return " "

    def compound(self) -> Compound:
        start = self.at
        tag, id_, classes, attributes, nth = "", "", [], [], 0
        if self.text[self.at : self.at + 1] == "*":
            self.at += 1
        elif found := TAG.match(self.text, self.at):
            tag, self.at = found[0].lower(), found.end()
        while self.at < len(self.text):
            here = self.text[self.at]
            if here == "#" and not id_:
                id_ = self.name()
            elif here == ".":
                classes.append(self.name())
            elif here == "[":
                attributes.append(self.attribute())
            elif here == ":" and not nth:
                nth = self.nth()
            else:
                break
        if self.at == start:
            raise self.wrong()
        return Compound(tag, id_, tuple(classes), tuple(attributes), nth)

    def name(self) -> str:
        found = NAME.match(self.text, self.at + 1)
        if found is None:
            raise self.wrong()
        self.at = found.end()
        return _plain(found[0])

    def attribute(self) -> Attribute:
        found = ATTRIBUTE.match(self.text, self.at)
        if found is None:
            raise self.wrong()
        name, op = found["name"].lower(), found["op"] or ""
        if name not in ATTRIBUTES:
            raise self.error(
                f"The attribute {name!r:.40} is not captured; allowed are {', '.join(ATTRIBUTES)}"
                f"{'; write .name for a class' if name == 'class' else ''}.",
                path=self.path,
            )
        if op and op not in OPERATORS:
            raise self.error(f"The operator {op} is not known; allowed are {', '.join(OPERATORS)}.", path=self.path)
        value = next((found[one] for one in ("double", "single") if found[one] is not None), None)
        value = _plain(found["bare"] or "") if value is None else value
        if op and not value:
            raise self.error(f"The value of [{name}{op}...] is empty; write [{name}] for any value.", path=self.path)
        self.at = found.end()
        return Attribute(name, op, value)

    def nth(self) -> int:
        found = NTH.match(self.text, self.at)
        if found is None or int(found[1]) < 1:
            sentence = "After a colon only :nth(n) is allowed, the n-th among the siblings of the same tag, from 1 on"
            raise self.error(f"{sentence}; got {self.text[self.at : self.at + 30]!r}.", path=self.path)
        self.at = found.end()
        return int(found[1])

    def wrong(self) -> Invalid:
        if self.at >= len(self.text):
            return self.error(f"The selector breaks off; allowed are {ALLOWED}.", path=self.path)
        rest = self.text[self.at : self.at + 20]
        return self.error(
            f"The selector cannot be read from {rest!r} on (character {self.at + 1}); allowed are {ALLOWED}.",
            path=self.path,
        )


def _plain(name: str) -> str:
    """Without backslashes; one before hexadecimal digits stands for the character of that number, as in CSS."""

    def character(found: re.Match[str]) -> str:
        if not found[1]:
            return found[2]
        number = int(found[1], 16)
        return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"

    return re.sub(r"\\(?:([0-9a-fA-F]{1,6})[ ]?|(.))", character, name)
