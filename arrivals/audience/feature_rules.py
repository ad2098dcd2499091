"""Rules of a feature: which captured elements are it.

{"selector": "form#checkout > button.primary"}
{"text": {"is": "Save all"}, "page": "pag_...", "on": ["click", "submit"]}
"""

from dataclasses import dataclass
from typing import Any

from arrivals.audience import selectors, shapes, texts
from arrivals.audience.models import Page
from arrivals.audience.selectors import Selector
from arrivals.audience.texts import Text
from arrivals.errors import InvalidTag

KEYS = ("selector", "text", "page", "on")
# What somebody may have done with the element; a click where nothing is said.
ACTIONS = ("click", "change", "submit", "focus")
MOST_RULES = 50
MOST_CHAINS = 4


@dataclass(frozen=True)
class FeatureRule:
    """``page`` is the id of the page that it is limited to, or empty."""

    selector: Selector | None
    text: Text | None
    page: str
    actions: tuple[str, ...]


def parse(data: Any, path: str = "rules") -> tuple[FeatureRule, ...]:
    """Read the rules of a feature; an element is the feature when it satisfies one of them.

    Raises:
        InvalidTag: with the path of the wrong part and what is allowed.
    """
    if not isinstance(data, list) or not 0 < len(data) <= MOST_RULES:
        raise InvalidTag(f"It must be a list of 1 to {MOST_RULES} rules.", path=path)
    return tuple(_rule(one, f"{path}[{index}]") for index, one in enumerate(data))


def _rule(data: Any, path: str) -> FeatureRule:
    shapes.known(data, KEYS, InvalidTag, path)
    if "selector" not in data and "text" not in data:
        raise InvalidTag("A rule of a feature needs a selector, a text or both.", path=path)
    return FeatureRule(
        _selector(data["selector"], f"{path}.selector") if "selector" in data else None,
        texts.parse(data["text"], f"{path}.text", InvalidTag) if "text" in data else None,
        _page(data["page"], f"{path}.page") if data.get("page") is not None else "",
        _actions(data["on"], f"{path}.on") if "on" in data else ("click",),
    )


def _selector(data: Any, path: str) -> Selector:
    read = selectors.parse(data, path, InvalidTag)
    if len(read.chains) > MOST_CHAINS:
        raise InvalidTag(f"A selector has at most {MOST_CHAINS - 1} spaces; use > for children.", path=path)
    if all(compound == selectors.Compound() for chain in read.chains for compound in chain):
        raise InvalidTag("It would be every element; name a tag, an id, a class or an attribute.", path=path)
    return read


def _page(data: Any, path: str) -> str:
    if not isinstance(data, str) or not Page.objects.filter(pk=data).exists():
        raise InvalidTag(f"There is no page {data!r:.60}; give the id of one.", path=path)
    return data


def _actions(data: Any, path: str) -> tuple[str, ...]:
    if not isinstance(data, list) or not data or not all(one in ACTIONS for one in data if isinstance(one, str)):
        raise InvalidTag(f"It must be a list of some of {', '.join(ACTIONS)}.", path=path)
    if not all(isinstance(one, str) for one in data):
        raise InvalidTag(f"It must be a list of some of {', '.join(ACTIONS)}.", path=path)
    return tuple(dict.fromkeys(data))
