"""What is known of visitors: for pickers and tables. Blocks."""

from typing import Any

import orjson

from arrivals import clock
from arrivals.warehouse import client

MOST_NAMES = 500


def fields(*, seconds: float = 30) -> list[str]:
    """The metadata fields seen so far as ``visitor.<group>.<field>`` and ``account.<group>.<field>``, sorted."""
    found = client.warehouse().query(
        "SELECT DISTINCT concat('visitor.', grp, '.', field) FROM visitor_fields UNION ALL "
        "SELECT DISTINCT concat('account.', grp, '.', field) FROM account_fields",
        seconds=seconds,
    )
    return sorted(name for (name,) in found)


def names(kind: str, *, seconds: float = 30) -> list[str]:
    """The names seen for a kind of event ("track", "page", "survey_answered") in 90 days, the most frequent first."""
    found = client.warehouse().query(
        "SELECT name FROM events WHERE kind = {kind:String} AND ts > now() - INTERVAL 90 DAY AND name != '' "
        "GROUP BY name ORDER BY count() DESC, name LIMIT {most:UInt32}",
        {"kind": kind, "most": MOST_NAMES},
        seconds=seconds,
    )
    return [name for (name,) in found]


def recent_events(source_id: str, *, limit: int = 50, minutes: int = 60, seconds: float = 30) -> list[dict[str, Any]]:
    """The newest events of a source by time of receipt: at, received_at, kind, name, visitor_id, account_id,
    message_id, properties (as an object). Old events that came late are not looked for beyond two months."""
    found = client.warehouse().query(
        "SELECT ts, received_at, kind, name, visitor_id, account_id, message_id, properties FROM events "
        "WHERE source_id = {source:String} AND received_at > now() - toIntervalMinute({minutes:UInt32}) "
        "AND ts > now() - INTERVAL 60 DAY ORDER BY received_at DESC, message_id LIMIT {limit:UInt32}",
        {"source": source_id, "minutes": minutes, "limit": limit},
        seconds=seconds,
    )
    keys = ("at", "received_at", "kind", "name", "visitor_id", "account_id", "message_id")
    return [
        {
            **dict(zip(keys, (clock.iso(row[0]), clock.iso(row[1]), *row[2:7]), strict=True)),
            "properties": orjson.loads(row[7]),
        }
        for row in found
    ]
