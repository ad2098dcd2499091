"""The Net Promoter Score over time (Reichheld 2003). One pass over the answers. Blocks.

Each response counts: an answer to the survey with a score that is a number. The score is the part of promoters (9-10)
less the part of detractors (0-6), in points from -100 to 100.
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience import answers
from arrivals.audience.charts.definitions import Chart, Nps
from arrivals.audience.charts.questions import Question, comparable
from arrivals.audience.compiler import Compiler
from arrivals.warehouse import client

CLASSES = ("promoter", "passive", "detractor")


@dataclass(frozen=True)
class Cell:
    """Those who responded in a period (None: in the range), of a class ("": any)."""

    bucket: int | None = None
    class_: str = ""
    previous: bool = False


def answer(chart: Chart, nps: Nps, query: Compiler) -> dict[str, Any]:
    """``{"by", "survey", "buckets": [{"bucket", ...numbers}], "total": {...numbers}, "previous"}``; the numbers are
    ``score`` (one decimal, null without responses), ``responses``, ``promoter``, ``passive``, ``detractor``, ``cell``.
    """
    told = {"by": nps.by, "survey": nps.survey, **_asked(Question(chart, query, whole=True), nps)}
    if comparable(chart):
        told["previous"] = _asked(Question(chart, query, previous=True), nps, previous=True)
    return told


def select(chart: Chart, nps: Nps, cell: Cell, query: Compiler) -> str:
    """A SELECT of ``visitor`` and ``amount`` (the number of their responses)."""
    asked = Question(chart, query, previous=cell.previous)
    first, last = asked.span.first, asked.span.last
    if cell.bucket is not None:
        first = max(first, asked.periods.start(cell.bucket))
        last = min(last, asked.periods.end(cell.bucket))
    score, matching = _score(asked, nps)
    classes = {
        "": f"{score} IS NOT NULL",
        "promoter": f"{score} >= {answers.PROMOTER}",
        "passive": f"{score} >= {answers.PASSIVE} AND {score} < {answers.PROMOTER}",
        "detractor": f"{score} < {answers.PASSIVE}",
    }
    where = f"{asked.times(first, last)} AND {matching} AND ifNull({classes[cell.class_]}, 0){asked.theirs()}"
    inner = f"SELECT visitor, count() AS amount FROM events WHERE {where} GROUP BY visitor"
    if not query.linked:
        return inner
    return f"SELECT {asked.owner} AS visitor, sum(s.amount) AS amount FROM {asked.owned(inner)} GROUP BY visitor"


def _asked(asked: Question, nps: Nps, *, previous: bool = False) -> dict[str, Any]:
    score, matching = _score(asked, nps)
    sql = (
        f"SELECT bucket, countIf(score >= {answers.PROMOTER}), countIf(score >= {answers.PASSIVE} AND score < {answers.PROMOTER}), "
        f"countIf(score < {answers.PASSIVE}) FROM (SELECT {asked.periods.sql(asked.bind)} AS bucket, {score} AS score "
        f"FROM events WHERE {asked.times(asked.span.first, asked.span.last)} AND {matching}{asked.theirs()}) "
        "WHERE score IS NOT NULL GROUP BY bucket"
    )
    found = {int(row[0]): tuple(map(int, row[1:4])) for row in client.warehouse().query(sql, asked.bind.parameters)}
    begin, end = asked.periods.number(asked.span.first), asked.periods.number(asked.span.last)
    cell = {"previous": True} if previous else {}
    buckets = []
    for period in sorted({*range(begin, end + 1), *found}):
        key = asked.periods.key(period)
        buckets.append({"bucket": key, **_numbers(found.get(period, (0, 0, 0)), {"bucket": key, **cell})})
    sums = tuple(sum(row[place] for row in found.values()) for place in range(3))
    return {"buckets": buckets, "total": _numbers(sums, cell)}


def _numbers(counts: tuple[int, ...], cell: dict[str, Any]) -> dict[str, Any]:
    promoters, passives, detractors = counts
    responses = promoters + passives + detractors
    score = round(100 * (promoters - detractors) / responses, 1) if responses else None
    named = dict(zip(CLASSES, counts, strict=True))
    return {"score": score, "responses": responses, **named, "cell": cell}


def _score(asked: Question, nps: Nps) -> tuple[str, str]:
    """The score of an event as a number or NULL, and the condition that it is an answer to the survey."""
    matching = asked.query.matching("survey", nps.survey, ())
    return f"toFloat64OrNull({answers.said(asked.query, 'score', matching)})", matching
