"""The values of a report's columns for chosen members: what all kinds share, and those of visitors. Blocks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import answers, columns, metadata, survey_classes, windows
from arrivals.audience.columns import Answer, Metric, Plain, Tally
from arrivals.audience.compiler import NEVER, Compiler
from arrivals.audience.models import Report
from arrivals.errors import InvalidReport
from arrivals.warehouse import client

ACCOUNT = "argMaxIf(account_id, ts, account_id != '')"


class Person(NamedTuple):
    """A visitor: the hash of the id, and the id."""

    key: int
    id: str


@dataclass
class Cells:
    """One member's row, and whom it is about: a visitor (none for an account) and an account, where there is one.

    ``more`` is what templates see beside these, by name: ``response`` for a response.
    """

    row: dict[str, Any] = field(default_factory=dict)
    visitor: Person | None = None
    account: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


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
    people = [cells.visitor.key for cells in found.values() if cells.visitor]
    accounts = {cells.account for cells in found.values() if cells.account}
    wanted = any(isinstance(one, Plain) and one.group for one in chosen)
    known = metadata.of(people, accounts) if wanted else metadata.Metadata({}, {})
    kinds = survey_classes.kinds({one.survey for one in chosen if isinstance(one, Answer) and one.part == "class"})
    for key, cells in found.items():
        visitor, account, fact = cells.visitor, cells.account, facts.get(key, {})
        for number, column in enumerate(chosen):
            computed = fact.get(f"c{number}")
            match column:
                case Plain(owner="visitor", group=""):
                    value: Any = visitor.id if visitor else None
                case Plain(owner="account", group=""):
                    value = account
                case Plain(owner="visitor"):
                    value = metadata.at(known.visitors.get(visitor.key, {}) if visitor else {}, column)
                case Plain():
                    value = metadata.at(known.accounts.get(account or "", {}), column)
                case Answer(part="class"):
                    value = survey_classes.of(kinds[column.survey], computed)
                case Answer(part="score"):
                    value = metadata.number(computed)
                case Tally(prop=prop):
                    value = metadata.short(computed or 0) if prop else computed or 0
                case _:
                    value = computed
            cells.row[column.label] = clock.iso(value) if isinstance(value, datetime) else value


def counted(query: Compiler, column: columns.Column) -> str | None:
    """The aggregate over a member's events that is the column's value; None: its value is not one."""
    match column:
        case Metric(name="days_active"):
            return f"uniqExact(toDate(ts, {query.bind.add(workspace.time_zone(), 'String')}))"
        case Metric(name="events"):
            return "count()"
        case Tally(prop=""):
            return f"countIf({query.matching(column.kind, column.name, column.where)})"
        case Tally():
            # Decimal, so that money adds up to the cent; six places are more than any currency has.
            value = f"toDecimal128OrNull({query.property(column.prop)}, 6)"
            # if() and not sumIf(): only the events that match are looked into.
            return f"sum(if({query.matching(column.kind, column.name, column.where)}, {value}, NULL))"
        case Answer():
            return answers.newest(query, column.survey, column.part)
    return None


def accounts_of(visitors: Iterable[int]) -> dict[int, str]:
    """The account of each visitor's newest event that had one, over all time."""
    query = Compiler(None, "c_")
    found = _grouped(query, "events", {"account": ACCOUNT}, query.times(windows.EVER), visitors)
    return {key: fact["account"] for key, fact in found.items() if fact["account"]}


def _facts(report: Report, chosen: list[columns.Column], visitors: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """What the events in the report's range say of each visitor, and what is known of them whatever the range."""
    query = Compiler(None, "c_")
    window = windows.parse(report.range, "range", InvalidReport)
    select = {"account": ACCOUNT}
    for number, column in enumerate(chosen):
        aggregate = counted(query, column)
        if aggregate:
            select[f"c{number}"] = aggregate
    facts = _grouped(query, "events", select, query.times(window), visitors)
    # An account in a range that reaches up to now is the newest; for all others look at all of time.
    asked = [key for key in visitors if window.until is not None or not facts.get(key, {}).get("account")]
    if asked:
        for key, account in accounts_of(asked).items():
            facts.setdefault(key, {})["account"] = account
    for number, column in enumerate(chosen):
        if isinstance(column, Metric) and column.name in {"first_visit", "last_visit"}:
            again = Compiler(None, "c_")
            extreme = "min(first)" if column.name == "first_visit" else "max(last)"
            seen = _grouped(again, "visitors", {f"c{number}": extreme}, f"last > {NEVER}", visitors)
            for key, found in seen.items():
                facts.setdefault(key, {}).update(found)
    return facts


def _grouped(
    query: Compiler, table: str, select: Mapping[str, str], where: str, visitors: Iterable[int]
) -> dict[int, dict[str, Any]]:
    """Aggregates over the rows of ``table`` that belong to each of ``visitors``, by any of their ids."""
    keys = query.bind.add(list(visitors), "Array(UInt64)")
    source, owner = f"{table} WHERE visitor IN {keys} AND {where}", "visitor"
    if query.linked:
        aliases = f"(SELECT alias, visitor FROM links FINAL WHERE visitor IN {keys})"
        rows = f"visitor IN {keys} OR visitor IN (SELECT alias FROM {aliases})"
        source = f"(SELECT *, visitor AS raw FROM {table} WHERE ({rows}) AND {where}) AS e LEFT JOIN {aliases} AS l ON e.raw = l.alias"
        owner = "coalesce(l.visitor, e.raw)"
    listed = ", ".join(f"{expression} AS {name}" for name, expression in select.items())
    found = client.warehouse().query(
        f"SELECT {owner} AS owner, {listed} FROM {source} GROUP BY owner", query.bind.parameters
    )
    return {row[0]: dict(zip(select, row[1:], strict=True)) for row in found}
