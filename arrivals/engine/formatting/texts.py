"""Functions of the group text. The patterns are ours, and none of them backtracks over more than a few characters."""

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from arrivals.engine.formatting import reading
from arrivals.errors import Permanent

Options = Mapping[str, Any]
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
URL = re.compile(r"https?://[^\s<>\"'`]{1,2000}", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\d.])-?\d{1,30}(?:\.\d{1,30})?")
PHONE = re.compile(r"(?<![\w+])\+?\(?\d[\d ()./-]{4,24}\d(?!\w)")
SEPARATORS = {"[space]": " ", "[tab]": "\t", "[newline]": "\n"}
MARKS = {"#": r"[0-9]", "@": r"[^\W\d_]", "?": r"[^\W_]"}
TAG = re.compile(r"<([/!?]?[a-z][a-z0-9]{0,20})")
END = re.compile(r"[>\"']")
HIDDEN = {"script", "style"}
BLOCKS = {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "table"}


def replaced(text: str, options: Options) -> str:
    find, with_ = options["find"], options["with"]
    pattern = re.compile(re.escape(find), re.IGNORECASE if options["ignore_case"] else 0)
    times = sum(1 for _ in pattern.finditer(text))
    if len(text) + times * (len(with_) - len(find)) > reading.MOST_TEXT:
        raise Permanent(f"What it becomes has more than {reading.MOST_TEXT:,} characters.", path="with")
    return pattern.sub(lambda _: str(with_), text)


def split(text: str, options: Options) -> Any:
    if not text:
        return [] if options["take"] == "all" else None
    by = separator(options["separator"])
    pieces = [one.strip() for one in (text.split(by) if by else list(text))]
    if options["take"] == "all":
        return pieces
    index = {"first": 0, "second": 1, "last": -1, "second_last": -2}[options["take"]]
    return pieces[index] if -len(pieces) <= index < len(pieces) else None


def separator(text: str) -> str:
    for name, mark in SEPARATORS.items():
        text = text.replace(name, mark)
    return text


def substring(text: str, options: Options) -> str:
    rest = text[options["start"] :]
    return rest if options["length"] is None else rest[: options["length"]]


def between(text: str, options: Options) -> str:
    _, found, rest = text.partition(options["start"])
    inside, closed, _ = rest.partition(options["end"])
    return inside if found and closed else ""


def truncated(text: str, options: Options) -> str:
    length, end = options["length"], options["end"]
    if len(text) <= length:
        return text
    kept = text[: max(0, length - len(end))]
    if options["words"] and " " in kept and not text[len(kept)].isspace():
        kept = kept.rpartition(" ")[0]
    return (kept.rstrip() + end)[:length]


def padded(text: str, options: Options) -> str:
    if len(options["with"]) != 1:
        raise Permanent("It must be one character.", path="with")
    return text.rjust(options["length"], options["with"])


def first_number(text: str, _: Options) -> Any:
    found = NUMBER.search(text)
    return reading.plain(reading.number(found[0])) if found else None


def first_url(text: str, _: Options) -> str | None:
    found = URL.search(text)
    return found[0].rstrip(".,;:!?)]}") if found else None


def first_like(text: str, options: Options) -> str | None:
    """The pattern has no repetition and no choice, so that it is tried once at each place."""
    if len(options["pattern"]) > 200:
        raise Permanent("It has at most 200 characters.", path="pattern")
    found = re.search("".join(MARKS.get(mark, re.escape(mark)) for mark in options["pattern"]), text)
    return found[0] if found else None


def found(pattern: re.Pattern[str]) -> Callable[[str, Options], str | None]:
    def first(text: str, _: Options) -> str | None:
        place = pattern.search(text)
        return place[0] if place else None

    return first


def without_html(text: str, _: Options) -> str:
    """What a browser would show of it, a line for each block. Each character is looked at once, so that no text takes long."""
    parts: list[str] = []
    low, at = text.lower(), 0
    while (start := text.find("<", at)) >= 0:
        parts.append(text[at:start])
        if text.startswith("<!--", start):
            end = text.find("-->", start)
            at = end + 3 if end >= 0 else len(text)
            continue
        name = TAG.match(low, start)
        end = _end_of_tag(text, name.end()) if name else -1
        if name is None:
            parts.append("<")
            at = start + 1
        elif end < 0:
            at = start
            break
        else:
            at = end
            if name[1] in HIDDEN:
                found = low.find(f"</{name[1]}", end)
                at = found if found >= 0 else len(text)
            elif name[1].lstrip("/") in BLOCKS:
                parts.append("\n")
    parts.append(text[at:])
    lines = (" ".join(line.split()) for line in html.unescape("".join(parts)).splitlines())
    return "\n".join(line for line in lines if line)


def _end_of_tag(text: str, at: int) -> int:
    """The place after the ">" that ends a tag, which is not one inside of quotes; -1 where there is none."""
    while (mark := END.search(text, at)) is not None:
        if mark[0] == ">":
            return mark.end()
        closing = text.find(mark[0], mark.end())
        if closing < 0:
            return -1
        at = closing + 1
    return -1


def without_markdown(text: str, _: Options) -> str:
    lines = []
    for line in text.splitlines():
        line = re.sub(r"^ {0,8}(?:#{1,6} +|> ?|[-*+] +|\d{1,9}[.)] +)", "", line)
        line = re.sub(r"!?\[([^\[\]]{0,500})\]\([^()\s]{0,2000}\)", r"\1", line)
        line = re.sub(r"\*\*|__|~~|`", "", line)
        line = re.sub(r"(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)", "", line)
        lines.append(line)
    return "\n".join(lines).strip()


def slug(text: str, _: Options) -> str:
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")


def titled(text: str, _: Options) -> str:
    return re.sub(r"[^\W\d_](?:[^\W\d_]|['’](?=[^\W\d_])){0,200}", lambda word: word[0].capitalize(), text)


FUNCTIONS: dict[str, Callable[[Any, Options], Any]] = {
    "text.upper": lambda text, _: text.upper(),
    "text.lower": lambda text, _: text.lower(),
    "text.title": titled,
    "text.capitalize": lambda text, _: text[:1].upper() + text[1:],
    "text.trim": lambda text, _: text.strip(),
    "text.collapse": lambda text, _: " ".join(text.split()),
    "text.replace": replaced,
    "text.split": split,
    "text.substring": substring,
    "text.before": lambda text, options: text.partition(options["find"])[0],
    "text.after": lambda text, options: text.partition(options["find"])[2],
    "text.between": between,
    "text.length": lambda text, _: len(text),
    "text.words": lambda text, _: len(text.split()),
    "text.default": lambda value, options: options["value"] if value in (None, "", [], {}) else value,
    "text.truncate": truncated,
    "text.pad": padded,
    "text.extract_email": found(EMAIL),
    "text.extract_url": first_url,
    "text.extract_number": first_number,
    "text.extract_phone": found(PHONE),
    "text.extract_pattern": first_like,
    "text.url_encode": lambda text, _: quote(text, safe=""),
    "text.url_decode": lambda text, _: unquote(text),
    "text.html_escape": lambda text, _: html.escape(text),
    "text.strip_html": without_html,
    "text.strip_markdown": without_markdown,
    "text.slug": slug,
    "text.hash": lambda text, _: hashlib.sha256(text.encode()).hexdigest(),
}
