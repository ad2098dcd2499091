"""Retention: of those who began in a period, how many come back in the periods after. One pass over the events. Blocks."""

from dataclasses import dataclass
from typing import Any

from arrivals.audience.charts.definitions import Chart, Retention
from arrivals.audience.charts.questions import Question, comparable
from arrivals.audience.compiler import Compiler
from arrivals.warehouse import client

MOST_BITS = 64


@dataclass(frozen=True)
class Cell:
    """Those of the cohort that began in the period ``cohort`` who came back ``period`` periods later (0: all of the
    cohort), or with ``returned`` false those who did not."""

    cohort: int
    period: int
    returned: bool = True
    previous: bool = False


def answer(chart: Chart, retention: Retention, query: Compiler) -> dict[str, Any]:
    """``{"by", "cohorts": [{"cohort", "visitors", "returned": [...], "parts": [...], "cell"}], "average": [...]}``.

    ``returned[n]`` is how many of the cohort did the returning event in the period n + 1 after; null while that
    period has not begun. ``parts`` are the same as parts of 1. ``average``: of all cohorts together whose period is
    over, weighted by their size; null where there is none. ``previous``: cohorts and average of the span before.
    """
    told = {"by": retention.by, **_asked(Question(chart, query, whole=True), retention)}
    if comparable(chart):
        told["previous"] = _asked(Question(chart, query, previous=True), retention, previous=True)
    return told


def select(chart: Chart, retention: Retention, cell: Cell, query: Compiler) -> str:
    """A SELECT of ``visitor`` and ``amount`` (1)."""
    asked = Question(chart, query, previous=cell.previous)
    cohort = asked.bind.add(cell.cohort, "Int64")
    later = asked.bind.add(cell.cohort + cell.period, "Int64")
    came = "" if not cell.period else f" AND {'' if cell.returned else 'NOT '}has(returns, {later})"
    return f"SELECT visitor, 1 AS amount FROM ({_people(asked, retention)}) WHERE has(begins, {cohort}){came}"


def _asked(asked: Question, retention: Retention, *, previous: bool = False) -> dict[str, Any]:
    most = retention.periods
    offsets = f"arrayFilter(o -> o > 0 AND o <= {most}, arrayMap(r -> r - cohort, returns))"
    cohorts = f"SELECT arrayJoin(begins) AS cohort, returns FROM ({_people(asked, retention)})"
    sql = f"SELECT cohort, arrayJoin(arrayPushFront({offsets}, toInt64(0))) AS later, count() FROM ({cohorts}) GROUP BY cohort, later"
    counts = {(cohort, later): int(n) for cohort, later, n in client.warehouse().query(sql, asked.bind.parameters)}
    begin, end = asked.periods.number(asked.span.first), asked.periods.number(asked.span.last)
    present = asked.periods.number(asked.now)
    told = []
    sums = [[0, 0] for _ in range(most)]
    for cohort in sorted({*range(begin, end + 1), *(one for one, _ in counts)}):
        size = counts.get((cohort, 0), 0)
        returned: list[int | None] = []
        for later in range(1, most + 1):
            known = cohort + later <= present
            returned.append(counts.get((cohort, later), 0) if known else None)
            if cohort + later < present:
                sums[later - 1][0] += size
                sums[later - 1][1] += counts.get((cohort, later), 0)
        told.append(
            {
                "cohort": asked.periods.key(cohort),
                "visitors": size,
                "returned": returned,
                "parts": [None if one is None or not size else one / size for one in returned],
                "over": max(0, min(most, present - cohort - 1)),
                "cell": {"cohort": asked.periods.key(cohort), **({"previous": True} if previous else {})},
            }
        )
    return {"cohorts": told, "average": [came / size if size else None for size, came in sums]}


def _people(asked: Question, retention: Retention) -> str:
    """A SELECT of ``visitor``, ``begins`` (the periods whose cohorts they are in) and ``returns`` (the periods in which
    they did the returning event)."""
    query, bind = asked.query, asked.bind
    first, returning = retention.first.sql(query), retention.returning.sql(query)
    period = asked.periods.sql(bind)
    start, last = bind.time(asked.span.first), bind.time(asked.span.last)
    each, ever = retention.cohorts == "each", retention.cohorts == "ever"
    end = asked.periods.end(asked.periods.number(asked.span.last) + retention.periods)
    begun = f"{first} AND ts <= {last}"
    returned = f"{returning} AND ts >= {start}" if ever else returning
    # Whether somebody began before the range is known only from the events before it.
    times = asked.times(0 if ever else asked.span.first, end)
    where = f"{times} AND ({' OR '.join(dict.fromkeys((first, returning)))}){asked.theirs()}"
    sets = _Sets(asked, period, end)
    begins = sets.collect(begun) if each else f"minOrNullIf(ts, {begun})"
    people = f"SELECT visitor, {begins} AS b, {sets.collect(returned)} AS r FROM events WHERE {where} GROUP BY visitor"
    if query.linked:
        merged = sets.merge("s.b") if each else "min(s.b)"
        people = f"SELECT {asked.owner} AS visitor, {merged} AS b, {sets.merge('s.r')} AS r FROM {asked.owned(people)} GROUP BY visitor"
    returns = sets.numbers("r")
    if each:
        return f"SELECT visitor, {sets.numbers('b')} AS begins, {returns} AS returns FROM ({people})"
    begin = asked.periods.sql(bind, "assumeNotNull(b)")
    return f"SELECT visitor, [toInt64({begin})] AS begins, {returns} AS returns FROM ({people}) WHERE b >= {start}"


class _Sets:
    """Sets of periods, as SQL: as the bits of a number where the span has at most 64 periods, which is several times
    quicker, else as arrays."""

    def __init__(self, asked: Question, period: str, end: int) -> None:
        self.period = period
        self.first = asked.periods.number(asked.span.first)
        self.bits = asked.periods.number(min(end, asked.now)) - self.first < MOST_BITS
        self.base = asked.bind.add(self.first, "Int64")

    def collect(self, condition: str) -> str:
        """The periods of a visitor's events for which ``condition`` holds."""
        if self.bits:
            return f"groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8({self.period} - {self.base})), {condition})"
        return f"groupUniqArrayIf({self.period}, {condition})"

    def merge(self, column: str) -> str:
        """Of all ids of a visitor."""
        return f"groupBitOr({column})" if self.bits else f"groupUniqArrayArray({column})"

    def numbers(self, column: str) -> str:
        """As an array of the periods' numbers."""
        if self.bits:
            return f"arrayMap(x -> toInt64(x) + {self.base}, bitPositionsToArray({column}))"
        return f"arrayMap(x -> toInt64(x), {column})"
