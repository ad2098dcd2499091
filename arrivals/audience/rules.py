"""Rules of a segment, read from data into values that are known to be right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.audience import comparisons, metrics, shapes, tagged, windows
from arrivals.audience.comparisons import Comparison
from arrivals.audience.models import Segment, VisitorList
from arrivals.audience.windows import Window
from arrivals.errors import InvalidChart, InvalidRules

KINDS = ("track", "page", "feature", "event", "survey", "visitor", "account", "segment", "list", "chart")
# Which events a rule kind looks at; none: all of them.
EVENT_KINDS: dict[str, tuple[str, ...]] = {
    "track": ("track",),
    "page": ("page", "screen"),
    "feature": ("click",),
    "survey": ("survey_answered",),
    "event": (),
}
# The metrics that a rule may be about.
METRICS = (*metrics.VISITOR, metrics.FREQUENCY)
ACCOUNT_METRICS = metrics.ACCOUNT
OF = ("visitor", "account")
MOST_GROUPS = 50
MOST_RULES = 50
DEEPEST = 5


@dataclass(frozen=True)
class EventRule:
    """Did (or did not) do something ``at_least`` to ``at_most`` times in a span."""

    kind: str
    name: str | None
    did: bool
    at_least: int
    at_most: int | None
    window: Window
    where: tuple[Comparison, ...]


@dataclass(frozen=True)
class FieldRule:
    """A metadata field (``group``.``field``), a metric (group "metric") in ``window``, or the id (the group is the
    ``owner``), of the visitor or of the account that it belongs to."""

    group: str
    field: str
    comparison: Comparison
    owner: str = "visitor"
    window: Window = windows.EVER


@dataclass(frozen=True)
class SegmentRule:
    """``written``: the segment's rules as data."""

    did: bool
    rules: "Rules"
    written: Any = None


@dataclass(frozen=True)
class ListRule:
    """``of``: whose ids are on the list, the visitor's or its account's."""

    did: bool
    list_id: str
    version: int
    of: str = "visitor"


@dataclass(frozen=True)
class ChartRule:
    """The people behind one number of a chart, a ``charts.cells.Number``."""

    did: bool
    number: Any


Rule = EventRule | FieldRule | SegmentRule | ListRule | ChartRule


@dataclass(frozen=True)
class Rules:
    """AND over the groups, OR inside one. No groups: everybody."""

    groups: tuple[tuple[Rule, ...], ...]


def parse(data: Any, *, path: str = "rules", inside: tuple[str, ...] = ()) -> Rules:
    """Read rules as data. ``inside`` are the ids of the segments that this one is nested in.

    Raises:
        InvalidRules: with the path of the wrong part and what is allowed.
    """
    _object(data, path, {"all"}, need=("all",))
    groups = _list(data["all"], f"{path}.all", MOST_GROUPS, "groups")
    read = []
    for index, group in enumerate(groups):
        where = f"{path}.all[{index}]"
        _object(group, where, {"any"}, need=("any",))
        rules = _list(group["any"], f"{where}.any", MOST_RULES, "rules")
        if not rules:
            raise InvalidRules("A group needs at least one rule.", path=f"{where}.any")
        read.append(tuple(_rule(rule, f"{where}.any[{number}]", inside) for number, rule in enumerate(rules)))
    return Rules(tuple(read))


def where(data: Any, path: str, error: type[InvalidRules] = InvalidRules) -> tuple[Comparison, ...]:
    """Read conditions on an event's properties: a list of {"property", "op", "value"}."""
    conditions = _list(data, path, MOST_RULES, "conditions")
    read = []
    for index, one in enumerate(conditions):
        here = f"{path}[{index}]"
        _object(one, here, {"property", "op", "value"}, need=("property", "op"))
        name = _text(one["property"], f"{here}.property", 256)
        read.append(
            comparisons.parse(name, one["op"], one.get("value"), given="value" in one, path=here, error=InvalidRules)
        )
    return tuple(read)


