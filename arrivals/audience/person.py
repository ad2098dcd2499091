"""One visitor by any of the ids it has had. Blocks."""

from dataclasses import dataclass

from arrivals.errors import NotFound
from arrivals.warehouse import client


@dataclass(frozen=True)
class Person:
    """``key`` is the hash of ``id``; ``keys`` are those of all ids that are its own, the first is ``key``."""

    key: int
    id: str
    keys: tuple[int, ...]


def find(visitor_id: str) -> Person:
    """Raises NotFound: no such visitor."""
    store = client.warehouse()
    [(key, visitor)] = store.query(
        "SELECT cityHash64({id:String}), (SELECT anyOrNull(visitor) FROM links FINAL WHERE alias = cityHash64({id:String}))",
        {"id": visitor_id},
    )
    key = key if visitor is None else visitor
    aliases = store.query("SELECT alias FROM links FINAL WHERE visitor = {key:UInt64} ORDER BY alias", {"key": key})
    keys = (int(key), *(int(one) for (one,) in aliases))
    known = dict(
        store.query(
            "SELECT visitor, any(visitor_id) FROM visitors WHERE visitor IN {keys:Array(UInt64)} GROUP BY visitor",
            {"keys": list(keys)},
        )
    )
    if not known:
        raise NotFound(f"There is no visitor {visitor_id!r:.80}.")
    return Person(int(key), str(known.get(key) or visitor_id), keys)
