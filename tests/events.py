"""Puts events, metadata and links straight into the warehouse, for tests of what reads them."""

import itertools
import json
from datetime import datetime
from typing import Any

from arrivals.warehouse.client import Warehouse

# All that holds data; the fixture fresh empties them.
TABLES = (
    "events",
    "visitors",
    "account_visitors",
    "visitor_fields",
    "account_fields",
    "links",
    "memberships",
    "activation_members",
    "list_members",
    "erasing",
    "remote_rows",
    "remote_fetches",
    "remote_left",
    "kept_visitors",
    "kept_account_visitors",
    "recent",
    "epochs",
)
_numbers = itertools.count(1)
EVENT = (
    "source_id",
    "message_hash",
    "message_id",
    "kind",
    "name",
    "visitor_id",
    "account_id",
    "ts",
    "received_at",
    "url",
    "properties",
)


def add(store: Warehouse, *events: tuple[Any, ...]) -> list[str]:
    """Each event: visitor id, kind, name, time, and perhaps properties and account id. Their message ids."""
    rows, seen = [], []
    for visitor, kind, name, at, *more in events:
        number = next(_numbers)
        properties = more[0] if more else {}
        account = more[1] if len(more) > 1 else ""
        rows.append(["src_t", number, f"m{number}", kind, name, visitor, account, at, at, "", json.dumps(properties)])
        seen.append([visitor, at, at])
    store.insert("events", rows, EVENT)
    visitors(store, *seen)
    return [row[2] for row in rows]


def visitors(store: Warehouse, *rows: list[Any]) -> None:
    hashed = dict(
        store.query(
            "SELECT id, cityHash64(id) FROM (SELECT arrayJoin({i:Array(String)}) AS id)", {"i": [r[0] for r in rows]}
        )
    )
    store.insert(
        "visitors", [[hashed[v], v, first, last] for v, first, last in rows], ["visitor", "visitor_id", "first", "last"]
    )


def metadata(store: Warehouse, visitor: str, at: datetime, **values: Any) -> None:
    """Values of the group agent."""
    rows = [
        [
            "agent",
            name,
            visitor,
            None if value is None else str(value),
            "number" if isinstance(value, int) else "string",
            at,
        ]
        for name, value in values.items()
    ]
    store.insert("visitor_fields", rows, ["grp", "field", "visitor_id", "value", "type", "at"])


def link(store: Warehouse, alias: str, visitor: str, rank: int = 1) -> None:
    store.insert("links", [[alias, visitor, rank]], ["alias_id", "visitor_id", "rank"])
