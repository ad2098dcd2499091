"""The values of a report's columns for chosen visitors. Blocks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from arrivals import clock
from arrivals.audience import columns, compiler, windows
from arrivals.audience.columns import Answer, Metric, Plain, Tally
from arrivals.audience.compiler import NEVER, Compiler
from arrivals.audience.models import Report
from arrivals.errors import InvalidReport
from arrivals.warehouse import client

ACCOUNT = "argMaxIf(account_id, ts, account_id != '')"
PROMOTER, PASSIVE = 9, 7  # a score from here on; below is a detractor (Reichheld 2003)


@dataclass
class Cells:
    """One visitor's row, and the account of its newest event that had one."""

    row: dict[str, Any] = field(default_factory=dict)
    account: str | None = None


@dataclass(frozen=True)
class Metadata:
    """Group -> field -> value, by visitor key and by account id."""

    visitors: dict[int, dict[str, Any]]
    accounts: dict[str, dict[str, Any]]


def of(report: Report, visitors: Mapping[int, str]) -> dict[int, Cells]:
    """The rows of ``visitors`` (key -> id), whether or not they are on the report. At most a few thousand."""
    if not visitors:
        return {}
    chosen = columns.parse(report.columns, report.kind)
    facts = _facts(report, chosen, visitors)
    wanted = [one for one in chosen if isinstance(one, Plain) and one.group]
    accounts = {fact["account"] for fact in facts.values() if fact["account"]}
    known = metadata(visitors, accounts) if wanted else Metadata({}, {})
    rows: dict[int, Cells] = {}
    for key, visitor_id in visitors.items():
        fact = facts.get(key, {})
        account = fact.get("account") or None
        cells = Cells(account=account)
        for number, column in enumerate(chosen):
            match column:
                case Plain(owner="visitor", group=""):
                    value: Any = visitor_id
                case Plain(owner="account", group=""):
                    value = account
                case Plain(owner="visitor"):
                    value = _at(known.visitors.get(key, {}), column)
                case Plain():
                    value = _at(known.accounts.get(account or "", {}), column)
                case Answer(part="class"):
                    value = nps_class(fact.get(f"c{number}"))
                case Answer(part="score"):
                    value = _number(fact.get(f"c{number}"))
                case Tally(prop=prop):
                    value = fact.get(f"c{number}") or 0
                    value = _short(value) if prop else value
                case _:
                    value = fact.get(f"c{number}")
            cells.row[column.label] = clock.iso(value) if isinstance(value, datetime) else value
        rows[key] = cells
    return rows


def metadata(visitors: Mapping[int, str], accounts: set[str]) -> Metadata:
    """All metadata of these visitors (that of linked ids included, the newest value wins) and accounts."""
    store = client.warehouse()
    people: dict[int, dict[str, Any]] = defaultdict(dict)
    keys = {"keys": list(visitors)}
    values = "SELECT visitor, grp, field, value, type, at FROM visitor_fields WHERE visitor IN {keys:Array(UInt64)}"
    owner, joined = "f.visitor", ""
    if compiler.linked():
        aliases = "(SELECT alias, visitor FROM links FINAL WHERE visitor IN {keys:Array(UInt64)})"
        values += f" OR visitor IN (SELECT alias FROM {aliases})"
        owner, joined = "coalesce(l.visitor, f.visitor)", f"LEFT JOIN {aliases} AS l ON f.visitor = l.alias"
    for key, group, name, value, type_ in store.query(
        f"SELECT {owner} AS owner, f.grp, f.field, argMax(tuple(f.value), f.at).1, argMax(f.type, f.at) "
        f"FROM ({values}) AS f {joined} GROUP BY owner, f.grp, f.field",
        keys,
    ):
        _put(people[key], group, name, value, type_)
    companies: dict[str, dict[str, Any]] = defaultdict(dict)
    if accounts:
        for key, group, name, value, type_ in store.query(
            "SELECT account_id, grp, field, value, type FROM account_fields FINAL WHERE account_id IN {ids:Array(String)}",
            {"ids": sorted(accounts)},
        ):
            _put(companies[key], group, name, value, type_)
    return Metadata(people, companies)


def nps_class(score: str | None) -> str | None:
    """promoter (9-10), passive (7-8) or detractor (0-6), of a score as text."""
    number = _number(score)
    if not isinstance(number, int | float):
        return None
    return "promoter" if number >= PROMOTER else "passive" if number >= PASSIVE else "detractor"


def _facts(report: Report, chosen: list[columns.Column], visitors: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """What the events in the report's range say of each visitor, and what is known of them whatever the range."""
    query = Compiler(None, "c_")
    window = windows.parse(report.range, "range", InvalidReport)
    select = {"account": ACCOUNT}
    for number, column in enumerate(chosen):
        match column:
            case Metric(name="days_active"):
                select[f"c{number}"] = "uniqExact(toDate(ts))"
            case Metric(name="events"):
                select[f"c{number}"] = "count()"
            case Tally(prop=""):
                select[f"c{number}"] = f"countIf({query.matching(column.kind, column.name, column.where)})"
            case Tally():
                # Decimal, so that money adds up to the cent; six places are more than any currency has.
                value = f"toDecimal128OrNull({query.property(column.prop)}, 6)"
                # if() and not sumIf(): only the events that match are looked into.
                matching = query.matching(column.kind, column.name, column.where)
                select[f"c{number}"] = f"sum(if({matching}, {value}, NULL))"
            case Answer(part="at"):
                matching = query.matching("survey", column.survey, ())
                select[f"c{number}"] = f"maxOrNullIf(ts, {matching})"
            case Answer():
                matching = query.matching("survey", column.survey, ())
                part = query.property("score" if column.part == "class" else column.part)
                select[f"c{number}"] = f"argMaxIf(tuple(if({matching}, {part}, NULL)), ts, {matching}).1"
    facts = _grouped(query, "events", select, query.times(window), visitors)
    # An account in a range that reaches up to now is the newest; for all others look at all of time.
    asked = [key for key in visitors if window.until is not None or not facts.get(key, {}).get("account")]
    if asked:
        again = Compiler(None, "c_")
        for key, found in _grouped(again, "events", {"account": ACCOUNT}, again.times(windows.EVER), asked).items():
            facts.setdefault(key, {}).update(found)
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


def _put(target: dict[str, Any], group: str, name: str, value: str | None, type_: str) -> None:
    """Put a value at ``group`` and its dotted ``name``, unless it was unset."""
    if value is None:
        return
    place = target.setdefault(group, {})
    *parents, last = name.split(".")
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):  # both "a" and "a.b" were sent: keep the flat one by its whole name
            place[name] = _typed(value, type_)
            return
        place = inner
    place[last] = _typed(value, type_)


def _at(target: dict[str, Any], column: Plain) -> Any:
    value: Any = target.get(column.group, {})
    if isinstance(value, dict) and column.field in value:
        return value[column.field]
    for part in column.field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _typed(value: str, type_: str) -> Any:
    if type_ == "number":
        return _number(value)
    if type_ == "boolean":
        return value == "true"
    if type_ == "json":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _number(value: str | None) -> Any:
    """The number that a text holds, whole where it is whole; else the text."""
    if value is None:
        return None
    try:
        return int(value) if value.lstrip("-").isascii() and value.lstrip("-").isdigit() else _short(float(value))
    except ValueError:
        return value


def _short(value: Any) -> int | float:
    """A whole number as int, any other as float: a decimal of six places is exact enough in a float's 15 digits."""
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
