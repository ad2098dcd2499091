"""Rules as data -> one SELECT with bound parameters. The only place that knows what a rule means in SQL.

A rule is a set of visitors, or the complement of one. Everything inner works on the 64-bit hash of the visitor's id.
Where identities were linked, rows are first aggregated by the id they came with and then by the visitor that id
belongs to, so that a link costs a join of two small tables and not of all events.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import comparisons, rules
from arrivals.audience.comparisons import Binder, Comparison
from arrivals.audience.models import Report
from arrivals.audience.rules import EventRule, FieldRule, ListRule, Rule, Rules, SegmentRule
from arrivals.audience.windows import Window
from arrivals.errors import InvalidReport
from arrivals.warehouse import client

LINKS = "(SELECT alias, visitor FROM links FINAL)"
# "last" of a visitor of whom only metadata is known, never an event.
NEVER = "fromUnixTimestamp64Milli(0, 'UTC')"


@dataclass(frozen=True)
class Query:
    """A SELECT and its bound parameters, whose names start with a prefix so that queries can be joined."""

    sql: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A set of visitors (``select``, one column ``visitor``, perhaps repeated), or all others when ``negated``."""

    select: str
    negated: bool


def segment_ids(data: Any, *, now: datetime | None = None, prefix: str = "r_") -> Query:
    """A SELECT of one column ``visitor`` (UInt64, each once): who satisfies the rules at ``now``, of all visitors.

    Events after ``now`` do not exist; of metadata only the present values are known.

    Raises:
        InvalidRules: with the path of the wrong part.
    """
    compiler = Compiler(now, prefix)
    return compiler.query(rules.parse(data), within=None)


def report_ids(report: Report, *, now: datetime | None = None, prefix: str = "r_") -> Query:
    """A SELECT of one column ``visitor``: the report's segment, active in its range, at ``now`` (default: the present).

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed (a list or segment is gone).
    """
    from arrivals.audience import windows

    compiler = Compiler(now, prefix)
    parsed = rules.parse(report.segment.rules) if report.segment else Rules(())
    return compiler.query(parsed, within=windows.parse(report.range, "range", InvalidReport))


def linked() -> bool:
    """Whether any two identities were ever linked; without links the joins are left out."""
    return bool(client.warehouse().query("SELECT 1 FROM links LIMIT 1"))


