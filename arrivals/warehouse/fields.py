"""Metadata that comes by itself and not with an event: written, and the newest time of what is there. Blocks."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.collect.event import Field
from arrivals.warehouse import client, recent

TABLES = {"visitor": ("visitor_fields", "visitor_id"), "account": ("account_fields", "account_id")}
NOT_YET_MS = 7_258_118_400_000  # as ``events``: no first time yet


@dataclass(frozen=True)
class Value:
    """A field of one visitor or account, and its value."""

    owner: str
    field: Field


class _Moments:
    """Whole milliseconds, no two alike: of two values of one field the later must win."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, after: int) -> int:
        with self._lock:
            self._last = max(self._last + 1, after + 1, time.time_ns() // 1_000_000)
            return self._last


_moments = _Moments()


def write(kind: str, values: Sequence[Value]) -> None:
    """Write values of visitors or accounts (``kind``), newer than all there are; on disk on return."""
    if not values:
        return
    table, owner = TABLES[kind]
    at = _moments.next(_newest(kind, values))
    columns: dict[str, list[Any]] = {
        "grp": [one.field.group for one in values],
        "field": [one.field.name for one in values],
        owner: [one.owner for one in values],
        "value": [one.field.value for one in values],
        "type": [one.field.type for one in values],
        "at": [at] * len(values),
    }
    with recent.noted():
        client.warehouse().insert_columns(table, columns)


def create_visitors(visitor_ids: Iterable[str]) -> None:
    """Make visitors of whom nothing is known yet: they have no first visit."""
    names = list(visitor_ids)
    columns: dict[str, list[Any]] = {"visitor_id": names, "first": [NOT_YET_MS] * len(names), "last": [0] * len(names)}
    client.warehouse().insert_columns("visitors", columns)


def known_visitors(visitor_ids: Sequence[str]) -> set[str]:
    """Those of these ids that have sent an event, have metadata, or were made."""
    found = client.warehouse().query(
        "SELECT DISTINCT visitor_id FROM visitors WHERE visitor IN "
        "(SELECT cityHash64(arrayJoin({ids:Array(String)}))) AND visitor_id IN {ids:Array(String)}",
        {"ids": list(visitor_ids)},
    )
    return {str(one) for (one,) in found}


def known_accounts(account_ids: Sequence[str]) -> set[str]:
    """Those of these ids that an event named, or that have metadata."""
    found: set[str] = set()
    for table in ("account_fields", "events"):
        rest = [one for one in account_ids if one not in found]
        if rest:
            rows = client.warehouse().query(
                f"SELECT DISTINCT account_id FROM {table} WHERE account_id IN {{ids:Array(String)}}", {"ids": rest}
            )
            found.update(str(one) for (one,) in rows)
    return found


def types(kind: str) -> Mapping[str, Mapping[str, tuple[set[str], bool]]]:
    """Group -> field -> the types its values have had (string, number, boolean, date, json), and whether every number
    was whole."""
    table, _ = TABLES[kind]
    found = client.warehouse().query(
        "SELECT grp, field, groupUniqArray(toString(type)), max(type = 'number' AND NOT match(value, '^-?[0-9]+$')) "
        f"FROM {table} WHERE value IS NOT NULL GROUP BY grp, field ORDER BY grp, field"
    )
    groups: dict[str, dict[str, tuple[set[str], bool]]] = {}
    for group, name, kinds, broken in found:
        groups.setdefault(str(group), {})[str(name)] = (set(kinds), not broken)
    return groups


def _newest(kind: str, values: Sequence[Value]) -> int:
    table, owner = TABLES[kind]
    condition = (
        "visitor IN (SELECT cityHash64(arrayJoin({owners:Array(String)})))"
        if owner == "visitor_id"
        else "account_id IN {owners:Array(String)}"
    )
    [(newest,)] = client.warehouse().query(
        f"SELECT toUnixTimestamp64Milli(max(at)) FROM {table} WHERE grp IN {{groups:Array(String)}} "
        f"AND field IN {{names:Array(String)}} AND {condition}",
        {
            "groups": list({one.field.group for one in values}),
            "names": list({one.field.name for one in values}),
            "owners": list({one.owner for one in values}),
        },
    )
    return int(newest)
