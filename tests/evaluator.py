"""Who satisfies rules, in plain Python over lists of what happened: no SQL, and nothing of the product's code.

It is written from docs/segments.md alone, slowly and obviously, so that what the product answers can be held against it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

KINDS = {"track": {"track"}, "page": {"page", "screen"}, "survey": {"survey_answered"}, "event": None}
NOT = {"is_not": "is", "not_contains": "contains", "is_not_set": "is_set", "not_in": "in"}
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
RELATIVE = re.compile(r"(now|today)(?:([+-])([0-9]+)([mhd]))?")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
MILLISECOND = timedelta(milliseconds=1)


class Happened(NamedTuple):
    """An event, by the id and the account that it came with ("" for none)."""

    visitor: str
    kind: str
    name: str
    at: datetime
    properties: dict[str, Any] = {}
    account: str = ""


class Known(NamedTuple):
    """A value of a metadata field; the newest counts, and None unsets it."""

    owner: str
    group: str
    field: str
    value: str | None
    at: datetime


@dataclass
class World:
    events: list[Happened] = field(default_factory=list)
    of_visitors: list[Known] = field(default_factory=list)
    of_accounts: list[Known] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    segments: dict[str, Any] = field(default_factory=dict)
    zone: str = "UTC"

    def person(self, visitor: str) -> str:
        return self.links.get(visitor, visitor)


def who(world: World, rules: Any, now: datetime) -> set[str]:
    """The visitors that there were at ``now`` and that satisfy the rules then."""
    there = {world.person(one.visitor) for one in world.events if one.at <= now}
    did_something = {one.visitor for one in world.events}
    there |= {world.person(one.owner) for one in world.of_visitors if one.owner not in did_something}
    return {one for one in there if Asked(world, one, now).satisfies(rules)}


def one(world: World, person: str, rules: Any, now: datetime) -> bool:
    """Whether somebody who has done something is among them."""
    asked = Asked(world, person, now)
    return bool(asked.own) and asked.satisfies(rules)


class Asked:
    """One person at one moment."""

    def __init__(self, world: World, person: str, now: datetime) -> None:
        self.world, self.person, self.now = world, person, now
        self.zone = ZoneInfo(world.zone)
        past = [one for one in world.events if one.at <= now]
        self.past = past
        self.own = [one for one in past if world.person(one.visitor) == person]

    def satisfies(self, rules: Any) -> bool:
        return all(any(self.holds(rule) for rule in group["any"]) for group in rules["all"])

    def holds(self, rule: Any) -> bool:
        kind = rule["kind"]
        if kind == "segment":
            return self.satisfies(self.world.segments[rule["segment"]]) == rule.get("did", True)
        if kind == "list":
            return self.listed(rule) == rule.get("did", True)
        if kind in {"visitor", "account"}:
            return self.field(rule)
        return self.event(rule)

    # --- events -----------------------------------------------------------------------------------------------

    def event(self, rule: Any) -> bool:
        count = sum(1 for one in self.own if self.matches(rule, one))
        times = rule.get("times", {"at_least": 1})
        low = times.get("exactly", times.get("at_least", 1))
        high = times.get("exactly", times.get("at_most", 10**9))
        return (low <= count <= high) == rule.get("did", True)

    def matches(self, rule: Any, one: Happened) -> bool:
        kinds, name = KINDS[rule["kind"]], rule.get("survey" if rule["kind"] == "survey" else "name")
        if (kinds is not None and one.kind not in kinds) or (name is not None and one.name != name):
            return False
        if not self.inside(rule.get("when", {"ever": True}), one.at):
            return False
        conditions = [(each["property"], each) for each in rule.get("where", [])]
        conditions += [(rule["part"], rule)] if "part" in rule else []
        return all(self.compares(self.property(one, name), each["op"], each.get("value")) for name, each in conditions)

    @staticmethod
    def property(one: Happened, name: str) -> str | None:
        if name == "account.id":
            return one.account or None
        value: Any = one.properties
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value)

    def inside(self, when: Any, at: datetime) -> bool:
        [(kind, value)] = when.items()
        if kind == "within":
            return at > self.now - int(value[:-1]) * UNITS[value[-1]]
        if kind == "last":
            ago = (self.now.astimezone(self.zone).date() - at.astimezone(self.zone).date()).days
            return 1 <= ago <= int(value[:-1])
        if kind == "period":
            return self.unit(value, at) == self.unit(value, self.now) - (
                value.startswith("last_") or value == "yesterday"
            )
        if kind == "since":
            return at >= self.moment(value)
        if kind == "between":
            return self.moment(value[0]) <= at <= self.moment(value[1], last=True)
        return True

    def unit(self, period: str, at: datetime) -> int:
        """The number of the day, week (from Monday), month, quarter or year that a moment is in."""
        day = at.astimezone(self.zone).date()
        months = day.year * 12 + day.month - 1
        return {
            "day": day.toordinal(), "week": (day.toordinal() - 1) // 7, "month": months, "quarter": months // 3,
            "year": day.year,
        }[period.rpartition("_")[2] if "_" in period else "day"]  # fmt: skip

    # --- fields -----------------------------------------------------------------------------------------------

    def field(self, rule: Any) -> bool:
        owner, name = rule["kind"], rule["field"].removeprefix(f"{rule['kind']}.")
        account = self.account(self.person)
        group, _, rest = name.partition(".")
        if group == "metric":
            mine = self.own if owner == "visitor" else [one for one in self.past if self.belongs(one) == account]
            if owner == "account" and account is None:
                value = None
            else:
                value = self.metric(
                    rest, [one for one in mine if self.inside(rule.get("when", {"ever": True}), one.at)]
                )
        elif name == "id":
            value = self.person if owner == "visitor" else account
        else:
            values = self.world.of_visitors if owner == "visitor" else self.world.of_accounts
            whose = self.person if owner == "visitor" else account
            mine_ = [one for one in values if (one.group, one.field) == (group, rest)]
            mine_ = [
                one for one in mine_ if (self.world.person(one.owner) if owner == "visitor" else one.owner) == whose
            ]
            value = max(mine_, key=lambda one: one.at).value if mine_ else None
        return self.compares(value, rule["op"], rule.get("value"))

    def metric(self, name: str, events: list[Happened]) -> str | datetime | None:
        if name in {"first_visit", "last_visit"}:
            times = [one.at for one in events]
            return (min(times) if name == "first_visit" else max(times)) if times else None
        if name == "frequency":
            today = self.now.astimezone(self.zone).date()
            days = {one.at.astimezone(self.zone).date() for one in events}
            active = len([day for day in days if today - timedelta(days=30) <= day < today])
            return "high" if active >= 13 else "medium" if active >= 5 else "low" if active else "none"
        counted: dict[str, Iterable[Any]] = {
            "days_active": {one.at.astimezone(self.zone).date() for one in events},
            "events": events,
            "minutes": {one.at.replace(second=0, microsecond=0) for one in events},
            "visitors": {self.world.person(one.visitor) for one in events},
        }
        return str(len(list(counted[name])))

    def account(self, person: str) -> str | None:
        named = [(one.at, one.account) for one in self.past if one.account and self.world.person(one.visitor) == person]
        return max(named)[1] if named else None

    def belongs(self, one: Happened) -> str | None:
        return one.account or self.account(self.world.person(one.visitor))

    def listed(self, rule: Any) -> bool:
        ids = self.world.lists[rule["list"]]
        if rule.get("of", "visitor") == "account":
            return self.account(self.person) in ids
        return self.person in {self.world.person(one) for one in ids}

    # --- comparisons ------------------------------------------------------------------------------------------

    def compares(self, value: str | datetime | None, op: str, wanted: Any) -> bool:
        if op in NOT:
            return not self.compares(value, NOT[op], wanted)
        if value is None:
            return False
        if op == "is_set":
            return value != ""
        if op == "is":
            return self.same(value, wanted)
        if op == "in":
            return any(self.same(value, one) for one in wanted)
        if op in {"contains", "starts_with"}:
            text, part = str(value).lower(), wanted.lower()
            return part in text if op == "contains" else text.startswith(part)
        if op == "between":
            return self.ordered(value, "gte", wanted[0]) and self.ordered(value, "lte", wanted[1], last=True)
        return self.ordered(value, op, wanted)

    @staticmethod
    def same(value: Any, wanted: Any) -> bool:
        if isinstance(wanted, bool):
            return bool(value == ("true" if wanted else "false"))
        if isinstance(wanted, int | float):
            return number(value) == wanted
        return bool(value == wanted)

    def ordered(self, value: Any, op: str, wanted: Any, *, last: bool = False) -> bool:
        if isinstance(wanted, int | float) or NUMBER.fullmatch(wanted):
            left: Any = number(value)
            right: Any = float(wanted)
        else:
            left = value if isinstance(value, datetime) else self.time(value)
            right = self.moment(wanted, last=last)
        if left is None:
            return False
        return bool({"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[op])

    def time(self, text: str) -> datetime | None:
        """A stored text as a time: an ISO date or time, or seconds or milliseconds since 1970."""
        if re.fullmatch(r"[0-9]{10}|[0-9]{13}", text):
            return datetime.fromtimestamp(int(text) / (1000 if len(text) == 13 else 1), UTC)
        try:
            return self.placed(datetime.fromisoformat(text)) if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
        except ValueError:
            return None

    def moment(self, text: str, *, last: bool = False) -> datetime:
        """A given time: relative, or a date or time in the workspace's zone. ``last``: the end of a day that it names."""
        found = RELATIVE.fullmatch(text)
        if found:
            word, sign, count, unit = found.groups()
            offset = int(f"{sign}{count}") * UNITS[unit] if sign else timedelta(0)
            if word == "now":
                return self.now + offset
            today = self.now.astimezone(self.zone).date()
            if offset % timedelta(days=1):
                return self.midnight(today) + offset
            return self.day(today + offset, last)
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return self.day(date.fromisoformat(text), last)
        return self.placed(datetime.fromisoformat(text))

    def placed(self, moment: datetime) -> datetime:
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def day(self, day: date, last: bool) -> datetime:
        return self.midnight(day + timedelta(days=1)) - MILLISECOND if last else self.midnight(day)


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else None
