"""The subset of CSS that names captured elements: how it is read, and what it means on captured paths."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals.audience import feature_rules, selectors
from arrivals.audience.selectors import Attribute, Compound, Selector
from arrivals.collect import pendo_elements
from arrivals.errors import InvalidTag
from arrivals.warehouse.client import Warehouse
from tests.test_audience_page_rules import asked

READ: list[tuple[str, Selector]] = [
    ("button", Selector(((Compound("button"),),))),
    ("BUTTON#save.big.primary", Selector(((Compound("button", "save", ("big", "primary")),),))),
    ("*", Selector(((Compound(),),))),
    (" form >a  b ", Selector(((Compound("form"), Compound("a")), (Compound("b"),)))),
    ("[data-testid]", Selector(((Compound(attributes=(Attribute("data-testid"),)),),))),
    (
        "a[name=x][role='tab']",
        Selector(((Compound("a", attributes=(Attribute("name", "=", "x"), Attribute("role", "=", "tab"))),),)),
    ),
    ('[aria-label^="Save all"]', Selector(((Compound(attributes=(Attribute("aria-label", "^=", "Save all"),)),),))),
    ("[id$='-row']", Selector(((Compound(attributes=(Attribute("id", "$=", "-row"),)),),))),
    ("li:nth(3)", Selector(((Compound("li", nth=3),),))),
    ("li:nth-of-type( 3 )", Selector(((Compound("li", nth=3),),))),
    (r".md\:flex", Selector(((Compound(classes=("md:flex",)),),))),
    (r"#\31 23", Selector(((Compound(id="123"),),))),
    (r".w-1\/2.é", Selector(((Compound(classes=("w-1/2", "é")),),))),
]


@pytest.mark.parametrize(("text", "read"), READ)
def test_a_selector_is_read(text: str, read: Selector) -> None:
    assert selectors.parse(text, "selector", InvalidTag) == read


WRONG: list[tuple[Any, str]] = [
    ("", "1 to 500 characters"),
    (None, "1 to 500 characters"),
    ("x" * 501, "1 to 500 characters"),
    ("a >", "breaks off"),
    ("> a", "from '> a' on (character 1)"),
    ("a, b", "from ', b' on (character 2)"),
    ("a + b", "from '+ b' on (character 3)"),
    ("a..b", "from '..b' on (character 2)"),
    ("a[", "from '[' on"),
    ("a[href=x]", "'href' is not captured; allowed are id, data-arrivals"),
    ("a[class=x]", "write .name for a class"),
    ("a[name~=x]", "The operator ~= is not known"),
    ("a[name='']", "write [name] for any value"),
    ("a:hover", "only :nth(n)"),
    ("a:nth-child(2)", "only :nth(n)"),
    ("a:nth(0)", "only :nth(n)"),
    ("(?i)a", "cannot be read"),
    (" ".join("abcdefghijk"), "at most 10 elements"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_wrong_selector_is_refused_with_the_character(text: Any, sentence: str) -> None:
    with pytest.raises(InvalidTag) as refused:
        selectors.parse(text, "rules[0].selector", InvalidTag)
    assert refused.value.path == "rules[0].selector"
    assert sentence in refused.value.message, refused.value.message


@given(st.text())
def test_whatever_is_quoted_is_read_as_it_is(name: str) -> None:
    name = name.replace("\x00", "") or "x"
    if len(name) < 100 and "\n" not in name:
        [[compound]] = selectors.parse(f"a.{selectors.quoted(name)}", "", InvalidTag).chains
        assert compound.classes == (name,)


@settings(max_examples=200)
@given(st.text(alphabet="ab#.[]=\"'\\:nth()> *^$1-", max_size=30))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidTag):
        assert selectors.parse(text, "", InvalidTag).chains


RULES: list[tuple[Any, str, str]] = [
    ([{}], "rules[0]", "needs a selector, a text or both"),
    ([{"css": "a"}], "rules[0].css", "allowed are selector, text, page, on"),
    ([{"selector": "*"}], "rules[0].selector", "every element"),
    ([{"selector": "a b c d e"}], "rules[0].selector", "at most 3 spaces"),
    ([{"selector": "a"}, {"selector": "a:b"}], "rules[1].selector", "only :nth(n)"),
    ([{"text": "Save"}], "rules[0].text", '{"is": text}'),
    ([{"text": {"is": " "}}], "rules[0].text.is", "1 to 255"),
    ([{"text": {"is": "x"}, "page": "pag_x"}], "rules[0].page", "There is no page 'pag_x'"),
    ([{"text": {"is": "x"}, "on": ["hover"]}], "rules[0].on", "click, change, submit, focus"),
    ([{"text": {"is": "x"}, "on": [[]]}], "rules[0].on", "click, change, submit, focus"),
    ([{"text": {"is": "x"}, "on": []}], "rules[0].on", "click, change, submit, focus"),
]


@pytest.mark.parametrize(("rules", "path", "sentence"), RULES)
def test_a_wrong_rule_is_refused_with_its_place(transactional_db: None, rules: Any, path: str, sentence: str) -> None:
    with pytest.raises(InvalidTag) as refused:
        feature_rules.parse(rules)
    assert (refused.value.path, sentence in refused.value.message) == (path, True), refused.value.message


def row(path: list[str], *, kind: str = "click", name: str = "", url: str = "", **properties: Any) -> list[str]:
    return [kind, name, url, json.dumps({"path": path, **properties}, ensure_ascii=False)]


SAVE = [
    "svg",
    "button#save.btn.md:flex.text-[14px].last[data-testid=save-all][aria-label=Save (all)]:nth(2)",
    "form#f",
    "body",
]
MATCHES: list[tuple[str, list[str], bool]] = [
    ("button", SAVE, True),
    ("butto", SAVE, False),
    ("#save", SAVE, True),
    ("#sav", SAVE, False),
    ("a#save", SAVE, False),
    ("button.btn", SAVE, True),
    (".bt", SAVE, False),
    (".last.btn", SAVE, True),
    (r".md\:flex", SAVE, True),
    (".md", SAVE, False),
    (r".text-\[14px\]", SAVE, True),
    ("[data-testid]", SAVE, True),
    ("[data-test]", SAVE, False),
    ("[data-testid=save-all]", SAVE, True),
    ("[data-testid=save]", SAVE, False),
    ("[data-testid^=save]", SAVE, True),
    ("[data-testid$=all]", SAVE, True),
    ("[data-testid*=e-a]", SAVE, True),
    ("[data-testid*=Save]", SAVE, False),
    ("[aria-label='Save [all]']", SAVE, True),
    ("[aria-label='Save [all]']", ["a[aria-label=Save [all]]", "body"], True),
    ("[id^=sa]", SAVE, True),
    ("[id$=ve]", SAVE, True),
    ("[id*=body]", SAVE, False),
    ("button:nth(2)", SAVE, True),
    ("button:nth(1)", SAVE, False),
    ("form:nth(1)", SAVE, True),
    ("form > button", SAVE, True),
    ("form > svg", SAVE, False),
    ("form svg", SAVE, True),
    ("svg form", SAVE, False),
    ("body form > button svg", SAVE, True),
    ("body > button", SAVE, False),
    ("* > form", SAVE, True),
    ("* > body", SAVE, False),
    ("a b c", ["c", "a", "b", "b", "a"], True),
    ("a > b c", ["c", "b", "d", "c", "b", "a"], True),
    ("a > b > c", ["c", "b", "d", "c", "b", "a"], True),
    ("a > b > c", ["c", "b", "d", "c", "a", "b"], False),
    # As older events have it: an id alone, or two classes.
    (".btn", ["button.btn.big", "body"], True),
    ("button.big", ["button.btn.big", "body"], True),
    ("#save.btn", ["button#save"], False),
]


@pytest.mark.parametrize(("selector", "path", "expected"), MATCHES)
def test_an_element_is_the_feature(
    store: Warehouse, transactional_db: None, selector: str, path: list[str], expected: bool
) -> None:
    assert asked(store, "feature", [{"selector": selector}], [row(path)]) == [expected]


def test_only_what_is_said_to_be_done_counts(store: Warehouse, transactional_db: None) -> None:
    rows = [row(["button"], kind=kind) for kind in ("click", "change", "submit", "focus", "track", "page")]
    assert asked(store, "feature", [{"selector": "button"}], rows) == [True, *[False] * 5]
    on = {"selector": "button", "on": ["submit", "focus"]}
    assert asked(store, "feature", [on], rows) == [False, False, True, True, False, False]


def test_a_text_says_it_too(store: Warehouse, transactional_db: None) -> None:
    rows = [
        row(["button"], text="Save all"),
        row(["button"], text="Save"),
        row(["b", "button"], name='button "Save all"'),  # an older event
        row(["button"], name='button "Save all"', text="Other"),
        row(["button"], name="button#save"),
        row(["a"], text="Save all"),
    ]
    assert asked(store, "feature", [{"text": {"is": " Save  all "}}], rows) == [True, False, True, False, False, True]
    assert asked(store, "feature", [{"text": {"contains": "ALL"}}], rows) == [True, False, True, False, False, True]
    both = [{"text": {"contains": "save"}, "selector": "button"}]
    assert asked(store, "feature", both, rows) == [True, True, True, False, False, False]
    long = "x" * 80
    assert asked(store, "feature", [{"text": {"is": long}}], [row(["a"], text=long[:60])]) == [True]


def test_an_older_event_is_found_by_the_attribute_in_its_name(store: Warehouse, transactional_db: None) -> None:
    rows = [
        row(["svg", "button", "body"], name="button[data-testid=save]"),
        row(["svg", "button", "body"], name='button "x[data-testid=save]"'),
        row(["svg", "button", "body"], name="button[data-testid=saved]"),
    ]
    for selector in ("[data-testid=save]", "button[data-testid=save]"):
        assert asked(store, "feature", [{"selector": selector}], rows) == [True, False, False]


def test_what_pendos_wire_tells_of_an_element_is_kept_for_selectors(store: Warehouse, transactional_db: None) -> None:
    button = {
        "tag": "BUTTON", "id": "save", "cls": "a b c d e f " + "x" * 70, "txt": "Save",
        "attrs": {"data-testid": "s[1]", "role": "button", "value": "hunter2", "href": "/x", "aria-label": " Save\n all "},
        "parentElem": {"tag": "form", "cls": "checkout"},
    }  # fmt: skip
    path = pendo_elements.path(button)
    assert path == ["button#save.a.b.c.d.e[data-testid=s(1)][role=button][aria-label=Save all]", "form.checkout"]
    assert pendo_elements.text(button) == "Save"
    assert pendo_elements.text({"tag": "select", "txt": "12"}) == ""
    for selector in ("form.checkout > #save.c.e", "[data-testid='s[1]']", "[aria-label='Save all'][role=button]"):
        assert asked(store, "feature", [{"selector": selector}], [row(path)]) == [True], selector


# An evaluator of its own works on elements, not on pieces, and goes through every place.
TAGS, NAMES = ["a", "b", "div"], ["x", "y", "xy", "md:x", "[x]", "é", "x-1", "(", "$"]
IDS = [one for one in NAMES if "[" not in one]
VALUES = ["x", "xy", "y x", "x:y", "$(x)", "é", "nth(2)"]
ELEMENT = st.fixed_dictionaries(
    {
        "tag": st.sampled_from(TAGS),
        "id": st.sampled_from(["", "", *IDS]),
        "classes": st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
        "attributes": st.dictionaries(
            st.sampled_from(["name", "role", "data-test", "data-testid"]), st.sampled_from(VALUES), max_size=2
        ),
        "nth": st.integers(1, 3),
    }
)
COMPOUND = st.builds(
    Compound,
    tag=st.sampled_from(["", "", *TAGS]),
    id=st.sampled_from(["", "", "", *IDS]),
    classes=st.lists(st.sampled_from(NAMES), max_size=1).map(tuple),
    attributes=st.lists(
        st.builds(
            Attribute,
            name=st.sampled_from(["name", "role", "data-test", "id"]),
            op=st.sampled_from(["=", "^=", "*=", "$="]),
            value=st.sampled_from(["x", "y", "xy", "x:y", "é"]),
        ),
        max_size=1,
    ).map(tuple),
    nth=st.sampled_from([0, 0, 0, 1, 2]),
)
SELECTOR = st.lists(st.lists(COMPOUND, min_size=1, max_size=2).map(tuple), min_size=1, max_size=3).map(tuple)


def piece(element: dict[str, Any]) -> str:
    id_ = f"#{element['id']}" if element["id"] else ""
    attributes = "".join(f"[{name}={value}]" for name, value in element["attributes"].items())
    nth = f":nth({element['nth']})" if element["nth"] > 1 else ""
    return f"{element['tag']}{id_}{''.join('.' + one for one in element['classes'])}{attributes}{nth}"


def fits(compound: Compound, element: dict[str, Any]) -> bool:
    compare = {"=": str.__eq__, "^=": str.startswith, "*=": str.__contains__, "$=": str.endswith}
    there = {**element["attributes"], **({"id": element["id"]} if element["id"] else {})}
    return (
        compound.tag in ("", element["tag"])
        and compound.id in ("", element["id"])
        and set(compound.classes) <= set(element["classes"])
        and compound.nth in (0, element["nth"])
        and all(one.name in there and compare[one.op](there[one.name], one.value) for one in compound.attributes)
    )


def found(chains: tuple[tuple[Compound, ...], ...], path: list[dict[str, Any]]) -> bool:
    if not chains:
        return True
    wanted = chains[-1][::-1]
    return any(
        all(fits(one, path[start + number]) for number, one in enumerate(wanted))
        and found(chains[:-1], path[start + len(wanted) :])
        for start in range(len(path) - len(wanted) + 1)
    )


def written(chains: tuple[tuple[Compound, ...], ...]) -> str:
    def one(compound: Compound) -> str:
        text = compound.tag + (f"#{selectors.quoted(compound.id)}" if compound.id else "")
        text += "".join(f".{selectors.quoted(name)}" for name in compound.classes)
        text += "".join(f'[{a.name}{a.op}"{a.value}"]' for a in compound.attributes)
        return text + (f":nth({compound.nth})" if compound.nth else "") or "*"

    return " ".join(" > ".join(map(one, chain)) for chain in chains)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chains=SELECTOR, paths=st.lists(st.lists(ELEMENT, min_size=1, max_size=6), min_size=12, max_size=16))
def test_the_warehouse_says_the_same_as_an_evaluator_of_its_own(
    store: Warehouse, transactional_db: None, chains: Any, paths: Any
) -> None:
    if all(one == Compound() for chain in chains for one in chain):
        return
    selector = written(chains)
    assert selectors.parse(selector, "", InvalidTag).chains == chains
    told = asked(store, "feature", [{"selector": selector}], [row([piece(one) for one in path]) for path in paths])
    assert told == [found(chains, path) for path in paths], selector
