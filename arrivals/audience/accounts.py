"""Accounts as members of a report: those of which a visitor of the segment did something in the range. Blocks.

An event belongs to the account that it names. One that names none belongs to the account of its visitor's newest event
that does, as in reports of visitors: a server often tells the account once and not with every call.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from arrivals.audience import cells, columns, measures, rules, windows
from arrivals.audience.cells import Cells
from arrivals.audience.columns import Metric
from arrivals.audience.compiler import LINKS, NEVER, Compiler, Query
from arrivals.audience.models import Report
from arrivals.audience.windows import Window
from arrivals.errors import InvalidReport
from arrivals.warehouse import client

NAMES = "SELECT account AS visitor, any(account_id) AS id FROM account_visitors GROUP BY account"


def key(account_id: str) -> int:
    """The hash that stands for an account."""
    [(found,)] = client.warehouse().query("SELECT cityHash64({id:String})", {"id": account_id})
    return int(found)


def ids(report: Report, *, now: datetime | None = None, prefix: str = "r_") -> Query:
    """A SELECT of one column ``visitor``: the hashes of the accounts on the report at ``now`` (default: the present).

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed.
    """
    query = Compiler(now, prefix)
    owned = _owned(query, _seen(query, _window(report)), newest(query))
    sql = (
        f"SELECT DISTINCT cityHash64(account) AS visitor FROM ({owned}) WHERE account != ''{_of_segment(query, report)}"
    )
    return Query(sql, query.bind.parameters)


def of(report: Report, accounts: Mapping[int, str]) -> dict[int, Cells]:
    """The rows of ``accounts`` (key -> id), whether or not they are on the report. At most a few thousand."""
    if not accounts:
        return {}
    chosen = columns.parse(report.columns, report.kind)
    found = {key: Cells(account=id_) for key, id_ in accounts.items()}
    facts: dict[int, dict[str, Any]] = {key: {} for key in accounts}
    query = Compiler(None, "c_")
    spans: dict[tuple[measures.Span, bool], dict[str, str]] = {}
    for number, column in enumerate(chosen):
        if measure := measures.of(query, column, _window(report)):
            always = isinstance(column, Metric) and column.name in measures.ALWAYS
            spans.setdefault((measure.span, always), {})[f"c{number}"] = measure.sql
            for fact in facts.values():
                fact[f"c{number}"] = measure.none
    for (span, always), select in spans.items():
        where = f"account IN {query.bind.add(list(accounts.values()), 'Array(String)')}"
        where += "" if always else _of_segment(query, report)
        _add(facts, query, select, accounts, where, measures.times(query, span))
    cells.fill(found, chosen, facts)
    return found


def events(report: Report, query: Compiler, span: measures.Span, *, always: bool) -> str:
    """A SELECT of the events of all accounts in a span, each with its ``account`` and ``person``: by visitors of the
    segment, or by any (``always``)."""
    owned = _owned(query, f"SELECT *, visitor FROM events WHERE {measures.times(query, span)}", newest(query))
    where = "" if always else _of_segment(query, report)
    return f"SELECT * FROM ({owned}) WHERE account != ''{where}"


def _add(
    facts: dict[int, dict[str, Any]],
    query: Compiler,
    select: Mapping[str, str],
    accounts: Mapping[int, str],
    where: str,
    times: str,
) -> None:
    """Add aggregates over the events of each account. Only the events of its visitors are read."""
    visitors = (
        f"SELECT visitor FROM account_visitors WHERE account IN {query.bind.add(list(accounts), 'Array(UInt64)')}"
    )
    if query.linked:
        people = f"SELECT DISTINCT coalesce(l.visitor, s.visitor) FROM ({visitors}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"
        visitors = f"{people} UNION DISTINCT SELECT alias FROM {LINKS} WHERE visitor IN ({people})"
    theirs = f"visitor IN ({visitors})"
    happened = f"SELECT *, visitor FROM events WHERE {theirs} AND {times}"
    owned = _owned(query, happened, newest(query, f"WHERE {theirs}"))
    listed = ", ".join(f"{expression} AS {name}" for name, expression in select.items())
    keys = {id_: key for key, id_ in accounts.items()}
    for account, *values in client.warehouse().query(
        f"SELECT account, {listed} FROM ({owned}) WHERE {where} GROUP BY account", query.bind.parameters
    ):
        facts[keys[account]].update(zip(select, values, strict=True))


def _owned(query: Compiler, events: str, latest: str) -> str:
    """``events`` (a SELECT with visitor and account_id) with ``person`` and ``account``, which is empty for none."""
    if query.linked:
        events = (
            f"SELECT s.* EXCEPT (visitor), coalesce(l.visitor, s.visitor) AS person FROM ({events}) AS s "
            f"LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"
        )
    else:
        events = f"SELECT * EXCEPT (visitor), visitor AS person FROM ({events})"
    return (
        "SELECT e.*, if(e.account_id != '', e.account_id, ifNull(n.newest, '')) AS account "
        f"FROM ({events}) AS e LEFT JOIN ({latest}) AS n ON e.person = n.owner"
    )


def _seen(query: Compiler, window: Window) -> str:
    """A SELECT of ``visitor`` and ``account_id``: who did something in the span, naming which account, if any.

    At the present, with a span that reaches up to it, the last times say it without the events: those who named none in
    it have no other account than their newest.
    """
    first, _last = window.bounds(query.now)
    if not query.live or not window.open:
        return f"SELECT visitor, account_id FROM events WHERE {query.times(window)} GROUP BY visitor, account_id"
    last = f"max(last) >= {query.bind.time(first)}" if first is not None else f"max(last) > {NEVER}"
    return (
        "SELECT visitor, any(account_id) AS account_id FROM account_visitors "
        f"GROUP BY account, visitor HAVING {last} UNION ALL "
        f"SELECT visitor, '' AS account_id FROM visitors GROUP BY visitor HAVING {last}"
    )


def newest(query: Compiler, where: str = "") -> str:
    """A SELECT of ``owner`` and ``newest``: the account of each visitor's newest event that names one.

    As of a moment in the past, unless the visitor named accounts both before and after it: then it is the newest of now.
    """
    inner = f"SELECT visitor, argMax(account_id, last) AS account, max(last) AS at FROM account_visitors {where} GROUP BY visitor"
    if not query.linked:
        return f"SELECT visitor AS owner, account AS newest FROM ({inner})"
    return (
        f"SELECT coalesce(l.visitor, s.visitor) AS owner, argMax(s.account, s.at) AS newest FROM ({inner}) AS s "
        f"LEFT JOIN {LINKS} AS l ON s.visitor = l.alias GROUP BY owner"
    )


def _window(report: Report) -> Window:
    return windows.parse(report.range, "range", InvalidReport)


def _of_segment(query: Compiler, report: Report) -> str:
    if report.segment is None:
        return ""
    return f" AND person IN ({query.query(rules.parse(report.segment.rules), within=None).sql})"
