"""Funnels: how many go from step to step, and how long it takes them. One pass over the events. Blocks.

A visitor reaches step k when there are events e1 < e2 < ... < ek (strictly later each, to the millisecond), each as its
step says, the first in the range and the last at most the window after the first. The following steps may lie after the
range. The time to step k is that at the moment when it is first reached, from the latest first step that it follows
within the window. See docs/decisions/funnels.md.
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience import tagged
from arrivals.audience.charts.definitions import Chart, Funnel
from arrivals.audience.charts.questions import Question, comparable
from arrivals.audience.compiler import Compiler
from arrivals.warehouse import client

LAST = 15  # an event in the arrays is its milliseconds times 16 and this less its step: numbers sort quickly


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

    Of each visitor the events that are any step, sorted by time and at the same moment by step, the last step first: so
    what happens at the same moment never follows one another. For each step in its order ``s`` says at each of its events
    the latest first step of those who reach the step with this event, 0 where it does not; at all other events it is 0.
    All are single passes over the arrays, of those only who did the first two steps at all.
    """
    query, bind = asked.query, asked.bind
    window = round(funnel.window.total_seconds() * 1000)
    conditions = [step.sql(query) for step in funnel.steps]
    any_step = _any(funnel, conditions, query)
    if asked.span.last < asked.now:
        # Without a first step in the range nothing is reached.
        conditions[0] = f"({conditions[0]} AND ts <= {bind.time(asked.span.last)})"
    where = f"{asked.times(asked.span.first, asked.span.last + window)} AND {any_step}{asked.theirs()}"
    events = (
        f"SELECT visitor, {_packed(funnel, conditions)} AS e, groupBitOr({conditions[0]} + 2 * {conditions[1]}) AS did "
        f"FROM events WHERE {where} GROUP BY visitor"
    )
    if query.linked:
        each = f"SELECT {asked.owner} AS visitor, groupArrayArray(s.e) AS e, groupBitOr(s.did) AS did"
        events = f"{each} FROM {asked.owned(events)} GROUP BY visitor"
    length = bind.add(window * (LAST + 1), "Int64")
    parts = [
        "arraySort(if(did = 3, e, [])) AS sorted",
        f"arrayMap(x -> (bitAnd(x, {LAST}) = {LAST}) * x, sorted) AS s0",
    ]
    for number in range(1, len(conditions)):
        reached = f"bitAnd(x, {LAST}) = {LAST - number} AND p > 0 AND x - p <= {length}"
        parts += [
            f"arrayMap((x, p) -> ({reached}) * p, sorted, arrayFill(p -> p > 0, s{number - 1})) AS s{number}",
            f"arrayFirstIndex(p -> p > 0, s{number}) AS i{number}",
        ]
    later = range(1, len(conditions))
    level = " + ".join(["1", *(f"(i{number} > 0)" for number in later)])
    took = [f"intDiv(sorted[i{number}], {LAST + 1}) - intDiv(s{number}[i{number}], {LAST + 1})" for number in later]
    return (
        f"SELECT visitor, {', '.join(parts)}, {level} AS level, [{', '.join(['toInt64(0)', *took])}] AS took "
        f"FROM ({events}) WHERE bitTest(did, 0)"
    )


def _any(funnel: Funnel, conditions: list[str], query: Compiler) -> str:
    """The condition that an event is any of the steps, in brackets. Steps that are nothing but a name are asked for
    together: one look at a column takes less than one a step."""
    named: dict[str, list[str]] = {}
    parts: list[str] = []
    for step, condition in zip(funnel.steps, conditions, strict=True):
        if step.rule.name is None or step.rule.where or step.rule.kind in tagged.KINDS:
            parts.append(condition)
        else:
            named.setdefault(step.rule.kind, []).append(step.rule.name)
    for kind, names in named.items():
        listed = query.bind.add(list(dict.fromkeys(names)), "Array(String)")
        parts.append(f"({query.matching(kind, None, ())} AND name IN {listed})")
    return f"({' OR '.join(dict.fromkeys(parts))})"


def _packed(funnel: Funnel, conditions: list[str]) -> str:
    """The aggregate of a visitor's events, each as a number for every step that it is: see ``LAST``."""
    at = f"toUnixTimestamp64Milli(ts) * {LAST + 1}"
    rules = [step.rule for step in funnel.steps]
    kinds, names = {rule.kind for rule in rules}, {rule.name for rule in rules if rule.name is not None}
    if len(names) == len(rules) and len(kinds) == 1 and not kinds & set(tagged.KINDS):
        # Other names, so other events: none is two steps, and it takes less to pack them.
        listed = ", ".join(f"{condition}, {LAST - number}" for number, condition in enumerate(conditions))
        return f"groupArray({at} + multiIf({listed}, 0))"
    listed = ", ".join(f"{at} + {LAST - number} * {condition}" for number, condition in enumerate(conditions))
    return f"groupArrayArray(arrayFilter(x -> bitAnd(x, {LAST}) > 0, [{listed}]))"
