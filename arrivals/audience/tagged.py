"""Pages and features in SQL: the condition on events that one of them, or a name, stands for. The only place for it.

Definitions are read when a question is asked, so a new or changed one applies to all events that there ever were. Cheap
tests come first: the kind, then a text that has to be in the address or in the properties, then the exact test.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from arrivals.audience import feature_rules, page_rules, pieces, texts
from arrivals.audience.binder import Binder
from arrivals.audience.feature_rules import FeatureRule
from arrivals.audience.models import Feature, Page
from arrivals.audience.page_rules import PageRule, Parameter
from arrivals.audience.selectors import Compound, Selector
from arrivals.audience.texts import Text
from arrivals.collect.pendo_elements import LONGEST_TEXT
from arrivals.errors import Invalid

KINDS = ("page", "feature")
MODELS: dict[str, type[Page] | type[Feature]] = {"page": Page, "feature": Feature}
# The events that came with a name of their own.
NAMED = {"page": ("page", "screen"), "feature": ("click",)}
ID = re.compile(r"(?:pag|fea)_[0-9a-z]{24}")
PATH = "JSONExtract(properties, 'path', 'Array(String)')"
# What the element says; events that do not tell it have it in their name.
SAID = "if(JSONHas(properties, 'text'), JSONExtractString(properties, 'text'), extract(name, '^[a-z0-9-]+ \"([\\\\s\\\\S]*)\"$'))"
TITLE = "JSONExtractString(properties, 'title')"
# The pairs of the query, and of a query inside the hash.
PAIRS = (
    "arrayConcat(splitByChar('&', extract(url, '^[^?#]*\\\\?([^#]*)')), "
    "splitByChar('&', extract(url, '^[^#]*#[^?]*\\\\?([\\\\s\\\\S]*)$')))"
)


def naming(data: Any, kind: Any, otherwise: str) -> str:
    """The key under which a rule or a column says which page or feature it means: ``{"page": id}`` or a name."""
    return str(kind) if kind in KINDS and isinstance(data, Mapping) and kind in data else otherwise


def check(kind: str, id_: str, path: str, error: type[Invalid]) -> None:
    """Refuse the id of a page or feature that is not there. Raises ``error``."""
    if not MODELS[kind].objects.filter(pk=id_).exists():
        raise error(f"There is no {kind} {id_!r:.60}; give an id, or say name.", path=path)


def condition(kind: str, name: str, bind: Binder) -> str:
    """The condition on events for ``kind`` "page" or "feature" and an id (``pag_...``, ``fea_...``) or a name.

    A name means the events that came with it, and all pages or features of ours that are called so.
    """
    if ID.fullmatch(name):
        found = MODELS[kind].objects.filter(pk=name)
        return "(" + (" OR ".join(of(one, bind) for one in found) or "0") + ")"
    parts = [f"{_kinds(NAMED[kind], bind)} AND name = {bind.add(name, 'String')}"]
    parts += [of(one, bind) for one in MODELS[kind].objects.filter(name=name).order_by("pk")]
    return "(" + " OR ".join(f"({one})" for one in parts) + ")" if len(parts) > 1 else parts[0]


def of(tag: Page | Feature, bind: Binder) -> str:
    """The condition on events for a page or feature. Raises InvalidTag when its rules are no longer allowed."""
    kind = "page" if isinstance(tag, Page) else "feature"
    return matching(kind, tag.rules, tag.source_id, bind)


def matching(kind: str, rules: object, source_id: str, bind: Binder) -> str:
    """The condition on events for rules as data, of one source or (empty) of all. Raises InvalidTag."""
    if kind == "page":
        found = f"{_kinds(NAMED['page'], bind)} AND {_pages(page_rules.parse(rules), bind)}"
    else:
        found = _any([_feature(one, bind) for one in feature_rules.parse(rules)])
    return f"(source_id = {bind.add(source_id, 'String')} AND {found})" if source_id else f"({found})"


def _kinds(kinds: Sequence[str], bind: Binder) -> str:
    return f"kind IN ({', '.join(bind.add(one, 'String') for one in kinds)})"


def _any(parts: Sequence[str]) -> str:
    return f"({' OR '.join(f'({one})' for one in parts)})"


def _pages(rules: Sequence[PageRule], bind: Binder) -> str:
    return _any([_page(one, bind) for one in rules])


def _page(rule: PageRule, bind: Binder) -> str:
    cheap, exact = [], []
    if rule.address:
        given = [f"position(url, {bind.add(one, 'String')}) > 0" for one in rule.address.literals]
        cheap.append(_any(given) if given else "url != ''")
        if rule.address.pattern:
            exact.append(f"match(url, {bind.add(rule.address.pattern, 'String')})")
    if rule.parameters:
        cheap.append("position(url, '?') > 0")
        exact += [_parameter(one, bind) for one in rule.parameters]
    if rule.title:
        exact.append(texts.sql(rule.title, TITLE, bind))
    return _first(cheap, exact)


def _first(cheap: Sequence[str], exact: Sequence[str]) -> str:
    """All of them. if() and not AND: the parts of an AND may each be asked of every event."""
    if not cheap or not exact:
        return " AND ".join([*cheap, *exact])
    return f"if({' AND '.join(cheap)}, {' AND '.join(exact)}, 0)"


def _parameter(one: Parameter, bind: Binder) -> str:
    """Names and values are compared as they read, whatever of them is encoded."""
    name = "decodeURLFormComponent(substringIndex(pair, '=', 1))"
    wanted = f"pair != '' AND {name} = {bind.add(one.name, 'String')}"
    if one.value is not None:
        value = "decodeURLFormComponent(substring(pair, position(concat(pair, '='), '=') + 1))"
        wanted += f" AND {value} = {bind.add(one.value, 'String')}"
    return f"arrayExists(pair -> {wanted}, {PAIRS})"


def _feature(rule: FeatureRule, bind: Binder) -> str:
    cheap, exact, somewhere = [], [], []
    if rule.page:
        [page] = Page.objects.filter(pk=rule.page)
        if page.source_id:
            cheap.append(f"source_id = {bind.add(page.source_id, 'String')}")
        exact.append(_pages(page_rules.parse(page.rules), bind))
    if rule.selector:
        somewhere.append(pieces.literal(rule.selector))
        exact.append(_selector(rule.selector, bind))
    if rule.text:
        wanted = Text("is", rule.text.value[:LONGEST_TEXT]) if rule.text.op == "is" else rule.text
        somewhere += [wanted.value] if wanted.op == "is" and pieces.plain(wanted.value) else []
        exact.append(texts.sql(wanted, SAID, bind))
    for text in filter(None, somewhere):
        given = bind.add(text, "String")
        cheap.append(f"(position(properties, {given}) > 0 OR position(name, {given}) > 0)")
    return f"{_kinds(rule.actions, bind)} AND {_first(cheap, exact)}"


def _selector(selector: Selector, bind: Binder) -> str:
    """The chains from the innermost on, each at the first place after the one before: a later place never helps."""
    path = PATH
    [*_, last] = selector.chains
    if len(selector.chains) == 1 and len(last) == 1 and last[0].attributes and not last[0].nth:
        # Paths of older events have no attributes; the name of the event may have one.
        path = f"arrayPushBack({PATH}, if(position(name, ' \"') = 0, toString(name), ''))"
    found = []
    for chain in reversed(selector.chains):
        at = _place(chain, path, bind)
        found.append(f"{at} > 0")
        path = f"arraySlice({path}, {at} + {len(chain)})"
    return " AND ".join(found)


def _place(chain: Sequence[Compound], path: str, bind: Binder) -> str:
    """The place in the path (from 1 on, 0: none) of the innermost element of the chain: its parents come after it."""
    names = [f"p{number}" for number in range(len(chain))]
    tests = [_piece(compound, name, bind) for compound, name in zip(reversed(chain), names, strict=True)]
    arrays = [path if not number else f"arrayShiftLeft({path}, {number})" for number in range(len(chain))]
    return f"arrayFirstIndex(({', '.join(names)}) -> {' AND '.join(tests)}, {', '.join(arrays)})"


def _piece(compound: Compound, piece: str, bind: Binder) -> str:
    test = pieces.test(compound)
    parts = [f"match({piece}, {bind.add(one, 'String')})" for one in test.patterns]
    if test.unlike:
        parts.append(f"NOT match({piece}, {bind.add(test.unlike, 'String')})")
    return " AND ".join([*([] if test.patterns else [f"{piece} != ''"]), *parts])
