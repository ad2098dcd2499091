"""What a page view says of the browser, as fields of the group auto; and for whom that was written lately."""

import re
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from arrivals.collect.event import Event, Field

Told = tuple[str, tuple[Field, ...], int]

# The first that matches: most browsers also name those that they descend from.
BROWSERS = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("Edge", r"\bEdg(?:e|A|iOS)?/([\d.]+)"),
        ("Opera", r"\b(?:OPR|Opera)/([\d.]+)"),
        ("Samsung Internet", r"\bSamsungBrowser/([\d.]+)"),
        ("Firefox", r"\b(?:Firefox|FxiOS)/([\d.]+)"),
        ("Chrome", r"\b(?:HeadlessChrome|Chrome|CriOS)/([\d.]+)"),
        ("Safari", r"\bVersion/([\d.]+).*Safari/"),
    )
)
SYSTEMS = (
    ("iOS", re.compile(r"iPhone|iPad|iPod")),
    ("Android", re.compile(r"Android")),
    ("Windows", re.compile(r"Windows")),
    ("Mac OS X", re.compile(r"Mac OS X|Macintosh")),
    ("Chrome OS", re.compile(r"CrOS")),
    ("Linux", re.compile(r"Linux|X11")),
)
LONGEST = 512
REMEMBERED = 100_000
AGAIN_MS = 3_600_000


def facts(agent: str, url: str) -> tuple[Field, ...]:
    """lastuseragent, lastbrowsername, lastbrowserversion, lastoperatingsystem and lastservername, where they are known."""
    agent = agent[:LONGEST]
    browser = next(((name, found[1]) for name, one in BROWSERS if (found := one.search(agent))), ("", ""))
    told = {
        "lastuseragent": agent,
        "lastbrowsername": browser[0],
        "lastbrowserversion": browser[1],
        "lastoperatingsystem": next((name for name, one in SYSTEMS if one.search(agent)), ""),
        "lastservername": _host(url),
    }
    return tuple(Field("auto", name, value, "string") for name, value in told.items() if value)


class Noted:
    """The facts that were written for a visitor in the past hour, so that not every page view writes them again.

    Another process may have written others since: therefore they are written again after an hour.
    """

    def __init__(self) -> None:
        self._noted: OrderedDict[str, tuple[tuple[Field, ...], int]] = OrderedDict()

    def tell(self, events: list[Event], agent: str, now_ms: int) -> list[Told]:
        """Put the facts of ``agent`` (the request's user agent) into the page views among ``events``, where they are new.

        Returns what to ``add`` once the events are on disk.
        """
        told = [(one.visitor_id, facts(agent, one.url), now_ms) for one in events if one.kind == "page"]
        new = {one[0]: one for one in told if not self.has(*one)}
        for number, one in enumerate(events):
            if one.kind == "page" and one.visitor_id in new:
                fields = one.visitor_fields + new[one.visitor_id][1]
                events[number] = msgspec.structs.replace(one, visitor_fields=fields)
        return list(new.values())

    def has(self, visitor_id: str, told: tuple[Field, ...], now_ms: int) -> bool:
        """Whether these were written for this visitor within the hour."""
        noted = self._noted.get(visitor_id)
        return noted is not None and noted[0] == told and now_ms < noted[1] + AGAIN_MS

    def add(self, written: Iterable[Told]) -> None:
        """Visitor, facts and time of what is on disk now."""
        for visitor_id, told, now_ms in written:
            self._noted[visitor_id] = (told, now_ms)
            self._noted.move_to_end(visitor_id)
        while len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "")[:255]
    except ValueError:
        return ""
