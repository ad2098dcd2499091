"""The formatter: what each function makes of what."""

import contextlib
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from hypothesis import given, settings
from hypothesis import strategies as st

from arrivals.accounts import workspace
from arrivals.engine import runs
from arrivals.engine.steps.formatter import DO, result
from arrivals.errors import InvalidDefinition, Permanent
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import definitions
from arrivals.workflows.steps import formatter_functions
from arrivals.workflows.steps.formatter_functions import FUNCTIONS
from tests.engine import Actions, ended, make

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
PEOPLE = [{"name": "Ann", "age": 41}, {"name": "bob", "age": 7}, {"name": "Cy"}]
MARKDOWN = "# Title\n\n- **Bold** and `code`\n1. [our page](https://x.example/a) _now_, snake_case"
HTML = "<p>Hello&nbsp;<b>Ann</b> &amp; Bob</p><script>bad()</script><ul><li>1</li><li>2 < 3</li></ul>"

GIVES: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("text.upper", "straße", {}, "STRASSE"),
    ("text.lower", "ÄB", {}, "äb"),
    ("text.title", "it's o'neil of the north", {}, "It's O'neil Of The North"),
    ("text.capitalize", "hello World", {}, "Hello World"),
    ("text.trim", "\n a b ", {}, "a b"),
    ("text.collapse", " a \n\t b ", {}, "a b"),
    ("text.upper", None, {}, ""),
    ("text.upper", 12, {}, "12"),
    ("text.upper", {"a": [1]}, {}, '{"A":[1]}'),
    ("text.replace", "a.b.a", {"find": "a", "with": "$&\\1"}, "$&\\1.b.$&\\1"),
    ("text.replace", "Aa", {"find": "a"}, "A"),
    ("text.replace", "Aa.", {"find": "A", "with": "\\1", "ignore_case": True}, "\\1\\1."),
    ("text.split", "a, b,,c", {}, ["a", "b", "", "c"]),
    ("text.split", "", {}, []),
    ("text.split", "Ann van Dyk", {"separator": "[space]", "take": "last"}, "Dyk"),
    ("text.split", "Ann van Dyk", {"separator": "[space]", "take": "second_last"}, "van"),
    ("text.split", "Ann", {"separator": "[space]", "take": "second"}, None),
    ("text.split", "a\nb", {"separator": "[newline]", "take": "first"}, "a"),
    ("text.substring", "abcdef", {"start": 1, "length": 3}, "bcd"),
    ("text.substring", "abcdef", {"start": -2}, "ef"),
    ("text.substring", "abcdef", {"start": "2"}, "cdef"),
    ("text.before", "ann@x.example", {"find": "@"}, "ann"),
    ("text.after", "ann@x.example", {"find": "@"}, "x.example"),
    ("text.between", "id=[42];", {"start": "[", "end": "]"}, "42"),
    ("text.between", "id=[42;", {"start": "[", "end": "]"}, ""),
    ("text.length", "héé", {}, 3),
    ("text.words", " one  two ", {}, 2),
    ("text.default", "", {"value": 7}, 7),
    ("text.default", 0, {"value": 7}, 0),
    ("text.default", None, {"value": []}, []),
    ("text.truncate", "Hello there", {"length": 8}, "Hello t…"),
    ("text.truncate", "Hello there", {"length": 9, "words": True, "end": "..."}, "Hello..."),
    ("text.truncate", "Hello", {"length": 5}, "Hello"),
    ("text.pad", 7, {"length": 3}, "007"),
    ("text.extract_email", "Mail <ann.b+c@x-y.example.org>, thanks", {}, "ann.b+c@x-y.example.org"),
    ("text.extract_email", "a@b", {}, None),
    ("text.extract_url", "See (https://x.example/a?b=1#c).", {}, "https://x.example/a?b=1#c"),
    ("text.extract_number", "Order 12-34 costs -1.50 or so", {}, 12),
    ("text.extract_number", "is -1.50", {}, -1.5),
    ("text.extract_number", "none", {}, None),
    ("text.extract_phone", "Call +49 (30) 123-456 now", {}, "+49 (30) 123-456"),
    ("text.extract_pattern", "see ORD-1234 (old)", {"pattern": "ORD-####"}, "ORD-1234"),
    ("text.extract_pattern", "see .*", {"pattern": ".*"}, ".*"),
    ("text.extract_pattern", "see", {"pattern": "(a+)+$"}, None),
    ("text.url_encode", "a b/ü&", {}, "a%20b%2F%C3%BC%26"),
    ("text.url_decode", "a%20b%2F%C3%BC%26", {}, "a b/ü&"),
    ("text.html_escape", '<a href="x">', {}, "&lt;a href=&quot;x&quot;&gt;"),
    ("text.strip_html", HTML, {}, "Hello Ann & Bob\n1\n2 < 3"),
    ("text.strip_html", "a <b title='x > y'>c</b> < d <!-- <p> --> e<br/>f<style>g", {}, "a c < d e\nf"),
    ("text.strip_html", "1 <b", {}, "1 <b"),
    ("text.strip_markdown", MARKDOWN, {}, "Title\n\nBold and code\nour page now, snake_case"),
    ("text.slug", "  Crème brûlée, Größe 2! ", {}, "creme-brulee-grosse-2"),
    ("text.hash", "a", {}, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("number.parse", "€ 1.234,50", {"point": ","}, 1234.5),
    ("number.parse", "$1,234", {}, 1234),
    ("number.parse", "(1,234.50)", {}, -1234.5),
    ("number.format", 1234567.891, {"decimals": 2}, "1,234,567.89"),
    ("number.format", "1234567.5", {"decimals": 2, "thousands": ".", "point": ","}, "1.234.567,50"),
    ("number.format", 1000, {"thousands": ""}, "1000"),
    ("number.format", 100, {}, "100"),
    ("number.format", -0.001, {"decimals": 2}, "0.00"),
    ("number.currency", -1234.5, {"currency": "€"}, "-€1,234.50"),
    ("number.currency", 5, {"currency": "EUR", "place": "after", "decimals": 0}, "5 EUR"),
    ("number.currency", 5, {"currency": "EUR"}, "EUR 5.00"),
    ("number.round", 2.5, {}, 3),
    ("number.round", 2.5, {"how": "half_even"}, 2),
    ("number.round", "1.005", {"decimals": 2}, 1.01),
    ("number.round", -1.5, {"how": "floor"}, -2),
    ("number.round", 1251, {"decimals": -2}, 1300),
    ("number.add", 0.1, {"number": 0.2}, 0.3),
    ("number.subtract", 5, {"number": "2.5"}, 2.5),
    ("number.multiply", 3, {"number": 4}, 12),
    ("number.divide", 1, {"number": 8}, 0.125),
    ("number.remainder", -7, {"number": 3}, 2),
    ("number.percent", 1, {"number": 4}, 25),
    ("number.absolute", -4, {}, 4),
    ("date.parse", "31.01.2026 14:05", {"format": "DD.MM.YYYY HH:mm", "zone": BERLIN}, "2026-01-31T13:05:00.000Z"),
    ("date.parse", "Jan 5, 26 1:07 pm", {"format": "MMM D, YY h:mm A", "zone": "UTC"}, "2026-01-05T13:07:00.000Z"),
    ("date.parse", "2026-07-01", {"zone": NEW_YORK}, "2026-07-01T04:00:00.000Z"),
    ("date.parse", 1769868300, {"zone": "UTC"}, "2026-01-31T14:05:00.000Z"),
    ("date.parse", "1769868300000", {"zone": "UTC"}, "2026-01-31T14:05:00.000Z"),
    ("date.parse", "5 +02:00 2026", {"format": "D Z YYYY", "zone": "UTC"}, "2026-01-04T22:00:00.000Z"),
    ("date.format", "2026-03-29T00:59:00Z", {"zone": BERLIN}, "2026-03-29 01:59"),
    ("date.format", "2026-03-29T01:00:00Z", {"zone": BERLIN, "format": "dddd D MMMM, h:mm A Z"}, "Sunday 29 March, 3:00 AM +02:00"),
    ("date.format", "2026-01-02T03:04:05.678Z", {"zone": "UTC", "format": "[At] HHmmssSSS X M/D/YY"}, "At 030405678 1767323045 1/2/26"),
    ("date.add", "2026-03-28T09:00:00+01:00", {"amount": 1, "unit": "days", "zone": BERLIN}, "2026-03-29T07:00:00.000Z"),
    ("date.add", "2026-03-28T09:00:00+01:00", {"amount": 24, "unit": "hours", "zone": BERLIN}, "2026-03-29T08:00:00.000Z"),
    ("date.add", "2026-01-31T12:00:00Z", {"amount": 1, "unit": "months", "zone": "UTC"}, "2026-02-28T12:00:00.000Z"),
    ("date.subtract", "2024-02-29T12:00:00Z", {"amount": 1, "unit": "years", "zone": "UTC"}, "2023-02-28T12:00:00.000Z"),
    ("date.difference", "2026-01-01T23:00:00Z", {"to": "2026-01-02T01:00:00Z", "zone": "UTC"}, 1),
    ("date.difference", "2026-01-01T23:00:00Z", {"to": "2026-01-02T00:30:00Z", "unit": "hours"}, 1.5),
    ("date.difference", "2026-01-31T12:00:00Z", {"to": "2026-03-01T11:00:00Z", "unit": "months", "zone": "UTC"}, 1),
    ("date.difference", "2026-03-01T00:00:00Z", {"to": "2025-02-01T00:00:00Z", "unit": "years", "zone": "UTC"}, -1),
    ("date.weekday", "2026-11-29T23:30:00Z", {"zone": BERLIN}, "Monday"),
    ("date.weekday", "2026-11-29T23:30:00Z", {"zone": "UTC", "as": "number"}, 7),
    ("date.start_of", "2026-03-29T10:00:00Z", {"zone": BERLIN}, "2026-03-28T23:00:00.000Z"),
    ("date.start_of", "2026-05-29T10:31:10Z", {"unit": "quarter", "zone": "UTC"}, "2026-04-01T00:00:00.000Z"),
    ("date.start_of", "2026-05-29T10:31:10Z", {"unit": "hour", "zone": "UTC"}, "2026-05-29T10:00:00.000Z"),
    ("date.epoch", "2026-01-31T14:05:00.123Z", {}, 1769868300),
    ("date.epoch", "2026-01-31T14:05:00.123Z", {"unit": "milliseconds"}, 1769868300123),
    ("lookup.table", "PRO", {"pairs": {"free": 1, "pro": 2}}, 2),
    ("lookup.table", 6, {"pairs": [{"from": "6", "to": "six"}]}, "six"),
    ("lookup.table", "x", {"pairs": {"free": 1}, "default": None}, None),
    ("json.parse", '{"a": [1, null]}', {}, {"a": [1, None]}),
    ("json.parse", [1], {}, [1]),
    ("json.get", '{"a": [{"b": 1}, {"b": 2}]}', {"path": "a[-1].b"}, 2),
    ("json.get", [[1, 2]], {"path": "$[0][1]"}, 2),
    ("json.get", {"a": {}}, {"path": "a.b.c", "default": "none"}, "none"),
    ("json.stringify", {"a": 1}, {}, '{"a":1}'),
    ("json.stringify", {"a": 1}, {"pretty": True}, '{\n  "a": 1\n}'),
    ("list.first", [1, 2, 3], {}, 1),
    ("list.first", [1, 2, 3], {"count": 2}, [1, 2]),
    ("list.first", [], {}, None),
    ("list.last", "a, b\n", {}, "b"),
    ("list.last", "[1, [2]]", {}, [2]),
    ("list.at", [1, 2, 3], {"index": -2}, 2),
    ("list.at", [1], {"index": 5}, None),
    ("list.find", PEOPLE, {"by": "age", "value": "7"}, PEOPLE[1]),
    ("list.pick", PEOPLE, {"by": "age"}, [41, 7, None]),
    ("list.count", PEOPLE, {}, 3),
    ("list.count", None, {}, 0),
    ("list.join", PEOPLE, {"by": "name", "separator": "[newline]"}, "Ann\nbob\nCy"),
    ("list.join", [1, 2.5, "x"], {}, "1, 2.5, x"),
    ("list.sort", ["b", 10, "A", 9, None], {}, [9, 10, "A", "b", None]),
    ("list.sort", PEOPLE, {"by": "age", "descending": True}, PEOPLE),
    ("list.reverse", [1, 2], {}, [2, 1]),
    ("list.unique", [1, "1", 1.0, "a", "A"], {}, [1, "a", "A"]),
    ("list.compact", [0, "", None, [], "a", False], {}, [0, "a", False]),
    ("list.sum", [0.1, "0.2", None], {}, 0.3),
    ("list.sum", PEOPLE, {"by": "age"}, 48),
    ("list.sum", [], {}, 0),
    ("list.average", [1, 2], {}, 1.5),
    ("list.average", [], {}, None),
    ("list.least", PEOPLE, {"by": "age"}, 7),
    ("list.largest", ["9", "10"], {}, "10"),
]  # fmt: skip

