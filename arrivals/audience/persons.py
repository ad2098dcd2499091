"""What is read of one visitor or account page by page: fields, accounts, events; and who begins so. Blocks.

Events are read by their primary key: the hashes of the visitor's ids.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from arrivals import clock
from arrivals.audience import answers, compiler, cursors, metadata, survey_classes
from arrivals.audience.compiler import NEVER
from arrivals.audience.person import Person
from arrivals.errors import Invalid, NotFound
from arrivals.warehouse import client

MOST = 1000
MOST_ANSWERS = 100
MOST_FOUND = 20
SESSION = timedelta(minutes=30)  # a longer pause begins another session
SELECT = "SELECT ts, kind, name, source_id, account_id, url, message_id, properties, visitor_id FROM events"
IDENTIFIED = " AND visitor NOT IN (SELECT alias FROM links)"


def visits(person: Person) -> tuple[str | None, str | None]:
    """Time of the first and of the newest event; nothing where there was none yet."""
    [(first, last)] = client.warehouse().query(
        f"SELECT minIf(first, last > {NEVER}), max(last) FROM visitors WHERE visitor IN {{keys:Array(UInt64)}}",
        {"keys": list(person.keys)},
    )
    return (clock.iso(first), clock.iso(last)) if last.timestamp() > 0 else (None, None)


def fields(person: Person) -> dict[str, list[dict[str, Any]]]:
    """Group -> its fields in order, each ``{"field", "value", "at"}``: ``at`` is when the value was last set."""
    return _grouped(
        client.warehouse().query(
            "SELECT grp, field, argMax(tuple(value), at).1, argMax(type, at), max(at) FROM visitor_fields "
            "WHERE visitor IN {keys:Array(UInt64)} GROUP BY grp, field ORDER BY grp, field",
            {"keys": list(person.keys)},
        )
    )


def account_fields(account_id: str) -> dict[str, list[dict[str, Any]]]:
    """As ``fields``, of an account."""
    return _grouped(
        client.warehouse().query(
            "SELECT grp, field, value, type, at FROM account_fields FINAL WHERE account_id = {id:String} ORDER BY grp, field",
            {"id": account_id},
        )
    )


def accounts(person: Person) -> list[dict[str, Any]]:
    """The accounts that its events named, the newest first: ``id``, ``first``, ``last``."""
    found = client.warehouse().query(
        "SELECT any(account_id), min(first), max(last) FROM account_visitors WHERE visitor IN {keys:Array(UInt64)} "
        "GROUP BY account ORDER BY max(last) DESC, any(account_id) LIMIT 100",
        {"keys": list(person.keys)},
    )
    return [{"id": id_, "first": clock.iso(first), "last": clock.iso(last)} for id_, first, last in found]


def account(account_id: str) -> dict[str, Any]:
    """``id``, ``visitors`` (how many named it), ``first`` and ``last`` visit. Raises NotFound."""
    [(number, first, last)] = client.warehouse().query(
        "SELECT uniqExact(visitor), min(first), max(last) FROM account_visitors WHERE account = cityHash64({id:String})",
        {"id": account_id},
    )
    if not number and not account_fields(account_id):
        raise NotFound(f"There is no account {account_id!r:.80}.")
    times = (clock.iso(first), clock.iso(last)) if number else (None, None)
    return {"id": account_id, "visitors": number, "first": times[0], "last": times[1]}


def visitors(account_id: str, *, limit: int = 50, cursor: str = "") -> tuple[list[dict[str, Any]], str | None]:
    """The visitors whose events named an account, the last seen there first: ``id``, ``first``, ``last``; and the cursor
    of the next page. Raises Invalid."""
    owner, joined = "a.visitor", ""
    if compiler.linked():
        owner, joined = "coalesce(l.visitor, a.visitor)", f"LEFT JOIN {compiler.LINKS} AS l ON a.visitor = l.alias"
    theirs = (
        f"SELECT {owner} AS person, min(a.first) AS first, max(a.last) AS last FROM "
        f"(SELECT visitor, first, last FROM account_visitors WHERE account = cityHash64({{account:String}})) AS a {joined} GROUP BY person"
    )
    after, named = _after("last", "id", cursor)
    rows = client.warehouse().query(
        f"SELECT v.id AS id, t.first AS first, t.last AS last FROM ({theirs}) AS t INNER JOIN "
        f"(SELECT visitor, any(visitor_id) AS id FROM visitors WHERE visitor IN (SELECT person FROM ({theirs})) GROUP BY visitor) AS v "
        f"ON t.person = v.visitor WHERE {after} ORDER BY last DESC, id DESC LIMIT {{most:UInt32}}",
        {"account": account_id, "most": limit + 1, **named},
    )
    shown = [{"id": id_, "first": clock.iso(first), "last": clock.iso(last)} for id_, first, last in rows[:limit]]
    following = cursors.of_moment(rows[limit - 1][2], rows[limit - 1][0]) if len(rows) > limit else None
    return shown, following


def timeline(
    person: Person, *, kinds: Sequence[str] = (), limit: int = 50, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """What a visitor did, newest first; and the cursor of the next page or None.

    Each: at, kind, name, source, account, url, event (its message id), visitor (the id it came with), properties.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000.
    """
    return _timeline("visitor IN {keys:Array(UInt64)}", {"keys": list(person.keys)}, kinds, limit, cursor)


def account_timeline(
    account_id: str, *, kinds: Sequence[str] = (), limit: int = 50, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """As ``timeline``: the events that name an account. Only the events of its visitors are read."""
    where = (
        "visitor IN (SELECT visitor FROM account_visitors WHERE account = cityHash64({account:String})) "
        "AND account_id = {account:String}"
    )
    return _timeline(where, {"account": account_id}, kinds, limit, cursor)


def answered(person: Person) -> list[dict[str, Any]]:
    """Its answers to surveys, newest first, at most 100: id, survey, score, class, reason, at.

    As ``responses`` does it: the reason of a score is the newest one given within an hour and before the next score;
    in a survey where it never gave a score, each text is an answer.
    """
    rows = client.warehouse().query(
        f"{SELECT} WHERE visitor IN {{keys:Array(UInt64)}} AND kind = 'survey_answered' ORDER BY ts DESC LIMIT {{most:UInt32}}",
        {"keys": list(person.keys), "most": MOST_ANSWERS * 2},
    )
    said: dict[str, list[tuple[datetime, Any, Any, str]]] = {}
    for at, _kind, survey, _source, _account, _url, id_, properties, _visitor in rows:
        data = orjson.loads(properties)
        text = data.get("reason") or data.get("response")
        said.setdefault(survey, []).append((at, data.get("score"), text, id_))
    kinds = survey_classes.kinds(said)
    found: list[tuple[datetime, dict[str, Any]]] = []
    for survey, given in said.items():
        scored = any(score is not None for _, score, *_ in given)
        for at, score, text, id_ in given:
            if scored and score is None:
                continue
            end = min((one for one, its, *_ in given if its is not None and one > at), default=at + answers.PATIENCE)
            end = min(end, at + answers.PATIENCE + timedelta(milliseconds=1))
            later = [(one, its) for one, _, its, _ in given if its is not None and at <= one < end]
            reason = (max(later)[1] if later else None) if scored else text
            value = metadata.number(str(score)) if score is not None else None
            class_ = survey_classes.of(kinds[survey], str(score)) if score is not None else None
            answer = {"id": id_, "survey": survey, "score": value, "class": class_, "reason": reason}
            found.append((at, {**answer, "at": clock.iso(at)}))
    newest = sorted(found, key=lambda one: one[0], reverse=True)
    return [answer for _, answer in newest[:MOST_ANSWERS]]


def recent(limit: int = 50) -> list[dict[str, Any]]:
    """The visitors seen last: ``id``, ``first``, ``last``."""
    aliases = IDENTIFIED if compiler.linked() else ""
    rows = client.warehouse().query(
        "SELECT any(visitor_id), min(first), max(last) AS newest FROM visitors "
        f"WHERE last > {NEVER}{aliases} GROUP BY visitor ORDER BY newest DESC LIMIT {{most:UInt32}}",
        {"most": limit},
    )
    return [{"id": id_, "first": clock.iso(first), "last": clock.iso(last)} for id_, first, last in rows]


def recent_accounts(limit: int = 50) -> list[dict[str, Any]]:
    """The accounts seen last: ``id``, ``visitors``, ``first``, ``last``."""
    rows = client.warehouse().query(
        "SELECT any(account_id), uniqExact(visitor), min(first), max(last) AS newest FROM account_visitors "
        "GROUP BY account ORDER BY newest DESC LIMIT {most:UInt32}",
        {"most": limit},
    )
    return [
        {"id": id_, "visitors": number, "first": clock.iso(first), "last": clock.iso(last)}
        for id_, number, first, last in rows
    ]


def search(text: str, limit: int = MOST_FOUND) -> dict[str, list[dict[str, str]]]:
    """``visitors`` and ``accounts`` whose id begins with a text, whatever the case, or whose field email or name does.

    Each: ``id``, and ``why``: "id", or the field and its value. The exact id is the first.
    """
    given = {"text": text, "most": limit}
    starts = "startsWith(lowerUTF8({}), lowerUTF8({{text:String}}))"
    found: dict[str, list[dict[str, str]]] = {}
    for kind, column, table in (("visitors", "visitor_id", "visitors"), ("accounts", "account_id", "account_visitors")):
        ids = client.warehouse().query(
            f"SELECT DISTINCT {column} FROM {table} WHERE {starts.format(column)} "
            f"ORDER BY {column} != {{text:String}}, lowerUTF8({column}) != lowerUTF8({{text:String}}), {column} LIMIT {{most:UInt32}}",
            given,
        )
        values = client.warehouse().query(
            f"SELECT {column}, concat(grp, '.', field), value FROM {'visitor' if kind == 'visitors' else 'account'}_fields FINAL "
            f"WHERE field IN ('email', 'name') AND {starts.format('ifNull(value, ' + repr('') + ')')} "
            f"ORDER BY lowerUTF8(value) != lowerUTF8({{text:String}}), {column} LIMIT {{most:UInt32}}",
            given,
        )
        listed = {id_: {"id": id_, "why": "id"} for (id_,) in ids}
        for id_, field, value in values:
            listed.setdefault(id_, {"id": id_, "why": f"{field} {value}"})
        found[kind] = list(listed.values())[:limit]
    return found


def _timeline(
    where: str, named: dict[str, Any], kinds: Sequence[str], limit: int, cursor: str
) -> tuple[list[dict[str, Any]], str | None]:
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    after, more = _after("ts", "message_id", cursor)
    if kinds:
        where, more = f"{where} AND kind IN {{kinds:Array(String)}}", {**more, "kinds": list(kinds)}
    rows = client.warehouse().query(
        f"{SELECT} WHERE {where} AND {after} ORDER BY ts DESC, message_id DESC LIMIT {{most:UInt32}}",
        {**named, **more, "most": limit + 1},
    )
    keys = ("kind", "name", "source", "account", "url", "event")
    items = [
        {
            "at": clock.iso(row[0]),
            **dict(zip(keys, row[1:7], strict=True)),
            "visitor": row[8],
            "properties": orjson.loads(row[7]),
        }
        for row in rows[:limit]
    ]
    following = cursors.of_moment(rows[limit - 1][0], rows[limit - 1][6]) if len(rows) > limit else None
    return items, following


def _after(at: str, id_: str, cursor: str) -> tuple[str, dict[str, Any]]:
    """The condition that a row comes after a cursor, newest first, and its parameters."""
    if not cursor:
        return "1", {}
    moment, last = cursors.read_moment(cursor)
    condition = f"({at}, {id_}) < (fromUnixTimestamp64Milli({{after_at:Int64}}, 'UTC'), {{after_id:String}})"
    return condition, {"after_at": moment, "after_id": last}


def _grouped(rows: list[tuple[Any, ...]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for group, name, value, type_, at in rows:
        if value is not None:
            found.setdefault(group, []).append(
                {"field": name, "value": metadata.typed(value, type_), "at": clock.iso(at)}
            )
    return found
