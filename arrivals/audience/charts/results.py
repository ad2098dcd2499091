"""A chart's answer, and the people behind one of its numbers: asked for with a limit of time. Blocks.

Charts are asked one or two at a time: many on one page must neither keep the event store from those who write to it nor
hold up one another's threads for long.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from arrivals import clock
from arrivals.audience import cursors, metadata
from arrivals.audience.charts import cells, definitions, funnels, nps, paths, periods, retention, trends
from arrivals.audience.charts.definitions import Chart, Funnel, Nps, Paths, Retention, Trend
from arrivals.audience.charts.questions import span
from arrivals.audience.compiler import Compiler
from arrivals.errors import CheckTimeout, Invalid, Unavailable
from arrivals.warehouse import client

AT_ONCE = 2
PATIENCE_SECONDS = 60
MOST = 1000
_turns = threading.BoundedSemaphore(AT_ONCE)


def of(definition: Any, *, now: datetime | None = None) -> dict[str, Any]:
    """The answer of a chart as data: ``kind``, ``zone``, ``from``, ``to`` (of its range), and what its kind tells.

    Raises:
        InvalidChart: with the path of the wrong part. CheckTimeout: it takes longer than 30 s.
    """
    chart = definitions.parse(definition)
    with _turn():
        query = Compiler(now, "c_")
        by = periods.of(chart.by or "day")
        whole = span(chart, query, by)
        head = {"kind": chart.kind, "zone": by.zone, "from": _iso(whole.first), "to": _iso(whole.last)}
        return {**head, **_answer(chart, query)}


def people(
    definition: Any, cell: Any, *, limit: int = 50, cursor: str = "", now: datetime | None = None
) -> dict[str, Any]:
    """Who is behind a number, in the order of their ids: ``{"items": [{"visitor_id", "amount"}], "next", "people"}``.

    ``amount`` is what of the number is theirs (events, a sum, responses, steps). ``people``: how many they are.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000. Else as ``of``.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    number = cells.parse(definition, cell)
    last = cursors.read_id(cursor)
    with _turn():
        query = Compiler(now, "c_")
        after = f"WHERE id > {query.bind.add(last, 'String')} " if cursor else ""
        behind = cells.select(number, query)
        sql = (
            "SELECT id, amount, many FROM (SELECT v.id AS id, p.amount AS amount, count() OVER () AS many "
            f"FROM ({behind}) AS p JOIN (SELECT visitor, any(visitor_id) AS id FROM visitors GROUP BY visitor) AS v "
            f"ON p.visitor = v.visitor) {after}ORDER BY id LIMIT {query.bind.add(limit + 1, 'UInt32')}"
        )
        found = client.warehouse().query(sql, query.bind.parameters)
    items = [{"visitor_id": id_, "amount": metadata.short(amount or 0)} for id_, amount, _ in found[:limit]]
    following = cursors.of_id(found[limit - 1][0]) if len(found) > limit else None
    return {"items": items, "next": following, "people": int(found[0][2]) if found else 0}


def _answer(chart: Chart, query: Compiler) -> dict[str, Any]:
    match chart.what:
        case Trend() as what:
            return trends.answer(chart, what, query)
        case Funnel() as what:
            return funnels.answer(chart, what, query)
        case Retention() as what:
            return retention.answer(chart, what, query)
        case Paths() as what:
            return paths.answer(chart, what, query)
        case Nps() as what:
            return nps.answer(chart, what, query)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=PATIENCE_SECONDS):
        raise Unavailable("Other charts are being counted; try again in a moment.", retry_after=5)
    try:
        yield
    except CheckTimeout as error:
        raise CheckTimeout(
            "The chart took longer than 30 seconds; choose a shorter range, or a segment.", retry_after=60
        ) from error
    finally:
        _turns.release()


def _iso(milliseconds: int) -> str:
    return clock.iso(datetime.fromtimestamp(milliseconds / 1000, tz=UTC))
