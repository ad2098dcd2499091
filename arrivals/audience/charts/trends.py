"""Trends: how much was done, by hour, day, week or month. One pass over the events per answer. Blocks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arrivals import clock
from arrivals.audience import metadata
from arrivals.audience.charts.definitions import Chart, Series, Trend
from arrivals.audience.charts.questions import Question, comparable
from arrivals.audience.compiler import LINKS, Compiler
from arrivals.errors import InvalidChart
from arrivals.warehouse import client

TOP = 10
MOST_NUMBERS = 10_000
UNIQUE = ("visitors", "accounts")
OTHER = 0  # the rank of the values that are not among the top


@dataclass(frozen=True)
class Cell:
    """A number of a trend: of a series, in a period (None: the whole range), of one value of the breakdown.

    ``value``: ``(text or None,)``; ``without``: of all other values than these. Neither: whatever the value.
    """

    series: int = 0
    bucket: int | None = None
    value: tuple[str | None] | None = None
    without: tuple[str | None, ...] | None = None
    previous: bool = False


def answer(chart: Chart, trend: Trend, query: Compiler) -> dict[str, Any]:
    """``{"by", "open", "buckets", "series": [{"label", "measure", "total", "values", "cell", "previous"}], "previous"}``.

    ``open``: whether the last period is not over yet. ``values`` has a number for each of ``buckets``; ``total`` is that of the whole range, which for unique visitors and
    accounts is not their sum. ``cell`` names a series to ``select``; with "bucket" it names one number. ``previous`` of
    the whole has from, to and buckets of the span before, that of a series its total and values.

    Raises:
        InvalidChart: over 10,000 numbers.
    """
    now = Question(chart, query, whole=True)
    values = _top(now, trend) if trend.breakdown else []
    found = _asked(now, trend, values)
    before = _asked(Question(chart, query, previous=True), trend, values) if comparable(chart) else None
    lines = _lines(trend, values, found, before)
    if len(lines) * len(found.buckets) > MOST_NUMBERS:
        raise InvalidChart(
            f"The chart has {len(lines)} lines of {len(found.buckets)} {trend.by}s, more than {MOST_NUMBERS:,} numbers; "
            "choose a shorter range or a longer unit.",
            path="by",
        )
    return {
        "by": trend.by,
        "open": now.periods.end(found.periods[-1]) > now.now,
        "buckets": found.buckets,
        "series": [_line(trend, values, line, found, before) for line in lines],
        "previous": before and {"from": before.first, "to": before.last, "buckets": before.buckets},
    }


def select(chart: Chart, trend: Trend, cell: Cell, query: Compiler) -> str:
    """A SELECT of ``visitor`` (each once) and ``amount``: who is behind a number, and how much of it is theirs.

    The amount is the number of events, or the sum; for unique visitors and accounts it is the number of their events.
    """
    asked = Question(chart, query, previous=cell.previous)
    series = trend.series[cell.series]
    first, last = asked.span.first, asked.span.last
    if cell.bucket is not None:
        first = max(first, asked.periods.start(cell.bucket))
        last = min(last, asked.periods.end(cell.bucket))
    condition = series.doing.sql(query)
    if series.measure == "accounts":
        condition += " AND account_id != ''"
    value = _value(asked, trend)
    if cell.value is not None:
        [only] = cell.value
        condition += f" AND {value} IS NULL" if only is None else f" AND {value} = {asked.bind.add(only, 'String')}"
    elif cell.without is not None:
        condition += f" AND {_rank(asked, value, list(cell.without))} = {OTHER}"
    amount = _measure(asked, series, "1") if series.measure == "sum" else "count()"
    where = f"{asked.times(first, last)} AND {condition}{asked.theirs()}"
    inner = f"SELECT visitor, {amount} AS amount FROM {_source(asked, trend)} WHERE {where} GROUP BY visitor"
    if not query.linked:
        return inner
    return f"SELECT {asked.owner} AS visitor, sum(s.amount) AS amount FROM {asked.owned(inner)} GROUP BY visitor"


@dataclass
class Found:
    """``numbers``: by rank and the period's number (None: all) the measures of all series."""

    first: str
    last: str
    periods: list[int]
    buckets: list[str]
    numbers: dict[tuple[int, int | None], list[Any]]

    def values(self, rank: int, series: int) -> list[Any]:
        empty: list[Any] = []
        return [
            self.numbers[rank, period][series] if self.numbers.get((rank, period), empty) else 0
            for period in self.periods
        ]

    def total(self, rank: int, series: Series, number: int) -> Any:
        if series.measure in UNIQUE:
            return self.numbers[rank, None][number] if (rank, None) in self.numbers else 0
        return metadata.short(sum(self.values(rank, number)))


