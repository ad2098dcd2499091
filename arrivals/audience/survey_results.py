"""What a survey found: score, classes, distribution, score over time, response rate, and the responses. Blocks.

A response is what ``responses`` says that it is. Days are in the workspace's time zone.
Source of the formulas: Reichheld 2003 for NPS; CSAT is the share of the two best of five answers.
"""

import csv as spreadsheet
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from arrivals.accounts import workspace
from arrivals.audience import answers, cursors, responses, rows, rules, survey_classes, survey_forms, windows
from arrivals.audience.compiler import LINKS, Compiler
from arrivals.audience.models import Segment, Survey
from arrivals.errors import Invalid
from arrivals.warehouse import client

RANGE = {"within": "90d"}
DAYS, WEEKS = 45, 200  # a span of at most so many days is shown by day, by week; a longer one by month
CSV = ("at", "visitor", "account", "score", "class", "answer", "id")
NUMBER = "toFloat64OrNull"


@dataclass(frozen=True)
class Asked:
    """Which responses: of the visitors of ``segment`` (None: of all), in ``range`` (as a report's), of one class."""

    survey: Survey
    segment: Segment | None = None
    range: Any = field(default_factory=lambda: dict(RANGE))
    class_: str = ""

    def window(self) -> windows.Window:
        """Raises Invalid (path "range", "class")."""
        if self.class_ and self.class_ not in survey_classes.CLASSES[self.survey.kind]:
            allowed = ", ".join(survey_classes.CLASSES[self.survey.kind]) or "none, for this kind of survey"
            raise Invalid(f"It must be one of {allowed}; got {self.class_!r:.40}.", path="class")
        return windows.parse(self.range, "range", Invalid)


@dataclass(frozen=True)
class Period:
    """A day, week or month that begins at ``first``."""

    first: date
    counts: dict[Any, int]
    kind: str

    @property
    def responses(self) -> int:
        return sum(self.counts.values())

    @property
    def score(self) -> float | None:
        return score(self.kind, self.counts)


def score(kind: str, counts: dict[Any, int]) -> float | None:
    """The score of these answers (value -> how many): NPS from -100 to 100, CSAT from 0 to 100; None without any."""
    total = sum(counts.values())
    if not total or kind not in survey_forms.SCALES:
        return None
    best, _, worst = (_within(counts, one) for one in survey_classes.CLASSES[kind])
    return 100 * (best - worst if kind == "nps" else best) / total


def summary(asked: Asked, *, now: datetime | None = None) -> dict[str, Any]:
    """responses, score, average, classes, distribution, outside, shown, answered, rate, period, over_time.

    ``classes`` and ``distribution`` are how many of each; ``outside`` how many scores are none of the scale and count
    nowhere else. ``shown``: how many people saw it in the range, ``answered`` how many of these answered in it,
    ``rate`` the one by the other, from 0 to 1; a person's ids count as one. ``over_time`` has the same for each
    ``period``, and leaves none out between the first and the last with an answer.

    Raises:
        Invalid: range or class. CheckTimeout.
    """
    kind = asked.survey.kind
    days, outside = _by_day(asked, now)
    period = _period(list(days))
    periods = [Period(first, dict(counts), kind) for first, counts in _joined(days, period).items()]
    counts: Counter[Any] = Counter()
    for one in periods:
        counts.update(one.counts)
    total = sum(counts.values())
    shown, answered = _people(asked, now)
    average = sum(value * n for value, n in counts.items()) / total if total and kind in survey_forms.SCALES else None
    return {
        "responses": total,
        "score": score(kind, counts),
        "average": average,
        "classes": {one: _within(counts, one) for one in survey_classes.CLASSES[kind]},
        "distribution": [{"value": value, "count": counts[value]} for value in _values(asked.survey, counts)],
        "outside": outside,
        "shown": shown,
        "answered": answered,
        "rate": answered / shown if shown else None,
        "period": period,
        "over_time": [
            {"from": one.first.isoformat(), "responses": one.responses, "score": one.score} for one in periods
        ],
    }


