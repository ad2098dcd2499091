"""The charts' definitions (docs/charts.md) in plain Python over a list of events: slow, and written without the SQL."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Event:
    visitor: str
    kind: str
    name: str
    at: datetime
    properties: dict[str, Any] = field(default_factory=dict, hash=False)
    account: str = ""


Test = Callable[[Event], bool]


def named(name: str, kind: str = "track") -> Test:
    return lambda event: event.kind == kind and event.name == name


def resolved(events: list[Event], links: dict[str, str]) -> dict[str, list[Event]]:
    """The events of each visitor by time, those of linked ids included."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[links.get(event.visitor, event.visitor)].append(event)
    return {visitor: sorted(own, key=lambda one: one.at) for visitor, own in found.items()}


def period(at: datetime, by: str, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    if by == "hour":
        return local.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes")
    if by == "month":
        return f"{local.year:04}-{local.month:02}"
    day = local.date()
    return (day - timedelta(days=day.weekday()) if by == "week" else day).isoformat()


def following(key: str, by: str, many: int) -> str:
    """The period ``many`` after one."""
    if by == "month":
        year, month = map(int, key.split("-"))
        months = year * 12 + month - 1 + many
        return f"{months // 12:04}-{months % 12 + 1:02}"
    return (date.fromisoformat(key) + timedelta(days=many * (7 if by == "week" else 1))).isoformat()


def funnel(own: list[Event], steps: list[Test], first: datetime, last: datetime, window: timedelta) -> list[float]:
    """The seconds to each step that one visitor reached, by trying every chain of events."""
    chains: list[list[Event]] = [[one] for one in own if steps[0](one) and first <= one.at <= last]
    reached: list[float] = []
    for number in range(len(steps)):
        if not chains:
            break
        earliest = min(chain[-1].at for chain in chains)
        begun = max(chain[0].at for chain in chains if chain[-1].at == earliest)
        reached.append((earliest - begun).total_seconds())
        if number + 1 < len(steps):
            longer = {
                (chain[0], one)
                for chain in chains
                for one in own
                if steps[number + 1](one) and one.at > chain[-1].at and one.at - chain[0].at <= window
            }
            chains = [list(pair) for pair in longer]
    return reached


def retention(
    people: dict[str, list[Event]],
    first: Test,
    returning: Test,
    since: datetime,
    until: datetime,
    by: str,
    zone: str,
    cohorts: str,
) -> tuple[dict[str, set[str]], dict[tuple[str, str], set[str]]]:
    """Who is in each cohort; and of each cohort, who came back in which period."""
    sizes: dict[str, set[str]] = defaultdict(set)
    came: dict[tuple[str, str], set[str]] = defaultdict(set)
    for visitor, own in people.items():
        begins = [one.at for one in own if first(one) and (cohorts == "ever" or one.at >= since) and one.at <= until]
        chosen = begins if cohorts == "each" else begins[:1]
        keys = {period(at, by, zone) for at in chosen if at >= since}
        for key in keys:
            sizes[key].add(visitor)
            for one in own:
                if returning(one) and one.at >= since:
                    came[key, period(one.at, by, zone)].add(visitor)
    return sizes, came


def path(
    own: list[Event], anchor: Test, kinds: set[str], *, backwards: bool, depth: int, gap: timedelta
) -> list[str] | None:
    """The steps of one visitor, or None without the anchor. For events at different times only."""
    there = [number for number, one in enumerate(own) if anchor(one)]
    if not there:
        return None
    shown = [one for one in own if one.kind in kinds or anchor(one)]
    at = next(number for number, one in enumerate(shown) if anchor(one))
    walk = list(reversed(shown[: at + 1])) if backwards else shown[at:]
    names = [f"{walk[0].kind}: {walk[0].name}"]
    for before, one in itertools.pairwise(walk):
        if abs(one.at - before.at) > gap:
            break
        name = f"{one.kind}: {one.name}"
        if name != names[-1]:
            names.append(name)
    return names[1 : depth + 1]


def flow(paths: list[list[str]], depth: int, top: int) -> list[Counter[tuple[str, str]]]:
    """Visitors by node of each level, with the names beyond the top as other."""
    levels = []
    for step in range(depth):
        names = Counter(one[step] for one in paths if len(one) > step)
        best = {name for name, _ in sorted(names.items(), key=lambda one: (-one[1], one[0]))[:top]}
        level: Counter[tuple[str, str]] = Counter()
        for one in paths:
            if len(one) > step:
                level["name" if one[step] in best else "other", one[step] if one[step] in best else ""] += 1
            elif len(one) == step:
                level["end", ""] += 1
        levels.append(level)
    while len(levels) > 1 and not levels[-1]:
        levels.pop()
    return levels


def ms(at: datetime) -> int:
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
