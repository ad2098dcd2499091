"""The definition of a survey as data: what is allowed, and what stands where nothing is given."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from arrivals.audience import segments, shapes
from arrivals.audience.models import Segment
from arrivals.audience.survey_texts import LANGUAGES
from arrivals.errors import InvalidSurvey

KINDS = ("nps", "csat", "question")
STATES = ("draft", "live", "paused")
SCALES = {"nps": (0, 10), "csat": (1, 5)}
TEXTS = ("question", "low", "high", "reason", "send", "close", "thanks", "text")
MATCHES = ("exact", "contains", "wildcard")
THEMES = ("auto", "light", "dark")
POSITIONS = ("bottom_right", "bottom_left", "centre")
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
LONGEST_TEXT = 500
LONGEST_CHOICE = 200
LONGEST_URL = 1000
MOST_CHOICES = 20
MOST_PAGES = 50
MOST_SOURCES = 200
MOST_DAYS = 3650
MOST_DELAY = 3600
LOOK = {"accent": "#2a6b5a", "theme": "auto", "position": "bottom_right", "language": "auto"}
DEFAULTS: dict[str, Any] = {
    "texts": {},
    "translations": {},
    "reason": True,
    "choices": [],
    "anonymous": False,
    "pages": [],
    "recontact_days": 30,
    "again_days": None,
    "quiet_days": 0,
    "delay_seconds": 3,
    "look": LOOK,
    "sources": [],
}
KEYS = ("key", "name", "kind", "state", "segment", *DEFAULTS)


def checked(data: Any, sources: Callable[[], set[str]]) -> dict[str, Any]:
    """The whole definition, each part that is left out with what stands for it.

    ``sources`` gives the ids of the sources there are; it is asked only when the definition names some.

    Raises:
        InvalidSurvey: with the path of the wrong part and what is allowed.
    """
    shapes.known(data, KEYS, InvalidSurvey, whole="survey")
    given = {**DEFAULTS, "state": "draft", "segment": None, **data}
    kind = _one(given.get("kind"), KINDS, "kind")
    texts = _texts(given["texts"], "texts")
    if kind == "question" and not texts.get("question"):
        raise InvalidSurvey("A survey of kind question needs its question, a text.", path="texts.question")
    return {
        "key": key(given.get("key")),
        "name": segments.checked_name(given.get("name"), InvalidSurvey),
        "kind": kind,
        "state": _one(given["state"], STATES, "state"),
        "segment": _segment(given["segment"]),
        "texts": texts,
        "translations": _translations(given["translations"]),
        "reason": _truth(given["reason"], "reason"),
        "choices": _choices(given["choices"], kind),
        "anonymous": _truth(given["anonymous"], "anonymous"),
        "pages": _pages(given["pages"]),
        "recontact_days": _number(given["recontact_days"], "recontact_days", MOST_DAYS),
        "again_days": None
        if given["again_days"] is None
        else _number(given["again_days"], "again_days", MOST_DAYS, least=1),
        "quiet_days": _number(given["quiet_days"], "quiet_days", MOST_DAYS),
        "delay_seconds": _number(given["delay_seconds"], "delay_seconds", MOST_DELAY),
        "look": _look(given["look"]),
        "sources": _sources(given["sources"], sources),
    }


def key(value: Any) -> str:
    """A key that is allowed. Raises InvalidSurvey."""
    if not isinstance(value, str) or not KEY.fullmatch(value):
        raise InvalidSurvey(
            "A key has 1 to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit; such as nps.",
            path="key",
        )
    return value


def _segment(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and Segment.objects.filter(pk=value).exists()):
        return value
    raise InvalidSurvey(f"There is no segment {value!r:.60}; null means everybody.", path="segment")


def _texts(value: Any, path: str) -> dict[str, str]:
    """Own texts; an empty one is the same as none."""
    if not isinstance(value, dict):
        raise InvalidSurvey(f"It must be an object with any of {', '.join(TEXTS)}.", path=path)
    for name, text in value.items():
        if name not in TEXTS:
            raise InvalidSurvey(f"{name!r:.60} is no text of a survey; allowed are {', '.join(TEXTS)}.", path=path)
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise InvalidSurvey(f"It must be a text of at most {LONGEST_TEXT} characters.", path=f"{path}.{name}")
    return {name: text.strip() for name, text in value.items() if text.strip()}


def _translations(value: Any) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict):
        raise InvalidSurvey(
            'It must be an object of texts by language, such as {"de": {"question": "..."}}.', path="translations"
        )
    for language in value:
        _one(language, LANGUAGES, "translations")
    return {language: _texts(texts, f"translations.{language}") for language, texts in value.items()}


def _choices(value: Any, kind: str) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST_CHOICES:
        raise InvalidSurvey(f"It must be a list of at most {MOST_CHOICES} texts.", path="choices")
    if value and kind != "question":
        raise InvalidSurvey("Only a survey of kind question has choices.", path="choices")
    read: list[str] = []
    for index, one in enumerate(value):
        text = one.strip() if isinstance(one, str) else ""
        if not 0 < len(text) <= LONGEST_CHOICE:
            raise InvalidSurvey(f"A choice is a text of 1 to {LONGEST_CHOICE} characters.", path=f"choices[{index}]")
        if text in read:
            raise InvalidSurvey(f"The choice {text!r:.60} is there twice.", path=f"choices[{index}]")
        read.append(text)
    if len(read) == 1:
        raise InvalidSurvey("There must be at least 2 choices, or none for an answer in words.", path="choices")
    return read


def _pages(value: Any) -> list[dict[str, Any]]:
    """Rules of addresses, in the form that pages have them, and pages; the agent asks them in the browser."""
    if not isinstance(value, list) or len(value) > MOST_PAGES:
        raise InvalidSurvey(f"It must be a list of at most {MOST_PAGES} page rules; none: everywhere.", path="pages")
    read: list[dict[str, Any]] = []
    for index, one in enumerate(value):
        path = f"pages[{index}]"
        if isinstance(one, dict) and set(one) == {"page"}:
            if not isinstance(one["page"], str):
                raise InvalidSurvey("It must be the id of a page (pag_...).", path=f"{path}.page")
            read.append({"page": one["page"]})
            continue
        url = one.get("url") if isinstance(one, dict) and set(one) == {"url"} else None
        if not isinstance(url, dict) or len(url) != 1:
            raise InvalidSurvey('A page rule is {"url": {"wildcard": "/orders/*"}} or {"page": "pag_..."}.', path=path)
        [(match, given)] = url.items()
        _one(match, MATCHES, f"{path}.url")
        text = given.strip() if isinstance(given, str) else ""
        if not 0 < len(text) <= LONGEST_URL or " " in text:
            raise InvalidSurvey(
                f"It must be a text of 1 to {LONGEST_URL} characters without spaces.", path=f"{path}.url.{match}"
            )
        if match != "contains" and not text.startswith(("/", "http://", "https://")):
            raise InvalidSurvey(
                "It must begin with https://host or http://host, with //host (any scheme) or with a path /...",
                path=f"{path}.url.{match}",
            )
        read.append({"url": {match: text}})
    return read


def _look(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not set(value) <= set(LOOK):
        raise InvalidSurvey(f"It must be an object with any of {', '.join(LOOK)}.", path="look")
    look = {**LOOK, **value}
    if not isinstance(look["accent"], str) or not COLOUR.fullmatch(look["accent"]):
        raise InvalidSurvey("It must be a colour such as #2a6b5a.", path="look.accent")
    _one(look["theme"], THEMES, "look.theme")
    _one(look["position"], POSITIONS, "look.position")
    _one(look["language"], ("auto", *LANGUAGES), "look.language")
    return look


def _sources(value: Any, known: Callable[[], set[str]]) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST_SOURCES:
        raise InvalidSurvey(
            f"It must be a list of at most {MOST_SOURCES} ids of sources; none: in all.", path="sources"
        )
    there = known() if value else set()
    for index, one in enumerate(value):
        if not isinstance(one, str) or one not in there:
            raise InvalidSurvey(f"There is no source {one!r:.60}.", path=f"sources[{index}]")
    return list(dict.fromkeys(value))


def _one(value: Any, allowed: tuple[str, ...], path: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidSurvey(f"It must be one of {', '.join(allowed)}; got {value!r:.60}.", path=path)
    return value


def _truth(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidSurvey("It must be true or false.", path=path)
    return value


def _number(value: Any, path: str, most: int, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidSurvey(f"It must be a whole number from {least} to {most:,}; got {value!r:.40}.", path=path)
    return value


def merged(stored: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    """A stored definition with ``changes``; what they leave out stays.

    Raises:
        InvalidSurvey: the key or the kind would change, or it is no object.
    """
    if not isinstance(changes, dict):
        raise InvalidSurvey(f"It must be an object with any of {', '.join(KEYS)}.", path="survey")
    for name in ("key", "kind"):
        if changes.get(name, stored[name]) != stored[name]:
            raise InvalidSurvey(
                f"The {name} of a survey stays {stored[name]}: its answers have it; make another survey.", path=name
            )
    return {**stored, **changes}
