"""Charts, read from data into values that are known to be right."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from arrivals import clock
from arrivals.audience import rules, sharing, windows
from arrivals.audience.charts import events, periods
from arrivals.audience.charts.events import Doing
from arrivals.audience.models import Segment
from arrivals.audience.rules import Rules
from arrivals.audience.windows import Window
from arrivals.errors import InvalidChart, InvalidRules

COMMON = ("kind", "segment", "range", "compare")
OWN = {
    "trend": ("series", "by", "breakdown"),
    "funnel": ("steps", "window"),
    "retention": ("first", "returning", "by", "periods", "cohorts"),
    "paths": ("from", "to", "depth", "top", "kinds", "gap"),
    "nps": ("survey", "by"),
}
KINDS = tuple(OWN)
MEASURES = ("events", "visitors", "accounts")
COHORTS = ("first", "ever", "each")
RETENTION_UNITS = ("day", "week", "month")
DEFAULT_RANGE = {"within": "30d"}
MOST_SERIES = 10
MOST_BROKEN_DOWN = 3
MOST_STEPS = 10


@dataclass(frozen=True)
class Breakdown:
    """By the text of an event's property (``owner`` "event"), by the event's name (``owner`` "name"), or by a metadata
    field of its visitor or account."""

    owner: str
    field: str
    group: str = ""


@dataclass(frozen=True)
class Series:
    """``measure``: one of MEASURES, or "sum" of the property ``prop``."""

    doing: Doing
    measure: str
    prop: str = ""


@dataclass(frozen=True)
class Trend:
    series: tuple[Series, ...]
    by: str
    breakdown: Breakdown | None


@dataclass(frozen=True)
class Funnel:
    steps: tuple[Doing, ...]
    window: timedelta


@dataclass(frozen=True)
class Retention:
    first: Doing
    returning: Doing
    by: str
    periods: int
    cohorts: str


@dataclass(frozen=True)
class Paths:
    """The ``depth`` things done after ``anchor`` (before it where ``backwards``), each within ``gap`` of the one before."""

    anchor: Doing
    backwards: bool
    depth: int
    top: int
    kinds: tuple[str, ...]
    gap: timedelta


@dataclass(frozen=True)
class Nps:
    survey: str
    by: str


What = Trend | Funnel | Retention | Paths | Nps


@dataclass(frozen=True)
class Chart:
    """``segment``: only those (none: everybody). ``by``: the unit of time, where the chart has one."""

    kind: str
    what: What
    window: Window
    segment: Rules | None
    compare: bool

    @property
    def by(self) -> str:
        return "" if isinstance(self.what, Funnel | Paths) else self.what.by


def parse(data: Any, path: str = "", inside: tuple[str, ...] = ()) -> Chart:
    """Read a chart as data. ``inside``: the ids of the segments that it is nested in.

    Raises:
        InvalidChart: with the path of the wrong part and what is allowed.
    """
    dot = f"{path}." if path else ""
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in OWN:
        raise InvalidChart(f"A chart needs a kind, one of {', '.join(KINDS)}; got {kind!r:.60}.", path=f"{dot}kind")
    allowed = COMMON + OWN[kind]
    for name in data:
        if name not in allowed:
            raise InvalidChart(
                f"{name!r:.60} is not known in a chart of the kind {kind}; allowed are {', '.join(allowed)}.",
                path=f"{dot}{name:.60}",
            )
    what = _READ[kind](data, dot)
    return Chart(
        kind,
        what,
        windows.parse(data.get("range", DEFAULT_RANGE), f"{dot}range", InvalidChart),
        _segment(data.get("segment"), f"{dot}segment", inside),
        flag(data.get("compare", False), f"{dot}compare"),
    )


def check_shared(segment: str | None, what: str, path: str) -> None:
    """Charts and dashboards are for everyone, so they must not tell of a segment that is private. Raises InvalidChart."""
    found = Segment.objects.filter(pk=segment, shared=False).first() if segment else None
    if found is not None:
        raise InvalidChart(f"The segment {found.name!r} is private, and a {what} is for everyone.", path=path)


def _trend(data: dict[str, Any], dot: str) -> Trend:
    given = _many(data, "series", dot, 1, MOST_SERIES)
    series = tuple(_series(one, f"{dot}series[{number}]") for number, one in enumerate(given))
    breakdown = _breakdown(data["breakdown"], f"{dot}breakdown") if data.get("breakdown") is not None else None
    if breakdown and len(series) > MOST_BROKEN_DOWN:
        raise InvalidChart(f"With a breakdown there are at most {MOST_BROKEN_DOWN} series.", path=f"{dot}series")
    return Trend(series, _choice(data, "by", dot, periods.UNITS, "day"), breakdown)


def _series(data: Any, path: str) -> Series:
    if not isinstance(data, dict):
        raise InvalidChart(f"It must be an object with {', '.join((*events.KEYS, 'measure'))}.", path=path)
    measure = data.get("measure", "events")
    doing = events.parse({name: value for name, value in data.items() if name != "measure"}, path)
    if isinstance(measure, dict) and set(measure) == {"sum"}:
        return Series(doing, "sum", _text(measure["sum"], f"{path}.measure.sum"))
    if not isinstance(measure, str) or measure not in MEASURES:
        raise InvalidChart(
            f'It must be one of {", ".join(MEASURES)}, or {{"sum":"<property>"}}.', path=f"{path}.measure"
        )
    return Series(doing, measure)


def _breakdown(data: Any, path: str) -> Breakdown:
    if isinstance(data, dict) and set(data) == {"property"}:
        return Breakdown("event", _text(data["property"], f"{path}.property"))
    if data == {"event": "name"}:
        return Breakdown("name", "")
    if isinstance(data, dict) and set(data) == {"field"}:
        text = _text(data["field"], f"{path}.field")
        owner, _, rest = text.partition(".")
        group, _, field = rest.partition(".")
        if owner in {"visitor", "account"} and group and field:
            return Breakdown(owner, field, group)
        raise InvalidChart(
            f"{text!r:.80} is not a metadata field; write visitor.<group>.<field> or account.<group>.<field>, such as "
            "visitor.agent.plan.",
            path=f"{path}.field",
        )
    raise InvalidChart(
        'It must be {"property":"..."}, {"field":"visitor.<group>.<field>"} or {"event":"name"}.', path=path
    )


def _funnel(data: dict[str, Any], dot: str) -> Funnel:
    given = _many(data, "steps", dot, 2, MOST_STEPS)
    steps = tuple(events.parse(one, f"{dot}steps[{number}]") for number, one in enumerate(given))
    return Funnel(steps, _duration(data.get("window", "7d"), f"{dot}window"))


def _retention(data: dict[str, Any], dot: str) -> Retention:
    for name in ("first", "returning"):
        if name not in data:
            raise InvalidChart("It is missing.", path=f"{dot}{name}")
    return Retention(
        events.parse(data["first"], f"{dot}first"),
        events.parse(data["returning"], f"{dot}returning"),
        _choice(data, "by", dot, RETENTION_UNITS, "week"),
        whole(data, "periods", dot, 1, 60, 8),
        _choice(data, "cohorts", dot, COHORTS, "first"),
    )


def _paths(data: dict[str, Any], dot: str) -> Paths:
    if ("from" in data) == ("to" in data):
        raise InvalidChart("Say from which event the paths go, or to which one: from or to.", path=f"{dot}from")
    word = "from" if "from" in data else "to"
    kinds = data.get("kinds", ["page", "track"])
    known = [kind for kind in rules.EVENT_KINDS if kind != "event"]
    if not isinstance(kinds, list) or not kinds or not all(isinstance(one, str) and one in known for one in kinds):
        raise InvalidChart(f"It must be a list of some of {', '.join(known)}.", path=f"{dot}kinds")
    return Paths(
        events.parse(data[word], f"{dot}{word}"),
        word == "to",
        whole(data, "depth", dot, 1, 10, 4),
        whole(data, "top", dot, 1, 20, 5),
        tuple(one for one in known if one in kinds),
        _duration(data.get("gap", "30m"), f"{dot}gap"),
    )


def _nps(data: dict[str, Any], dot: str) -> Nps:
    return Nps(_text(data.get("survey", "nps"), f"{dot}survey"), _choice(data, "by", dot, periods.UNITS, "week"))


_READ: dict[str, Any] = {
    "trend": _trend,
    "funnel": _funnel,
    "retention": _retention,
    "paths": _paths,
    "nps": _nps,
}


def _segment(data: Any, path: str, inside: tuple[str, ...]) -> Rules | None:
    if data is None:
        return None
    if not isinstance(data, str):
        raise InvalidChart("It must be the id of a segment, or null.", path=path)
    if not inside and not sharing.visible(Segment.objects.filter(pk=data)).exists():
        raise InvalidChart(f"There is no segment {data!r:.60}.", path=path)
    try:
        return rules.parse({"all": [{"any": [{"kind": "segment", "segment": data}]}]}, inside=inside)
    except InvalidRules as error:
        raise InvalidChart(error.message, path=path) from error


def _many(data: dict[str, Any], name: str, dot: str, least: int, most: int) -> list[Any]:
    given = data.get(name)
    if not isinstance(given, list) or not least <= len(given) <= most:
        raise InvalidChart(f"It must be a list of {least} to {most} {name}.", path=f"{dot}{name}")
    return given


def _choice(data: dict[str, Any], name: str, dot: str, allowed: tuple[str, ...], default: str) -> str:
    given = data.get(name, default)
    if not isinstance(given, str) or given not in allowed:
        raise InvalidChart(f"It must be one of {', '.join(allowed)}; got {given!r:.60}.", path=f"{dot}{name}")
    return given


def whole(data: dict[str, Any], name: str, dot: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number of ``data``. Raises InvalidChart."""
    given = data.get(name, default)
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise InvalidChart(f"It must be a whole number from {least} to {most}.", path=f"{dot}{name}")
    return given


def _duration(given: Any, path: str) -> timedelta:
    try:
        return clock.duration(given if isinstance(given, str) else str(given))
    except ValueError as error:
        raise InvalidChart(str(error), path=path) from error


def _text(given: Any, path: str) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= 255:
        raise InvalidChart("It must be a text of 1 to 255 characters.", path=path)
    return given


def flag(given: Any, path: str) -> bool:
    """Raises InvalidChart."""
    if not isinstance(given, bool):
        raise InvalidChart("It must be true or false.", path=path)
    return given
