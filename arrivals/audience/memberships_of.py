"""Which segments one visitor is in, and since when. Blocks.

All segments are asked together, and only the visitor's own rows are read, so it costs the same in a small and in a large
event store. What rules say of the visitor's own events and metrics is counted in memory (``timelines``); all else is
asked of the warehouse, each rule once, at each account that the visitor belonged to once, or moment by moment.

Since when: what rules say of events changes only when something happens, or when that leaves a span again, or at
midnight. The segment is looked at at these moments, from the newest back, until the visitor was not in it. That is exact
to the millisecond for rules about events, metrics and the account. Rules that have to be asked moment by moment, the
metrics of an account, are asked as far as ``WALKED`` changes go back. Beyond
them it is found by halving, so that a short time out of the segment may be missed, and it is not exact. Of metadata, of
lists, of charts and of what other visitors of an account did only the present is known: with such rules it is the time since which
the rest of the rules holds, and not exact either.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import Any

import numpy as np

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import metrics, person, rules, segments, timelines, windows
from arrivals.audience.asking import linked
from arrivals.audience.compiler import Compiler
from arrivals.audience.models import Segment
from arrivals.audience.person import Person
from arrivals.audience.rules import EventRule, FieldRule, ListRule, Rule, Rules, SegmentRule
from arrivals.audience.timelines import Numbers, Timeline, Truths, relative
from arrivals.audience.windows import Window
from arrivals.errors import InvalidRules
from arrivals.warehouse import client

TOGETHER = 16  # questions in one SELECT
WALKED = 48
MOST_CHANGES = 5000
MOST_ACCOUNTS = 8
PATIENCE = 10.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Membership:
    """``since`` is None for who is not in it, and where nothing tells, or not in time. ``problem``: why the segment cannot be asked."""

    segment: Segment
    inside: bool
    since: datetime | None = None
    exact: bool = False
    problem: str = ""


@dataclass
class Changes:
    """When what rules say of a visitor may change: at ``offsets`` (in milliseconds) from its events, and at the midnight
    that begins the day which is so many ``days`` after theirs, or the period (day, week, ...) which is so many ``periods`` after.

    ``events``: the rules that say which events these are, beside the first of all; None: all of them.
    ``known``: there is nothing else that changes it.
    """

    offsets: set[int]
    days: set[int] = field(default_factory=set)
    periods: set[tuple[str, int]] = field(default_factory=set)
    events: list[EventRule] | None = field(default_factory=list)
    known: bool = True


def of(visitor_id: str, *, since: bool = True, seconds: float = PATIENCE) -> list[Membership]:
    """All segments, by name: whether the visitor is in each, and since when unless that is not asked for, or is not
    known of some after so many ``seconds``.

    Raises:
        NotFound: no such visitor. CheckTimeout: it takes longer than 30 s.
    """
    who, now, end = person.find(visitor_id), clock.now(), time.monotonic() + seconds
    listed = sorted(segments.all_segments(), key=lambda one: (one.name.lower(), one.id))
    parsed: dict[str, Rules] = {}
    problems: dict[str, str] = {}
    for one in listed:
        try:
            parsed[one.id] = rules.parse(one.rules)
        except InvalidRules as error:
            problems[one.id] = str(error)
    history = _History(who, list(parsed.values()), now, end)
    inside = {id_ for id_, one in parsed.items() if history.now(one)}
    begun: dict[str, tuple[datetime | None, bool]] = {}
    # First what is known without asking further, so that a slow one takes no time from the others.
    for id_ in sorted(inside if since else (), key=lambda id_: any(map(_by_moments, _leaves(parsed[id_])))):
        if time.monotonic() < end:
            begun[id_] = _since(history, parsed[id_])
    return [
        Membership(one, one.id in inside, *begun.get(one.id, (None, False)), problems.get(one.id, "")) for one in listed
    ]


def as_dict(one: Membership) -> dict[str, Any]:
    """segment (id and name), in, since (or null), exact, problem (or null)."""
    return {
        "segment": {"id": one.segment.id, "name": one.segment.name},
        "in": one.inside,
        "since": clock.iso(one.since) if one.since else None,
        "exact": one.exact,
        "problem": one.problem or None,
    }


def changes(parsed: Rules) -> Changes:
    """When what these rules say of a visitor may change."""
    found = Changes({0})
    for rule in _leaves(parsed):
        _add(found, rule)
    return found


class _Late(Exception):
    """There is no time left for finding out since when."""


class _History:
    """What rules say of one visitor, now and at moments before (milliseconds since 1970)."""

    def __init__(self, who: Person, asked: Sequence[Rules], now: datetime, end: float) -> None:
        self.who, self.at, self.end = who, now, end
        self.links = linked()
        leaves = [leaf for one in asked for leaf in _leaves(one)]
        events = [leaf for leaf in leaves if isinstance(leaf, EventRule)]
        self.timeline: Timeline | None = timelines.read(who, events, now, links=self.links)
        others = {repr(leaf): leaf for leaf in leaves if not self._told(leaf)}
        self._present = dict(zip(others, self._asked(None, [(None, leaf) for leaf in others.values()]), strict=True))
        self._by_account: dict[tuple[str, int], bool] = {}

    def now(self, parsed: Rules) -> bool:
        moments = np.array([round((self.at - EPOCH) / MILLISECOND)], np.int64)
        return bool(_all(parsed, lambda leaf: self._leaf_now(leaf, moments), 1)[0][0])

    def between(self, parsed: Rules, moments: Numbers) -> tuple[Truths, Truths]:
        """At each moment, whether the visitor was surely in it, and whether it may have been."""
        assert self.timeline
        low, high = _all(parsed, lambda leaf: self._leaf(leaf, moments), len(moments))
        there = moments >= self.timeline.began
        return low & there, high & there

    def past(self, parsed: Rules, moments: Sequence[int]) -> list[bool]:
        """Whether the visitor was in it at each moment."""
        low, high = self.between(parsed, np.array(moments, np.int64))
        open_ = [place for place in range(len(moments)) if low[place] != high[place]]
        for start in range(0, len(open_), TOGETHER):
            if time.monotonic() > self.end:
                raise _Late
            places = open_[start : start + TOGETHER]
            low[places] = self._asked(parsed, [(moments[place], None) for place in places])
        return [bool(one) for one in low]

    def _told(self, leaf: Rule) -> bool:
        return self.timeline is not None and timelines.told(leaf)

    def _leaf_now(self, leaf: Rule, moments: Numbers) -> tuple[Truths, Truths]:
        if self.timeline and self._told(leaf):
            found = self.timeline.holds(leaf, moments)
        else:
            found = np.full(1, self._present[repr(leaf)])
        return found, found

    def _leaf(self, leaf: Rule, moments: Numbers) -> tuple[Truths, Truths]:
        assert self.timeline
        if timelines.told(leaf):
            found = self.timeline.holds(leaf, moments)
        elif _by_moments(leaf):
            return np.zeros(len(moments), np.bool_), np.ones(len(moments), np.bool_)
        elif (
            leaf.of == "account"
            if isinstance(leaf, ListRule)
            else isinstance(leaf, FieldRule) and leaf.owner == "account"
        ):
            return self._of_accounts(leaf, moments)
        else:
            found = np.full(len(moments), self._present[repr(leaf)])
        return found, found

    def _of_accounts(self, leaf: Rule, moments: Numbers) -> tuple[Truths, Truths]:
        """It says the same at all moments at which the visitor belonged to the same account."""
        assert self.timeline
        low, high = np.zeros(len(moments), np.bool_), np.ones(len(moments), np.bool_)
        accounts, firsts = np.unique(self.timeline.account(moments), return_index=True)
        for account, first in sorted(zip(accounts, firsts, strict=True), key=lambda one: int(one[1]))[:MOST_ACCOUNTS]:
            known = (repr(leaf), int(account))
            if known not in self._by_account:
                [self._by_account[known]] = self._asked(None, [(int(moments[first]), leaf)])
            low[self.timeline.account(moments) == account] = self._by_account[known]
            high[self.timeline.account(moments) == account] = self._by_account[known]
        return low, high

    def _account(self, moment: int) -> int | None:
        if self.timeline is None:
            return None
        return int(self.timeline.account(np.array([moment], np.int64))[0]) % 2**64

    def _asked(self, parsed: Rules | None, questions: Sequence[tuple[int | None, Rule | None]]) -> list[bool]:
        """Of the warehouse: at each moment (None: the present) about ``parsed``, or about a rule alone."""
        answers: list[bool] = []
        for start in range(0, len(questions), TOGETHER):
            parts, parameters = [], {}
            for number, (moment, leaf) in enumerate(questions[start : start + TOGETHER]):
                at = None if moment is None else EPOCH + moment * MILLISECOND
                account = self._account(moment) if moment is not None else None
                query = Compiler(at, f"m{number}_", only=self.who.keys, links=self.links, account=account)
                key = query.bind.add(self.who.key, "UInt64")
                if leaf is not None:
                    side = query.side(leaf)
                    parts.append(f"{key} {'NOT IN' if side.negated else 'IN'} ({side.select})")
                elif parsed is not None:
                    parts.append(f"{key} IN ({query.query(parsed, within=None).sql})")
                parameters.update(query.bind.parameters)
            [row] = client.warehouse().query(f"SELECT {', '.join(parts)}", parameters)
            answers += [bool(one) for one in row]
        return answers


def _all(parsed: Rules, leaf: Callable[[Rule], tuple[Truths, Truths]], size: int) -> tuple[Truths, Truths]:
    """All groups together: what surely holds, and what may hold, at each of so many moments."""
    low, high = np.ones(size, np.bool_), np.ones(size, np.bool_)
    for group in parsed.groups:
        any_low, any_high = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        for rule in group:
            if isinstance(rule, SegmentRule):
                one, other = _all(rule.rules, leaf, size)
                one, other = (one, other) if rule.did else (~other, ~one)
            else:
                one, other = leaf(rule)
            any_low, any_high = any_low | one, any_high | other
        low, high = low & any_low, high & any_high
    return low, high


def _by_moments(leaf: Rule) -> bool:
    """Whether only the warehouse can say what this rule said at a moment before, and again at each."""
    match leaf:
        case FieldRule(group="metric", owner="account"):
            return True
        case FieldRule(group="metric") | ListRule():
            return False
        case FieldRule():
            return bool(relative(leaf.comparison))
        case EventRule():
            return not timelines.told(leaf)
    return True


def _since(history: _History, parsed: Rules) -> tuple[datetime | None, bool]:
    """Since when the visitor, who is in it now, has been, and whether that is exact."""
    if history.timeline is None:
        return None, False
    what = changes(parsed)
    moments, whole = _moments(history.timeline, what, history.at)
    if not moments:
        return None, False
    # Between two of the moments nothing changes, so each stands for the time until the next.
    low, high = history.between(parsed, np.array(moments, np.int64))
    out = np.flatnonzero(~high)
    first_out = int(out[0]) if len(out) else len(moments)
    if low[:first_out].all():
        if not first_out:
            return None, False
        return _at(moments[first_out - 1]), what.known and (whole or first_out < len(moments))
    try:
        return _walked(history, parsed, moments[: first_out + 1], known=what.known, whole=whole)
    except _Late:
        return None, False


def _walked(
    history: _History, parsed: Rules, moments: list[int], *, known: bool, whole: bool
) -> tuple[datetime | None, bool]:
    """The same where the warehouse has to be asked."""
    start, step = 0, 4
    while start < min(len(moments), WALKED):
        for number, inside in enumerate(history.past(parsed, moments[start : min(start + step, WALKED)])):
            if not inside:
                place = start + number
                return (_at(moments[place - 1]), known) if place else (None, False)
        start, step = start + step, TOGETHER
    if len(moments) <= WALKED:
        return _at(moments[-1]), known and whole
    places = list(_doubling(len(moments)))
    held = history.past(parsed, [moments[p] for p in places])
    out = next((n for n, inside in enumerate(held) if not inside), None)
    if out is None:
        return _at(moments[-1]), False
    inner, outer = (places[out - 1] if out else WALKED - 1), places[out]
    while outer - inner > 1:
        step = max(1, (outer - inner) // 4)
        tried = list(range(inner + step, outer, step))
        held = history.past(parsed, [moments[one] for one in tried])
        first = next((n for n, inside in enumerate(held) if not inside), None)
        inner, outer = (tried[-1], outer) if first is None else (tried[first - 1] if first else inner, tried[first])
    return _at(moments[inner]), False


def _doubling(length: int) -> Iterable[int]:
    step = WALKED
    while step < length - 1:
        yield step
        step *= 2
    yield length - 1


def _moments(timeline: Timeline, what: Changes, now: datetime) -> tuple[list[int], bool]:
    """When something may have changed, the newest first, in milliseconds since 1970; and whether these are all."""
    last = round((now - EPOCH) / MILLISECOND)
    times, days = timeline.times, timeline.days
    if what.events is not None:
        about = np.unique(np.concatenate([times[:1], *map(timeline.events, what.events)]))
        kept = np.isin(times, about)
        times, days = times[kept], days[kept]
    times = np.unique(times)
    parts = [(times + offset)[times + offset <= last][-MOST_CHANGES:] for offset in what.offsets]
    newest = np.unique(np.concatenate(parts))[-MOST_CHANGES:]
    moments, whole = {int(one) for one in newest}, len(newest) < MOST_CHANGES
    if what.days or what.periods:
        on = [EPOCH.date() + int(one) * DAY for one in np.unique(days)[-MOST_CHANGES:]]
        begun = {day + timedelta(days=after) for day in on for after in what.days}
        for unit, after in what.periods:
            begun |= {workspace.moved(unit, workspace.first_day(unit, day), after) for day in on}
        at = {round((workspace.midnight(day) - EPOCH) / MILLISECOND) for day in begun}
        moments |= {one for one in at if min(moments, default=last) <= one <= last}
    return sorted(moments, reverse=True), whole


def _at(moment: int) -> datetime:
    return EPOCH + moment * MILLISECOND


def _leaves(parsed: Rules) -> Iterable[Rule]:
    for group in parsed.groups:
        for rule in group:
            if isinstance(rule, SegmentRule):
                yield from _leaves(rule.rules)
            else:
                yield rule


def _add(found: Changes, rule: Rule) -> None:
    match rule:
        case EventRule():
            if found.events is not None:
                found.events.append(rule)
            if any(relative(one) for one in rule.where):
                found.known = False
        case FieldRule() if rule.group == rule.owner or (rule.owner, rule.group) == ("visitor", "metric"):
            found.events = None
            if rule.field == metrics.FREQUENCY:  # a day counts from its end on, for so many days
                found.days |= {1, metrics.FREQUENCY_DAYS + 1}
            for moment in relative(rule.comparison):
                # It is compared with the time of an event: it changes when the moment reaches or passes that.
                if moment.day:
                    found.days |= set(range(floor(-moment.offset / DAY), ceil(-moment.offset / DAY) + 2))
                else:
                    offset = round(moment.offset / MILLISECOND)
                    found.offsets |= {-offset, 1 - offset}
        case _:  # metadata, lists, charts, other visitors of an account
            found.known = False
            return
    _of_window(found, rule.window)


def _of_window(found: Changes, window: Window) -> None:
    """When an event comes into a span, or leaves it."""
    if window.within is not None:
        found.offsets.add(round(window.within / MILLISECOND))
    if window.days:  # of full days: from the end of its day on
        found.days |= {1, window.days + 1}
    if window.period:
        unit, offset = windows.PERIODS[window.period]
        found.periods |= {(unit, -offset), (unit, 1 - offset)}