REFUSES: list[tuple[str, Any, dict[str, Any], str]] = [
    ("number.add", "many", {"number": 1}, "input: It must be a number; it is 'many'."),
    ("number.add", None, {"number": 1}, "input: It must be a number; it is missing."),
    ("number.add", True, {"number": 1}, "input: It must be a number; it is True."),
    ("number.add", "1e99", {"number": 1}, "input: It must be a number; it is '1e99'."),
    ("number.add", 1, {"number": ""}, "number: It is required, and empty for this run."),
    ("number.divide", 1, {"number": 0}, "number: A number cannot be divided by 0."),
    ("number.remainder", 1, {"number": 0}, "number: A number cannot be divided by 0."),
    ("number.parse", "1.2.3", {}, "input: There is no number in '1.2.3'."),
    ("number.round", 1, {"decimals": "1.5"}, "decimals: It must be a whole number."),
    ("number.round", 1, {"decimals": 30}, "decimals: It must be from -15 to 20."),
    ("date.format", "soon", {"zone": "UTC"}, "input: It must be a time in ISO 8601; it is 'soon'."),
    ("date.format", "2026-01-01", {"zone": "Berlin"}, "zone: It must be a time zone of the IANA database, such as Europe/Berlin."),
    ("date.parse", "31.02.2026", {"format": "DD.MM.YYYY", "zone": "UTC"}, "input: There is no such time: '31.02.2026'."),
    ("date.parse", "x", {"format": "DD DD", "zone": "UTC"}, "format: A token of it stands there twice."),
    ("date.parse", "x", {"format": "YYYY", "zone": "UTC"}, "input: It must be a time like YYYY; it is 'x'."),
    ("date.add", "9999-01-01T00:00:00Z", {"amount": 9, "unit": "years", "zone": "UTC"}, "amount: What it becomes is not between the years 1 and 9999."),
    ("date.difference", "2026-01-01T00:00:00Z", {"to": None, "zone": "UTC"}, "to: It must be a time in ISO 8601; it is missing."),
    ("lookup.table", "x", {"pairs": {"a": 1}}, "input: 'x' is not in the table, and there is no default."),
    ("json.parse", "{", {}, "input: It is not JSON: unexpected end of data: line 1 column 2 (char 1)."),
    ("json.get", {}, {"path": "a..b"}, "path: It must be a path such as items[0].name; it is 'a..b'."),
    ("list.count", {"a": 1}, {}, "input: It must be a list; it is {'a': 1}."),
    ("list.sum", [1, "x"], {}, "input[1]: It must be a number; it is 'x'."),
    ("text.replace", "aaaa", {"find": "a", "with": "b" * 200_000}, "with: What it becomes has more than 262,144 characters."),
    ("text.pad", "a", {"length": 3, "with": "ab"}, "with: It must be one character."),
    ("text.split", "a", {"take": "third"}, "take: It must be one of 'all', 'first', 'last', 'second', 'second_last'."),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value", "options", "expected"), GIVES)
def test_a_function_gives(name: str, value: Any, options: dict[str, Any], expected: Any) -> None:
    assert result(FUNCTIONS[name], value, options) == expected


@pytest.mark.parametrize(("name", "value", "options", "sentence"), REFUSES)
def test_a_function_refuses(name: str, value: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Permanent) as caught:
        result(FUNCTIONS[name], value, options)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("piece", ["<!--", "<a ", "<a b='", "[a](", "a@", "1 ", "http://", "&"])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    for function in (one for one in FUNCTIONS.values() if one.group == "text"):
        options = {one.name: 5 if one.type == "whole" else "a" for one in function.options if one.needed}
        with contextlib.suppress(Permanent):
            result(function, piece * (60_000 // len(piece)), options)
    assert time.process_time() - began < 5


def test_every_function_of_the_table_is_there_and_tried() -> None:
    assert set(DO) == set(FUNCTIONS) == {name for name, *_ in GIVES}
    assert {one.group for one in FUNCTIONS.values()} == set(formatter_functions.GROUPS)
    assert {one.input for one in FUNCTIONS.values()} <= set(formatter_functions.INPUTS)


@pytest.mark.django_db
@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(FUNCTIONS)),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.data(),
)
def test_any_input_is_formatted_or_refused_in_a_sentence(name: str, value: Any, data: st.DataObject) -> None:
    options: dict[str, Any] = {}
    for option in FUNCTIONS[name].options:
        if option.needed or data.draw(st.booleans()):
            likely = st.sampled_from(option.allowed) if option.allowed else st.integers(-5, 9)
            options[option.name] = data.draw(likely | st.text(max_size=8) | st.booleans() | st.floats() | st.just({}))
    said = "."
    try:
        result(FUNCTIONS[name], value, options)
    except Permanent as error:
        said = error.message
    assert said.endswith(".")


@pytest.mark.django_db
def test_days_are_those_of_the_workspace_unless_a_zone_is_named() -> None:
    workspace.change(time_zone=NEW_YORK)
    assert result(FUNCTIONS["date.format"], "2026-01-01T02:00:00Z", {"format": "DD.MM."}) == "31.12."
    assert result(FUNCTIONS["date.parse"], "2026-01-01", {}) == "2026-01-01T05:00:00.000Z"


def step(function: str, input_: Any, **options: Any) -> dict[str, Any]:
    return {"id": "f", "type": "formatter", "function": function, "input": input_, **options}


def checked(one: dict[str, Any]) -> dict[str, Any]:
    return definitions.Tree().steps([one], "steps")[0]


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (step("text.shout", "x"), "steps[0].function: There is no function 'text.shout'; there are text.upper, "),
        (step("text.upper", "x", find="x"), "steps[0].find: text.upper has no such option; it has none."),
        (step("text.replace", "x"), "steps[0].find: It is missing."),
        (step("number.add", "x", number="many"), "steps[0].number: It must be a number."),
        (step("date.add", "x", amount=1, unit="moons"), "steps[0].unit: It must be one of 'seconds', "),
        (step("date.format", "x", zone="Berlin"), "steps[0].zone: It must be a time zone of the IANA database"),
        (step("lookup.table", "x", pairs=[]), "steps[0].pairs: It must be an object, or a list"),
        (step("text.upper", "{{ nobody.id }}"), "steps[0].input: The template is wrong: there is nothing called"),
    ],
)
def test_what_a_definition_says_wrong_is_told(one: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        checked(one)
    assert str(caught.value).startswith(sentence)


def test_templates_may_stand_for_any_option() -> None:
    one = step("date.add", "{{ row.at }}", amount="{{ row.n }}", unit="{{ row.unit }}", zone="{{ visitor.zone }}")
    assert checked(one) == one


async def test_a_run_formats_values_of_their_own_type(fresh: Warehouse, started: Any) -> None:
    items = [{"n": 2}, {"n": "3"}]
    await make(
        step("list.sum", "{{ row.items }}", by="n"),
        {**step("number.multiply", "{{ steps.f.value }}", number="{{ row.times }}"), "id": "g"},
        {**step("lookup.table", "{{ steps.g.value }}", pairs={"20": "{{ row.items }}"}), "id": "h"},
        row={"items": items, "times": 4},
    )
    await started(Actions())
    [run] = await ended()
    told = (await sync_to_async(runs.get)(run.id))["steps"]
    assert [one["outputs"] for one in told] == [{"value": 5}, {"value": 20}, {"value": items}]
    assert told[1]["inputs"] == {"function": "number.multiply", "input": 5, "number": 4}


async def test_a_value_that_does_not_fit_fails_the_run_with_the_path(fresh: Warehouse, started: Any) -> None:
    await make(step("number.add", "{{ row.name }}", number=1), row={"name": "Ann"})
    await started(Actions())
    [run] = await ended()
    assert (run.state, run.error) == (
        "failed",
        {"code": "permanent", "message": "It must be a number; it is 'Ann'.", "path": "input"},
    )
