"""Funnels: how many go from step to step, and how long it takes them. One pass over the events. Blocks.

A visitor reaches step k when there are events e1 < e2 < ... < ek (strictly later each, to the millisecond), each as its
step says, the first in the range and the last at most the window after the first. The following steps may lie after the
range. The time to step k is that at the moment when it is first reached, from the latest first step that it follows
within the window. See docs/decisions/funnels.md.
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience.charts.definitions import Chart, Funnel
from arrivals.audience.charts.questions import Question, comparable
from arrivals.audience.compiler import Compiler
from arrivals.warehouse import client

BITS = 1024  # an event in the arrays is its milliseconds times this and a bit for each step: numbers sort quickly


@dataclass(frozen=True)
class Cell:
    """Those who reached ``step`` (from 1), or with ``dropped`` those who reached it and not the next."""

    step: int
    dropped: bool = False
    previous: bool = False


def answer(chart: Chart, funnel: Funnel, query: Compiler) -> dict[str, Any]:
    """``{"steps": [{"label", "visitors", "of_first", "of_previous", "dropped", "seconds", "seconds_from_previous",
    "cell", "previous"}]}``.

    ``of_first`` and ``of_previous`` are parts of 1, null where there is nobody to be a part of; ``dropped``: how many
    did not reach the next step (null at the last); ``seconds``: the median time from the first step.
    """
    now = _asked(Question(chart, query, whole=True), funnel)
    before = _asked(Question(chart, query, previous=True), funnel) if comparable(chart) else None
    steps = []
    for number, step in enumerate(funnel.steps):
        told = {"label": step.label, **_step(now, number), "cell": {"step": number + 1}}
        if before is not None:
            told["previous"] = {**_step(before, number), "cell": {"step": number + 1, "previous": True}}
        steps.append(told)
    return {"steps": steps}


def select(chart: Chart, funnel: Funnel, cell: Cell, query: Compiler) -> str:
    """A SELECT of ``visitor`` and ``amount`` (the number of steps that they reached)."""
    reached = _levels(Question(chart, query, previous=cell.previous), funnel)
    sign = "=" if cell.dropped else ">="
    return f"SELECT visitor, level AS amount FROM ({reached}) WHERE level {sign} {cell.step}"


def _step(found: list[tuple[int, float | None]], number: int) -> dict[str, Any]:
    visitors, seconds = found[number]
    first, before = found[0][0], found[max(number - 1, 0)][0]
    last = number == len(found) - 1
    return {
        "visitors": visitors,
        "of_first": visitors / first if first else None,
        "of_previous": visitors / before if before else None,
        "dropped": None if last else visitors - found[number + 1][0],
        "seconds": seconds,
    }


def _asked(asked: Question, funnel: Funnel) -> list[tuple[int, float | None]]:
    """Of each step, how many reached it and the median of their seconds from the first step."""
    listed = []
    for number in range(len(funnel.steps)):
        there = f"level > {number}"
        median = f"quantileExactInclusiveIf(0.5)(took[{number + 1}], {there})" if number else "0"
        listed += [f"countIf({there})", median]
    sql = f"SELECT {', '.join(listed)} FROM ({_levels(asked, funnel)})"
    [row] = client.warehouse().query(sql, asked.bind.parameters)
    return [
        (int(row[2 * number]), float(row[2 * number + 1]) / 1000 if row[2 * number] else None)
        for number in range(len(funnel.steps))
    ]


def _levels(asked: Question, funnel: Funnel) -> str:
    """A SELECT of ``visitor``, ``level`` (how many steps, at least 1) and ``took`` (milliseconds to each).

    Of each visitor the events that are any step, sorted by time: ``at``, and ``is`` with a bit for each step. For each
    step in its order ``s`` says at each event the latest first step of those who reach the step with this event, 0 where
    it does not; ``back`` is the place before the first event at the same moment, so that what happens at the same
    moment never follows one another. All are single passes over the arrays.
    """
    query, bind = asked.query, asked.bind
    window = round(funnel.window.total_seconds() * 1000)
    conditions = [step.sql(query) for step in funnel.steps]
    any_step = " OR ".join(dict.fromkeys(conditions))
    bits = " + ".join(f"{1 << number} * {condition}" for number, condition in enumerate(conditions))
    where = f"{asked.times(asked.span.first, asked.span.last + window)} AND ({any_step}){asked.theirs()}"
    # Without a first step in the range nothing is reached.
    begun = f"{conditions[0]} AND ts <= {bind.time(asked.span.last)}"
    events = (
        f"SELECT visitor, groupArray(toUnixTimestamp64Milli(ts) * {BITS} + ({bits})) AS e, max({begun}) AS begun "
        f"FROM events WHERE {where} GROUP BY visitor"
    )
    if query.linked:
        events = f"SELECT {asked.owner} AS visitor, groupArrayArray(s.e) AS e, max(s.begun) AS begun FROM {asked.owned(events)} GROUP BY visitor"
    last, length = bind.add(asked.span.last, "Int64"), bind.add(window, "Int64")
    parts = [
        "arraySort(e) AS sorted",
        f"arrayMap(x -> intDiv(x, {BITS}), sorted) AS at",
        f"arrayMap(x -> toUInt16(bitAnd(x, {BITS - 1})), sorted) AS is",
        "arrayFill(x -> x > 0, arrayMap((i, t, b) -> if(t != b OR i = 1, i, 0), arrayEnumerate(at), at, arrayShiftRight(at, 1))) AS back",
        f"arrayMap((t, m) -> if(bitTest(m, 0) AND t <= {last}, t, toInt64(0)), at, is) AS s0",
    ]
    for number in range(1, len(conditions)):
        parts.append(
            f"arrayMap((t, m, p) -> if(bitTest(m, {number}) AND p > 0 AND t - p <= {length}, p, toInt64(0)), at, is, "
            f"arrayMap(i -> arrayPushFront(arrayFill(x -> x > 0, s{number - 1}), toInt64(0))[i], back)) AS s{number}"
        )
    found = [f"arrayFirstIndex(x -> x > 0, s{number}) AS i{number}" for number in range(len(conditions))]
    level = " + ".join(f"(i{number} > 0)" for number in range(len(conditions)))
    took = ", ".join(f"at[i{number}] - s{number}[i{number}]" for number in range(len(conditions)))
    return (
        f"SELECT visitor, {', '.join(parts)}, {', '.join(found)}, {level} AS level, [{took}] AS took "
        f"FROM ({events}) WHERE begun"
    )
