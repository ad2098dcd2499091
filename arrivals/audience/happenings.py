"""Single events that came in, for whoever waits for such: which rules they match, and whom they are of. Blocks.

What counts is when an event came in, not when it happened: one that was sent late is news all the same, up to 30 days.
One that was brought in from the past (an import) is none.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from arrivals import clock
from arrivals.audience import belonging, compiler, metadata, person, rules
from arrivals.audience.candidates import ANY, BY_NAME
from arrivals.audience.compiler import Compiler
from arrivals.audience.models import Segment
from arrivals.audience.person import Person
from arrivals.audience.rules import EventRule
from arrivals.warehouse import client
from arrivals.warehouse.near import matching

LATEST_DAYS = 30
DAY_MS = 86_400_000
PAGE = 1_000
SELECT = (
    "SELECT source_id, message_id, message_hash, kind, name, visitor_id, account_id, ts, "
    "toUnixTimestamp64Milli(received_at), url, properties, {hits} AS hits FROM events WHERE {where}"
)


@dataclass(frozen=True)
class Happened:
    """One event. ``received`` is in milliseconds since 1970; ``hits``: the numbers of the rules that it matches."""

    source: str
    message: str
    hash: int
    kind: str
    name: str
    visitor: str
    account: str
    at: datetime
    received: int
    url: str
    properties: str
    hits: frozenset[int] = field(default=frozenset())

    def as_dict(self) -> dict[str, Any]:
        """id, source, kind, name, at, received_at, url, properties; ``visitor`` is the id that it came with."""
        return {
            "id": self.message,
            "source": self.source,
            "kind": self.kind,
            "name": self.name,
            "at": clock.iso(self.at),
            "received_at": clock.iso(datetime.fromtimestamp(self.received / 1000, tz=self.at.tzinfo)),
            "url": self.url,
            "visitor": self.visitor,
            "properties": orjson.loads(self.properties),
        }


def pairs(chosen: Sequence[EventRule]) -> set[tuple[str, str]]:
    """Kind and name ("": any) of the events that may match one of the rules."""
    found: set[tuple[str, str]] = set()
    for rule in chosen:
        # A page or feature may be found by the address or element of any event.
        kinds = rules.EVENT_KINDS[rule.kind] or ("",)
        found |= {(kind, rule.name or "") for kind in kinds} if rule.kind in BY_NAME else {ANY}
    return found


def lately(chosen: Sequence[EventRule], seq: int, since: int) -> Iterator[list[Happened]]:
    """The events with numbers from ``seq`` on in ``recent`` that match any of the rules, in the order in which they were
    received, in pages; and others of the same visitors that were received since ``since``."""
    wanted, given = matching(pairs(chosen), "k_")
    rows = f"SELECT visitor FROM recent WHERE seq >= {{seq:UInt64}} AND sort = 'event' AND {wanted}"
    yield from _pages(chosen, f"visitor IN ({rows})", {"seq": seq, **given}, since)


def received(chosen: Sequence[EventRule], since: int, until: int | None = None) -> Iterator[list[Happened]]:
    """As ``lately``, of all that were received from ``since`` on (and before ``until``), by looking through all events."""
    yield from _pages(chosen, "1", {}, since, until)


def of_people(
    chosen: Sequence[EventRule], keys: Collection[int], since: int, until: int | None = None
) -> Iterator[list[Happened]]:
    """As ``received``, of visitors with these keys only."""
    yield from _pages(chosen, "visitor IN {whose:Array(UInt64)}", {"whose": list(keys)}, since, until)


def count(rule: EventRule, segment: Segment | None, since: int, until: int | None = None) -> int:
    """How many events that match were received in a span, of those who are in the segment now.

    Raises:
        InvalidRules: the segment's rules are no longer allowed. CheckTimeout.
    """
    query = Compiler(None, "h_")
    where = f"{query.matching(rule.kind, rule.name, rule.where)} AND {_span(query, since, until)}"
    sql = query.owner(f"SELECT visitor, message_hash FROM events WHERE {where}", "s.message_hash AS one")
    inside, given = "1", {}
    if segment is not None:
        within = compiler.segment_ids(segment.rules)
        inside, given = f"visitor IN ({within.sql})", within.parameters
    sql = f"SELECT uniqExact(one) FROM ({sql}) WHERE {inside}"
    [(number,)] = client.warehouse().query(sql, {**query.bind.parameters, **given})
    return int(number)


def inside(segment: Segment, people: Collection[Person]) -> set[int]:
    """The keys of those of these visitors who are in the segment now. Raises InvalidRules, CheckTimeout."""
    keys = list(dict.fromkeys(key for one in people for key in one.keys))
    if not keys:
        return set()
    query = compiler.segment_ids(segment.rules, only=keys)
    sql = f"SELECT visitor FROM ({query.sql}) WHERE visitor IN {{roots:Array(UInt64)}}"
    given = {**query.parameters, "roots": [one.key for one in people]}
    return {int(key) for (key,) in client.warehouse().query(sql, given)}


def contexts(events: Sequence[Happened], people: Mapping[str, Person]) -> list[dict[str, Any]]:
    """What templates see of each event: ``visitor``, ``account`` (that the event names, or that its visitor belongs to) and
    ``event``. ``people``: as ``person.of_ids`` gives them for the visitors of the events."""
    if not events:
        return []
    keys = list(dict.fromkeys(key for one in events for key in people[one.visitor].keys))
    belong: dict[int, str] = {}
    if any(not one.account for one in events):
        query = Compiler(None, "b_", only=keys)
        rows = client.warehouse().query(belonging.newest(query), query.bind.parameters)
        belong = {int(key): str(account) for key, account in rows}
    accounts = [one.account or belong.get(people[one.visitor].key, "") for one in events]
    told = metadata.of({people[one.visitor].key for one in events}, {one for one in accounts if one})
    return [
        {
            "visitor": {"id": people[one.visitor].id, **told.visitors.get(people[one.visitor].key, {})},
            "account": {"id": account or None, **told.accounts.get(account, {})},
            "event": one.as_dict(),
        }
        for one, account in zip(events, accounts, strict=True)
    ]


def people_of(events: Sequence[Happened]) -> dict[str, Person]:
    """Whom the events are of, by the ids that they came with."""
    return person.of_ids({one.visitor for one in events})


def _pages(
    chosen: Sequence[EventRule], where: str, given: Mapping[str, Any], since: int, until: int | None = None
) -> Iterator[list[Happened]]:
    """Each page is a question of its own, so that no client of the warehouse is kept while a page is worked on."""
    after: tuple[int, int] | None = None
    while True:
        query = Compiler(None, "h_", links=False)
        conditions = [query.matching(one.kind, one.name, one.where) for one in chosen]
        hits = f"[{', '.join(f'toUInt8({one})' for one in conditions)}]"
        parts = [where, _span(query, since, until), f"({' OR '.join(f'({one})' for one in conditions)})"]
        if after is not None:
            last, hash_ = query.bind.time(after[0]), query.bind.add(after[1], "UInt64")
            parts.append(f"(received_at > {last} OR (received_at = {last} AND message_hash > {hash_}))")
        sql = SELECT.format(hits=hits, where=" AND ".join(parts))
        rows = client.warehouse().query(
            f"{sql} ORDER BY received_at, message_hash LIMIT {PAGE}", {**query.bind.parameters, **given}
        )
        if rows:
            yield [Happened(*[*row[:-1], frozenset(n for n, hit in enumerate(row[-1]) if hit)]) for row in rows]
        if len(rows) < PAGE:
            return
        after = rows[-1][8], rows[-1][2]


def _span(query: Compiler, since: int, until: int | None) -> str:
    """Received in a span, not too late, and no history."""
    parts = [
        "NOT history",
        f"ts >= {query.bind.time(since - LATEST_DAYS * DAY_MS)}",
        f"received_at >= {query.bind.time(since)}",
        f"ts >= received_at - toIntervalDay({LATEST_DAYS})",
    ]
    if until is not None:
        parts.append(f"received_at < {query.bind.time(until)}")
    return " AND ".join(parts)
