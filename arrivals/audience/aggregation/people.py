"""The sources ``visitors`` and ``accounts``: one row each, with metadata in groups.

``auto`` is computed: from the events, and what the agent noted as ``auto``. The other groups are JSON objects. What is
costly (metadata, the accounts of a visitor) is looked up only where it is asked for, and only for the rows that a
limit chose (``only``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience.aggregation import compiled
from arrivals.audience.aggregation.anonymous import identified
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.events import APP, LINKS, conditions, parameters, where
from arrivals.audience.aggregation.relations import Hints, Needed, Relation, listed
from arrivals.audience.aggregation.timeseries import Span
from arrivals.audience.aggregation.values import Kind
from arrivals.collect import sources
from arrivals.warehouse import client
from arrivals.warehouse.events import NOT_YET_MS

GROUPS = ("agent", "custom", "pendo")
# Fields of "auto" that the agent's wire notes, where it does.
NOTED = ("lastbrowsername", "lastbrowserversion", "lastoperatingsystem", "lastservername", "lastuseragent")
MOMENT = "CAST(if({0} > 0 AND {0} < {1}, {0}, NULL) AS Nullable(Int64))"


@dataclass(frozen=True)
class Table:
    """Where the metadata of visitors or accounts is, and how its rows are told apart (by ``owner``)."""

    fields: str
    owner: str
    id: str


VISITORS = Table("visitor_fields", "visitor", "visitor_id")
ACCOUNTS = Table("account_fields", "account_id", "account_id")


def visitors(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """All visitors; with ``{"identified": true}`` without the anonymous ones."""
    given = parameters(value, path)
    base = _visitors(builder, given, path)
    extra: dict[Path, tuple[Kind, str]] = {
        ("metadata", "auto", "accountid"): ("text", "nullIf(a.account, '')"),
        ("metadata", "auto", "accountids"): ("json", "toJSONString(ifNull(a.accounts, []))"),
        **{("metadata", "auto", one): ("text", f"f.n_{one}") for one in NOTED},
    }
    rows = _people(builder, VISITORS, ("visitorId",), base, extra)
    return identified(rows, rows.fields[("visitorId",)]) if given.get("identified") is True else rows


def accounts(builder: Builder, name: str, value: Any, span: Span | None, path: str) -> Relation:
    """All accounts; with ``{"appId"}`` those that have events in these apps."""
    given = parameters(value, path)
    found = conditions(builder, {one: given.get(one) for one in ("appId",)}, None, path)
    active = where([*found, "account_id != ''"])
    seen = f"SELECT account_id, min(ts) AS first, max(ts) AS last FROM events WHERE {active} GROUP BY account_id"
    everybody = f"{seen} UNION ALL SELECT DISTINCT account_id, NULL, NULL FROM account_fields WHERE account_id != ''"
    base = f"SELECT account_id AS k, account_id AS id, min(first) AS first, max(last) AS last FROM ({seen if found else everybody}) GROUP BY account_id"
    return _people(builder, ACCOUNTS, ("accountId",), base, {})


def _visitors(builder: Builder, given: Mapping[str, Any], path: str) -> str:
    """A SELECT of ``k``, ``id``, ``first`` and ``last`` of each visitor."""
    found = conditions(builder, given, None, path)
    by_event = bool(builder.source_id) or any(APP in one for one in found)
    table = "events" if by_event else "visitors"
    first, last = ("min(ts)", "max(ts)") if by_event else ("min(first)", "max(last)")
    inner = f"SELECT visitor, any(visitor_id) AS id, {first} AS first, {last} AS last FROM {table} WHERE {where(found)} GROUP BY visitor"
    if not builder.linked:
        return f"SELECT visitor AS k, id, first, last FROM ({inner})"
    return (
        "SELECT coalesce(l.visitor, v.visitor) AS k, any(coalesce(l.visitor_id, v.id)) AS id, min(v.first) AS first, "
        f"max(v.last) AS last FROM ({inner}) AS v LEFT JOIN {LINKS} AS l ON v.visitor = l.alias GROUP BY k"
    )


def _people(builder: Builder, table: Table, id_: Path, base: str, extra: Mapping[Path, tuple[Kind, str]]) -> Relation:
    """Their rows: ``base`` gives key, id, first and last time."""
    groups = _groups(table)
    first = MOMENT.format("toUnixTimestamp64Milli(b.first)", NOT_YET_MS)
    last = MOMENT.format("toUnixTimestamp64Milli(b.last)", NOT_YET_MS)
    columns: dict[Path, tuple[Kind, str]] = {
        id_: ("text", "b.id"),
        ("metadata", "auto", "id"): ("text", "b.id"),
        ("metadata", "auto", "idhash"): ("int", compiled.hash_of("b.id")),
        ("metadata", "auto", "firstvisit"): ("int", first),
        ("metadata", "auto", "lastvisit"): ("int", last),
        ("metadata", "auto", "lastupdated"): ("int", f"toInt64(greatest(ifNull({last}, 0), ifNull(f.updated, 0)))"),
        **extra,
    }
    if table is VISITORS:
        for source in builder.sources:
            own = builder.text(source.id)
            span = f"map('firstvisit', {_ms(f'a.firsts[{own}]')}, 'lastvisit', {_ms(f'a.lasts[{own}]')})"
            app = f"if(ifNull(mapContains(a.firsts, {own}), false), toJSONString({span}), '{{}}')"
            columns[("metadata", f"auto_{sources.app_id(source.id)}")] = ("json", app)
    for number, group in enumerate(groups):
        columns[("metadata", group)] = ("json", f"ifNull(f.g_{number}, '{{}}')")
    fields = builder.columns({path: kind for path, (kind, _) in columns.items()})
    computed = {fields[path]: sql for path, (_, sql) in columns.items()}
    key = builder.column("int")
    bound = [builder.text(group) for group in groups]

    def render(needed: Needed, hints: Hints) -> str:
        only = hints.only
        wanted = {column: sql for column, sql in computed.items() if column in needed}
        more = [f"{sql} AS {column.alias}" for column, sql in wanted.items()]
        more += [f"b.k AS {key.alias}"] if key in needed else []
        text = " ".join(wanted.values())
        joins = ""
        if "a." in text:
            joins += f" LEFT JOIN ({_activity(builder, only)}) AS a ON b.k = a.k"
        if "f." in text:
            joins += f" LEFT JOIN ({_metadata(builder, table, bound, text, only)}) AS f ON b.k = f.k"
        chosen = f" WHERE k IN ({only})" if only else ""
        return f"SELECT {listed([], more)} FROM (SELECT * FROM ({base}){chosen}) AS b{joins}"

    return Relation(fields, render, unique=(fields[id_],), key=key)


def _ms(sql: str) -> str:
    return f"toUnixTimestamp64Milli({sql})"


def _groups(table: Table) -> list[str]:
    """The groups of metadata: those that every row has, and any others that were ever set."""
    found = client.warehouse().query(f"SELECT DISTINCT grp FROM {table.fields}")
    others = {str(group) for (group,) in found} - {*GROUPS, "auto"}
    return [*GROUPS, *sorted(one for one in others if not one.startswith("auto_"))]


def _restricted(builder: Builder, only: str, owner: str = "visitor") -> str:
    """The condition on rows that belong to one of ``only``, by any of its ids."""
    if not only:
        return "1"
    aliases = f" OR {owner} IN (SELECT alias FROM links FINAL WHERE visitor IN ({only}))"
    return f"({owner} IN ({only}){aliases if builder.linked and owner == 'visitor' else ''})"


def _activity(builder: Builder, only: str) -> str:
    """By visitor: the newest account, all accounts, the first and last time in each source."""
    own = f" AND source_id = {builder.text(builder.source_id)}" if builder.source_id else ""
    inner = (
        "SELECT visitor, source_id, argMaxIf(account_id, ts, account_id != '') AS account, "
        "maxIf(ts, account_id != '') AS at, groupUniqArrayIf(account_id, account_id != '') AS accounts, "
        f"min(ts) AS first, max(ts) AS last FROM events WHERE {_restricted(builder, only)}{own} GROUP BY visitor, source_id"
    )
    owner, joined = "s.visitor", ""
    if builder.linked:
        owner, joined = "coalesce(l.visitor, s.visitor)", f" LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"
    return (
        f"SELECT {owner} AS k, argMax(s.account, s.at) AS account, arraySort(groupUniqArrayArray(s.accounts)) AS accounts, "
        "minMap(map(toString(s.source_id), s.first)) AS firsts, maxMap(map(toString(s.source_id), s.last)) AS lasts "
        f"FROM ({inner}) AS s{joined} GROUP BY k"
    )


def _metadata(builder: Builder, table: Table, groups: list[str], wanted: str, only: str) -> str:
    """By owner: the newest metadata of each group as a JSON object, and when it changed last, in milliseconds."""
    owner, joined = f"m.{table.owner}", ""
    if builder.linked and table is VISITORS:
        owner, joined = "coalesce(l.visitor, m.visitor)", f" LEFT JOIN {LINKS} AS l ON m.visitor = l.alias"
    newest = (
        f"SELECT {owner} AS k, m.grp AS grp, m.field AS field, argMax(tuple(m.value), m.at).1 AS value, "
        f"argMax(m.type, m.at) AS type, max(m.at) AS at FROM (SELECT {table.owner}, grp, field, value, type, at "
        f"FROM {table.fields} WHERE {_restricted(builder, only, table.owner)}) AS m{joined} GROUP BY k, grp, field"
    )
    plain = "type IN ('number', 'boolean', 'json') AND isValidJSON(assumeNotNull(value))"
    pair = f"concat(toJSONString(toString(field)), ':', if({plain}, JSONExtractRaw(assumeNotNull(value)), toJSONString(assumeNotNull(value))))"
    made = ["toUnixTimestamp64Milli(max(at)) AS updated"]
    for number, group in enumerate(groups):
        if f"f.g_{number}," in wanted:
            pairs = f"groupArrayIf({pair}, value IS NOT NULL AND grp = {group})"
            made.append(f"concat('{{', arrayStringConcat(arraySort({pairs}), ','), '}}') AS g_{number}")
    for name in NOTED:
        if f"f.n_{name}" in wanted:
            made.append(f"argMaxIf(value, at, grp = 'auto' AND field = '{name}') AS n_{name}")
    return f"SELECT k, {', '.join(made)} FROM ({newest}) GROUP BY k"


def of_accounts(builder: Builder) -> Relation:
    """All accounts that the key may see, for looking one up by its id."""
    return accounts(builder, "accounts", None, None, "pipeline")


def of_visitors(builder: Builder) -> Relation:
    return visitors(builder, "visitors", None, None, "pipeline")
