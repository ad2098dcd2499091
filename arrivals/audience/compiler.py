"""Rules as data -> one SELECT with bound parameters. The only place that knows what a rule means in SQL.

A rule is a set of visitors, or the complement of one. Everything inner works on the 64-bit hash of the visitor's id.
Where identities were linked, rows are first aggregated by the id they came with and then by the visitor that id
belongs to, so that a link costs a join of two small tables and not of all events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arrivals.audience import belonging, comparisons, metrics, rules, tagged, windows
from arrivals.audience.asking import LINKS, NEVER, Asking, Query, linked
from arrivals.audience.comparisons import Comparison
from arrivals.audience.models import Report
from arrivals.audience.rules import ChartRule, EventRule, FieldRule, ListRule, Rule, Rules, SegmentRule
from arrivals.audience.windows import Window
from arrivals.errors import InvalidReport

__all__ = ("LINKS", "NEVER", "Compiler", "Query", "Side", "linked", "report_ids", "segment_ids")


@dataclass(frozen=True)
class Side:
    """A set of visitors (``select``, one column ``visitor``, perhaps repeated), or all others when ``negated``.

    ``wide``: some in the set may be no visitors, or none yet at the moment of asking.
    """

    select: str
    negated: bool
    wide: bool = False


def segment_ids(data: Any, *, now: datetime | None = None, prefix: str = "r_", only: Sequence[int] = ()) -> Query:
    """A SELECT of one column ``visitor`` (UInt64, each once): who satisfies the rules at ``now``, of all visitors.

    Events after ``now`` do not exist; of metadata and of lists only what is there at present is known. ``only``: the keys
    of one person, its own first; then nobody else is looked at.

    Raises:
        InvalidRules: with the path of the wrong part.
    """
    compiler = Compiler(now, prefix, only=only)
    return compiler.query(rules.parse(data), within=None)


def report_ids(report: Report, *, now: datetime | None = None, prefix: str = "r_", only: Sequence[int] = ()) -> Query:
    """A SELECT of one column ``visitor``: the report's segment, active in its range, at ``now`` (default: the present).
    ``only``: all keys of some persons; then nobody else is looked at.

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed (a list or segment is gone).
    """
    compiler = Compiler(now, prefix, only=only)
    parsed, within = definition(report)
    return compiler.query(parsed, within=within)


def definition(report: Report) -> tuple[Rules, Window]:
    """The rules of a report's segment, and its range. Raises as ``report_ids``."""
    parsed = rules.parse(report.segment.rules) if report.segment else Rules(())
    return parsed, windows.parse(report.range, "range", InvalidReport)


def implied(parsed: Rules, within: Window) -> bool:
    """Whether all who satisfy the rules did something in the span, by a rule that says so alone."""
    return any(
        len(group) == 1 and isinstance(group[0], EventRule) and group[0].did and group[0].window.inside(within)
        for group in parsed.groups
    )


def leading(groups: Sequence[list[Side]]) -> list[Side] | None:
    """The group of one set whose members the others test; None: all visitors are tested."""
    alone = [group for group in reversed(groups) if len(group) == 1 and not group[0].negated]
    return min(alone, key=lambda group: group[0].wide, default=None)


