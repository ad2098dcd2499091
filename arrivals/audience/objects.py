"""Pages, features, track types and guides (surveys), told from the events that name them. Blocks.

They have no tables of their own: an object is a kind and a name, its id is derived from these, and it exists from the
first event that names it. The same name in two sources is one object.
"""

from dataclasses import dataclass, field
from datetime import datetime

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
    """One question of a survey. ``type``: NPSRating, NPSReason, NumberScale or FreeForm, as Pendo names them."""

    id: str
    question: str
    type: str

    @property
    def numeric(self) -> bool:
        """Whether its answers are numbers, 0 to 10; else they are texts."""
        return self.type in {"NPSRating", "NumberScale"}


@dataclass(frozen=True)
class Object:
    """``first`` and ``last``: times of its events; ``heard``: when we received the first. ``sources``: the ids of those
    it was seen in, the earliest first. ``url``: of the first event that had one."""

    id: str
    kind: str
    name: str
    first: datetime
    last: datetime
    heard: datetime
    sources: tuple[str, ...]
    url: str = ""
    polls: tuple[Poll, ...] = field(default=())


def all_objects(kind: str, *, source_id: str = "") -> list[Object]:
    """All objects of a kind ("page", "feature", "tracktype" or "guide") in the order of the id; of one source or all."""
    rows = client.warehouse().query(
        "SELECT name, groupArray(source_id), min(first), max(last), min(heard), argMin(url, first) FROM (SELECT name, source_id, "
        "min(ts) AS first, max(ts) AS last, min(received_at) AS heard, argMin(url, (url = '', ts)) AS url FROM events WHERE kind IN {kinds:Array(String)} "
        f"AND name != ''{_of(source_id)} GROUP BY name, source_id ORDER BY first, source_id) GROUP BY name",
        {"kinds": list(EVENTS[kind]), "source": source_id},
        seconds=SECONDS,
    )
    polls = _polls(source_id) if kind == "guide" else {}
    made = []
    for name, sources, first, last, heard, url in rows:
        own = polls.get(name) or _default_polls(name) if kind == "guide" else ()
        made.append(Object(ids.derived(kind, name), kind, name, first, last, heard, tuple(sources), url, own))
    return sorted(made, key=lambda one: one.id)


def _polls(source_id: str) -> dict[str, tuple[Poll, ...]]:
    """The polls of the surveys whose answers name theirs, the rating first."""
    rows = client.warehouse().query(
        "SELECT name, JSONExtractString(properties, 'poll_id') AS poll, max(JSONHas(properties, 'score')), "
        "max(JSONHas(properties, 'reason')), max(JSONType(properties, 'response') IN ('Int64', 'UInt64', 'Double')), "
        "max(JSONExtractString(properties, 'question')) FROM events WHERE kind = 'survey_answered' AND name != '' "
        f"AND poll != ''{_of(source_id)} GROUP BY name, poll ORDER BY name, poll",
        {"source": source_id},
        seconds=SECONDS,
    )
    found: dict[str, list[Poll]] = {}
    for name, poll, score, reason, number, question in rows:
        type_ = "NPSRating" if score else "NPSReason" if reason else "NumberScale" if number else "FreeForm"
        found.setdefault(name, []).append(Poll(poll, question or name, type_))
    order = ("NPSRating", "NumberScale", "NPSReason", "FreeForm")
    return {
        name: tuple(sorted(polls, key=lambda one: (order.index(one.type), one.id))) for name, polls in found.items()
    }


def _default_polls(survey: str) -> tuple[Poll, ...]:
    """Of a survey whose answers come whole: the score and the reason."""
    parts = (("score", "NPSRating"), ("reason", "NPSReason"))
    return tuple(Poll(ids.derived("poll", f"{survey}:{part}"), survey, type_) for part, type_ in parts)


def _of(source_id: str) -> str:
    return " AND source_id = {source:String}" if source_id else ""
