"""Pages, features, track types and guides (surveys), told from the events that name them. Blocks.

They have no tables of their own: an object is a kind and a name, its id is derived from these, and it exists from the
first event that names it. The same name in two sources is one object.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from arrivals import ids
from arrivals.audience import tagged
from arrivals.audience.models import Feature, Page
from arrivals.collect import sources
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
    tag: Page | Feature | None = None


def all_objects(kind: str, *, source_id: str = "") -> list[Object]:
    """All objects of a kind ("page", "feature", "tracktype" or "guide") in the order of the id; of one source or all.

    A guide that Pendo's agent showed has the id that the agent gave; its name is the newest that it came with.
    """
    given = "JSONExtractString(properties, 'guide_id')" if kind == "guide" else "''"
    rows = client.warehouse().query(
        f"SELECT {given} AS given, name, source_id, min(ts), max(ts), min(received_at), argMin(url, (url = '', ts)) "
        f"FROM events WHERE kind IN {{kinds:Array(String)}} AND name != ''{_of(source_id)} "
        "GROUP BY given, name, source_id ORDER BY min(ts), source_id, name",
        {"kinds": list(EVENTS[kind]), "source": source_id},
        seconds=SECONDS,
    )
    polls = _polls(source_id) if kind == "guide" else {}
    found: dict[str, Object] = {}
    for given_id, name, source, first, last, heard, url in rows:
        id_ = guide_id(name, given_id) if kind == "guide" else ids.derived(kind, name)
        own = polls.get(id_) or _default_polls(name) if kind == "guide" else ()
        one = Object(id_, kind, name, first, last, heard, (source,), url, own)
        found[id_] = _joined(found[id_], one) if id_ in found else one
    return sorted(found.values(), key=lambda one: one.id)


def named_after(kind: str, *, source_id: str = "") -> list[Object]:
    """The pages or features that got their names after the fact, in the order of the id; of one source or all."""
    everywhere = tuple(one.id for one in reversed(sources.all_sources()))
    found = []
    for tag in tagged.MODELS[kind].objects.order_by("pk") if kind in tagged.MODELS else ():
        if source_id and tag.source_id not in ("", source_id):
            continue
        where = (tag.source_id,) if tag.source_id else (source_id,) if source_id else everywhere
        made, changed = tag.created_at, tag.updated_at
        found.append(Object(tag.id, kind, tag.name, made, changed, changed, where, tag=tag))
    return found


def guide_id(name: str, given: str) -> str:
    """The id of a guide: the one that its events name, else derived from the survey's name."""
    return given or ids.derived("guide", name)


def _joined(one: Object, later: Object) -> Object:
    """An object of which both are parts; ``one`` was seen first."""
    newest = max(one, later, key=lambda part: part.last)
    return replace(
        one,
        name=newest.name,
        last=newest.last,
        heard=min(one.heard, later.heard),
        sources=tuple(dict.fromkeys((*one.sources, *later.sources))),
        url=one.url or later.url,
    )


def _polls(source_id: str) -> dict[str, tuple[Poll, ...]]:
    """By the id of a guide, the polls that its answers name, the rating first."""
    rows = client.warehouse().query(
        "SELECT name, JSONExtractString(properties, 'guide_id') AS given, JSONExtractString(properties, 'poll_id') AS poll, "
        "max(JSONHas(properties, 'score')), max(JSONHas(properties, 'reason')), "
        "max(JSONType(properties, 'response') IN ('Int64', 'UInt64', 'Double')), "
        "max(JSONExtractString(properties, 'question')) FROM events WHERE kind = 'survey_answered' AND name != '' "
        f"AND poll != ''{_of(source_id)} GROUP BY name, given, poll ORDER BY name, given, poll",
        {"source": source_id},
        seconds=SECONDS,
    )
    found: dict[str, dict[str, Poll]] = {}
    for name, given, poll, score, reason, number, question in rows:
        type_ = "NPSRating" if score else "NPSReason" if reason else "NumberScale" if number else "FreeForm"
        found.setdefault(guide_id(name, given), {})[poll] = Poll(poll, question or name, type_)
    order = ("NPSRating", "NumberScale", "NPSReason", "FreeForm")
    return {
        id_: tuple(sorted(polls.values(), key=lambda one: (order.index(one.type), one.id)))
        for id_, polls in found.items()
    }


def _default_polls(survey: str) -> tuple[Poll, ...]:
    """Of a survey whose answers come whole: the score and the reason."""
    parts = (("score", "NPSRating"), ("reason", "NPSReason"))
    return tuple(Poll(ids.derived("poll", f"{survey}:{part}"), survey, type_) for part, type_ in parts)


def _of(source_id: str) -> str:
    return " AND source_id = {source:String}" if source_id else ""
