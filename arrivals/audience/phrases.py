"""Rules in words: ``did export at least 3 times in the last 30 days, and agent.plan is pro``. Blocks.

It takes rules as data, also such as are no longer allowed, and never refuses: what it does not know it shows as it is.
"""

import contextlib
import re
from functools import cached_property
from typing import Any

import orjson

from arrivals.audience import sharing
from arrivals.audience.models import Feature, Page, Segment, VisitorList

EVERYBODY = "everybody"
OPERATORS = {
    "is": "is", "is_not": "is not", "contains": "contains", "not_contains": "does not contain",
    "starts_with": "starts with", "gt": "is above", "gte": "is at least", "lt": "is below", "lte": "is at most",
    "between": "is between", "is_set": "is set", "is_not_set": "is not set", "in": "is one of", "not_in": "is none of",
}  # fmt: skip
# Of times, where it differs.
WHEN = {"gt": "is after", "gte": "is on or after", "lt": "is before", "lte": "is on or before"}
METRICS = {
    "metric.first_visit": "first visit", "metric.last_visit": "last visit", "metric.days_active": "days active",
    "metric.events": "number of events", "metric.minutes": "minutes", "metric.visitors": "number of visitors",
    "metric.frequency": "frequency",
}  # fmt: skip
DID = {
    "track": ("did {}", "did not do {}"),
    "page": ("saw the page {}", "did not see the page {}"),
    "feature": ("used the feature {}", "did not use the feature {}"),
    "event": ("did {}", "did not do {}"),
    "survey": ("answered the survey {}", "did not answer the survey {}"),
}
UNITS = {"m": "minute", "h": "hour", "d": "day"}


class Names:
    """What segments (that the viewer may see), lists, pages and features are called, asked for once."""

    @cached_property
    def segments(self) -> dict[str, str]:
        return dict(sharing.visible(Segment.objects.all()).values_list("id", "name"))

    @cached_property
    def tags(self) -> dict[str, str]:
        return dict([*Page.objects.values_list("id", "name"), *Feature.objects.values_list("id", "name")])

    @cached_property
    def lists(self) -> dict[str, str]:
        return dict(VisitorList.objects.values_list("id", "name"))

    def of(self, kind: str, id_: Any) -> str:
        """What a thing is called; its id where it is not there."""
        known = self.segments if kind == "segment" else self.lists if kind == "list" else self.tags
        return known.get(str(id_), str(id_))


def sentence(data: Any, names: Names | None = None) -> str:
    """All of the rules in one line."""
    said = groups(data, names)
    if len(said) > 1:
        said = [f"({one})" if len(_any(data, number)) > 1 else one for number, one in enumerate(said)]
    return ", and ".join(said) or EVERYBODY


def groups(data: Any, names: Names | None = None) -> list[str]:
    """One text for each group: its rules, joined with "or"."""
    names = names or Names()
    listed = data.get("all") if isinstance(data, dict) else None
    return [
        " or ".join(rule(one, names) for one in _any(data, number))
        for number in range(len(listed) if isinstance(listed, list) else 0)
    ]


def rule(data: Any, names: Names | None = None) -> str:
    """One rule."""
    names = names or Names()
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind in {"visitor", "account"}:
        return _field(data, kind)
    if kind == "segment":
        return (
            f"{'is' if data.get('did', True) else 'is not'} in the segment {names.of('segment', data.get('segment'))}"
        )
    if kind == "list":
        whose = "its account is" if data.get("of") == "account" else "is"
        return f"{whose}{'' if data.get('did', True) else ' not'} on the list {names.of('list', data.get('list'))}"
    if kind in DID:
        return _event(data, kind, names)
    if kind == "chart":
        return _chart(data)
    return _shown(data)


def _chart(data: Any) -> str:
    from arrivals.audience.charts import places  # which itself reads rules

    behind = "behind a number of a chart"
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        behind = f"behind a number of a {data['chart']['kind']} chart ({places.words(data['chart'], data['cell'])})"
    return f"{'is' if data.get('did', True) else 'is not'} {behind}"


