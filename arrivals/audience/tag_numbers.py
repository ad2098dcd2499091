"""How often pages and features were seen or used: of stored ones for lists, of any rules for a preview. Blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from arrivals import clock
from arrivals.audience import tagged, tags, windows
from arrivals.audience.compiler import Compiler
from arrivals.audience.windows import Window
from arrivals.errors import Invalid
from arrivals.warehouse import client

DAYS = {"within": "30d"}
AT_ONCE = 50
EXAMPLES = 10

# An address without its query; the hash only where a router of the page uses it as one.
ADDRESS = "if(match(url, '#!?/'), replaceRegexpAll(url, '\\\\?[^#]*', ''), cutQueryStringAndFragment(url))"
# A part of a path that is the id of something: a number, a hash, a long token, a mail address.
IS_ID = (
    "match(part, '^[0-9]+$') OR match(part, '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{20,}$') "
    "OR (match(part, '^[0-9a-fA-F]{8,}$') AND match(part, '[0-9]')) OR match(part, '@|%40') "
    "OR (length(part) >= 20 AND match(part, '^[0-9A-Za-z_]+$') AND match(part, '[0-9].*[0-9]'))"
)
COLLAPSED = f"arrayStringConcat(arrayMap(part -> if({IS_ID}, '*', part), splitByChar('/', {ADDRESS})), '/')"


@dataclass(frozen=True)
class Preview:
    """Events and visitors of a span that the rules mean; ``of``: all events of the kinds that the rules look at.

    ``examples``: what they were, the most frequent first: name (of an element), url (ids in
    it as ``*``), events.
    """

    events: int
    visitors: int
    of: int
    examples: list[dict[str, Any]]


def of(kind: str, found: Sequence[tags.Tag], *, seconds: float = 30) -> dict[str, dict[str, Any]]:
    """Of each, by id, in the past 30 days: events, visitors, last (a time, or None for never).

    Raises CheckTimeout: it takes longer than ``seconds``.
    """
    numbers: dict[str, dict[str, Any]] = {}
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        query = Compiler(None, "n_")
        parts = []
        for tag in some:
            is_it = tagged.of(tag, query.bind)
            parts.append(f"tuple(countIf({is_it}), uniqExactIf(owner, {is_it}), maxIf(ts, {is_it}))")
        [row] = client.warehouse().query(
            f"SELECT {', '.join(parts)} FROM {events_of(query, kinds_of(kind), windows.parse(DAYS, '', Invalid))}",
            query.bind.parameters,
            seconds=seconds,
        )
        for tag, (events, visitors, last) in zip(some, row, strict=True):
            numbers[tag.id] = {"events": events, "visitors": visitors, "last": clock.iso(last) if events else None}
    return numbers


def preview(kind: str, rules: Any, *, source: Any = "", when: Any = None, seconds: float = 30) -> Preview:
    """What rules that need not be stored mean, in a span (default: the past 30 days).

    Raises:
        InvalidTag, Invalid: with the path of the wrong part. CheckTimeout.
    """
    window = windows.parse(DAYS if when is None else when, "when", Invalid)
    tags.checked_rules(kind, rules)
    query = Compiler(None, "n_")
    is_it = tagged.matching(kind, rules, tags.checked_source(source), query.bind)
    table = events_of(query, kinds_of(kind), window)
    store = client.warehouse()
    [(events, visitors, all_)] = store.query(
        f"SELECT countIf({is_it}), uniqExactIf(owner, {is_it}), count() FROM {table}",
        query.bind.parameters,
        seconds=seconds,
    )
    called = "name" if kind == "feature" else "''"
    shown = store.query(
        f"SELECT {called} AS called, {COLLAPSED} AS address, count() AS n FROM {table} WHERE {is_it} "
        f"GROUP BY called, address ORDER BY n DESC, called, address LIMIT {EXAMPLES}",
        query.bind.parameters,
        seconds=seconds,
    )
    return Preview(events, visitors, all_, [{"name": name, "url": url, "events": n} for name, url, n in shown])


def which(kind: str, events: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The names of the pages or features that each of these events is. An event: kind, name, url, source_id, properties,
    as far as it has them."""
    found = list(tags.all_tags(kind))
    if not found or not events:
        return [[] for _ in events]
    query = Compiler(None, "n_")
    texts = [[str(one.get(name, "")) for one in events] for name in ("kind", "name", "url", "source_id")]
    texts.append([orjson.dumps(one.get("properties", {})).decode() for one in events])
    arrays = ", ".join(query.bind.add(one, "Array(String)") for one in texts)
    rows = f"SELECT arrayJoin(arrayZip({arrays}, range({len(events)}))) AS row"
    names = ("kind", "name", "url", "source_id", "properties", "number")
    columns = ", ".join(f"row.{place} AS {name}" for place, name in enumerate(names, 1))
    tests = ", ".join(f"toUInt8({tagged.of(tag, query.bind)})" for tag in found)
    answer = client.warehouse().query(
        f"SELECT [{tests}] FROM (SELECT {columns} FROM ({rows})) ORDER BY number", query.bind.parameters
    )
    return [[tag.name for tag, is_it in zip(found, row, strict=True) if is_it] for (row,) in answer]


def collapsed(url: str) -> str:
    """An address without its query, ids in it as ``*``: what suggestions are grouped by."""
    [(address,)] = client.warehouse().query(f"SELECT {COLLAPSED} FROM (SELECT {{url:String}} AS url)", {"url": url})
    return str(address)


def kinds_of(kind: str) -> tuple[str, ...]:
    """The kinds of events that a page or feature can be."""
    return tagged.NAMED["page"] if kind == "page" else ("click", "change", "submit", "focus")


def events_of(query: Compiler, kinds: Sequence[str], window: Window) -> str:
    """A table of the events of a span, with their ``owner``, the visitor that their id belongs to."""
    listed = ", ".join(query.bind.add(one, "String") for one in kinds)
    columns = "source_id, kind, name, url, properties, ts"
    rows = f"SELECT {columns}, visitor AS owner FROM events WHERE kind IN ({listed}) AND {query.times(window)}"
    if not query.linked:
        return f"({rows})"
    links = "(SELECT alias, visitor AS known FROM links FINAL)"
    return f"(SELECT {columns}, coalesce(l.known, e.owner) AS owner FROM ({rows}) AS e LEFT JOIN {links} AS l ON e.owner = l.alias)"
