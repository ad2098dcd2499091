"""Our YAML: the values of JSON, there and back, and no surprises."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals.errors import InvalidDefinition, TooLarge
from arrivals.workflows import yaml_text

WORDS = [
    "on",
    "off",
    "no",
    "yes",
    "true",
    "null",
    "~",
    "",
    "09:00",
    "9:00",
    "1_000",
    "0x1f",
    "007",
    "1e5",
    "2026-01-31",
]
WORDS += [
    "- a",
    "a: b",
    "# no",
    "{{ visitor.id }}",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "=",
    "<<",
    "a\nb",
    " a\nb ",
    "a \n",
    "\n",
    "\x85",
    "a\u2028\nb",
]
texts = st.one_of(st.sampled_from(WORDS), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
numbers = st.one_of(st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False))
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(leaves, lambda some: st.one_of(st.lists(some), st.dictionaries(texts, some)), max_leaves=20)


@settings(max_examples=50, deadline=None)
@given(st.lists(values.filter(lambda one: one is not None), max_size=3))
def test_what_is_written_is_read_again(documents: list[Any]) -> None:
    assert yaml_text.read(yaml_text.write(documents)) == documents


READ: list[tuple[str, Any]] = [
    ("state: on", {"state": "on"}),
    ("on: mon", {"on": "mon"}),
    ("1: x", {"1": "x"}),
    ("at: 09:00", {"at": "09:00"}),
    ("at: 9:30", {"at": "9:30"}),
    ("day: 2026-01-31", {"day": "2026-01-31"}),
    ("a: [no, yes, off, ~, 007, 0x1f, 1_000, .5, 1.5, -3, 1e3, .inf]",
     {"a": ["no", "yes", "off", None, "007", "0x1f", "1_000", ".5", 1.5, -3, 1000.0, ".inf"]}),
    ("tries: true", {"tries": True}),
    ("a:", {"a": None}),
    ('{"a": [1, "b"]}', {"a": [1, "b"]}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_text_is_what_it_says_and_no_more(text: str, expected: Any) -> None:
    assert yaml_text.read(text) == [expected]


def test_other_readers_take_what_is_written_for_the_same() -> None:
    value = {"on": "mon", "state": "off", "at": "09:00", "days": ["2026-01-31", "12:30:45", "no"], "n": None}
    assert yaml.safe_load(yaml_text.write([value])) == value


REFUSED = [
    ("a: &x 1\nb: *x", "aliases"),
    ("a: !!python/object/apply:os.system [x]", "is not allowed"),
    ("a: !!timestamp 2026-01-31", "is not allowed"),
    ("a: 1\na: 2", r"'a' is there twice \(line 2\)"),
    ("? [a]\n: b", "a key must be a text"),
    ("a: [1", r"line \d"),
    ("\ta: 1", "line 1"),
    ("a: \x07", r"'\\x07'"),
    ("[" * 1200, "not YAML"),
    (": :\n- x", "line"),
]


@pytest.mark.parametrize(("text", "match"), REFUSED)
def test_what_is_not_such_yaml_is_refused_with_its_line(text: str, match: str) -> None:
    with pytest.raises(InvalidDefinition, match=match) as refused:
        yaml_text.read(text, "w.yaml")
    assert refused.value.path == "w.yaml"


def test_too_much_is_refused() -> None:
    with pytest.raises(TooLarge):
        yaml_text.read("a" * 500_001)
