"""What one visitor did, read once, and what rules say of it at any number of moments. Blocks.

Who is in a segment is for SQL to say. But since when one visitor is in it has to be asked of hundreds of moments, and a
statement takes far longer to be understood than a visitor's rows to be read. So this reads the rows once, with which of
them satisfy which conditions (that SQL says here too), and counts them for each moment in memory.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from arrivals.accounts import workspace
from arrivals.audience import comparisons, metrics
from arrivals.audience.comparisons import Comparison
from arrivals.audience.compiler import Compiler
from arrivals.audience.moments import Moment
from arrivals.audience.person import Person
from arrivals.audience.rules import EventRule, FieldRule, Rule
from arrivals.audience.windows import Window
from arrivals.warehouse import client

Numbers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]
MOST_EVENTS = 1_000_000
BITS = 60  # conditions in one column
LOWEST = -(2**62)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND, DAY = timedelta(milliseconds=1), timedelta(days=1)


def told(rule: Rule) -> bool:
    """Whether ``Timeline.holds`` says what this rule says: it is of what the visitor itself did, and nothing else."""
    match rule:
        case EventRule():
            return not any(relative(one) for one in rule.where)
        case FieldRule(owner="visitor", group="metric"):
            return True
    return False


def relative(comparison: Comparison) -> list[Moment]:
    """The times in a comparison that are other ones at another moment."""
    value = comparison.value
    return [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Moment)]


class Timeline:
    """The events of one visitor up to a moment, the oldest first. Times are milliseconds since 1970, in UTC.

    ``matched``: by the text of a rule about events, its events' times. ``days``: their days since 1970, in the
    workspace's zone. ``accounts``: of each event the hash of the account that it or the newest before it names.
    ``began``: from when on there was such a visitor.
    """

    def __init__(self, times: Numbers, days: Numbers, accounts: Numbers, matched: dict[str, Numbers], began: int):
        self.times, self.days, self.matched, self.began = times, days, matched, began
        named = (
            np.maximum.accumulate(np.where(accounts != 0, np.arange(len(accounts)), -1)) if len(accounts) else accounts
        )
        self.accounts = np.where(named >= 0, accounts[named], 0) if len(accounts) else accounts
        self._distinct = {"days_active": _ranks(days), "minutes": _ranks(times // 60_000)}
        self._midnights: dict[date, int] = {}

    def events(self, rule: EventRule) -> Numbers:
        """The times of the events that a rule is about, whenever they were."""
        return self.matched[condition(rule)]

    def account(self, moments: Numbers) -> Numbers:
        """The hash of the account that the visitor belongs to at each moment; 0: to none."""
        places = np.searchsorted(self.times, moments, "right")
        return np.concatenate((np.zeros(1, np.int64), self.accounts))[places]

    def holds(self, rule: Rule, moments: Numbers) -> Truths:
        """Whether a rule that is ``told`` holds at each moment."""
        if isinstance(rule, EventRule):
            first, last = self.span(rule.window, moments)
            times = self.events(rule)
            many = np.searchsorted(times, last, "right") - np.searchsorted(times, first, "left")
            found = many >= max(1, rule.at_least)
            if rule.at_most is not None:
                found &= many <= rule.at_most
            return found if rule.did else ~found
        assert isinstance(rule, FieldRule)
        found = self._metric(rule, moments)
        return ~found if rule.comparison.negated else found

    def span(self, window: Window, moments: Numbers) -> tuple[Numbers, Numbers]:
        """``window.bounds`` at each moment."""
        if window.days or window.period:
            first, last = self._daily(window.bounds, moments)
        elif window.within is not None:
            first, last = moments + (window.bounds(EPOCH)[0] or 0), moments
        else:
            start, end = window.bounds(datetime.max.replace(tzinfo=UTC))
            first, last = np.full_like(moments, LOWEST if start is None else start), np.full_like(moments, end)
        return first, np.minimum(last, moments)

    def _metric(self, rule: FieldRule, moments: Numbers) -> Truths:
        read = rule.comparison
        if rule.field == metrics.FREQUENCY:
            zone = workspace.time_zone()
            full = self._daily(lambda at: metrics.aggregated(rule.field, rule.window, at, zone)[1].bounds(at), moments)
            first, last = full
        else:
            first, last = self.span(rule.window, moments)
        low, high = np.searchsorted(self.times, first, "left"), np.searchsorted(self.times, last, "right")
        some = high > low
        if rule.field in metrics.TIMES:
            if not len(self.times):
                return some
            place = low if rule.field == "first_visit" else high - 1
            times = self.times[np.clip(place, 0, len(self.times) - 1)]
            return some & self._compared(read, times, moments)
        if rule.field == "events":
            values = np.where(some, high - low, 0)
        else:
            ranks = self._distinct["days_active" if rule.field == metrics.FREQUENCY else rule.field]
            values = np.where(some, ranks[high] - ranks[np.minimum(low + 1, len(ranks) - 1)] + 1, 0)
        distinct, places = np.unique(values, return_inverse=True)
        of: Callable[[int], Any] = metrics.frequency if rule.field == metrics.FREQUENCY else float
        return np.array([comparisons.holds(read, of(int(one))) for one in distinct], np.bool_)[places]

    def _compared(self, read: Comparison, times: Numbers, moments: Numbers) -> Truths:
        if read.op == "is_set":
            return np.ones(len(times), np.bool_)
        bounds = [self._bound(one, moments) for one in (read.value if read.op == "between" else (read.value,))]
        match read.op:
            case "between":
                return (times >= bounds[0]) & (times <= bounds[1])
            case "gt":
                return times > bounds[0]
            case "gte":
                return times >= bounds[0]
            case "lt":
                return times < bounds[0]
        return times <= bounds[0]

    def _bound(self, value: datetime | Moment, moments: Numbers) -> Numbers:
        if isinstance(value, datetime):
            return np.full_like(moments, round(value.timestamp() * 1000))
        if not value.day:
            return moments + value.offset // MILLISECOND
        return self._daily(lambda at: (round(value.at(at).timestamp() * 1000), 0), moments)[0]

    def _daily(self, ask: Callable[[datetime], tuple[int | None, int]], moments: Numbers) -> tuple[Numbers, Numbers]:
        """What ``ask``, which depends on the day only, says at the end of the day of each moment."""
        day, end = (workspace.day(EPOCH + int(one) * MILLISECOND) for one in (moments.min(), moments.max()))
        edges = np.array([self._midnight(day + number * DAY) for number in range((end - day).days + 2)], np.int64)
        days, places = np.unique(np.searchsorted(edges, moments, "right"), return_inverse=True)
        answers = [ask(EPOCH + (int(edges[one]) - 1) * MILLISECOND) for one in days]
        first, last = (
            np.array([LOWEST if one is None else one for one in part], np.int64) for part in zip(*answers, strict=True)
        )
        return first[places], last[places]

    def _midnight(self, day: date) -> int:
        if day not in self._midnights:
            self._midnights[day] = (workspace.midnight(day) - EPOCH) // MILLISECOND
        return self._midnights[day]


def read(who: Person, rules: Iterable[EventRule], now: datetime, *, links: bool) -> Timeline | None:
    """What the visitor did up to ``now``, and which of it ``rules`` are about. None: that are too many events."""
    query = Compiler(now, "t_", only=who.keys, links=links)
    found = {condition(one): query.matching(one.kind, one.name, one.where) for one in rules}
    bits = [f"bitShiftLeft(toInt64(ifNull({one}, 0)), {number % BITS})" for number, one in enumerate(found.values())]
    masks = [f", {' + '.join(bits[start : start + BITS])}" for start in range(0, len(bits), BITS)]
    rows = (
        client.warehouse()
        .numbers(
            f"SELECT toUnixTimestamp64Milli(ts), toInt64({query.bind.day('ts')}), "
            f"if(account_id = '', toInt64(0), reinterpretAsInt64(cityHash64(account_id))){''.join(masks)} "
            # Of two accounts at one moment the one whose id sorts last is the newest, as in ``belonging``.
            f"FROM events WHERE {query.own()} AND {query.times()} ORDER BY ts, account_id LIMIT {MOST_EVENTS + 1}",
            query.bind.parameters,
            seconds=30,
        )
        .reshape(-1, 3 + len(masks))
    )
    if len(rows) > MOST_EVENTS:
        return None
    times = rows[:, 0].astype(np.int64)
    matched = {
        text: times[rows[:, 3 + number // BITS].astype(np.int64) >> (number % BITS) & 1 == 1]
        for number, text in enumerate(found)
    }
    return Timeline(times, rows[:, 1].astype(np.int64), rows[:, 2].astype(np.int64), matched, _began(query))


def condition(rule: EventRule) -> str:
    """The same for all rules about the same events: 1, 1.0 and true are equal for Python, and not for a condition."""
    return repr((rule.kind, rule.name, rule.where))


def _began(query: Compiler) -> int:
    """From when on ``query.everybody`` has the one who is asked about."""
    [(first,)] = client.warehouse().query(
        "SELECT min(if(seen = 0, toInt64(0), began)) FROM (SELECT toUnixTimestamp64Milli(min(first)) AS began, "
        f"toUnixTimestamp64Milli(max(last)) AS seen FROM visitors WHERE {query.own()} GROUP BY visitor)",
        query.bind.parameters,
    )
    return LOWEST if first == 0 else int(first)


def _ranks(sorted_: Numbers) -> Numbers:
    """How many different numbers the first n are, for each n from 0 on."""
    new = np.concatenate((np.ones(1, np.int64), (np.diff(sorted_) != 0).astype(np.int64))) if len(sorted_) else sorted_
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(new, dtype=np.int64)))
