"""What was captured and may get a name: addresses of page views, and elements that were used. Blocks."""

from dataclasses import dataclass
from typing import Any

from arrivals import clock
from arrivals.audience import proposing, tag_numbers, tags, windows
from arrivals.audience.compiler import Compiler
from arrivals.audience.tag_numbers import COLLAPSED, DAYS, events_of, kinds_of
from arrivals.errors import Invalid
from arrivals.warehouse import client

MOST = 1000
TITLED = "JSONExtractString(properties, 'title')"
SAID = "JSONExtractString(properties, 'text')"


@dataclass(frozen=True)
class Asked:
    """Which of what was captured in 30 days: of one source or (empty) of all, with a text in it or (empty) any."""

    source: str = ""
    search: str = ""
    limit: int = 100


def pages(asked: Asked, *, seconds: float = 30) -> list[dict[str, Any]]:
    """Addresses, the most frequent first: address (ids as ``*``), name (that most events of it came with), events,
    visitors, last, the rule that means them, and ``named``, the names of the pages that it is already.

    Raises Invalid, CheckTimeout.
    """
    query = Compiler(None, "n_")
    table, having = _table(query, "page", asked, "address")
    rows = client.warehouse().query(
        f"SELECT {COLLAPSED} AS address, topKIf(1)(name, name != ''), count() AS n, uniqExact(owner), max(ts), "
        f"argMax(tuple(url, source_id, {TITLED}), ts) FROM {table} "
        f"WHERE url != '' GROUP BY address{having} ORDER BY n DESC, address LIMIT {{most:UInt32}}",
        {**query.bind.parameters, "most": asked.limit},
        seconds=seconds,
    )
    events = [
        {"kind": "page", "url": one[-1][0], "source_id": one[-1][1], "properties": {"title": one[-1][2]}}
        for one in rows
    ]
    return [
        {
            "address": address,
            "name": str(name[0]) if name else "",
            **_numbers(events, visitors, last),
            "rule": {"url": {"wildcard" if "*" in address else "exact": address}},
            "named": named,
        }
        for (address, name, events, visitors, last, _), named in zip(
            rows, tag_numbers.which("page", events), strict=True
        )
    ]


def features(asked: Asked, *, seconds: float = 30) -> list[dict[str, Any]]:
    """Elements that were clicked, grouped by name and path, the most frequent first: name, text, path, address (where it
    was clicked last), events, visitors, last, the rule that is proposed for it, and ``named`` as for pages.

    Raises Invalid, CheckTimeout.
    """
    query = Compiler(None, "n_")
    table, having = _table(query, "feature", asked, "name || ' ' || said")
    rows = client.warehouse().query(
        f"SELECT name, {SAID} AS said, JSONExtract(properties, 'path', 'Array(String)') AS path, argMax({COLLAPSED}, ts), "
        f"count() AS n, uniqExact(owner), max(ts), argMax(tuple(url, source_id), ts) FROM {table} WHERE kind = 'click' "
        f"GROUP BY name, said, path{having} ORDER BY n DESC, name, path LIMIT {{most:UInt32}}",
        {**query.bind.parameters, "most": asked.limit},
        seconds=seconds,
    )
    events = [
        {
            "kind": "click",
            "name": one[0],
            "url": one[-1][0],
            "source_id": one[-1][1],
            "properties": {"path": list(one[2]), **({"text": one[1]} if one[1] else {})},
        }
        for one in rows
    ]
    return [
        {
            "name": name,
            "text": said,
            "path": list(path),
            "address": address,
            **_numbers(events, visitors, last),
            "rule": proposing.propose(list(path), said or _said(name)),
            "named": named,
        }
        for (name, said, path, address, events, visitors, last, _), named in zip(
            rows, tag_numbers.which("feature", events), strict=True
        )
    ]


def site(source_id: str) -> str:
    """The address that most page views of a source began with in 30 days, such as ``https://shop.example/``; or none."""
    query = Compiler(None, "n_")
    table, _ = _table(query, "page", Asked(source=source_id), "")
    rows = client.warehouse().query(
        f"SELECT extract(url, '^https?://[^/?#]+') AS origin, count() AS n FROM {table} GROUP BY origin HAVING origin != '' "
        "ORDER BY n DESC, origin LIMIT 1",
        query.bind.parameters,
    )
    return f"{rows[0][0]}/" if rows else ""


def _table(query: Compiler, kind: str, asked: Asked, searched: str) -> tuple[str, str]:
    if not 1 <= asked.limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST:,}.", path="limit")
    table = events_of(query, kinds_of(kind), windows.parse(DAYS, "", Invalid))
    source = tags.checked_source(asked.source)
    if source:
        table = f"(SELECT * FROM {table} WHERE source_id = {query.bind.add(source, 'String')})"
    search = asked.search.strip()
    if not search:
        return table, ""
    return table, f" HAVING positionCaseInsensitiveUTF8({searched}, {query.bind.add(search, 'String')}) > 0"


def _numbers(events: int, visitors: int, last: Any) -> dict[str, Any]:
    return {"events": events, "visitors": visitors, "last": clock.iso(last)}


def _said(name: str) -> str:
    """The text in an event's name, of events that do not tell it apart."""
    return name.partition(' "')[2].removesuffix('"')
