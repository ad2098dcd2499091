"""The columns of a report, read from data."""

import re
from dataclasses import dataclass, replace
from typing import Any

from arrivals.audience import metrics, rules, shapes, tagged
from arrivals.audience.comparisons import Comparison
from arrivals.errors import InvalidReport, InvalidRules

# The names of ``measures``, which knows what they mean.
RATES = ("average_daily_minutes", "minutes_before", "usage_trending", "frequency")
METRICS: dict[str, tuple[str, ...]] = {
    "visitor": (*metrics.VISITOR, *RATES),
    "account": (*metrics.ACCOUNT, "visitors_ever", *RATES),
    "response": (),
}
PARTS = ("score", "reason", "class", "at")
COUNTED = ("track", "page", "feature", "event", "survey")
DEFAULT: dict[str, list[Any]] = {
    "visitor": ["visitor.id", "account.id", "metric.last_visit", "metric.days_active"],
    "account": ["account.id", "metric.visitors", "metric.last_visit", "metric.days_active"],
    "response": [
        "response.at",
        "visitor.id",
        "account.id",
        "response.score",
        "response.class",
        "response.reason",
    ],
}
OWNERS = {"visitor": ("visitor", "account"), "account": ("account",), "response": ("visitor", "account")}
RESPONSE = ("id", "at", "score", "reason", "class")
COMPUTED = {"visitor": ("count", "sum", "survey"), "account": ("count", "sum"), "response": ()}
MOST = 50
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True)
class Plain:
    """visitor.id, account.id, or a field of either: ``group`` and ``field`` are empty for the id."""

    label: str
    owner: str
    group: str = ""
    field: str = ""


@dataclass(frozen=True)
class Metric:
    label: str
    name: str


@dataclass(frozen=True)
class Part:
    """A part of the response that is the row: one of ``RESPONSE``."""

    label: str
    name: str


@dataclass(frozen=True)
class Tally:
    """A count of events, or the sum of their ``prop``."""

    label: str
    kind: str
    name: str | None
    prop: str
    where: tuple[Comparison, ...]


@dataclass(frozen=True)
class Answer:
    """A part of the newest answer to a survey in the report's range."""

    label: str
    survey: str
    part: str


Column = Plain | Metric | Tally | Answer | Part


def parse(data: Any, kind: str = "visitor", path: str = "columns") -> list[Column]:
    """Read the columns of a report of ``kind``.

    Raises:
        InvalidReport: with the path of the wrong column and what is allowed.
    """
    if not isinstance(data, list) or not 0 < len(data) <= MOST:
        raise InvalidReport(f"It must be a list of 1 to {MOST} columns.", path=path)
    read: list[Column] = []
    seen: set[str] = set()
    for index, one in enumerate(data):
        where = f"{path}[{index}]"
        column = _named(one, kind, where) if isinstance(one, str) else _object(one, kind, where)
        if column.label in seen:
            raise InvalidReport(f"Two columns are called {column.label!r}; give one another name with as.", path=where)
        seen.add(column.label)
        read.append(column)
    return read


def plain(kind: str) -> list[str]:
    """The columns of a report of ``kind`` that are a name, without metadata."""
    parts = [f"response.{one}" for one in RESPONSE] if kind == "response" else []
    return [*parts, *(f"{owner}.id" for owner in OWNERS[kind]), *(f"metric.{one}" for one in METRICS[kind])]


def allowed(kind: str) -> str:
    """The columns of a report of ``kind``, in words."""
    named = [*plain(kind), *(f"{owner}.<group>.<field>" for owner in OWNERS[kind])]
    return ", ".join(named + [f'{{"{one}":...}}' for one in (*COMPUTED[kind], "column")])


def _named(text: str, kind: str, path: str) -> Column:
    owner, _, rest = text.partition(".")
    if owner == "metric" and rest in METRICS[kind]:
        return Metric(text, rest)
    if owner == "response" and kind == "response" and rest in RESPONSE:
        return Part(text, rest)
    if owner in OWNERS[kind] and rest == "id":
        return Plain(text, owner)
    group, _, field = rest.partition(".")
    if owner in OWNERS[kind] and group and field and len(text) <= 300:
        return Plain(text, owner, group, field)
    raise InvalidReport(f"{text!r:.80} is not a column; allowed are {allowed(kind)}.", path=path)


def _object(data: Any, kind: str, path: str) -> Column:
    """A column as an object: one that is computed, or another name for one that is a name."""
    if not isinstance(data, dict) or "column" not in data:
        return _computed(data, kind, path)
    shapes.known(data, ("as", "column"), InvalidReport, path)
    column = _named(_text(data, "column", path, 300), kind, f"{path}.column")
    return replace(column, label=_label(data, column.label, path)) if "as" in data else column


def _computed(data: Any, report_kind: str, path: str) -> Column:
    kind = next((one for one in COMPUTED[report_kind] if isinstance(data, dict) and one in data), None)
    if kind is None:
        raise InvalidReport(f"It is not a column; allowed are {allowed(report_kind)}.", path=path)
    names = {"survey": {"survey", "part", "as"}, "count": {"count", "name", "where", "as"}}.get(
        kind, {"sum", "name", "property", "where", "as"}
    )
    naming = tagged.naming(data, data[kind], "name")
    names = names - {"name"} | {naming} if naming != "name" else names
    shapes.known(data, sorted(names), InvalidReport, path)
    if kind == "survey":
        survey, part = _text(data, "survey", path), data.get("part")
        if part not in PARTS:
            raise InvalidReport(f"The part of a survey is one of {', '.join(PARTS)}.", path=f"{path}.part")
        return Answer(_label(data, f"{survey}_{part}", path), survey, str(part))
    events = data[kind]
    if events not in COUNTED:
        raise InvalidReport(f"It must be one of {', '.join(COUNTED)}.", path=f"{path}.{kind}")
    name = _text(data, naming, path) if events != "event" or "name" in data else None
    if naming != "name":
        tagged.check(naming, str(name), f"{path}.{naming}", InvalidReport)
    prop = _text(data, "property", path) if kind == "sum" else ""
    try:
        where = rules.where(data["where"], f"{path}.where") if "where" in data else ()
    except InvalidRules as error:
        raise InvalidReport(error.message, path=error.path) from error
    return Tally(_label(data, f"{kind}_{name or 'events'}", path), events, name, prop, where)


def _text(data: dict[str, Any], name: str, path: str, longest: int = 255) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise InvalidReport(f"It must be a text of 1 to {longest} characters.", path=f"{path}.{name}")
    return value


def _label(data: dict[str, Any], default: str, path: str) -> str:
    if "as" not in data:
        return re.sub(r"[^A-Za-z0-9_]+", "_", default)[:60]
    label = data["as"]
    if not isinstance(label, str) or not LABEL.fullmatch(label):
        raise InvalidReport(
            "It must begin with a letter and have 1 to 60 letters, digits or underscores.", path=f"{path}.as"
        )
    return label
