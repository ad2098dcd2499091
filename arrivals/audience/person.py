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
    own = "cityHash64({id:String})"
    # In one statement, since each takes longer to be understood than to find a row by its key.
    told = {
        what: (int(key), str(id_))
        for what, key, id_ in store.query(
            f"SELECT 'own', {own}, {{id:String}} UNION ALL SELECT 'person', visitor, visitor_id FROM links FINAL WHERE alias = {own} "
            f"UNION ALL SELECT 'there', visitor, '' FROM visitors WHERE visitor = {own} LIMIT 1 "
            "UNION ALL SELECT 'linked', alias, '' FROM links LIMIT 1",
            {"id": visitor_id},
        )
    }
    key, id_ = told.get("person", told["own"])
    aliases = _aliases([key]) if "linked" in told else []
    keys = (key, *(alias for alias, _ in aliases))
    there = "there" in told or (
        aliases
        and store.query("SELECT 1 FROM visitors WHERE visitor IN {keys:Array(UInt64)} LIMIT 1", {"keys": list(keys)})
    )
    if not there:
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    return Person(key, id_, keys, (id_, *(alias for _, alias in aliases)))


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
