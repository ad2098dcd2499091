"""One visitor: all ids that are theirs, and which of some segments they are in now. Blocks.

A segment's query is that of the compiler; for one visitor the engine is told to read only their rows of every table
that is ordered by visitor, which makes it a read by primary key and leaves what the query means to the compiler.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.audience import compiler
from arrivals.audience.models import Segment
from arrivals.warehouse import client

SECONDS = 5.0
# What of each table belongs to a visitor, by their keys. A table that is not named is read as a whole.
OWN = {
    "events": "visitor",
    "visitors": "visitor",
    "visitor_fields": "visitor",
    "list_members": "visitor",
    "links": "alias",
}
# Rules whose answer for one visitor is in that visitor's own rows. Others (accounts) look at other visitors too.
ALONE = frozenset({"track", "page", "feature", "event", "survey", "visitor", "list"})


@dataclass(frozen=True)
class Ids:
    """The keys (hashes of ids) of one person: ``root`` the one that the others were linked to, ``keys`` all."""

    root: int
    keys: tuple[int, ...]


def ids(visitor: str, *others: str) -> Ids:
    """Whose id ``visitor`` is, and all ids that are known to be theirs; ``others`` are theirs as the caller says."""
    given = {"ids": [one for one in dict.fromkeys((visitor, *others)) if one]}
    own = "SELECT arrayJoin({ids:Array(String)}) AS id, cityHash64(id) AS key"
    rows = client.warehouse().query(
        f"SELECT s.id, s.key, ifNull(l.visitor, s.key) FROM ({own}) AS s LEFT JOIN (SELECT alias, visitor FROM links FINAL "
        f"WHERE alias IN (SELECT key FROM ({own}))) AS l ON s.key = l.alias",
        given,
    )
    roots = {str(id_): int(root) for id_, _, root in rows}
    aliases = client.warehouse().query(
        "SELECT alias FROM links FINAL WHERE visitor IN {roots:Array(UInt64)}", {"roots": list(roots.values())}
    )
    keys = {*roots.values(), *(int(key) for _, key, _ in rows), *(int(one) for (one,) in aliases)}
    return Ids(roots[given["ids"][0]], tuple(keys))


def among(person: Ids, segments: Sequence[Segment], *, seconds: float = SECONDS) -> set[str]:
    """The ids of those of ``segments`` that the person is in.

    Raises:
        InvalidRules: the rules of one are no longer allowed. CheckTimeout: it takes longer than ``seconds``.
    """
    return {one.id for one in segments if _inside(person, one, seconds)}


def _inside(person: Ids, segment: Segment, seconds: float) -> bool:
    query = compiler.segment_ids(segment.rules)
    sql = f"SELECT 1 FROM ({query.sql}) WHERE visitor = {{root:UInt64}} LIMIT 1"
    if _alone(segment.rules, ()):
        sql += f" SETTINGS additional_table_filters = {{{_filters(person.keys)}}}"
    return bool(client.warehouse().query(sql, {**query.parameters, "root": person.root}, seconds=seconds))


def _filters(keys: Iterable[int]) -> str:
    numbers = ", ".join(str(int(one)) for one in sorted(keys))
    return ", ".join(f"'{table}': '{column} IN ({numbers})'" for table, column in OWN.items())


def _alone(rules: Any, seen: tuple[str, ...]) -> bool:
    """Whether all rules, those of nested segments too, are of kinds that need nobody else's rows."""
    for group in rules.get("all", []):
        for rule in group.get("any", []):
            if rule["kind"] == "segment":
                inner = Segment.objects.filter(pk=rule["segment"]).first()
                if inner is None or inner.id in seen or not _alone(inner.rules, (*seen, inner.id)):
                    return False
            elif rule["kind"] not in ALONE:
                return False
    return True