def _asked(asked: Question, trend: Trend, values: list[str | None]) -> Found:
    rank = _rank(asked, _value(asked, trend), values) if trend.breakdown else "toUInt64(1)"
    keys = {"rank": rank, "bucket": asked.periods.sql(asked.bind)}
    # The unique ones of the whole range are no sum of the periods': asked for in the same pass.
    unique = any(one.measure in UNIQUE for one in trend.series)
    rows = client.warehouse().query(_grouped(asked, trend, keys, whole=unique), asked.bind.parameters)
    numbers: dict[tuple[int, int | None], list[Any]] = {}
    for rank_, bucket, whole, *measures in rows:
        numbers[rank_, None if whole else bucket] = [
            _number(one, value) for one, value in zip(trend.series, measures, strict=True)
        ]
    begin, end = asked.periods.number(asked.span.first), asked.periods.number(min(asked.span.last, asked.now))
    # The engine's and Python's tables of time zones may differ: a period that was found is told in any case.
    periods = sorted({*range(begin, end + 1), *(bucket for _, bucket in numbers if bucket is not None)})
    return Found(
        _iso(asked.span.first), _iso(asked.span.last), periods, [asked.periods.key(one) for one in periods], numbers
    )


def _grouped(asked: Question, trend: Trend, keys: dict[str, str], *, whole: bool, only: int | None = None) -> str:
    """The measures of the series (or of ``only`` one) by ``keys``; with ``whole`` also by all keys but the last.

    Linked visitors are counted in a second step, over what each id did.
    """
    chosen = trend.series if only is None else (trend.series[only],)
    conditions = [one.doing.sql(asked.query) for one in chosen]
    where = f"{asked.times(asked.span.first, asked.span.last)} AND ({' OR '.join(dict.fromkeys(conditions))}){asked.theirs()}"
    tests = conditions if len(set(conditions)) > 1 else ["1"] * len(conditions)
    source = f"{_source(asked, trend)} WHERE {where}"
    listed = ", ".join(f"{expression} AS {name}" for name, expression in keys.items())
    names = list(keys)
    sets = f"GROUPING SETS (({', '.join(names)}), ({', '.join(names[:-1])}))" if whole else ", ".join(names)
    flag = f", grouping({names[-1]}) AS whole" if whole else ", 0 AS whole"
    if not (asked.query.linked and any(one.measure == "visitors" for one in chosen)):
        measures = ", ".join(
            f"{_measure(asked, one, test)} AS m{number}"
            for number, (one, test) in enumerate(zip(chosen, tests, strict=True))
        )
        return f"SELECT {listed}{flag}, {measures} FROM {source} GROUP BY {sets}"
    states = ", ".join(
        f"{_state(asked, one, test)} AS m{number}" for number, (one, test) in enumerate(zip(chosen, tests, strict=True))
    )
    inner = f"SELECT visitor, {listed}, {states} FROM {source} GROUP BY visitor, {', '.join(names)}"
    merged = ", ".join(f"{_merged(one, f's.m{number}', asked.owner)} AS n{number}" for number, one in enumerate(chosen))
    return f"SELECT {', '.join(names)}{flag}, {merged} FROM {asked.owned(inner)} GROUP BY {sets}"


def _measure(asked: Question, series: Series, test: str) -> str:
    if series.measure == "events":
        return "count()" if test == "1" else f"countIf({test})"
    if series.measure == "visitors":
        return "uniqExact(visitor)" if test == "1" else f"uniqExactIf(visitor, {test})"
    if series.measure == "accounts":
        return f"uniqExactIf(cityHash64(account_id), {test} AND account_id != '')"
    # Decimal, so that money adds up to the cent; if() and not sumIf(): only the events that match are looked into.
    return f"sum(if({test}, toDecimal128OrNull({asked.query.property(series.prop)}, 6), NULL))"


def _state(asked: Question, series: Series, test: str) -> str:
    """What each id adds to a measure: as ``_measure``, to be put together by ``_merged``."""
    if series.measure == "visitors":
        return f"max({test})"
    if series.measure == "accounts":
        return f"uniqExactIfState(cityHash64(account_id), {test} AND account_id != '')"
    return _measure(asked, series, test)