class Compiler(Asking):
    """One query in the making."""

    def query(self, parsed: Rules, *, within: Window | None) -> Query:
        """All groups together, and active in ``within`` where that is given.

        A group of a single set that is not negated drives: the others only test its members. Without one, all
        visitors (or those active) do.
        """
        groups = self.groups(parsed, within)
        driver = leading(groups)
        tests = [
            "(" + " OR ".join(f"visitor {'NOT IN' if side.negated else 'IN'} ({side.select})" for side in group) + ")"
            for group in groups
            if group is not driver
        ]
        if driver and driver[0].wide:
            tests.append(f"visitor IN ({self.everybody()})")
        source = driver[0].select if driver else self.everybody()
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        return Query(f"SELECT DISTINCT visitor FROM ({source}){where}", self.bind.parameters)

    def groups(self, parsed: Rules, within: Window | None) -> list[list[Side]]:
        """The sets of each group, of which one has to hold; with those active in ``within`` where the rules don't imply it."""
        groups = [[self.side(rule) for rule in group] for group in parsed.groups]
        if within is not None and not implied(parsed, within):
            groups.insert(0, [Side(self.active(within), negated=False)])
        return groups

    def side(self, rule: Rule) -> Side:
        match rule:
            case EventRule():
                return Side(self.event(rule), negated=not rule.did)
            case FieldRule(group="metric"):
                return self.metric(rule)
            case FieldRule(owner="account"):
                return Side(self.of_account(rule), negated=rule.comparison.negated)
            case FieldRule():
                known = self.live and not (self.linked and rule.group == "visitor")
                return Side(self.field(rule), negated=rule.comparison.negated, wide=not known)
            case SegmentRule():
                return Side(self.query(rule.rules, within=None).sql, negated=not rule.did)
            case ListRule():
                return self.listed(rule)
            case ChartRule():
                from arrivals.audience.charts import cells  # which itself asks by this module

                return Side(f"SELECT visitor FROM ({cells.select(rule.number, self)})", negated=not rule.did)

    def listed(self, rule: ListRule) -> Side:
        condition = (
            f"list_id = {self.bind.add(rule.list_id, 'String')} AND version = {self.bind.add(rule.version, 'UInt32')}"
        )
        if rule.of == "account":
            accounts = f"SELECT visitor FROM list_members WHERE {condition}"
            members = f"SELECT visitor FROM ({belonging.newest(self)}) WHERE cityHash64(account) IN ({accounts})"
            return Side(members, negated=not rule.did)
        members = f"SELECT visitor FROM list_members WHERE {condition} AND {self.own()}"
        return Side(self.resolved(members), negated=not rule.did, wide=True)

    def matching(self, kind: str, name: str | None, conditions: tuple[Comparison, ...]) -> str:
        """The condition on events of a rule or column, without its span."""
        if kind in tagged.KINDS and name is not None:
            parts = [tagged.condition(kind, name, self.bind)]
            return self.having(parts, conditions)
        kinds = rules.EVENT_KINDS[kind]
        parts = [f"kind IN ({', '.join(self.bind.add(one, 'String') for one in kinds)})"] if kinds else []
        parts += [f"name = {self.bind.add(name, 'String')}"] if name is not None else []
        return self.having(parts, conditions)

    def having(self, parts: list[str], conditions: tuple[Comparison, ...]) -> str:
        """``parts``, and the conditions on properties."""
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

    def counts(self, rule: EventRule, names: Sequence[str]) -> str:
        """A SELECT of ``name``, ``visitor`` and ``n``: how often who did it, of each of these names instead of the rule's."""
        matching = self.matching(rule.kind, None, rule.where)
        where = f"{matching} AND name IN {self.bind.add(list(names), 'Array(String)')} AND {self.times(rule.window)}"
        each = f"SELECT name, visitor, count() AS n FROM events WHERE {self.own()} AND {where} GROUP BY name, visitor"
        return self.owner(each, "s.name AS name, sum(s.n) AS n", "GROUP BY name, visitor") if self.linked else each

    def event(self, rule: EventRule) -> str:
        matching = self.matching(rule.kind, rule.name, rule.where)
        where = f"{self.own()} AND {matching} AND {self.times(rule.window)}"
        if rule.at_least == 1 and rule.at_most is None:
            return self.resolved(f"SELECT visitor FROM events WHERE {where} GROUP BY visitor")
        low = self.bind.add(rule.at_least, "UInt64")
        counted = "sum(s.n)" if self.linked else "count()"
        having = f"{counted} >= {low}"
        having += f" AND {counted} <= {self.bind.add(rule.at_most, 'UInt64')}" if rule.at_most is not None else ""
        if not self.linked:
            return f"SELECT visitor FROM events WHERE {where} GROUP BY visitor HAVING {having}"
        each = f"SELECT visitor, count() AS n FROM events WHERE {where} GROUP BY visitor"
        return self.owner(each, "", f"GROUP BY visitor HAVING {having}")

    def field(self, rule: FieldRule) -> str:
        if rule.group == "visitor":
            ids = f"SELECT visitor, any(visitor_id) AS id FROM visitors WHERE {self.own()} GROUP BY visitor"
            aliases = ""
            if self.linked:
                # One who did nothing by its own id is known by those that were linked to it.
                ids += f" UNION DISTINCT SELECT visitor, visitor_id AS id FROM links FINAL WHERE {self.own('alias')}"
                aliases = f" AND visitor NOT IN (SELECT alias FROM {self.links})"
            return f"SELECT visitor FROM ({ids}) WHERE {comparisons.sql(rule.comparison, 'id', self.bind)}{aliases}"
        return f"SELECT visitor FROM ({self.values(rule)}) WHERE {comparisons.sql(rule.comparison, 'value', self.bind)}"

    def values(self, rule: FieldRule) -> str:
        """A SELECT of ``visitor`` and ``value``, of one metadata field."""
        where = f"grp = {self.bind.add(rule.group, 'String')} AND field = {self.bind.add(rule.field, 'String')}"
        values = f"SELECT visitor, value, at FROM visitor_fields FINAL WHERE {where} AND {self.own()}"
        if not self.linked:
            return values
        return self.owner(values, "argMax(tuple(s.value), s.at).1 AS value", "GROUP BY visitor")

    def of_account(self, rule: FieldRule) -> str:
        """Those whose account has such an id, or such a value in its metadata."""
        belong = belonging.newest(self)
        if rule.group == "account":
            return f"SELECT visitor FROM ({belong}) WHERE {comparisons.sql(rule.comparison, 'account', self.bind)}"
        where = f"grp = {self.bind.add(rule.group, 'String')} AND field = {self.bind.add(rule.field, 'String')}"
        if self.keys:
            where += f" AND account_id IN (SELECT account FROM ({belong}))"
        values = f"SELECT account_id, value FROM account_fields FINAL WHERE {where}"
        accounts = f"SELECT account_id FROM ({values}) WHERE {comparisons.sql(rule.comparison, 'value', self.bind)}"
        return f"SELECT visitor FROM ({belong}) WHERE account IN ({accounts})"

    def metric(self, rule: FieldRule) -> Side:
        """A metric of the visitor, or of its account.

        Who did nothing in the span has no row, and counts 0: where that satisfies the comparison, it is all but those
        who do not satisfy it.
        """
        read = rule.comparison
        zero: float | str | None = 0
        if rule.field == metrics.FREQUENCY:
            value, zero = metrics.band("m"), metrics.NO_BAND
            condition = comparisons.sql(read, value, self.bind)
        elif rule.field in metrics.TIMES:
            # With its zone: a time without one is taken to be in the workspace's.
            condition = comparisons.sql(read, "concat(toString(m), 'Z')", self.bind, time="m")
            zero = None
        else:
            condition = comparisons.sql(read, "toString(m)", self.bind, number="m")
        others = zero is not None and comparisons.holds(read, zero)
        if rule.owner == "visitor":
            found = f"SELECT visitor FROM ({self.measured(rule)}) WHERE {'NOT ' if others else ''}{condition}"
            return Side(found, negated=read.negated != others)
        accounts = f"SELECT account FROM ({self.measured(rule)}) WHERE {'NOT ' if others else ''}{condition}"
        within = "NOT IN" if others else "IN"
        found = f"SELECT visitor FROM ({belonging.newest(self)}) WHERE account {within} ({accounts})"
        return Side(found, negated=read.negated)

    def measured(self, rule: FieldRule) -> str:
        """A SELECT of ``visitor`` (or ``account``) and ``m``, a metric of those who did anything in its span."""
        name, window = metrics.aggregated(rule.field, rule.window, self.now, self.bind.zone)
        if rule.owner == "account":
            return belonging.metric(self, name, window)
        if metrics.kept(name, window):
            # Kept of each visitor, so that all events that there ever were need not be read. Who did nothing yet has a
            # first time that is far ahead.
            each = f"SELECT visitor, min(first) AS m FROM visitors WHERE {self.own()} GROUP BY visitor"
            until = f"HAVING m <= {self.bind.time(window.bounds(self.now)[1])}"
            return self.owner(each, "min(s.m) AS m", f"GROUP BY visitor {until}") if self.linked else f"{each} {until}"
        where = f"{self.own()} AND {self.times(window)}"
        if not self.linked:
            return f"SELECT visitor, {metrics.value(name, self.bind)} AS m FROM events WHERE {where} GROUP BY visitor"
        each = f"SELECT visitor, {metrics.state(name, self.bind)} AS state FROM events WHERE {where} GROUP BY visitor"
        return self.owner(each, f"{metrics.merged(name, 's.state', self.bind)} AS m", "GROUP BY visitor")

    def active(self, window: Window) -> str:
        """Those with at least one event in the span.

        At the present, with a span that reaches up to it, the visitors' last times say it without the events.
        """
        first, _last = window.bounds(self.now)
        if self.live and window.open:
            after = f"max(last) >= {self.bind.time(first)}" if first is not None else f"max(last) > {NEVER}"
            return self.resolved(f"SELECT visitor FROM visitors WHERE {self.own()} GROUP BY visitor HAVING {after}")
        return self.resolved(f"SELECT visitor FROM events WHERE {self.own()} AND {self.times(window)} GROUP BY visitor")
