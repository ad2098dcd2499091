"""The editor's form: a chart's definition as plain form controls, and back.

The things done (series, steps, first and returning, anchor) are numbered fields: ``e-0-kind``, ``e-0-name``,
``e-0-w-1-property``. Buttons named ``do`` add, remove and move them; the server makes the form anew.
"""

import re
from collections.abc import Mapping
from typing import Any

from arrivals.audience import comparisons, rules
from arrivals.audience.charts import definitions, periods
from arrivals.web import charts_range

LISTS = {"in", "not_in", "between"}
TEXTS = {"contains", "not_contains", "starts_with"}
BARE = {"is_set", "is_not_set"}
NEW: dict[str, Any] = {"kind": "track", "name": ""}
# The name of each kind's page, what it answers, and how many things done it begins with.
KINDS = {
    "trend": ("Trend", "How much of it, over time?", 1),
    "funnel": ("Funnel", "How many go all the way, and where do they stop?", 2),
    "retention": ("Retention", "Who comes back?", 2),
    "paths": ("Paths", "What do they do next, or before?", 1),
    "nps": ("NPS", "Would they recommend it?", 0),
}
ROLES = {"retention": ("First they do", "Then they come back and do"), "paths": ("The event",)}


def first(kind: str) -> dict[str, Any]:
    """What the form of a new chart holds."""
    _, _, many = KINDS[kind]
    return {"kind": kind, "events": [dict(NEW) for _ in range(many)], "range": definitions.DEFAULT_RANGE}