def _any(data: Any, number: int) -> list[Any]:
    group = data["all"][number]
    rules = group.get("any") if isinstance(group, dict) else None
    return rules if isinstance(rules, list) else [group]


def _field(data: Any, kind: str) -> str:
    name = str(data.get("field", ""))
    of_account = kind == "account"
    shown = METRICS.get(name, name.removeprefix(f"{kind}."))
    if shown == "id":
        shown = "the id"
    times = name in {"metric.first_visit", "metric.last_visit"}
    whose = f"its account's {shown.removeprefix('the ')}" if of_account else shown
    return f"{whose}{_when(data.get('when'))} {_compared(data, times=times)}"


def _event(data: Any, kind: str, names: Names) -> str:
    what = data.get("survey" if kind == "survey" else "name")
    if what is None and kind in {"page", "feature"}:
        what = names.of(kind, data.get(kind))
    did = data.get("did", True)
    shown = str(what) if what is not None else ("anything" if did else "anything at all")
    said = DID[kind][0 if did else 1].format(shown)
    if data.get("part"):
        said += f" with a {data['part']} that {_compared(data)}"
    said += _times(data.get("times")) + _when(data.get("when"))
    wheres = data.get("where")
    for number, one in enumerate(wheres if isinstance(wheres, list) else []):
        joined = "where" if number == 0 else "and"
        said += f" {joined} {one.get('property') if isinstance(one, dict) else ''} {_compared(one)}"
    return said


def _compared(data: Any, *, times: bool = False) -> str:
    op = data.get("op") if isinstance(data, dict) else None
    if not isinstance(op, str) or op not in OPERATORS:
        return _shown(op)
    value = data.get("value")
    dates = times or (isinstance(value, str) and bool(re.match(r"\d{4}-\d{2}-\d{2}|today|now", value)))
    said = WHEN.get(op, OPERATORS[op]) if dates else OPERATORS[op]
    if op in {"is_set", "is_not_set"}:
        return said
    if op == "between" and isinstance(value, list) and len(value) == 2:
        return f"{said} {_value(value[0])} and {_value(value[1])}"
    if isinstance(value, list):
        more = f" and {len(value) - 5} more" if len(value) > 5 else ""
        return f"{said} {', '.join(_value(one) for one in value[:5])}{more}"
    return f"{said} {_value(value)}"


def _value(value: Any) -> str:
    if value == "":
        return '""'
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _shown(value)


def _times(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    if "exactly" in data:
        return f" exactly {_count(data['exactly'])}"
    low, high = data.get("at_least"), data.get("at_most")
    if low is not None and high is not None:
        return f" {low} to {_count(high)}"
    if high is not None:
        return f" 1 to {_count(high)}" if high != 1 else " once"
    return f" at least {_count(low)}" if low not in {None, 1} else ""


def _count(number: Any) -> str:
    return "once" if number == 1 else f"{number} times"


def _when(data: Any) -> str:
    if not isinstance(data, dict) or len(data) != 1:
        return ""
    [(kind, value)] = data.items()
    if kind == "within" and isinstance(value, str) and value[-1:] in UNITS:
        unit = UNITS[value[-1]]
        return f" in the last {unit}" if value[:-1] == "1" else f" in the last {value[:-1]} {unit}s"
    if kind == "last":
        days = str(value).removesuffix("d")
        return " in the last full day" if days == "1" else f" in the last {days} full days"
    if kind == "period":
        return f" {str(value).replace('_', ' ')}"
    if kind == "since":
        return f" since {value}"
    if kind == "between" and isinstance(value, list) and len(value) == 2:
        return f" from {value[0]} to {value[1]}"
    return ""


def _shown(data: Any) -> str:
    return orjson.dumps(data).decode()[:200]
