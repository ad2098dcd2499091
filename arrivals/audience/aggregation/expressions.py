"""Pendo's expression language: text -> a small tree. Nothing is evaluated here, and never by Python.

or      = and { "||" and }                    number  = 1, 1.5, 1e3
and     = compare { "&&" compare }            text    = "..." or `...`
compare = sum [ == != < <= > >= sum ]         path    = name { .name | [0] | ["name"] }
sum     = product { (+ | -) product }         call    = name ( or, or, ... )
product = unary { (* | /) unary }             atom    = number | text | true | false | null | path | call | ( or )
unary   = (! | -) unary | atom
"""

import re
from dataclasses import dataclass

from arrivals.audience.aggregation import limits
from arrivals.errors import InvalidPipeline

Part = str | int


@dataclass(frozen=True)
class Literal:
    """A number, a text, true, false or null."""

    value: int | float | str | bool | None


@dataclass(frozen=True)
class Path:
    """A field of the row, by its dotted path: ``polls[0].id`` has the parts "polls", 0 and "id"."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Unary:
    op: str
    operand: "Node"


@dataclass(frozen=True)
class Binary:
    op: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple["Node", ...]


Node = Literal | Path | Unary | Binary | Call

TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?(?![\w.]))"
    r'|(?P<text>"(?:[^"\\]|\\.)*"|`[^`]*`)'
    r"|(?P<name>[^\W\d][\w$]*)"
    r"|(?P<op>==|!=|<=|>=|&&|\|\||[-+*/<>!().,\[\]])",
    re.DOTALL,
)
LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/"))
WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
MOST_INT = 2**63 - 1


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    at: int


def parse(text: str, path: str) -> Node:
    """Read an expression.

    Raises:
        InvalidPipeline: with ``path`` and the place of what cannot be read.
    """
    if len(text) > limits.LONGEST_EXPRESSION:
        raise InvalidPipeline(
            f"The expression has {len(text):,} characters; {limits.LONGEST_EXPRESSION:,} are allowed.", path=path
        )
    parser = _Parser(_tokens(text, path), path)
    node = parser.level(0, 0)
    parser.end()
    return node


def field(text: str, path: str) -> tuple[Part, ...]:
    """Read the path of a field, such as ``metadata.auto.lastupdated``.

    Raises:
        InvalidPipeline: it is anything but a path.
    """
    node = parse(text, path)
    if not isinstance(node, Path):
        raise InvalidPipeline("It must be the name of a field, such as visitorId or metadata.auto.id.", path=path)
    return node.parts


def _tokens(text: str, path: str) -> list[Token]:
    tokens, place = [], 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            raise InvalidPipeline(f"{text[place : place + 20]!r} at character {place + 1} cannot be read.", path=path)
        if found.lastgroup != "space":
            tokens.append(Token(str(found.lastgroup), found.group(), place + 1))
        place = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[Token], path: str) -> None:
        self.tokens = tokens
        self.place = 0
        self.path = path

    def level(self, number: int, depth: int) -> Node:
        """One level of precedence: operands of the next level, joined from left to right."""
        if depth > limits.DEEPEST_EXPRESSION:
            raise InvalidPipeline(f"The expression is nested deeper than {limits.DEEPEST_EXPRESSION}.", path=self.path)
        if number == len(LEVELS):
            return self.unary(depth)
        node, count = self.level(number + 1, depth), 0
        while (op := self.take(*LEVELS[number])) is not None:
            count += 1
            if count > 500:
                raise InvalidPipeline("The expression has more than 500 operands in a row.", path=self.path)
            node = Binary(op, node, self.level(number + 1, depth))
        return node

    def unary(self, depth: int) -> Node:
        op = self.take("!", "-")
        if op is None:
            return self.atom(depth)
        if depth > limits.DEEPEST_EXPRESSION:
            raise InvalidPipeline(f"The expression is nested deeper than {limits.DEEPEST_EXPRESSION}.", path=self.path)
        operand = self.unary(depth + 1)
        if op == "-" and isinstance(operand, Literal) and type(operand.value) in (int, float):
            return Literal(-operand.value)  # type: ignore[operator]
        return Unary(op, operand)

    def atom(self, depth: int) -> Node:
        token = self.next()
        if token.kind == "number":
            number = float(token.text) if not token.text.isdigit() else int(token.text)
            return Literal(float(number) if abs(number) > MOST_INT else number)
        if token.kind == "text":
            return Literal(self.text(token))
        if token.kind == "name":
            if self.take("(") is not None:
                return Call(token.text, self.arguments(depth))
            if token.text in WORDS and self.peek() not in {".", "["}:
                return Literal(WORDS[token.text])
            return self.rest_of_path(token)
        if token.text == "(":
            node = self.level(0, depth + 1)
            self.expect(")")
            return node
        raise self.unexpected(token)

    def arguments(self, depth: int) -> tuple[Node, ...]:
        if self.take(")") is not None:
            return ()
        read = [self.level(0, depth + 1)]
        while self.take(",") is not None:
            read.append(self.level(0, depth + 1))
        self.expect(")")
        return tuple(read)

    def rest_of_path(self, first: Token) -> Path:
        parts: list[Part] = [first.text]
        while (op := self.take(".", "[")) is not None:
            token = self.next()
            if op == "." and token.kind == "name":
                parts.append(token.text)
            elif op == "[" and token.kind == "number" and token.text.isdigit() and len(token.text) < 10:
                parts.append(int(token.text))
                self.expect("]")
            elif op == "[" and token.kind == "text":
                parts.append(self.text(token))
                self.expect("]")
            else:
                raise self.unexpected(token)
        return Path(tuple(parts))

    def text(self, token: Token) -> str:
        inner = token.text[1:-1]
        if token.text[0] == '"':
            inner = re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), inner, flags=re.DOTALL)
        return inner

    def peek(self) -> str:
        return self.tokens[self.place].text if self.place < len(self.tokens) else ""

    def take(self, *ops: str) -> str | None:
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            if token.kind == "op" and token.text in ops:
                self.place += 1
                return token.text
        return None

    def next(self) -> Token:
        if self.place == len(self.tokens):
            raise InvalidPipeline("The expression breaks off.", path=self.path)
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, op: str) -> None:
        token = self.next()
        if token.kind != "op" or token.text != op:
            raise self.unexpected(token, f"; expected {op!r}")

    def end(self) -> None:
        if self.place < len(self.tokens):
            raise self.unexpected(self.tokens[self.place])

    def unexpected(self, token: Token, more: str = "") -> InvalidPipeline:
        return InvalidPipeline(f"Unexpected {token.text!r:.40} at character {token.at}{more}.", path=self.path)