def overview(surveys: Sequence[Survey], *, seconds: float = 5) -> dict[str, tuple[int, float | None]]:
    """Responses and score of each survey (by its key) in the past 90 days, for all of them in one question.

    Raises:
        CheckTimeout: it takes longer than ``seconds``.
    """
    if not surveys:
        return {}
    query = Compiler(None, "c_")
    names = query.bind.add([one.key for one in surveys], "Array(String)")
    where = f"{query.matching('survey', None, ())} AND name IN {names} AND {query.times(Asked(surveys[0]).window())}"
    value = f"{NUMBER}({answers.said(query, 'score')})"
    found = client.warehouse().query(
        f"SELECT name, {value} AS value, count() FROM events WHERE {where} GROUP BY name, value",
        query.bind.parameters,
        seconds=seconds,
    )
    told: dict[str, tuple[int, float | None]] = {}
    for survey in surveys:
        mine = {value: number for name, value, number in found if name == survey.key}
        if survey.kind in survey_forms.SCALES:
            mine = {int(value): number for value, number in mine.items() if _on_scale(survey.kind, value)}
        told[survey.key] = (sum(mine.values()), score(survey.kind, mine))
    return told


def page(
    asked: Asked, *, limit: int = 50, cursor: str = "", commented: bool = False, now: datetime | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """Responses, newest first, as ``responses.Response.as_dict``, and the cursor of the next page or None.

    ``commented``: only those with something in words; a page may then hold fewer than ``limit``.

    Raises:
        Invalid: a cursor that is not ours, a limit outside 1..1000, range or class. CheckTimeout.
    """
    if not 1 <= limit <= responses.MOST:
        raise Invalid(f"The limit must be from 1 to {responses.MOST}.", path="limit")
    query = Compiler(now, "c_")
    where = _where(query, asked)
    if asked.class_:
        least, most = survey_classes.BOUNDS[asked.class_]
        number = f"{NUMBER}({answers.said(query, 'score')})"
        where += (
            f" AND {number} >= {query.bind.add(least, 'Float64')} AND {number} <= {query.bind.add(most, 'Float64')}"
        )
    if commented:
        answer = query.matching("survey", asked.survey.key, ())
        words = f"({answers.said(query, 'reason')} IS NOT NULL OR {answers.said(query, 'response')} IS NOT NULL)"
        where += f" AND visitor IN (SELECT visitor FROM events WHERE {answer} AND {words})"
    if cursor:
        at, id_ = cursors.read_moment(cursor)
        where += f" AND (ts, message_id) < ({query.bind.time(at)}, {query.bind.add(id_, 'String')})"
    tail = f"ORDER BY ts DESC, message_id DESC LIMIT {query.bind.add(limit + 1, 'UInt32')}"
    found = responses.read(query, where, tail)
    following = cursors.of_moment(found[limit - 1].at, found[limit - 1].id) if len(found) > limit else None
    shown = [one for one in found[:limit] if one.reason or not commented]
    return [one.as_dict() for one in shown], following


def csv(asked: Asked) -> Iterator[str]:
    """All responses as CSV text (RFC 4180), piece by piece, header first; guarded as a report's. Raises as ``page``."""
    yield _line(CSV)
    cursor: str | None = ""
    while cursor is not None:
        found, cursor = page(asked, limit=responses.MOST, cursor=cursor)
        names = ("at", "visitor_id", "account_id", "score", "class", "reason", "id")
        yield "".join(_line([one[name] for name in names]) for one in found)


def _line(values: Any) -> str:
    text = io.StringIO()
    spreadsheet.writer(text, lineterminator="\r\n").writerow([rows.guarded(one) for one in values])
    return text.getvalue()


def _where(query: Compiler, asked: Asked) -> str:
    """The condition on events: responses to the survey, in the range, of the segment's visitors."""
    return f"{responses.is_response(query, asked.survey.key)} AND {_span(query, asked)}"


def _span(query: Compiler, asked: Asked) -> str:
    times = query.times(asked.window())
    if asked.segment is None:
        return times
    inside = query.query(rules.parse(asked.segment.rules), within=None).sql
    theirs = f"visitor IN ({inside})"
    if query.linked:
        theirs = f"({theirs} OR visitor IN (SELECT alias FROM {LINKS} WHERE visitor IN ({inside})))"
    return f"{times} AND {theirs}"


def _by_day(asked: Asked, now: datetime | None) -> tuple[dict[date, Counter[Any]], int]:
    """How often each value was given on each day; and how many scores are none of the scale."""
    query = Compiler(now, "c_")
    where, survey = _where(query, asked), asked.survey
    zone = query.bind.add(workspace.time_zone(), "String")
    scaled = survey.kind in survey_forms.SCALES
    choices = survey.definition["choices"]
    if scaled:
        value = f"{NUMBER}({answers.said(query, 'score')})"
    elif choices:
        given, known = answers.said(query, "response"), query.bind.add(choices, "Array(String)")
        value = f"if(has({known}, {given}), {given}, '')"
    else:
        value = "''"
    found = client.warehouse().query(
        f"SELECT toDate(ts, {zone}) AS day, {value} AS value, count() FROM events WHERE {where} GROUP BY day, value "
        "ORDER BY day, value",
        query.bind.parameters,
    )
    days: dict[date, Counter[Any]] = {}
    outside = 0
    for day, given, times in found:
        if scaled and not _on_scale(survey.kind, given):
            outside += times
            continue
        days.setdefault(day, Counter())[int(given) if scaled else given] += times
    return days, outside


def _on_scale(kind: str, given: float | None) -> bool:
    least, most = survey_forms.SCALES[kind]
    return given is not None and least <= given <= most and given == int(given)


def _people(asked: Asked, now: datetime | None) -> tuple[int, int]:
    """How many people it was shown to, and how many of these answered."""
    query = Compiler(now, "c_")
    kinds = [query.bind.add(one, "String") for one in ("survey_shown", "survey_answered")]
    name = query.bind.add(asked.survey.key, "String")
    events = f"SELECT visitor, kind FROM events WHERE kind IN ({', '.join(kinds)}) AND name = {name} AND {_span(query, asked)}"
    each = (
        f"SELECT max(kind = {kinds[0]}) AS shown, max(kind = {kinds[1]}) AS answered "
        f"FROM {responses.resolved(query, events)} GROUP BY person"
    )
    [(shown, answered)] = client.warehouse().query(
        f"SELECT countIf(shown), countIf(shown AND answered) FROM ({each})", query.bind.parameters
    )
    return int(shown), int(answered)


def _period(days: list[date]) -> str:
    length = (max(days) - min(days)).days + 1 if days else 0
    return "day" if length <= DAYS else "week" if length <= WEEKS else "month"


def _joined(days: dict[date, Counter[Any]], period: str) -> dict[date, Counter[Any]]:
    """The days put together by period, with the empty periods between them."""
    if not days:
        return {}
    first, last = min(days), max(days)
    joined: dict[date, Counter[Any]] = {}
    at = workspace.first_day(period, first)
    while at <= last:
        joined[at] = Counter()
        at = workspace.moved(period, at, 1)
    for day, counts in days.items():
        joined[workspace.first_day(period, day)].update(counts)
    return joined


def _values(survey: Survey, counts: Counter[Any]) -> list[Any]:
    """The values of the distribution: all of the scale, or the choices and (as an empty text) what is none of them."""
    if survey.kind in survey_forms.SCALES:
        least, most = survey_forms.SCALES[survey.kind]
        return list(range(least, most + 1))
    choices = survey.definition["choices"]
    return [*choices, *([""] if counts[""] else [])] if choices else []


def _within(counts: dict[Any, int], class_: str) -> int:
    least, most = survey_classes.BOUNDS[class_]
    return sum(number for value, number in counts.items() if least <= value <= most)


def span(within: str = "", first: str = "", last: str = "") -> Any:
    """A range as data of what an address says: ``within`` ("30d", "ever"), or a first and a last date, either of which
    may be left out; nothing: 90 days.

    Raises:
        Invalid: both forms at once (path "within").
    """
    if within and (first or last):
        raise Invalid("Give within, or since and until, not both.", path="within")
    if first or last:
        return {"between": [first or "1970-01-01", last]} if last else {"since": first}
    return {"ever": True} if within == "ever" else {"within": within} if within else dict(RANGE)