def _merged(series: Series, state: str, owner: str) -> str:
    if series.measure == "visitors":
        return f"uniqExactIf({owner}, {state})"
    return f"uniqExactIfMerge({state})" if series.measure == "accounts" else f"sum({state})"


def _top(asked: Question, trend: Trend) -> list[str | None]:
    """The values with the most of the first series, the greatest first, of equals the first in the alphabet."""
    sql = _grouped(asked, trend, {"value": _value(asked, trend)}, whole=False, only=0)
    rows = client.warehouse().query(f"{sql} ORDER BY 3 DESC, value LIMIT {TOP}", asked.bind.parameters)
    return [row[0] for row in rows]


def _source(asked: Question, trend: Trend) -> str:
    """The events, with the value of the field of their visitor or account where the breakdown is by one."""
    by = trend.breakdown
    if by is None or by.owner in {"event", "name"}:
        return "events"
    where = f"grp = {asked.bind.add(by.group, 'String')} AND field = {asked.bind.add(by.field, 'String')}"
    if by.owner == "account":
        known = f"SELECT account_id AS owner_id, value AS field_value FROM account_fields FINAL WHERE {where}"
        return f"events LEFT JOIN ({known}) AS f ON account_id = f.owner_id"
    known = f"SELECT visitor, value, at FROM visitor_fields FINAL WHERE {where}"
    if asked.query.linked:
        newest = f"SELECT {asked.owner} AS visitor, argMax(tuple(s.value), s.at).1 AS value FROM {asked.owned(known)} GROUP BY visitor"
        known = f"SELECT arrayJoin(arrayDistinct([s.visitor, ifNull(l.alias, s.visitor)])) AS visitor, s.value AS value FROM ({newest}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.visitor"
        return f"events LEFT ANY JOIN (SELECT visitor AS owner, value AS field_value FROM ({known})) AS f ON events.visitor = f.owner"
    return f"events LEFT JOIN (SELECT visitor AS owner, value AS field_value FROM ({known})) AS f ON events.visitor = f.owner"


def _value(asked: Question, trend: Trend) -> str:
    by = trend.breakdown
    if by is None:
        return "NULL"
    if by.owner == "name":
        return "nullIf(name, '')"
    return asked.query.property(by.field) if by.owner == "event" else "field_value"


def _rank(asked: Question, value: str, values: list[str | None]) -> str:
    """The place of a value among ``values`` from 1, or OTHER."""
    texts = [one for one in values if one is not None]
    order = asked.bind.add([values.index(one) + 1 for one in texts], "Array(UInt64)")
    known = asked.bind.add(texts, "Array(String)")
    nothing = values.index(None) + 1 if None in values else OTHER
    of_text = f"transform(ifNull({value}, ''), {known}, {order}, toUInt64({OTHER}))" if texts else f"toUInt64({OTHER})"
    return f"if({value} IS NULL, toUInt64({nothing}), {of_text})"


def _lines(trend: Trend, values: list[str | None], found: Found, before: Found | None) -> list[tuple[int, int]]:
    """Series and rank of each line of the chart, in its order."""
    if trend.breakdown is None:
        return [(number, 1) for number in range(len(trend.series))]
    ranks = [*range(1, len(values) + 1)]
    if any(rank == OTHER for rank, _ in [*found.numbers, *(before.numbers if before else ())]):
        ranks.append(OTHER)
    return [(number, rank) for number in range(len(trend.series)) for rank in ranks]


def _line(
    trend: Trend, values: list[str | None], line: tuple[int, int], found: Found, before: Found | None
) -> dict[str, Any]:
    number, rank = line
    series = trend.series[number]
    told: dict[str, Any] = {"label": series.doing.label, "measure": series.measure}
    if series.measure == "sum":
        told["property"] = series.prop
    cell: dict[str, Any] = {"series": number}
    if trend.breakdown is not None:
        told["value"] = cell["value"] = None if rank == OTHER else values[rank - 1]
        told["other"] = rank == OTHER
        if rank == OTHER:
            del cell["value"]
            cell["not"] = values
    told |= {"total": found.total(rank, series, number), "values": found.values(rank, number), "cell": cell}
    if before is not None:
        told["previous"] = {
            "total": before.total(rank, series, number),
            "values": before.values(rank, number),
            "cell": {**cell, "previous": True},
        }
    return told


def _number(series: Series, value: Any) -> Any:
    return metadata.short(value or 0) if series.measure == "sum" else int(value or 0)


def _iso(milliseconds: int) -> str:
    return clock.iso(datetime.fromtimestamp(milliseconds / 1000, tz=UTC))
