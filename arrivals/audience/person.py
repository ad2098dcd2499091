"""One visitor by any of the ids it has had. Blocks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from arrivals.audience.binder import Keys
from arrivals.errors import NotFound
from arrivals.warehouse import client


@dataclass(frozen=True)
class Person:
    """``key`` is the hash of ``id``, the id that it is called by now; ``keys`` are those of all ids that are its own, the
    first is ``key``, and ``ids`` these ids in the same order."""

    key: int
    id: str
    keys: tuple[int, ...]
    ids: tuple[str, ...] = ()


def find(visitor_id: str) -> Person:
    """Raises NotFound: no such visitor."""
    store = client.warehouse()
    [(key, visitor)] = store.query(
        "SELECT cityHash64({id:String}), (SELECT anyOrNull(visitor) FROM links FINAL WHERE alias = cityHash64({id:String}))",
        {"id": visitor_id},
    )
    key = key if visitor is None else visitor
    aliases = _aliases([key])
    keys = (int(key), *(alias for alias, _ in aliases))
    known = dict(
        store.query(
            "SELECT visitor, any(visitor_id) FROM visitors WHERE visitor IN {keys:Array(UInt64)} GROUP BY visitor",
            {"keys": list(keys)},
        )
    )
    if not known:
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    own = str(known.get(key) or visitor_id)
    return Person(int(key), own, keys, (own, *(alias for _, alias in aliases)))


def keys_of(visitor_id: str, *others: str) -> tuple[int, ...]:
    """The keys of all ids that are one visitor's, the one that it is called by now first; whether or not it ever did
    anything. ``others`` are its ids too, as the caller says; empty ones are none."""
    given = {"ids": [one for one in dict.fromkeys((visitor_id, *others)) if one]}
    own = "SELECT arrayJoin({ids:Array(String)}) AS id, cityHash64(id) AS key"
    rows = client.warehouse().query(
        f"SELECT s.id, s.key, ifNull(l.visitor, s.key) FROM ({own}) AS s LEFT JOIN (SELECT alias, visitor FROM links FINAL "
        f"WHERE alias IN (SELECT key FROM ({own}))) AS l ON s.key = l.alias",
        given,
    )
    roots = {str(id_): int(root) for id_, _, root in rows}
    aliases = _aliases(list(roots.values()))
    first = roots[given["ids"][0]]
    return tuple(
        dict.fromkeys((first, *roots.values(), *(int(key) for _, key, _ in rows), *(key for key, _ in aliases)))
    )


def of_ids(ids: Collection[str]) -> dict[str, Person]:
    """The visitors that these ids are of, whether or not they ever did anything, by the ids asked for."""
    if not ids:
        return {}
    rows = client.warehouse().query(
        "SELECT s.id, s.key, l.visitor, l.visitor_id, (SELECT 1 FROM links LIMIT 1) FROM (SELECT arrayJoin({ids:Array(String)}) AS id, cityHash64(id) AS key) AS s "
        "LEFT JOIN (SELECT alias, visitor, visitor_id FROM links FINAL WHERE alias IN "
        "(SELECT cityHash64(arrayJoin({ids:Array(String)})))) AS l ON s.key = l.alias",
        {"ids": list(ids)},
    )
    roots = {str(id_): (int(key if root is None else root), str(named or id_)) for id_, key, root, named, _ in rows}
    others: dict[int, list[tuple[int, str]]] = {}
    linked = rows[0][4] is not None
    for root, alias, id_ in (
        []
        if not linked
        else client.warehouse().query(
            "SELECT visitor, alias, alias_id FROM links FINAL WHERE visitor IN {keys:Array(UInt64)} "
            "AND alias IN (SELECT alias FROM links WHERE visitor IN {keys:Array(UInt64)}) ORDER BY alias",
            {"keys": list({root for root, _ in roots.values()})},
        )
    ):
        others.setdefault(int(root), []).append((int(alias), str(id_)))
    found = {}
    for id_, (root, named) in roots.items():
        aliases = others.get(root, [])
        found[id_] = Person(root, named, (root, *(key for key, _ in aliases)), (named, *(one for _, one in aliases)))
    return found


def all_keys(keys: Collection[int]) -> list[int]:
    """These keys and all others of the visitors that they are of."""
    given = {"keys": Keys(keys)}
    theirs = "alias IN {keys:Array(UInt64)} OR visitor IN {keys:Array(UInt64)}"
    roots = f"SELECT visitor FROM links FINAL WHERE alias IN (SELECT alias FROM links WHERE {theirs})"
    rows = client.warehouse().query(
        f"SELECT arrayJoin([alias, visitor]) FROM links FINAL WHERE alias IN (SELECT alias FROM links WHERE visitor IN ({roots}))",
        given,
    )
    return list(dict.fromkeys([*keys, *(int(key) for (key,) in rows)]))


def _aliases(keys: Sequence[int]) -> list[tuple[int, str]]:
    """Key and id of all that were linked to these. Which there may be is read from one column of all links, what they
    are now by the primary key."""
    rows = client.warehouse().query(
        "SELECT alias, alias_id FROM links FINAL WHERE visitor IN {keys:Array(UInt64)} "
        "AND alias IN (SELECT alias FROM links WHERE visitor IN {keys:Array(UInt64)}) ORDER BY alias",
        {"keys": list(keys)},
    )
    return [(int(alias), str(id_)) for alias, id_ in rows]
