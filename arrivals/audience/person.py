"""One visitor by any of the ids it has had. Blocks."""

from dataclasses import dataclass

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
    # Which aliases there may be is read from one column of all links, what they are now by the primary key.
    aliases = store.query(
        "SELECT alias, alias_id FROM links FINAL WHERE visitor = {key:UInt64} "
        "AND alias IN (SELECT alias FROM links WHERE visitor = {key:UInt64}) ORDER BY alias",
        {"key": key},
    )
    keys = (int(key), *(int(alias) for alias, _ in aliases))
    known = dict(
        store.query(
            "SELECT visitor, any(visitor_id) FROM visitors WHERE visitor IN {keys:Array(UInt64)} GROUP BY visitor",
            {"keys": list(keys)},
        )
    )
    if not known:
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    own = str(known.get(key) or visitor_id)
    return Person(int(key), own, keys, (own, *(str(alias) for _, alias in aliases)))
