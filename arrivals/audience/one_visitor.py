"""One visitor: all ids that are theirs, and which of some segments they are in now. Blocks.

A segment's query is that of the compiler, which for one visitor reads only their rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from arrivals.audience import compiler
from arrivals.audience.models import Segment
from arrivals.warehouse import client

SECONDS = 5.0


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
    others = [one for one in person.keys if one != person.root]
    query = compiler.segment_ids(segment.rules, only=[person.root, *others])
    sql = f"SELECT 1 FROM ({query.sql}) WHERE visitor = {{root:UInt64}} LIMIT 1"
    return bool(client.warehouse().query(sql, {**query.parameters, "root": person.root}, seconds=seconds))