class Compiler:
    """One query in the making."""

    def __init__(self, now: datetime | None, prefix: str) -> None:
        self.live = now is None
        self.now = clock.utc(now) if now else clock.now()
        self.bind = Binder(prefix, self.now)
        self.linked = linked()

    def query(self, parsed: Rules, *, within: Window | None) -> Query:
        """All groups together, and active in ``within`` where that is given.

        A group of a single set that is not negated drives: the others only test its members. Without one, all
        visitors (or those active) do.
        """
        groups = [[self.side(rule) for rule in group] for group in parsed.groups]
        active = within is not None and not any(
            len(group) == 1 and isinstance(group[0], EventRule) and group[0].did and group[0].window.inside(within)
            for group in parsed.groups
        )
        if active and within is not None:
            groups.insert(0, [Side(self.active(within), negated=False)])
        driver = next((group for group in reversed(groups) if len(group) == 1 and not group[0].negated), None)
        tests = [
            "(" + " OR ".join(f"visitor {'NOT IN' if side.negated else 'IN'} ({side.select})" for side in group) + ")"
            for group in groups
            if group is not driver
        ]
        source = driver[0].select if driver else self.everybody()
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        return Query(f"SELECT DISTINCT visitor FROM ({source}){where}", self.bind.parameters)

    def side(self, rule: Rule) -> Side:
        match rule:
            case EventRule():
                return Side(self.event(rule), negated=not rule.did)
            case FieldRule():
                return Side(self.field(rule), negated=rule.comparison.negated)
            case SegmentRule():
                inner = Compiler.__new__(Compiler)  # shares the parameters and the moment of the outer query
                inner.__dict__.update(self.__dict__)
                return Side(inner.query(rule.rules, within=None).sql, negated=not rule.did)
            case ListRule():
                condition = f"list_id = {self.bind.add(rule.list_id, 'String')} AND version = {self.bind.add(rule.version, 'UInt32')}"
                return Side(self.resolved(f"SELECT visitor FROM list_members WHERE {condition}"), negated=not rule.did)

    def resolved(self, select: str) -> str:
        """The same set, each linked id replaced by its visitor."""
        if not self.linked:
            return select
        return f"SELECT coalesce(l.visitor, s.visitor) AS visitor FROM ({select}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.alias"

    def times(self, window: Window) -> str:
        first, last = window.bounds(self.now)
        upper = f"ts <= {self.bind.time(last)}"
        return upper if first is None else f"ts >= {self.bind.time(first)} AND {upper}"

    def matching(self, kind: str, name: str | None, conditions: tuple[Comparison, ...]) -> str:
        """The condition on events of a rule or column, without its span."""
        kinds = rules.EVENT_KINDS[kind]
        parts = [f"kind IN ({', '.join(self.bind.add(one, 'String') for one in kinds)})"] if kinds else []
        parts += [f"name = {self.bind.add(name, 'String')}"] if name is not None else []
        for one in conditions:
            condition = comparisons.sql(one, self.property(one.subject), self.bind)
            parts.append(f"NOT ifNull({condition}, 0)" if one.negated else f"ifNull({condition}, 0)")
        return " AND ".join(parts) or "1"

    def property(self, name: str) -> str:
        """The text of an event's property, by its dotted path in the properties, or of two of its own columns."""
        if name == "url":
            return "url"
        if name == "account.id":
            return "nullIf(account_id, '')"
        path = ", ".join(self.bind.add(part, "String") for part in name.split("."))
        raw = f"JSONExtractRaw(properties, {path})"
        # The first that holds is taken, and only then is a text unescaped: a number is looked for once.
        text = f"startsWith({raw}, '\"'), JSONExtractString(properties, {path})"
        return f"multiIf({raw} IN ('', 'null'), NULL, {text}, {raw})"

    def event(self, rule: EventRule) -> str:
        where = f"{self.matching(rule.kind, rule.name, rule.where)} AND {self.times(rule.window)}"
        if rule.at_least == 1 and rule.at_most is None:
            return self.resolved(f"SELECT visitor FROM events WHERE {where} GROUP BY visitor")
        low = self.bind.add(rule.at_least, "UInt64")
        counted = "sum(s.n)" if self.linked else "count()"
        having = f"{counted} >= {low}"
        having += f" AND {counted} <= {self.bind.add(rule.at_most, 'UInt64')}" if rule.at_most is not None else ""
        if not self.linked:
            return f"SELECT visitor FROM events WHERE {where} GROUP BY visitor HAVING {having}"
        inner = f"SELECT visitor, count() AS n FROM events WHERE {where} GROUP BY visitor"
        return (
            f"SELECT coalesce(l.visitor, s.visitor) AS visitor FROM ({inner}) AS s "
            f"LEFT JOIN {LINKS} AS l ON s.visitor = l.alias GROUP BY visitor HAVING {having}"
        )

    def field(self, rule: FieldRule) -> str:
        if rule.group == "visitor":
            ids = "SELECT visitor, any(visitor_id) AS id FROM visitors GROUP BY visitor"
            aliases = " AND visitor NOT IN (SELECT alias FROM links)" if self.linked else ""
            return f"SELECT visitor FROM ({ids}) WHERE {comparisons.sql(rule.comparison, 'id', self.bind)}{aliases}"
        if rule.group == "metric":
            return self.metric(rule)
        where = f"grp = {self.bind.add(rule.group, 'String')} AND field = {self.bind.add(rule.field, 'String')}"
        values = f"SELECT visitor, value, at FROM visitor_fields FINAL WHERE {where}"
        if self.linked:
            values = (
                "SELECT coalesce(l.visitor, s.visitor) AS visitor, argMax(tuple(s.value), s.at).1 AS value "
                f"FROM ({values}) AS s LEFT JOIN {LINKS} AS l ON s.visitor = l.alias GROUP BY visitor"
            )
        return f"SELECT visitor FROM ({values}) WHERE {comparisons.sql(rule.comparison, 'value', self.bind)}"

    def metric(self, rule: FieldRule) -> str:
        """A metric over all time as text, compared like a field."""
        upper = f"ts <= {self.bind.time(Window().bounds(self.now)[1])}"
        days = f"uniqExactState(toDate(ts, {self.bind.add(workspace.time_zone(), 'String')}))"
        aggregates = {
            "first_visit": ("min(ts)", "min(s.m)"),
            "last_visit": ("max(ts)", "max(s.m)"),
            "events": ("count()", "sum(s.m)"),
            "days_active": (days, "uniqExactMerge(s.m)"),
        }
        inner, outer = aggregates[rule.field]
        # With its zone: a time without one is taken to be in the workspace's.
        shown = f"concat(toString({outer}), 'Z')" if rule.field.endswith("_visit") else f"toString({outer})"
        each = f"SELECT visitor, {inner} AS m FROM events WHERE {upper} GROUP BY visitor"
        joined = f"LEFT JOIN {LINKS} AS l ON s.visitor = l.alias" if self.linked else ""
        visitor = "coalesce(l.visitor, s.visitor)" if self.linked else "s.visitor"
        text = f"SELECT {visitor} AS visitor, {shown} AS value FROM ({each}) AS s {joined} GROUP BY visitor"
        return f"SELECT visitor FROM ({text}) WHERE {comparisons.sql(rule.comparison, 'value', self.bind)}"

    def active(self, window: Window) -> str:
        """Those with at least one event in the span.

        At the present, with a span that reaches up to it, the visitors' last times say it without the events.
        """
        first, _last = window.bounds(self.now)
        if self.live and window.until is None:
            after = f"max(last) >= {self.bind.time(first)}" if first is not None else f"max(last) > {NEVER}"
            return self.resolved(f"SELECT visitor FROM visitors GROUP BY visitor HAVING {after}")
        return self.resolved(f"SELECT visitor FROM events WHERE {self.times(window)} GROUP BY visitor")

    def everybody(self) -> str:
        """All visitors that there were at the moment of asking."""
        if self.live:
            return self.resolved("SELECT visitor FROM visitors GROUP BY visitor")
        there = f"min(first) <= {self.bind.time(Window().bounds(self.now)[1])} OR max(last) = {NEVER}"
        return self.resolved(f"SELECT visitor FROM visitors GROUP BY visitor HAVING {there}")
