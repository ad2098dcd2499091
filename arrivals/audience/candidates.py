"""Whose membership of a report can have changed since a moment: what the watcher looks at instead of everybody.

A visitor is on a report or not by three things: the definition, the rows that are stored of them (under every id that
they are known by), and the time. So between two moments t1 and t2 nothing changes for a visitor of whom no row that the
definition reads came in, who was not linked, and of whom no event lies where the beginning or the end of a span moved
over it. A ``Plan`` says of one report which rows these are. Whatever is not certain makes the plan not ``local``, with
the reason in ``why``: then everybody has to be looked at.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from arrivals import clock
from arrivals.audience import comparisons, compiler, members, metrics, rules
from arrivals.audience.comparisons import Comparison
from arrivals.audience.models import Report
from arrivals.audience.rules import EventRule, FieldRule, ListRule, Rule, Rules, SegmentRule
from arrivals.audience.windows import EVER, Window
from arrivals.warehouse import client
from arrivals.warehouse.near import Reading, Wanted

FIXED = datetime(2020, 1, 1, tzinfo=UTC)  # definitions are compared as they are at this moment
LATER = datetime(2031, 7, 17, 13, 7, tzinfo=UTC)
LINKED = "SELECT 1 FROM links LIMIT 1"  # what is asked to find whether there are links
ANY = ("", "")
# All that these classes may hold, as this module understands them. With another field a rule may mean something else.
KNOWN: dict[type, set[str]] = {
    EventRule: {"kind", "name", "did", "at_least", "at_most", "window", "where"},
    FieldRule: {"group", "field", "comparison", "owner", "window"},
    SegmentRule: {"did", "rules", "segment_id", "written"},
    ListRule: {"did", "list_id", "version", "of"},
    Rules: {"groups"},
    Window: {"within", "since", "until", "days", "period"},
}
# Metrics over the events of a span, without a calendar of their own.
TIMES = {"first_visit", "last_visit"}  # metrics that are the time of an event
METRICS = {"first_visit", "last_visit", "days_active", "events", "minutes"}
BY_NAME = {"track", "survey", "event"}  # kinds of rules whose name is the name of the event, and nothing else


@dataclass(frozen=True)
class Span:
    """Events of a kind and name ("": any) in ``window``. ``read``: the question reads the events themselves."""

    kind: str
    name: str
    window: Window
    read: bool = True


@dataclass(frozen=True)
class Plan:
    """What a report's membership depends on. ``meaning`` names its definition: equal as long as it means the same."""

    meaning: str
    spans: tuple[Span, ...] = ()
    fields: frozenset[tuple[str, str]] = frozenset()  # group and name
    account_fields: frozenset[tuple[str, str]] = frozenset()
    lists: frozenset[tuple[str, int]] = frozenset()
    dates: tuple[Comparison, ...] = ()  # those that may hold at one moment and not at another
    edges: tuple[Comparison, ...] = ()  # the same, of the time of an event of the visitor
    content: bool = False  # whether addresses or properties of events are read
    accounts: bool = False  # whether the account that a visitor belongs to is read
    why: str = ""

    @property
    def local(self) -> bool:
        """Whether each member can be looked at without the others."""
        return not self.why

    @property
    def events(self) -> frozenset[tuple[str, str]]:
        """Kind and name of the events that can change something when they come in."""
        return frozenset((one.kind, one.name) for one in self.spans)

    def steady(self, before: datetime, now: datetime) -> bool:
        """Whether every date that is compared with is the same at both moments."""
        return all(comparisons.resolved(one, before) == comparisons.resolved(one, now) for one in self.dates)

    def crossed(self, before: datetime, now: datetime) -> Iterator[tuple[tuple[str, str], int, int]]:
        """Kind and name, and first and last millisecond, of events that time brought in or took out between the two."""
        for one in self.spans:
            (first, last), (first_now, last_now) = one.window.bounds(before), one.window.bounds(now)
            if first is not None and first_now is not None and first != first_now:
                low, high = sorted((first, first_now))
                yield (one.kind, one.name), low, high - 1
            if last != last_now:
                low, high = sorted((last, last_now))
                yield (one.kind, one.name), low + 1, high
        for compared in self.edges:
            for low, high in zip(_times(compared, before), _times(compared, now), strict=True):
                if low != high:
                    yield ANY, min(low, high), max(low, high)

    def wanted(self, before: datetime, now: datetime) -> Wanted:
        """What is to be copied of the visitors who are looked at."""
        readings = set()
        for one in self.spans:
            firsts = [one.window.bounds(moment)[0] for moment in (before, now)]
            since = min((first for first in firsts if first is not None), default=None)
            if one.read:
                readings.add(Reading(one.kind, one.name, None if None in firsts else since))
        return Wanted(frozenset(readings), self.content, self.fields, self.accounts, self.lists)