def fields(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of a definition."""
    kind = definition["kind"]
    shown = {"range": definitions.DEFAULT_RANGE, **definition}
    shown["events"] = [dict(one) for one in _events(definition)]
    if kind == "paths":
        shown["direction"] = "to" if "to" in definition else "from"
    breakdown = definition.get("breakdown") or {}
    shown["breakdown"], shown["breakdown_name"] = next(iter(breakdown.items()), ("", ""))
    return shown


def read(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form holds, in the shape of ``fields``; nothing is checked."""
    kind = form.get("kind", "")
    held: dict[str, Any] = {
        "kind": kind if kind in KINDS else "trend",
        "events": _read_events(form),
        "range": charts_range.read(form) or definitions.DEFAULT_RANGE,
        "segment": form.get("segment") or None,
        "compare": bool(form.get("compare")),
    }
    for name in ("by", "cohorts", "window", "gap", "survey", "direction", "breakdown", "breakdown_name"):
        if name in form:
            held[name] = form[name].strip()
    for name in ("periods", "depth", "top"):
        if form.get(name, "").strip():
            held[name] = _number(form[name])
    kinds = [one for one in path_kinds() if form.get(f"kinds-{one}")]
    if kinds:
        held["kinds"] = kinds
    return held


def definition(held: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that a form's content says."""
    kind, events = held["kind"], [dict(one) for one in held["events"]]
    made: dict[str, Any] = {"kind": kind, "range": held["range"], "segment": held.get("segment")}
    made["compare"] = held.get("compare", False)
    own = definitions.OWN[kind]
    made |= {name: held[name] for name in own if name in held and name not in {"breakdown", "from", "to"}}
    if kind == "trend":
        made["series"] = events
        if held.get("breakdown"):
            word = held["breakdown"]
            made["breakdown"] = {word: "name" if word == "event" else held.get("breakdown_name", "")}
        return made
    for one in events:
        one.pop("measure", None)
    if kind == "funnel":
        made["steps"] = events
    elif kind == "retention":
        made |= dict(zip(("first", "returning"), events, strict=False))
    elif kind == "paths" and events:
        made[held.get("direction", "from")] = events[0]
    return made


def changed(held: dict[str, Any], do: str) -> dict[str, Any]:
    """The form's content after a button was pressed: add, remove-N, up-N, where-N, unwhere-N-M."""
    word, *numbers = do.split("-")
    events: list[dict[str, Any]] = held["events"]
    place = int(numbers[0]) if numbers and numbers[0].isdigit() else -1
    if word == "add" and len(events) < definitions.MOST_STEPS:
        events.append({**NEW, **({"kind": events[-1]["kind"]} if events else {})})
    elif 0 <= place < len(events):
        if word == "remove" and len(events) > 1:
            del events[place]
        elif word == "up" and place:
            events[place - 1 : place + 1] = [events[place], events[place - 1]]
        elif word == "where":
            events[place].setdefault("where", []).append({"property": "", "op": "is", "value": ""})
        elif word == "unwhere" and len(numbers) == 2 and numbers[1].isdigit():
            where = events[place].get("where", [])
            del where[int(numbers[1]) : int(numbers[1]) + 1]
    return held


def context(held: Mapping[str, Any]) -> dict[str, Any]:
    """What the template of the fields needs."""
    kind = held["kind"]
    roles = ROLES.get(kind, ())
    events = [
        {
            **one,
            "number": number,
            "title": roles[number]
            if number < len(roles)
            else f"{'Step' if kind == 'funnel' else 'Series'} {number + 1}",
            "named": name_of(one),
            "measured": "sum" if isinstance(one.get("measure"), dict) else one.get("measure", "events"),
            "summed": one["measure"].get("sum", "") if isinstance(one.get("measure"), dict) else "",
            "wheres": [{**w, "number": n, "text": _shown(w.get("value"))} for n, w in enumerate(one.get("where", []))],
        }
        for number, one in enumerate(held["events"])
    ]
    return {
        "held": held,
        "events": events,
        "several": kind in ("trend", "funnel"),
        "range": charts_range.shown(held.get("range")),
        "kinds": event_kinds(),
        "path_kinds": [(one, one in held.get("kinds", ["page", "track"])) for one in path_kinds()],
        "operators": [
            (op, "one of" if op == "in" else "not one of" if op == "not_in" else op.replace("_", " "))
            for op in comparisons.OPERATORS
        ],
        "units": definitions.RETENTION_UNITS if kind == "retention" else periods.UNITS,
        "measures": (*definitions.MEASURES, "sum"),
        "cohorts": definitions.COHORTS,
        "bare": BARE,
    }


def event_kinds() -> list[str]:
    return [kind for kind in rules.KINDS if kind in rules.EVENT_KINDS]


def path_kinds() -> list[str]:
    return [kind for kind in rules.EVENT_KINDS if kind != "event"]


def name_of(one: Mapping[str, Any]) -> str:
    return str(next((one[key] for key in ("name", "survey", "page", "feature") if one.get(key)), ""))


def named(kind: str, name: str) -> dict[str, Any]:
    """The part of an event that names it; a page or feature of ours is named by its id."""
    if not name:
        return {}
    if kind == "survey":
        return {"survey": name}
    if kind in {"page", "feature"} and re.fullmatch(r"(pag|fea)_[0-9a-z]{24}", name):
        return {kind: name}
    return {"name": name}


def _events(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    for name in ("series", "steps", "events"):
        if name in data:
            return list(data[name])
    return [data[name] for name in ("first", "returning", "from", "to") if name in data]


def _read_events(form: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for number in range(definitions.MOST_STEPS):
        at = f"e-{number}-"
        if f"{at}kind" not in form:
            break
        kind = form[f"{at}kind"]
        one: dict[str, Any] = {"kind": kind, **named(kind, form.get(f"{at}name", "").strip())}
        if form.get(f"{at}as", "").strip():
            one["as"] = form[f"{at}as"].strip()
        measure = form.get(f"{at}measure", "events")
        if measure == "sum":
            one["measure"] = {"sum": form.get(f"{at}prop", "").strip()}
        elif measure != "events":
            one["measure"] = measure
        where = _read_where(form, at)
        if where:
            one["where"] = where
        found.append(one)
    return found


def _read_where(form: Mapping[str, str], at: str) -> list[dict[str, Any]]:
    found = []
    for number in range(rules.MOST_RULES):
        here = f"{at}w-{number}-"
        if f"{here}op" not in form:
            break
        op = form[f"{here}op"]
        one = {"property": form.get(f"{here}property", "").strip(), "op": op}
        if op not in BARE:
            one["value"] = _value(op, form.get(f"{here}value", ""))
        found.append(one)
    return found


def _value(op: str, text: str) -> Any:
    if op in LISTS:
        return [_typed(one.strip()) for one in text.split(",") if one.strip()]
    return text if op in TEXTS else _typed(text.strip())


def _typed(text: str) -> Any:
    """A number where a text is one, so that 9 is compared as a number."""
    if not re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d{1,10})?", text):
        return text
    return float(text) if "." in text else int(text)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _number(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?\d{1,6}", text.strip()) else text
