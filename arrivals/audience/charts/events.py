"""What somebody did, as a chart names it: a rule of a segment about events, without how often and when."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from arrivals.audience import rules, shapes, tagged
from arrivals.audience.compiler import Compiler
from arrivals.audience.rules import EventRule
from arrivals.errors import InvalidChart, InvalidRules

NAMES = ("name", "survey", "page", "feature")
KEYS = ("kind", *NAMES, "where", "as")
LONGEST = 120


@dataclass(frozen=True)
class Doing:
    """``rule`` says which events; ``label`` is what people call them."""

    rule: EventRule
    label: str

    def sql(self, query: Compiler) -> str:
        """The condition on events, in brackets."""
        return f"({query.matching(self.rule.kind, self.rule.name, self.rule.where)})"


def parse(data: Any, path: str) -> Doing:
    """Read ``{"kind", "name" (or "survey", "page", "feature"), "where", "as"}``; without a name any event of the kind.

    Raises:
        InvalidChart: with the path of the wrong part.
    """
    shapes.known(data, KEYS, InvalidChart, path)
    called = data.get("as", "")
    if not isinstance(called, str) or len(called) > LONGEST:
        raise InvalidChart(f"It must be a text of at most {LONGEST} characters.", path=f"{path}.as")
    given = {name: value for name, value in data.items() if name != "as"}
    kinds = [kind for kind in rules.KINDS if kind in rules.EVENT_KINDS]
    if given.get("kind") not in kinds:
        raise InvalidChart(f"It must be one of {', '.join(kinds)}; got {given.get('kind')!r:.60}.", path=f"{path}.kind")
    # A rule needs a name; a chart may be of any event of a kind.
    unnamed = given["kind"] != "event" and not any(name in given for name in NAMES)
    if unnamed:
        given["survey" if given["kind"] == "survey" else "name"] = "any"
    try:
        [[rule]] = rules.parse({"all": [{"any": [given]}]}, path="e").groups
    except InvalidRules as error:
        raise InvalidChart(error.message, path=path + error.path.removeprefix("e.all[0].any[0]")) from error
    if not isinstance(rule, EventRule):
        raise InvalidChart(f"It must be one of {', '.join(kinds)}.", path=f"{path}.kind")
    return Doing(replace(rule, name=None) if unnamed else rule, label(data))


def label(data: Mapping[str, Any]) -> str:
    """What the events are called: as somebody said, or by their name; a page or feature of ours by its own."""
    if data.get("as"):
        return str(data["as"])
    for kind, model in tagged.MODELS.items():
        if kind in data:
            found = model.objects.filter(pk=data[kind]).first()
            return found.name if found else str(data[kind])
    named = next((str(data[name]) for name in NAMES if name in data), "")
    return named or ("any event" if data["kind"] == "event" else f"any {data['kind']}")