def plan(report: Report) -> Plan:
    """The plan of a report. Asks the warehouse nothing.

    Raises:
        InvalidReport: the report's segment has rules that are no longer allowed.
    """
    if report.origin:
        return Plan("", why="remote")
    with clock.standing(FIXED), linked(client.warehouse(), there=True):
        compiled = members.of(report)
    found = _Walk()
    top, window = compiler.definition(report)
    found.rules(top)
    found.known(window)
    if report.kind != "visitor":
        pair = ("survey_answered", report.survey) if report.kind == "response" else ANY
        found.spans.append(Span(*pair, window))
        found.why = found.why or "kind"
    elif not compiler.implied(top, window):
        # The last time of each visitor says who is active in a span that reaches up to the present.
        found.spans.append(Span(*ANY, window, read=not window.open))
    # The spans as they are written as well: at one moment "this month" and "this year" may begin on the same day.
    spans = [repr(window), *map(repr, found.spans)]
    parts = [report.kind, compiled.ids.sql, compiled.names, compiled.ids.parameters, spans]
    meaning = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_NON_STR_KEYS, default=str)).hexdigest()
    return replace(found.plan(), meaning=meaning)


def _moving(conditions: Iterable[Comparison]) -> list[Comparison]:
    """Those that compare with a date that is not always the same."""
    return [one for one in conditions if comparisons.resolved(one, FIXED) != comparisons.resolved(one, LATER)]


def _times(compared: Comparison, moment: datetime) -> list[int]:
    """The dates that it compares with at a moment, in milliseconds since 1970."""
    value = comparisons.resolved(compared, moment).value
    return [
        round(one.timestamp() * 1000)
        for one in (value if isinstance(value, tuple) else (value,))
        if isinstance(one, datetime)
    ]


@contextmanager
def linked(store: client.Warehouse, *, there: bool) -> Iterator[None]:
    """For the block, definitions are put together as if links were (or were not) there, without asking each time."""

    class Told(client.Warehouse):
        def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 30) -> list[Any]:
            if sql == LINKED:
                return [(1,)] if there else []
            return store.query(sql, parameters, seconds=seconds)

    with client.instead(Told(store.url, database=store.database)):
        yield


class _Walk:
    """Goes through rules and collects what they depend on."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.fields: set[tuple[str, str]] = set()
        self.account_fields: set[tuple[str, str]] = set()
        self.lists: set[tuple[str, int]] = set()
        self.dates: list[Comparison] = []
        self.edges: list[Comparison] = []
        self.content = self.accounts = False
        self.why = ""

    def plan(self) -> Plan:
        return Plan(
            "",
            tuple(dict.fromkeys(self.spans)),
            frozenset(self.fields),
            frozenset(self.account_fields),
            frozenset(self.lists),
            tuple(self.dates),
            tuple(self.edges),
            self.content,
            self.accounts,
            self.why,
        )

    def known(self, value: Any) -> bool:
        """Whether all that a value holds is understood here; if not, the report is looked at in full."""
        names = KNOWN.get(type(value))
        if names is None or not {one.name for one in fields(value)} <= names:
            self.why = "rules"
        return not self.why

    def rules(self, read: Rules) -> None:
        if self.known(read):
            for rule in (rule for group in read.groups for rule in group):
                self.rule(rule)

    def rule(self, rule: Rule) -> None:
        if not self.known(rule):
            return
        match rule:
            case EventRule():
                self.event(rule)
            case FieldRule():
                self.field(rule)
            case SegmentRule():
                self.rules(rule.rules)
            case ListRule():
                self.lists.add((rule.list_id, rule.version))
                if rule.of != "visitor":  # its ids are no visitors', so they would not be copied
                    self.why = "rules"

    def event(self, rule: EventRule) -> None:
        self.known(rule.window)
        self.dates += _moving(rule.where)
        if rule.kind in BY_NAME:
            kinds = rules.EVENT_KINDS[rule.kind] or ("",)
            self.content = self.content or bool(rule.where)
            self.spans += [Span(kind, rule.name or "", rule.window) for kind in kinds]
        else:  # a page or feature may be found by the address or element of any event
            self.content = True
            self.spans.append(Span(*ANY, rule.window))

    def field(self, rule: FieldRule) -> None:
        owner, window = rule.owner, rule.window
        if rule.group == "metric" and rule.field in TIMES:
            self.edges += _moving((rule.comparison,))
        else:
            self.dates += _moving((rule.comparison,))
        if rule.group == "metric":
            self.known(window)
            if owner != "visitor" or rule.field not in METRICS:
                self.why = "rules"
            self.spans.append(Span(*ANY, window, read=owner != "visitor" or not metrics.kept(rule.field, window)))
        elif owner == "visitor":
            self.fields |= {(rule.group, rule.field)} if rule.group != "visitor" else set()
        else:
            self.account_fields.add((rule.group, rule.field))
        self.of_account(owner != "visitor")

    def of_account(self, needed: bool) -> None:
        """The account that a visitor belongs to is that of the newest event that names one."""
        if needed:
            self.accounts = True
            self.spans.append(Span(*ANY, EVER, read=False))
