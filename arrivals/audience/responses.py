"""Responses to surveys: as members of a report, and as a list. Blocks.

A response is an event with a score; its id is the event's message id, so that a second answer of the same visitor is
another response. Its reason is the newest one that the same visitor gave to the survey from that moment on, within an
hour and before the next score: it may be in the same event or, from Pendo's agent, in one that follows. In a survey
that never had a score each answer is a response by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import answers, cells, columns, cursors, metadata, rules, survey_classes, windows
from arrivals.audience.cells import Cells, Person
from arrivals.audience.columns import Part
from arrivals.audience.compiler import LINKS, Compiler, Query
from arrivals.audience.models import Report
from arrivals.errors import Invalid, InvalidReport
from arrivals.warehouse import client

MOST = 1000
NAMED_LINKS = "(SELECT alias, visitor, visitor_id FROM links FINAL)"


@dataclass(frozen=True)
class Response:
    """One response. ``score`` is a number where it is one; ``at`` is aware UTC."""

    id: str
    survey: str
    score: Any
    reason: str | None
    class_: str | None
    visitor: Person
    account: str | None
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        """id, survey, score, reason, class, visitor_id, account_id, at."""
        return {
            "id": self.id,
            "survey": self.survey,
            "score": self.score,
            "reason": self.reason,
            "class": self.class_,
            "visitor_id": self.visitor.id,
            "account_id": self.account,
            "at": clock.iso(self.at),
        }


def ids(report: Report, *, now: datetime | None = None, prefix: str = "r_") -> tuple[Query, str]:
    """A SELECT of one column ``visitor``: the hashes of the ids of the responses on the report at ``now``; and one of
    ``visitor``, ``id`` and ``at`` for these (and other answers), with the same parameters.

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed.
    """
    query = Compiler(now, prefix)
    times = query.times(windows.parse(report.range, "range", InvalidReport))
    answer = query.matching("survey", report.survey, ())
    found = f"SELECT message_id, visitor FROM events WHERE {is_response(query, report.survey)} AND {times}"
    if report.segment is not None:
        inside = query.query(rules.parse(report.segment.rules), within=None).sql
        found = f"SELECT message_id FROM {resolved(query, found)} WHERE person IN ({inside})"
    names = f"SELECT cityHash64(message_id) AS visitor, any(message_id) AS id, max(ts) AS at FROM events WHERE {answer} AND {times} GROUP BY visitor"
    return Query(f"SELECT DISTINCT cityHash64(message_id) AS visitor FROM ({found})", query.bind.parameters), names


def rows(report: Report, query: Compiler, window: windows.Window) -> str:
    """A SELECT of the responses in the report's range by anybody: ``owner`` (the key), ``message_id``, ``ts``,
    ``score``, ``text`` (of one without a score), ``person``, ``named`` (the visitor's id) and ``account_id``."""
    score, reason, text = (answers.said(query, name) for name in ("score", "reason", "response"))
    events = (
        f"SELECT message_id, visitor, visitor_id, account_id, ts, {score} AS score, ifNull({reason}, {text}) AS text "
        f"FROM events WHERE {is_response(query, report.survey)} AND {query.times(window)}"
    )
    shown = "message_id, ts, score, text, person, ifNull(person_id, visitor_id) AS named, account_id"
    return f"SELECT cityHash64(message_id) AS owner, {shown} FROM {resolved(query, events)}"


def reasons(report: Report, query: Compiler, window: windows.Window, found: str) -> str:
    """A SELECT of ``owner`` and ``v``, the reason of each response of ``rows`` that has one: as in ``_reasons``, each
    reason belongs to the newest score that is not after it."""
    first, last = window.bounds(query.now)
    score, reason = (answers.said(query, name) for name in ("score", "reason"))
    lower = "" if first is None else f" AND ts >= {query.bind.time(first)}"
    patient = query.bind.time(last + round(answers.PATIENCE.total_seconds() * 1000))
    events = (
        f"SELECT message_id, visitor, visitor_id, ts, {score} AS score, {reason} AS reason FROM events "
        f"WHERE {query.matching('survey', report.survey, ())}{lower} AND ts <= {patient}"
    )
    said = f"SELECT message_id, person, ts, score, reason FROM {resolved(query, events)}"
    return (
        f"SELECT cityHash64(s.message_id) AS owner, argMax(r.reason, r.ts) AS v "
        f"FROM (SELECT person, ts, reason FROM ({said}) WHERE reason IS NOT NULL) AS r "
        f"ASOF INNER JOIN (SELECT person, ts, message_id FROM ({said}) WHERE score IS NOT NULL) AS s "
        f"ON r.person = s.person AND r.ts >= s.ts WHERE r.ts <= s.ts + toIntervalMinute({round(answers.PATIENCE.total_seconds() / 60)}) "
        f"GROUP BY owner UNION ALL SELECT owner, text AS v FROM ({found}) WHERE score IS NULL"
    )


def of(report: Report, responses: Mapping[int, str]) -> dict[int, Cells]:
    """The rows of ``responses`` (key -> id), whether or not they are on the report. At most a few thousand."""
    if not responses:
        return {}
    query = Compiler(None, "c_")
    wanted = query.bind.add(list(responses.values()), "Array(String)")
    answer = query.matching("survey", report.survey, ())
    known = {one.id: one for one in read(query, f"{answer} AND message_id IN {wanted}")}
    found: dict[int, Cells] = {}
    facts: dict[int, dict[str, Any]] = {}
    chosen = columns.parse(report.columns, report.kind)
    for key, id_ in responses.items():
        if id_ not in known:  # the event was erased meanwhile
            found[key] = Cells(more={"response": {"id": id_}})
            continue
        one = known[id_]
        values = one.as_dict()
        parts = {name: values[name] for name in ("id", "survey", "score", "reason", "class", "at")}
        found[key] = Cells(visitor=one.visitor, account=one.account, more={"response": parts})
        facts[key] = {f"c{n}": parts[column.name] for n, column in enumerate(chosen) if isinstance(column, Part)}
    cells.fill(found, chosen, facts)
    return found


def page(
    survey: str = "", *, since: str = "", limit: int = 50, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Responses to a survey, or to all, newest first, as ``Response.as_dict``; and the cursor of the next page or None.

    ``since``: an ISO 8601 time; only those from then on.

    Raises:
        Invalid: a cursor that is not ours, ``since`` is no time, or a limit outside 1..1000. CheckTimeout.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    query = Compiler(None, "c_")
    try:
        first = workspace.parse(since) if since else None
    except (ValueError, OverflowError) as error:
        raise Invalid(f"It must be a time in ISO 8601; got {since!r:.40}.", path="since") from error
    where = f"{is_response(query, survey)} AND {query.times(windows.Window(since=first))}"
    if cursor:
        at, id_ = cursors.read_moment(cursor)
        where += f" AND (ts, message_id) < ({query.bind.time(at)}, {query.bind.add(id_, 'String')})"
    found = read(query, where, f"ORDER BY ts DESC, message_id DESC LIMIT {query.bind.add(limit + 1, 'UInt32')}")
    shown = found[:limit]
    following = cursors.of_moment(shown[-1].at, shown[-1].id) if len(found) > limit else None
    return [one.as_dict() for one in shown], following


def visitors(ids: Sequence[str]) -> dict[str, str]:
    """The visitor's id of each response that is known."""
    query = Compiler(None, "c_")
    wanted = query.bind.add(list(ids), "Array(String)")
    found = read(query, f"{query.matching('survey', None, ())} AND message_id IN {wanted}") if ids else []
    return {one.id: one.visitor.id for one in found}


def is_response(query: Compiler, survey: str) -> str:
    """The condition on events: an answer with a score, or any in a survey that never had one."""
    answer = query.matching("survey", survey or None, ())
    score = answers.said(query, "score", answer)
    scored = f"SELECT name FROM events WHERE {answer} AND {score} IS NOT NULL GROUP BY name"
    return f"{answer} AND ({score} IS NOT NULL OR name NOT IN ({scored}))"


def resolved(query: Compiler, events: str) -> str:
    """``events`` (a SELECT with visitor) with ``person``, its key, and ``person_id``, its id where it was linked."""
    if not query.linked:
        return f"(SELECT *, visitor AS person, NULL AS person_id FROM ({events}))"
    return (
        f"(SELECT s.*, coalesce(l.visitor, s.visitor) AS person, l.visitor_id AS person_id FROM ({events}) AS s "
        f"LEFT JOIN {NAMED_LINKS} AS l ON s.visitor = l.alias)"
    )


def read(query: Compiler, where: str, tail: str = "") -> list[Response]:
    """The responses (``where`` says that they are some: see ``is_response``) for which ``where`` holds; two or three questions, however many they are."""
    said = [answers.said(query, name) for name in ("score", "reason", "response")]
    events = (
        "SELECT message_id, visitor, name, visitor_id, account_id, ts, "
        f"{said[0]} AS score, {said[1]} AS reason, {said[2]} AS text FROM events WHERE {where} {tail}"
    )
    shown = "message_id, name, person, ifNull(person_id, visitor_id), account_id, ts, score, ifNull(reason, text)"
    found = client.warehouse().query(
        f"SELECT {shown} FROM {resolved(query, events)} ORDER BY ts DESC, message_id DESC", query.bind.parameters
    )
    if not found:
        return []
    reasons = _reasons([(row[1], row[2], row[5]) for row in found if row[6] is not None])
    accounts = cells.accounts_of({row[2] for row in found if not row[4]})
    kinds = survey_classes.kinds({row[1] for row in found})
    return [
        Response(
            id=id_,
            survey=survey,
            score=metadata.number(score),
            reason=text if score is None else reasons.get((survey, person, at)),
            class_=survey_classes.of(kinds[survey], score),
            visitor=Person(person, visitor),
            account=account or accounts.get(person),
            at=at.astimezone(UTC),
        )
        for id_, survey, person, visitor, account, at, score, text in found
    ]


def _reasons(scores: Sequence[tuple[str, int, datetime]]) -> dict[tuple[str, int, datetime], str]:
    """The reason that belongs to each score, which is given by survey, visitor and time."""
    if not scores:
        return {}
    query = Compiler(None, "c_")
    keys = query.bind.add(sorted({person for _, person, _ in scores}), "Array(UInt64)")
    theirs = f"visitor IN {keys}"
    if query.linked:
        theirs = f"({theirs} OR visitor IN (SELECT alias FROM {LINKS} WHERE visitor IN {keys}))"
    surveys = query.bind.add(sorted({survey for survey, _, _ in scores}), "Array(String)")
    times = [at for _, _, at in scores]
    first, last = (query.bind.time(round(at.timestamp() * 1000)) for at in (min(times), max(times) + answers.PATIENCE))
    answer = (
        f"{query.matching('survey', None, ())} AND name IN {surveys} AND {theirs} AND ts >= {first} AND ts <= {last}"
    )
    parts = f"{answers.said(query, 'score')} IS NOT NULL AS scored, {answers.said(query, 'reason')} AS reason"
    events = f"SELECT visitor, name, ts, {parts} FROM events WHERE {answer}"
    told: dict[tuple[str, int], list[tuple[datetime, bool, str | None]]] = {}
    for survey, person, at, scored, reason in client.warehouse().query(
        f"SELECT name, person, ts, scored, reason FROM {resolved(query, events)} ORDER BY ts", query.bind.parameters
    ):
        told.setdefault((survey, person), []).append((at, bool(scored), reason))
    found = {}
    for survey, person, at in scores:
        later = [one for one in told.get((survey, person), []) if at <= one[0] <= at + answers.PATIENCE]
        end = min((moment for moment, scored, _ in later if scored and moment > at), default=None)
        given = [reason for moment, _, reason in later if reason is not None and (end is None or moment < end)]
        if given:
            found[survey, person, at] = given[-1]
    return found
