"""Which segments one visitor is in, and since when. Blocks.

All segments are asked together, and only the visitor's own rows are read, so it costs the same in a small and in a large
event store.

Since when: what rules say of events changes only when something happens, or when that leaves a span again, or at
midnight. The segment is asked at these moments, from the newest back, until the visitor was not in it. That is exact
to the millisecond for rules about events, metrics and the account, as far as ``WALKED`` changes go back. Beyond
them it is found by halving, so that a short time out of the segment may be missed, and it is not exact. Of metadata, of
lists, of charts and of what other visitors of an account did only the present is known: with such rules it is the time since which
the rest of the rules holds, and not exact either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import Any

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import metrics, person, rules, segments, windows
from arrivals.audience.asking import linked
from arrivals.audience.compiler import Compiler
from arrivals.audience.models import Segment
from arrivals.audience.moments import Moment
from arrivals.audience.person import Person
from arrivals.audience.rules import EventRule, FieldRule, Rule, Rules, SegmentRule
from arrivals.audience.windows import Window
from arrivals.errors import InvalidRules
from arrivals.warehouse import client

TOGETHER = 20  # questions in one SELECT
WALKED = 64
MOST_CHANGES = 5000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Membership:
    """``since`` is None for who is not in it, and where nothing tells. ``problem``: why the segment cannot be asked."""

    segment: Segment
    inside: bool
    since: datetime | None = None
    exact: bool = False
    problem: str = ""


@dataclass
class Changes:
    """When what rules say of a visitor may change: at ``offsets`` (in milliseconds) from its events, and at the midnight
    that begins the day which is so many ``days`` after theirs, or the period (day, week, ...) which is so many ``periods`` after.

    ``known``: there is nothing else that changes it.
    """

    offsets: set[int]
    days: set[int] = field(default_factory=set)
    periods: set[tuple[str, int]] = field(default_factory=set)
    known: bool = True


def of(visitor_id: str, *, since: bool = True) -> list[Membership]:
    """All segments, by name: whether the visitor is in each, and since when unless that is not asked for.

    Raises:
        NotFound: no such visitor. CheckTimeout: it takes longer than 30 s.
    """
    who, now = person.find(visitor_id), clock.now()
    listed = sorted(segments.all_segments(), key=lambda one: (one.name.lower(), one.id))
    parsed: dict[str, Rules] = {}
    problems: dict[str, str] = {}
    for one in listed:
        try:
            parsed[one.id] = rules.parse(one.rules)
        except InvalidRules as error:
            problems[one.id] = str(error)
    ids = list(parsed)
    inside = {id_ for id_, found in zip(ids, _present(who, [parsed[id_] for id_ in ids]), strict=True) if found}
    memberships = []
    for one in listed:
        at, exact = _since(who, parsed[one.id], now) if since and one.id in inside else (None, False)
        memberships.append(Membership(one, one.id in inside, at, exact, problems.get(one.id, "")))
    return memberships


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


def _present(who: Person, asked: Sequence[Rules]) -> list[bool]:
    answers: list[bool] = []
    has_links = linked()
    for start in range(0, len(asked), TOGETHER):
        query = Compiler(None, "s_", only=who.keys, links=has_links)
        key = query.bind.add(who.key, "UInt64")
        parts = [f"{key} IN ({query.query(one, within=None).sql})" for one in asked[start : start + TOGETHER]]
        [row] = client.warehouse().query(f"SELECT {', '.join(parts)}", query.bind.parameters)
        answers += [bool(one) for one in row]
    return answers


def _past(who: Person, parsed: Rules, moments: Sequence[int]) -> list[bool]:
    """Whether the visitor was in it at each moment, in milliseconds since 1970."""
    answers: list[bool] = []
    has_links = linked()
    for start in range(0, len(moments), TOGETHER):
        parts, parameters = [], {}
        for number, moment in enumerate(moments[start : start + TOGETHER]):
            query = Compiler(EPOCH + moment * MILLISECOND, f"m{number}_", only=who.keys, links=has_links)
            parts.append(f"{query.bind.add(who.key, 'UInt64')} IN ({query.query(parsed, within=None).sql})")
            parameters.update(query.bind.parameters)
        [row] = client.warehouse().query(f"SELECT {', '.join(parts)}", parameters)
        answers += [bool(one) for one in row]
    return answers


def _since(who: Person, parsed: Rules, now: datetime) -> tuple[datetime | None, bool]:
    """Since when the visitor, who is in it at ``now``, has been, and whether that is exact."""
    what = changes(parsed)
    moments, whole = _moments(who, what, now)
    if not moments:
        return None, False
    # Between two of the moments nothing changes, so each stands for the time until the next.
    for start in range(0, min(len(moments), WALKED), TOGETHER):
        chunk = moments[start : min(start + TOGETHER, WALKED)]
        for number, inside in enumerate(_past(who, parsed, chunk)):
            if not inside:
                place = start + number
                return (_at(moments[place - 1]), what.known) if place else (None, False)
    if len(moments) <= WALKED:
        return _at(moments[-1]), what.known and whole
    places = list(_doubling(len(moments)))
    out = next((n for n, inside in enumerate(_past(who, parsed, [moments[p] for p in places])) if not inside), None)
    if out is None:
        return _at(moments[-1]), False
    inner, outer = (places[out - 1] if out else WALKED - 1), places[out]
    while outer - inner > 1:
        step = max(1, (outer - inner) // TOGETHER)
        tried = list(range(inner + step, outer, step))
        held = _past(who, parsed, [moments[one] for one in tried])
        first = next((n for n, inside in enumerate(held) if not inside), None)
        inner, outer = (tried[-1], outer) if first is None else (tried[first - 1] if first else inner, tried[first])
    return _at(moments[inner]), False


def _doubling(length: int) -> Iterable[int]:
    step = WALKED
    while step < length - 1:
        yield step
        step *= 2
    yield length - 1


def _moments(who: Person, what: Changes, now: datetime) -> tuple[list[int], bool]:
    """When something may have changed, the newest first, in milliseconds since 1970; and whether these are all."""
    query = Compiler(now, "w_", only=who.keys, links=False)
    offsets, last = query.bind.add(sorted(what.offsets), "Array(Int64)"), round((now - EPOCH) / MILLISECOND)
    found = client.warehouse().query(
        f"SELECT DISTINCT toUnixTimestamp64Milli(ts) + arrayJoin({offsets}) AS moment FROM events "
        f"WHERE {query.own()} AND {query.times()} HAVING moment <= {query.bind.add(last, 'Int64')} "
        f"ORDER BY moment DESC LIMIT {query.bind.add(MOST_CHANGES, 'UInt32')}",
        query.bind.parameters,
    )
    moments, whole = {int(one) for (one,) in found}, len(found) < MOST_CHANGES
    if what.days or what.periods:
        days = client.warehouse().query(
            f"SELECT DISTINCT {query.bind.day('ts')} AS day FROM events WHERE {query.own()} AND {query.times()} "
            f"ORDER BY day DESC LIMIT {query.bind.add(MOST_CHANGES, 'UInt32')}",
            query.bind.parameters,
        )
        begun = {day + timedelta(days=after) for (day,) in days for after in what.days}
        for unit, after in what.periods:
            begun |= {workspace.moved(unit, workspace.first_day(unit, day), after) for (day,) in days}
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
            if any(_relative(one.value) for one in rule.where):
                found.known = False
        case FieldRule() if rule.group == rule.owner or (rule.owner, rule.group) == ("visitor", "metric"):
            if rule.field == metrics.FREQUENCY:  # a day counts from its end on, for so many days
                found.days |= {1, metrics.FREQUENCY_DAYS + 1}
            for moment in _relative(rule.comparison.value):
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


def _relative(value: Any) -> list[Moment]:
    return [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Moment)]
