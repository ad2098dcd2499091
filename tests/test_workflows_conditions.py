"""Filters and templates: data in, true or false or text out, and no way to the host's language."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrivals import clock
from arrivals.errors import Permanent
from arrivals.workflows import conditions, reentry, templates

pytestmark = pytest.mark.django_db
CONTEXT = {"row": {"score": 6, "name": "Ada", "at": "2026-03-01T10:00:00.000Z", "yes": True, "none": None}}
TABLE: list[tuple[str, str, Any, bool]] = [
    ("{{ row.score }}", "is", 6, True),
    ("{{ row.score }}", "is", "6", True),
    ("{{ row.score }}", "is_not", 6, False),
    ("{{ row.score }}", "lte", 6, True),
    ("{{ row.score }}", "lt", 6, False),
    ("{{ row.score }}", "gt", 5.5, True),
    ("{{ row.score }}", "gte", 7, False),
    ("{{ row.score }}", "between", [6, 7], True),
    ("{{ row.score }}", "between", [7, 8], False),
    ("{{ row.score }}", "in", [1, 6], True),
    ("{{ row.score }}", "not_in", [1, 6], False),
    ("{{ row.name }}", "contains", "DA", True),
    ("{{ row.name }}", "not_contains", "x", True),
    ("{{ row.name }}", "starts_with", "a", True),
    ("{{ row.name }}", "is", "ada", False),
    ("{{ row.name }}", "gt", 3, False),
    ("{{ row.at }}", "gt", "2026-02-28", True),
    ("{{ row.at }}", "between", ["2026-03-01", "2026-03-01"], True),
    ("{{ row.yes }}", "is", True, True),
    ("{{ row.none }}", "is_set", None, False),
    ("{{ row.missing }}", "is_not_set", None, True),
    ("{{ row.missing }}", "is_not", "x", True),
    ("{{ row.missing }}", "contains", "x", False),
    ("{{ row.missing }}", "gt", 1, False),
]


@pytest.mark.parametrize(("left", "op", "value", "expected"), TABLE)
def test_an_operator_means_what_it_means_in_segments(left: str, op: str, value: Any, expected: bool) -> None:
    condition = {"left": left, "op": op} | ({} if value is None else {"value": value})
    conditions.check([{"any": [condition]}], "all")
    assert conditions.passes([{"any": [condition]}], CONTEXT) is expected


def test_groups_are_joined_by_and_their_conditions_by_or() -> None:
    yes, no = {"left": "a", "op": "is", "value": "a"}, {"left": "a", "op": "is", "value": "b"}
    assert conditions.passes([{"any": [no, yes]}, {"any": [yes]}], {})
    assert not conditions.passes([{"any": [no, yes]}, {"any": [no]}], {})


RENDERED: list[tuple[str, str]] = [
    ("plain", "plain"),
    ("{{ row.name }} scored {{ row.score }}", "Ada scored 6"),
    ("{{ row.missing }}", ""),
    ("{{ nobody.home.here }}", ""),
    ("{{ row.name | upcase }}", "ADA"),
    ("{{ row.missing | json }} {{ row.none | json }} {{ row.name | json }}", 'null null "Ada"'),
    ("{{ '<!channel> & all' | slack }} {{ row.score | slack }}", "&lt;!channel&gt; &amp; all 6"),
    ("{{ row | json }}", '{"score":6,"name":"Ada","at":"2026-03-01T10:00:00.000Z","yes":true,"none":null}'),
    ("{% if row.score < 7 %}low{% else %}high{% endif %}", "low"),
    ("{{ row.__class__ }}", ""),
    ("{{ row.name.__class__.__mro__ }}", ""),
    ("{{ row.name.upper }}", ""),
]


@pytest.mark.parametrize(("text", "expected"), RENDERED)
def test_templates_see_data_and_nothing_else(text: str, expected: str) -> None:
    assert templates.render(text, CONTEXT) == expected


def test_templates_are_filled_in_at_any_depth() -> None:
    value = {"a": ["{{ row.score }}", {"b": "{{ row.name }}"}], "n": 5}
    assert templates.render_value(value, CONTEXT) == {"a": ["6", {"b": "Ada"}], "n": 5}


@pytest.mark.parametrize(
    "text", ["{% for a in (1..100000) %}x{% endfor %}", "{% for a in (1..9999) %}" + "x" * 100 + "{% endfor %}"]
)
def test_a_template_that_uses_too_much_is_stopped(text: str) -> None:
    with pytest.raises(Permanent, match="more than it may"):
        templates.render(text, {})


@pytest.mark.parametrize("text", ["{{ a", "{% if %}", "{% nothing %}", "{{ a | unknown_filter_x }"])
def test_a_wrong_template_is_told_in_a_sentence(text: str) -> None:
    assert "The template is wrong" in (templates.check(text) or "")


UNKNOWN = [
    ("{{ visitor.id | shout }}", "there is no filter 'shout'"),
    ("{{ visitr.id }}", "nothing called 'visitr'"),
    ("{% for a in rows %}{{ a }}{% endfor %}", "nothing called 'rows'"),
    ("{% if vistor.id %}x{% endif %}", "nothing called 'vistor'"),
    ("{{ row[column] }}", "nothing called 'column'"),
]


@pytest.mark.parametrize(("text", "sentence"), UNKNOWN)
def test_what_no_run_knows_is_refused_before_any_run(text: str, sentence: str) -> None:
    assert sentence in (templates.check(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        *(f"{{{{ {name}.x | default: 'y' }}}}" for name in templates.NAMES),
        "{% assign a = visitor.id | upcase %}{{ a | json }}{% capture b %}{{ a }}{% endcapture %}{{ b | slack }}",
        "{% for one in steps.list.items %}{{ forloop.index }}{{ one.name | escape }}{% endfor %}",
        "{{ 'now' | date: '%Y' }}{{ row['a b'] }}{{ nil }}{{ true }}{{ empty }}",
    ],
)
def test_what_runs_know_is_let_through(text: str) -> None:
    assert templates.check(text) is None


def test_files_cannot_be_included() -> None:
    with pytest.raises(Permanent):
        templates.render("{% include '/etc/passwd' %}", {})


NOW = clock.parse("2026-11-24T12:00:00Z")
EARLIER = clock.parse("2026-11-20T12:00:00Z")
POLICIES: list[tuple[Any, int, bool, Any, bool]] = [
    ("never", 1, False, None, True),
    ("never", 1, False, EARLIER, False),
    ("never", 2, False, None, False),
    ("never", 2, True, None, True),
    ("never", 2, True, EARLIER, False),
    ("each_return", 5, False, EARLIER, True),
    ({"every_days": 4}, 2, False, EARLIER, True),
    ({"every_days": 5}, 2, False, EARLIER, False),
    ({"every_days": 5}, 2, False, None, True),
]


@pytest.mark.parametrize(("policy", "entry", "left_before", "last", "runs"), POLICIES)
def test_the_policy_of_reentry_decides(policy: Any, entry: int, left_before: bool, last: Any, runs: bool) -> None:
    decision = reentry.decide(
        policy, entry=entry, left_before_start=left_before, ran_before=last is not None, last_run_at=last, now=NOW
    )
    assert decision.run is runs
    assert bool(decision.reason) is not runs


names = st.sampled_from(
    [
        "visitor.id",
        "row.n",
        "row.text",
        "row.list",
        "row.yes",
        "row.deep.er",
        "row.none",
        "row.missing",
        "row.text.size",
        "nobody.x",
    ]
)
pieces = st.lists(st.one_of(st.text(alphabet="ab {}%.|", max_size=4), names.map("{{{{ {} }}}}".format)), max_size=5)
SEEN = {
    "visitor": {"id": "ann"},
    "row": {"n": 3, "text": "a{{b}}", "list": [1, "x"], "yes": True, "deep": {"er": "down"}, "none": None},
}


@given(pieces)
def test_the_short_way_of_filling_in_names_is_liquids(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        expected = templates._parsed(text).render(**SEEN)
    except Exception:
        return  # not a template
    assert templates.render(text, SEEN) == expected
