"""Pendo's expression language: what is read, and what comes out, by tables. The warehouse computes all of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from arrivals.audience import aggregation
from arrivals.audience.aggregation import expressions
from arrivals.audience.aggregation.expressions import Binary, Call, Literal, Path, Unary
from arrivals.errors import InvalidPipeline
from arrivals.warehouse.client import Warehouse
from tests.pendo_events import NOW, ms

READ: list[tuple[str, expressions.Node]] = [
    ("1", Literal(1)),
    ("-1.5e2", Literal(-150.0)),
    ("18446744073709551616", Literal(18446744073709551616.0)),
    ('"a\\"b"', Literal('a"b')),
    ("`a\\b`", Literal("a\\b")),
    ("true", Literal(True)),
    ("null", Literal(None)),
    ("a.b[0].c", Path(("a", "b", 0, "c"))),
    ('metadata["auto_-323232"].id', Path(("metadata", "auto_-323232", "id"))),
    ("true.b", Path(("true", "b"))),
    ("größe", Path(("größe",))),
    ("1+2*3", Binary("+", Literal(1), Binary("*", Literal(2), Literal(3)))),
    ("1-2-3", Binary("-", Binary("-", Literal(1), Literal(2)), Literal(3))),
    ("a || b && c", Binary("||", Path(("a",)), Binary("&&", Path(("b",)), Path(("c",))))),
    ("!a == b", Binary("==", Unary("!", Path(("a",))), Path(("b",)))),
    ("(a)", Path(("a",))),
    ("now()-1", Binary("-", Call("now", ()), Literal(1))),
    ("if (a,1,\n2)", Call("if", (Path(("a",)), Literal(1), Literal(2)))),
]


@pytest.mark.parametrize(("text", "tree"), READ)
def test_an_expression_is_read(text: str, tree: expressions.Node) -> None:
    assert expressions.parse(text, "here") == tree


BROKEN = [
    ("", "breaks off"),
    ("a ==", "breaks off"),
    ("(a", "breaks off"),
    ("a b", "Unexpected 'b' at character 3"),
    ("a = 1", "'= 1' at character 3"),
    ("a; drop table events", "'; drop table events' at character 2"),
    ("'a'", "at character 1"),
    ('"a', "at character 1"),
    ("01", "at character 1"),
    ("1a", "at character 1"),
    ("a.", "breaks off"),
    ("a.1", "Unexpected '1'"),
    ("a[b]", "Unexpected 'b'"),
    ("a[-1]", "Unexpected '-'"),
    ("f(1", "breaks off"),
    ("f(1 2)", "expected ')'"),
    ("a ? b : c", "at character 3"),
    ("(" * 60 + "1" + ")" * 60, "nested deeper"),
    ("-" * 300 + "a", "nested deeper"),
    ("1" + "+1" * 600, "more than 500 operands"),
    ("a" * 20_000, "10,000 are allowed"),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
def test_what_cannot_be_read_is_told_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(InvalidPipeline) as refusal:
        expressions.parse(text, "pipeline[1].filter")
    assert refusal.value.path == "pipeline[1].filter"
    assert sentence in refusal.value.message


ROW = {
    "n": 5, "f": 2.5, "t": "abc", "ten": "10", "yes": True, "no": False, "nil": None, "l": [1, "two", None],
    "o": {"p": {"q": "deep"}, "r.s": "flat"}, "z": 0, "e": "", "umlaut": "ä", "big": "B", "u": "it's \\ \"x\"\n",
}  # fmt: skip

COMPUTED: list[tuple[str, Any]] = [
    # arithmetic
    ("n + 1", 6),
    ("1 + 2 * 3 - 4 / 2", 5),
    ("-n", -5),
    ("n / 2", 2.5),
    ("n / 0", None),
    ("n + nil", None),
    ("n + missing.path", None),
    ("ten + 1", 11),
    ("t + 1", None),
    ("t + `!`", "abc!"),
    ("1 - (2 - 3)", 2),
    ("9007199254740993 + 0", 9007199254740993),
    # comparisons: null safe, texts by code point, numbers as numbers
    ("n == 5 && n != 6 && n > 4 && n >= 5 && n < 6 && n <= 5", True),
    ("nil == null", True),
    ("nil != null", False),
    ("n == null", False),
    ("nil == 1", False),
    ("nil != 1", True),
    ("nil < 1 || nil >= 1", False),
    ("missing != `x`", True),
    ("ten > 9", True),
    ("ten == 10", True),
    ("`10` < `9`", True),
    ("big < t", True),
    ("umlaut > `z`", True),
    ("t == `abc` && t == \"abc\"", True),
    ("yes == true && no != true", True),
    ("yes == `true`", True),
    ("l[0] == n - 4", True),
    ("l[1] == `two`", True),
    ("n == t", False),
    ("n == n && t == t && nil == missing", True),
    ("f < n", True),
    ("u == \"it's \\\\ \\\"x\\\"\n\"", True),
    # booleans
    ("!no && !nil && !z && !e && !missing", True),
    ("yes && n && t && l", True),
    ("no || nil", False),
    # paths
    ("o.p.q", "deep"),
    ("o.r.s", "flat"),
    ("o.p", {"q": "deep"}),
    ("l[2]", None),
    ("l[9]", None),
    ("t.x", None),
    ("o[0]", {"q": "deep"}),
    ('o["r.s"]', "flat"),
    # functions
    ("now()", ms(NOW)),
    ("date(2026, 3)", ms(datetime(2026, 3, 1, tzinfo=UTC))),
    ("date(2026, 3, 15)", ms(datetime(2026, 3, 15, tzinfo=UTC))),
    ("date(2026, 3, 15, 12, 30, 1)", ms(datetime(2026, 3, 15, 12, 30, 1, tzinfo=UTC))),
    ("date(2026, 13, 1)", ms(datetime(2027, 1, 1, tzinfo=UTC))),
    ('date("2026-03-15")', ms(datetime(2026, 3, 15, tzinfo=UTC))),
    ("date(`2026-03-15T10:00:00Z`)", ms(datetime(2026, 3, 15, 10, tzinfo=UTC))),
    ("date(`soon`)", None),
    ("date(nil, 1)", None),
    ("dateAdd(date(2026,1,31), 1, `months`)", ms(datetime(2026, 2, 28, tzinfo=UTC))),
    ("dateAdd(date(2024,2,29), -1, `years`)", ms(datetime(2023, 2, 28, tzinfo=UTC))),
    ("dateAdd(now(), -2, \"days\") == now() - 2*24*60*60*1000", True),
    ("dateAdd(0, 3, `hours`)", 3 * 3_600_000),
    ("dateAdd(0, 1, `week`)", 7 * 86_400_000),
    ("dateAdd(nil, 1, `week`)", None),
    ("startOfPeriod(`daily`, now())", ms(datetime(2026, 3, 15, tzinfo=UTC))),
    ("startOfPeriod(\"weekly\", date(2026, 3, 14))", ms(datetime(2026, 3, 8, tzinfo=UTC))),
    ("startOfPeriod(`monthly`, now())", ms(datetime(2026, 3, 1, tzinfo=UTC))),
    ("startOfPeriod(`hourly`, date(2026,3,1,5,59))", ms(datetime(2026, 3, 1, 5, tzinfo=UTC))),
    ("startOfPeriod(`monthly`, nil)", None),
    ("hash(t) == hash(`abc`) && hash(t) != hash(`abd`) && hash(t) > 0", True),
    ("hash(nil)", None),
    ("contains(t, `bc`) && !contains(t, `BC`) && !contains(nil, `x`)", True),
    ("contains(l, `two`) && contains(l, 1) && !contains(l, `tw`)", True),
    ("isNull(nil) && isNull(missing) && !isNull(z) && isNil(nil)", True),
    ("if(n > 4, `many`, `few`)", "many"),
    ("if(nil, 1, 2.5)", 2.5),
    ("if(yes, n, t)", 5),
    ("if(no, n, null)", None),
    ("expandAppIds(`*`)", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), COMPUTED)
def test_an_expression_is_computed(store: Warehouse, db: None, text: str, value: Any) -> None:
    pipeline = [{"source": {"const": [ROW]}}, {"select": {"x": text}}]
    answer = aggregation.run({"request": {"pipeline": pipeline}}, now=NOW)
    [row] = answer.rows
    assert row == {"x": value}
    assert type(row["x"]) is type(value)


WRONG = [
    ("nothing(1)", "There is no function 'nothing'; allowed are now, date"),
    ("now(1)", "now takes 0 arguments, not 1"),
    ("date()", "date takes 1 to 6 arguments, not 0"),
    ("dateAdd(1, 2, `fortnights`)", "'fortnights' is not a unit"),
    ("dateAdd(1, 2, unit)", "is not a unit"),
    ("startOfPeriod(`yearly`, 1)", "'yearly' is not a period"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_wrong_function_is_refused(store: Warehouse, db: None, text: str, sentence: str) -> None:
    with pytest.raises(InvalidPipeline) as refusal:
        aggregation.run({"request": {"pipeline": [{"source": {"const": [ROW]}}, {"filter": text}]}})
    assert (refusal.value.path, sentence in refusal.value.message) == ("pipeline[1].filter", True)
