"""Pages, features, track types and guides (surveys), told from the events that name them. Blocks.

They have no tables of their own: an object is a kind and a name, its id is derived from these, and it exists from the
first event that names it. The same name in two sources is one object.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from arrivals import ids
from arrivals.warehouse import client

EVENTS: dict[str, tuple[str, ...]] = {
    "page": ("page", "screen"),
    "feature": ("click",),
    "tracktype": ("track",),
    "guide": ("survey_shown", "survey_answered"),
}
SECONDS = 60


@dataclass(frozen=True)
class Poll:
    """One question of a survey. ``numeric``: its answers are numbers (0 to 10 for NPS); else they are texts."""

    id: str
    question: str
    numeric: bool


@dataclass(frozen=True)
class Object:
    """``sources``: the ids of those it was seen in, the earliest first. ``url``: of the first event that had one."""

    id: str
    kind: str
    name: str
    first: datetime
    last: datetime
    sources: tuple[str, ...]
    url: str = ""
    polls: tuple[Poll, ...] = field(default=())


def all_objects(kind: str, *, source_id: str = "") -> list[Object]:
    """All objects of a kind ("page", "feature", "tracktype" or "guide") in the order of the id; of one source or all."""
    rows = client.warehouse().query(
        "SELECT name, groupArray(source_id), min(first), max(last), argMin(url, first) FROM (SELECT name, source_id, "
        "min(ts) AS first, max(ts) AS last, argMin(url, (url = '', ts)) AS url FROM events WHERE kind IN {kinds:Array(String)} "
        f"AND name != ''{_of(source_id)} GROUP BY name, source_id ORDER BY first, source_id) GROUP BY name",
        {"kinds": list(EVENTS[kind]), "source": source_id},
        seconds=SECONDS,
    )
    polls = _polls(source_id) if kind == "guide" else {}
    made = []
    for name, sources, first, last, url in rows:
        own = polls.get(name) or _default_polls(name) if kind == "guide" else ()
        made.append(Object(ids.derived(kind, name), kind, name, first, last, tuple(sources), url, own))
    return sorted(made, key=lambda one: one.id)


def _polls(source_id: str) -> dict[str, tuple[Poll, ...]]:
    """The polls of the surveys whose answers name theirs: the numeric ones first, as an NPS survey has them."""
    rows = client.warehouse().query(
        "SELECT name, JSONExtractString(properties, 'poll_id') AS poll, max(JSONHas(properties, 'score')), "
        "max(JSONExtractString(properties, 'question')) FROM events WHERE kind = 'survey_answered' AND name != '' "
        f"AND poll != ''{_of(source_id)} GROUP BY name, poll ORDER BY name, poll",
        {"source": source_id},
        seconds=SECONDS,
    )
    found: dict[str, list[Poll]] = {}
    for name, poll, numeric, question in rows:
        found.setdefault(name, []).append(Poll(poll, question, bool(numeric)))
    return {name: tuple(sorted(polls, key=lambda one: (not one.numeric, one.id))) for name, polls in found.items()}


def _default_polls(survey: str) -> tuple[Poll, ...]:
    """Of a survey whose answers come whole: the score and the reason."""
    parts: Any = (("score", True), ("reason", False))
    return tuple(Poll(ids.derived("poll", f"{survey}:{part}"), "", numeric) for part, numeric in parts)


def _of(source_id: str) -> str:
    return " AND source_id = {source:String}" if source_id else ""