def single(data: Any, path: str) -> EventRule:
    """Read what one event has to be: a rule on events of any kind, without did, times and when.

    Raises:
        InvalidRules: with the path of the wrong part and what is allowed.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind not in EVENT_KINDS:
        raise InvalidRules(f"It needs a kind, one of {', '.join(EVENT_KINDS)}; got {kind!r:.60}.", path=f"{path}.kind")
    for name in ("did", "times", "when"):
        if name in data:
            raise InvalidRules("It is about one event, so it says neither did, times nor when.", path=f"{path}.{name}")
    return _event(data, path, str(kind))


def _rule(data: Any, path: str, inside: tuple[str, ...]) -> Rule:
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind not in KINDS:
        raise InvalidRules(f"A rule needs a kind, one of {', '.join(KINDS)}; got {kind!r:.60}.", path=f"{path}.kind")
    if kind in {"visitor", "account"}:
        return _field(data, path, str(kind))
    if kind == "segment":
        return _segment(data, path, inside)
    if kind == "list":
        return _member(data, path)
    if kind == "chart":
        return _chart(data, path, inside)
    return _event(data, path, str(kind))


def _event(data: Any, path: str, kind: str) -> EventRule:
    naming = tagged.naming(data, kind, "survey" if kind == "survey" else "name")
    extra = {"part", "op", "value"} if kind == "survey" else set()
    _object(
        data, path, {"kind", naming, "did", "times", "when", "where"} | extra, need=() if kind == "event" else (naming,)
    )
    name = _text(data[naming], f"{path}.{naming}", 255) if naming in data else None
    if naming == kind and kind in tagged.KINDS:
        tagged.check(kind, str(name), f"{path}.{naming}", InvalidRules)
    conditions = where(data["where"], f"{path}.where") if "where" in data else ()
    if "part" in data or "op" in data or "value" in data:
        if data.get("part") not in {"score", "reason"}:
            raise InvalidRules("The part of a survey is score or reason.", path=f"{path}.part")
        given = "value" in data
        conditions += (
            comparisons.parse(
                data["part"], data.get("op"), data.get("value"), given=given, path=path, error=InvalidRules
            ),
        )
    at_least, at_most = _times(data["times"], f"{path}.times") if "times" in data else (1, None)
    did = _did(data, path)
    if at_most == 0:  # exactly 0 times is not at all
        did, at_least, at_most = not did, 1, None
    window = windows.parse(data["when"], f"{path}.when", InvalidRules) if "when" in data else windows.EVER
    return EventRule(kind, name, did, at_least, at_most, window, conditions)


def _times(data: Any, path: str) -> tuple[int, int | None]:
    _object(data, path, {"at_least", "at_most", "exactly"})
    for name, value in data.items():
        lowest = 0 if name == "exactly" else 1
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= 1_000_000_000:
            raise InvalidRules(f"It must be a whole number from {lowest} to 1,000,000,000.", path=f"{path}.{name}")
    if not data or ("exactly" in data and len(data) > 1):
        raise InvalidRules('Say {"at_least":n}, {"at_most":n}, both, or {"exactly":n}.', path=path)
    if "exactly" in data:
        return data["exactly"], data["exactly"]
    at_least, at_most = data.get("at_least", 1), data.get("at_most")
    if at_most is not None and at_most < at_least:
        raise InvalidRules("at_most is less than at_least, so nobody could satisfy it.", path=path)
    return at_least, at_most


def _field(data: Any, path: str, owner: str) -> FieldRule:
    _object(data, path, {"kind", "field", "op", "value", "when"}, need=("field", "op"))
    text = _text(data["field"], f"{path}.field", 300)
    group, _, field = text.removeprefix(f"{owner}.").partition(".")
    if text in {"id", f"{owner}.id"}:
        group, field = owner, "id"
    known = METRICS if owner == "visitor" else ACCOUNT_METRICS
    if not field or (group == "metric" and field not in known):
        allowed = f"{owner}.id, <group>.<field> such as agent.plan, " + ", ".join(f"metric.{one}" for one in known)
        raise InvalidRules(f"{text!r} is not a field; allowed are {allowed}.", path=f"{path}.field")
    read = comparisons.parse(text, data["op"], data.get("value"), given="value" in data, path=path, error=InvalidRules)
    if "when" in data and (group != "metric" or field == metrics.FREQUENCY):
        whole = "It is of the last 30 full days." if group == "metric" else "Only metrics are of a span of time."
        raise InvalidRules(whole, path=f"{path}.when")
    if group != "metric":
        return FieldRule(group, field, read, owner)
    if field == metrics.FREQUENCY:
        return FieldRule(group, field, comparisons.worded(read, metrics.WORDS, path, InvalidRules), owner)
    checked = comparisons.temporal if field in metrics.TIMES else comparisons.numeric
    window = windows.parse(data["when"], f"{path}.when", InvalidRules) if "when" in data else windows.EVER
    return FieldRule(group, field, checked(read, path, InvalidRules), owner, window)


def _segment(data: Any, path: str, inside: tuple[str, ...]) -> SegmentRule:
    _object(data, path, {"kind", "segment", "did"}, need=("segment",))
    segment_id = _text(data["segment"], f"{path}.segment", 40)
    if segment_id in inside:
        raise InvalidRules("The segment contains itself.", path=f"{path}.segment")
    if len(inside) >= DEEPEST:
        raise InvalidRules(f"Segments are nested more than {DEEPEST} deep.", path=f"{path}.segment")
    segment = Segment.objects.filter(pk=segment_id).first()
    if segment is None:
        raise InvalidRules(f"There is no segment {segment_id!r}.", path=f"{path}.segment")
    return SegmentRule(
        _did(data, path),
        parse(segment.rules, path=f"{path}.segment.rules", inside=(*inside, segment_id)),
        segment.rules,
    )


def _member(data: Any, path: str) -> ListRule:
    _object(data, path, {"kind", "list", "of", "did"}, need=("list",))
    of = data.get("of", "visitor")
    if of not in OF:
        raise InvalidRules(f"It must be one of {', '.join(OF)}.", path=f"{path}.of")
    list_id = _text(data["list"], f"{path}.list", 40)
    found = VisitorList.objects.filter(pk=list_id).first()
    if found is None:
        raise InvalidRules(f"There is no list {list_id!r}.", path=f"{path}.list")
    return ListRule(_did(data, path), list_id, found.version, of)


def _chart(data: Any, path: str, inside: tuple[str, ...]) -> ChartRule:
    from arrivals.audience.charts import cells  # which itself reads rules

    _object(data, path, {"kind", "chart", "cell", "did"}, need=("chart", "cell"))
    try:
        return ChartRule(_did(data, path), cells.parse(data["chart"], data["cell"], path=path, inside=inside))
    except InvalidChart as error:
        raise InvalidRules(error.message, path=error.path) from error


def _did(data: Any, path: str) -> bool:
    did = data.get("did", True)
    if not isinstance(did, bool):
        raise InvalidRules("It must be true or false.", path=f"{path}.did")
    return did


def _object(data: Any, path: str, allowed: set[str], *, need: tuple[str, ...] = ()) -> None:
    shapes.known(data, sorted(allowed), InvalidRules, path)
    for name in need:
        if name not in data:
            raise InvalidRules("It is missing.", path=f"{path}.{name}")


def _list(data: Any, path: str, most: int, what: str) -> list[Any]:
    if not isinstance(data, list) or len(data) > most:
        raise InvalidRules(f"It must be a list of at most {most} {what}.", path=path)
    return data


def _text(data: Any, path: str, longest: int) -> str:
    if not isinstance(data, str) or not 0 < len(data) <= longest:
        raise InvalidRules(f"It must be a text of 1 to {longest} characters.", path=path)
    return data
