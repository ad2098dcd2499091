"""The values of a report's columns for chosen members: what all kinds share, and those of visitors. Blocks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from arrivals import clock
from arrivals.audience import columns, measures, metadata, metrics, survey_classes, windows
from arrivals.audience.columns import Answer, Metric, Plain, Tally
from arrivals.audience.compiler import NEVER, Compiler
from arrivals.audience.models import Report
from arrivals.errors import InvalidReport
from arrivals.warehouse import client

NOTHING: Mapping[str, Any] = {}
ACCOUNT = "argMaxIf(account_id, ts, account_id != '')"


class Person(NamedTuple):
    """A visitor: the hash of the id, and the id."""

    key: int
    id: str


@dataclass(slots=True)
class Cells:
    """One member's row, and whom it is about: a visitor (none for an account) and an account, where there is one.

    ``more`` is what templates see beside these, by name: ``response`` for a response.
    """

    row: dict[str, Any] = field(default_factory=dict)
    visitor: Person | None = None
    account: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


Value = Callable[[Cells, Mapping[str, Any]], Any]


def of(report: Report, visitors: Mapping[int, str]) -> dict[int, Cells]:
    """The rows of ``visitors`` (key -> id), whether or not they are on the report. At most a few thousand.

    Their account is that of their newest event that had one.
    """
    if not visitors:
        return {}
    chosen = columns.parse(report.columns, report.kind)
    facts = _facts(report, chosen, visitors)
    found = {
        key: Cells(visitor=Person(key, id_), account=facts.get(key, {}).get("account") or None)
        for key, id_ in visitors.items()
    }
    fill(found, chosen, facts)
    return found


def fill(found: Mapping[int, Cells], chosen: list[columns.Column], facts: Mapping[int, Mapping[str, Any]]) -> None:
    """Put the values of ``chosen`` into the rows of ``found``.

    ``facts``: by member, the value of the column with number n as "cn", for those that are computed.
    """
    wanted = [one for one in chosen if isinstance(one, Plain) and one.group]
    known = metadata.Metadata({}, {})
    if wanted:
        people = [cells.visitor.key for cells in found.values() if cells.visitor]
        known = metadata.of(people, {cells.account for cells in found.values() if cells.account}, wanted)
    kinds = survey_classes.kinds({one.survey for one in chosen if isinstance(one, Answer) and one.part == "class"})
    told = [(cells, facts.get(key, NOTHING)) for key, cells in found.items()]
    for number, column in enumerate(chosen):
        # Chosen once, and not for each cell: a report may have millions of them.
        value, label = _value(column, f"c{number}", known, kinds), column.label
        for cells, fact in told:
            cells.row[label] = value(cells, fact)


def _value(column: columns.Column, name: str, known: metadata.Metadata, kinds: Mapping[str, Any]) -> Value:
    """What a column shows of a member, of whom the facts are known too: there ``name`` is what was computed for it."""
    visitors, accounts = known.visitors, known.accounts
    match column:
        case Plain(owner="visitor", group=""):
            return lambda cells, fact: cells.visitor.id if cells.visitor else None
        case Plain(owner="account", group=""):
            return lambda cells, fact: cells.account
        case Plain(owner="visitor"):
            return lambda cells, fact: (
                metadata.at(visitors.get(cells.visitor.key, NOTHING), column) if cells.visitor else None
            )
        case Plain():
            return lambda cells, fact: metadata.at(accounts.get(cells.account or "", NOTHING), column)
        case Answer(part="class"):
            return lambda cells, fact: survey_classes.of(kinds[column.survey], fact.get(name))
        case Answer(part="score"):
            return lambda cells, fact: metadata.number(fact.get(name))
        case Tally(prop=""):
            return lambda cells, fact: fact.get(name) or 0
        case Tally():
            return lambda cells, fact: metadata.short(fact.get(name) or 0)
    return lambda cells, fact: _shown(fact.get(name))


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.iso(value)
    return round(value, 2) if isinstance(value, float) else value


def accounts_of(visitors: Iterable[int]) -> dict[int, str]:
    """The account of each visitor's newest event that had one, over all time."""
    query = Compiler(None, "c_")
    found = _grouped(query, "events", {"account": ACCOUNT}, query.times(windows.EVER), visitors)
    return {key: fact["account"] for key, fact in found.items() if fact["account"]}


def _facts(report: Report, chosen: list[columns.Column], visitors: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """What the events in the report's range say of each visitor, and what is known of them whatever the range."""
    query = Compiler(None, "c_")
    window = windows.parse(report.range, "range", InvalidReport)
    spans: dict[measures.Span, dict[str, str]] = {window.bounds(query.now): {"account": ACCOUNT}}
    facts: dict[int, dict[str, Any]] = {key: {} for key in visitors}
    for number, column in enumerate(chosen):
        if isinstance(column, Metric) and column.name in metrics.TIMES:
            extreme = "min(first)" if column.name == "first_visit" else "max(last)"
            _put(facts, _grouped(query, "visitors", {f"c{number}": extreme}, f"last > {NEVER}", visitors))
        elif measure := measures.of(query, column, window):
            spans.setdefault(measure.span, {})[f"c{number}"] = measure.sql
            for fact in facts.values():
                fact[f"c{number}"] = measure.none
    for span, select in spans.items():
        _put(facts, _grouped(query, "events", select, measures.times(query, span), visitors))
    # An account in a range that reaches up to now is the newest; for all others look at all of time.
    asked = [key for key in visitors if not window.open or not facts[key].get("account")]
    for key, account in accounts_of(asked).items() if asked else ():
        facts[key]["account"] = account
    return facts


def _put(facts: dict[int, dict[str, Any]], found: Mapping[int, dict[str, Any]]) -> None:
    for key, fact in found.items():
        facts[key].update(fact)


def _grouped(
    query: Compiler, table: str, select: Mapping[str, str], where: str, visitors: Iterable[int]
) -> dict[int, dict[str, Any]]:
    """Aggregates over the rows of ``table`` that belong to each of ``visitors``, by any of their ids."""
    keys = query.bind.keys(visitors)
    source = f"SELECT *, visitor AS person FROM {table} WHERE visitor IN {keys} AND {where}"
    if query.linked:
        aliases = f"(SELECT alias, visitor FROM links FINAL WHERE visitor IN {keys})"
        rows = f"visitor IN {keys} OR visitor IN (SELECT alias FROM {aliases})"
        raw = f"SELECT *, visitor AS raw FROM {table} WHERE ({rows}) AND {where}"
        source = f"SELECT e.* EXCEPT (raw), coalesce(l.visitor, e.raw) AS person FROM ({raw}) AS e LEFT JOIN {aliases} AS l ON e.raw = l.alias"
    listed = ", ".join(f"{expression} AS {name}" for name, expression in select.items())
    found = client.warehouse().query(f"SELECT person, {listed} FROM ({source}) GROUP BY person", query.bind.parameters)
    return {row[0]: dict(zip(select, row[1:], strict=True)) for row in found}
