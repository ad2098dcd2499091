"""Events in the warehouse: appended, and found again by message id. Blocks."""

from collections.abc import Iterable, Sequence
from typing import Any

from arrivals import ids
from arrivals.collect.event import Event, Field
from arrivals.warehouse import client, links, recent, upkeep

MOST_SURVEYS = 10_000
HOUR_MS = 3_600_000


class EventStore:
    """The collector's ``Store``."""

    def __init__(self) -> None:
        self._links = links.Links()

    def hashes_since(self, since_ms: int) -> Any:
        """The message hashes of all events received since then, as a numpy array."""
        return client.warehouse().numbers(
            "SELECT message_hash FROM events WHERE received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')",
            {"since": since_ms},
        )

    def mend(self, since_ms: int) -> None:
        """Add to the visitors, and to those of accounts, what an insert of events received since then may have left out
        when it was killed; or in the last hour in which any were received, where the store was away for longer. And have
        every report looked at in full."""
        [(newest,)] = client.warehouse().query("SELECT toUnixTimestamp64Milli(max(received_at)) FROM events")
        since_ms = min(since_ms, int(newest) - HOUR_MS)
        client.warehouse().command(
            "INSERT INTO visitors (visitor_id, first, last) SELECT visitor_id, min(ts), max(ts) FROM events "
            "WHERE received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') GROUP BY visitor_id",
            {"since": since_ms},
        )
        client.warehouse().command(
            "INSERT INTO account_visitors (account, account_id, visitor, first, last) "
            "SELECT cityHash64(account_id), account_id, visitor, min(ts), max(ts) FROM events WHERE account_id != '' "
            "AND received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') GROUP BY account_id, visitor",
            {"since": since_ms},
        )
        recent.disturb()

    def room(self) -> bool:
        """Whether the disk has room for more, with what is kept in reserve for merges and for what is under way."""
        return not upkeep.disk().full

    def present(self, hashes: Sequence[int], *, first_ms: int, last_ms: int) -> set[tuple[str, str]]:
        """Source and message id of the events with these hashes that happened in this span."""
        found = client.warehouse().query(
            "SELECT source_id, message_id FROM events WHERE message_hash IN {hashes:Array(UInt64)} "
            "AND ts >= fromUnixTimestamp64Milli({first:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')",
            {"hashes": list(hashes), "first": first_ms, "last": last_ms},
        )
        return {(source, message) for source, message in found}

    def blocked(self) -> set[str]:
        """The visitors whose field donotprocess of the group pendo is true: nothing of them is to be kept."""
        found = client.warehouse().query(
            "SELECT visitor_id FROM visitor_fields FINAL WHERE grp = 'pendo' AND field = 'donotprocess' AND value = 'true'"
        )
        return {visitor for (visitor,) in found}

    def surveys(self) -> dict[str, str]:
        """The id that is derived from a survey's name -> its name, of the surveys of a year."""
        found = client.warehouse().query(
            "SELECT DISTINCT name FROM events WHERE kind IN ('survey_shown', 'survey_answered') "
            "AND ts > now() - INTERVAL 1 YEAR AND name != '' LIMIT {most:UInt32}",
            {"most": MOST_SURVEYS},
        )
        return {ids.derived("guide", name): name for (name,) in found}

    def append(self, events: Sequence[Event], hashes: Sequence[int]) -> None:
        """Write these events and what they tell of visitors, accounts and links; on disk on return.

        The events come last: a crash before leaves only rows that the same call writes again with the same result
        (metadata by field and time, links by alias). With the events go their visitors' first and last times.
        """
        with recent.noted():
            self._append(events, hashes)

    def _append(self, events: Sequence[Event], hashes: Sequence[int]) -> None:
        store = client.warehouse()
        people = [(event.visitor_id, field, event.ts) for event in events for field in event.visitor_fields]
        companies = [
            (event.account_id, field, event.ts)
            for event in events
            for field in event.account_fields
            if event.account_id
        ]
        store.insert_columns("visitor_fields", _fields("visitor_id", people))
        store.insert_columns("account_fields", _fields("account_id", companies))
        self._links.note([(event.alias_id, event.visitor_id, event.overrides) for event in events if event.alias_id])
        store.insert_columns("visitors", _visitors([event for event in events if not event.kind and event.visitor_id]))
        kept = [(event, hash_) for event, hash_ in zip(events, hashes, strict=True) if event.kind]
        if kept:
            store.insert_columns("events", _columns([event for event, _ in kept], [hash_ for _, hash_ in kept]))


def _columns(events: list[Event], hashes: list[int]) -> dict[str, list[Any]]:
    return {
        "source_id": [event.source_id for event in events],
        "message_hash": hashes,
        "message_id": [event.message_id for event in events],
        "kind": [event.kind for event in events],
        "name": [event.name for event in events],
        "visitor_id": [event.visitor_id for event in events],
        "account_id": [event.account_id for event in events],
        "ts": [event.ts for event in events],
        "received_at": [event.received_at for event in events],
        "url": [event.url for event in events],
        "properties": [event.properties for event in events],
        "history": [event.history for event in events],
    }


# The first time of somebody who never did anything yet (metadata only); the last is the epoch.
NOT_YET_MS = 7_258_118_400_000  # 2200-01-01


def _visitors(events: Sequence[Event]) -> dict[str, list[Any]]:
    """Those of whom there is only metadata: they have no first time yet, and no last."""
    names = list(dict.fromkeys(event.visitor_id for event in events))
    return {"visitor_id": names, "first": [NOT_YET_MS] * len(names), "last": [0] * len(names)}


def _fields(owner: str, rows: Iterable[tuple[str, Field, int]]) -> dict[str, list[Any]]:
    listed = list(rows)
    return {
        "grp": [field.group for _, field, _ in listed],
        "field": [field.name for _, field, _ in listed],
        owner: [id_ for id_, _, _ in listed],
        "value": [field.value for _, field, _ in listed],
        "type": [field.type for _, field, _ in listed],
        "at": [at for _, _, at in listed],
    }
