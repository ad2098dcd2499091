"""Bodies made at random: each is answered or refused, the warehouse never refuses what was compiled, and no text of a
body ever stands in the SQL."""

import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals.audience import aggregation
from arrivals.audience.aggregation import compiled, groups, pipelines, sources, timeseries
from arrivals.errors import InvalidPipeline
from arrivals.warehouse.client import Warehouse
from tests import pendo_events

# Every name and every text of our own making holds this, which the SQL therefore must not; and so does every number.
MARK = "zqx"
NUMBER = 987654321
names = st.sampled_from(
    [f"{MARK}a", f"{MARK}b", f"{MARK}a.{MARK}c", "visitorId", "metadata", "metadata.agent", "day", "polls"]
)
odd = st.sampled_from(
    ["", "'", "`", "\\", "{p_0:String}", ") OR 1=1 --", "\n", "ü", "\ud7ff", "'; DROP TABLE events; --", "%s", "{}"]
)
texts = st.builds(lambda before, text: f"{before}{MARK}{text}", odd, odd)
plain = st.one_of(st.none(), st.booleans(), st.integers(-NUMBER - 9, -NUMBER), st.floats(NUMBER, NUMBER + 9), texts)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


atoms = st.one_of(
    names, st.just("true"), st.just("null"), st.just(str(NUMBER)), st.just(f"{NUMBER}.5"), texts.map(quoted)
)
PERIODS = list(timeseries.PERIODS)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.builds("({} {} {})".format, inner, st.sampled_from([*compiled.OPERATORS]), inner)
    unary = st.builds("{}{}".format, st.sampled_from(["!", "-"]), inner)
    call = st.one_of(
        *(
            st.builds(lambda *arguments, name=name: f"{name}({', '.join(arguments)})", *[inner] * least)
            for name, (_, least, _) in compiled.FUNCTIONS.items()
        )
    )
    dates = st.builds(
        "{}".format,
        st.one_of(
            st.builds("dateAdd({}, {}, `{}`)".format, inner, inner, st.sampled_from(["days", "months", "hours"])),
            st.builds("startOfPeriod(`{}`, {})".format, st.sampled_from(PERIODS), inner),
            st.builds("if({}, {}, {})".format, inner, inner, inner),
            st.builds("contains({}, {})".format, inner, inner),
        ),
    )
    return st.one_of(binary, unary, call, dates, inner)


expressions = st.recursive(atoms, larger, max_leaves=8)
moments = st.one_of(st.just("now()"), st.just("date(2026,3,1)"), st.just(1772323200000), st.just("1773446400000"))
period = st.sampled_from(PERIODS)
series = st.one_of(
    st.fixed_dictionaries({"period": period, "first": moments, "count": st.integers(-3, 3)}),
    st.fixed_dictionaries({"period": st.sampled_from(PERIODS[:4]), "first": moments, "last": moments}),
)
parameters = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "appId": st.one_of(st.just('expandAppIds("*")'), st.just(-323232), st.lists(st.integers(1, 9), max_size=2)),
            "guideId": texts,
            "pollId": st.lists(texts, max_size=2),
            "pageId": texts,
            "blacklist": st.sampled_from(["apply", "ignore", "only"]),
            "identified": st.booleans(),
        },
    ),
)
constants = st.lists(
    st.dictionaries(
        st.sampled_from([f"{MARK}a", f"{MARK}b"]), st.one_of(plain, st.lists(plain, max_size=2)), max_size=2
    ),
    max_size=3,
)
source = st.one_of(
    st.builds(
        lambda name, value: {"source": {name: value}},
        st.sampled_from([s for s in sources.SOURCES if s != "const"]),
        parameters,
    ),
    st.builds(
        lambda name, value, series: {"source": {name: value, "timeSeries": series}},
        st.sampled_from([name for name, one in sources.SOURCES.items() if one.timed]),
        parameters,
        series,
    ),
    st.builds(lambda rows: {"source": {"const": rows}}, constants),
)
functions = st.one_of(
    st.builds(lambda name, text: {name: text}, st.sampled_from([*groups.FUNCTIONS]), expressions),
    st.just({"count": None}),
    st.builds(
        lambda name, text, test: {name: {name[:-2]: text, "if": test}},
        st.sampled_from(groups.CONDITIONAL),
        expressions,
        expressions,
    ),
)
made = st.dictionaries(names, functions, min_size=1, max_size=3)
lists = st.lists(names, min_size=1, max_size=3)
stage = st.one_of(
    st.builds(lambda text: {"filter": text}, expressions),
    st.builds(lambda fields: {"eval": fields}, st.dictionaries(names, expressions, max_size=3)),
    st.builds(lambda fields: {"select": fields}, st.dictionaries(names, expressions, max_size=3)),
    st.builds(lambda keys, fields: {"group": {"group": keys, "fields": fields}}, lists, made),
    st.builds(lambda fields: {"reduce": fields}, made),
    st.builds(lambda keys: {"sort": keys}, st.lists(st.one_of(names, names.map(lambda name: f"-{name}")), max_size=3)),
    st.builds(lambda number: {"limit": number}, st.integers(0, 5)),
    st.builds(lambda number: {"skip": number}, st.integers(0, 2)),
    st.builds(lambda name: {"identified": name}, st.one_of(names, st.just("!visitorId"), st.none())),
    st.builds(lambda field, keep: {"unwind": {"field": field, "keepEmpty": keep}}, names, st.booleans()),
    st.builds(lambda name, field: {"bulkExpand": {"account": {name: field}}}, names, names),
    st.builds(
        lambda name, field, value: {"switch": {name: {field: [{"value": value, "<": NUMBER}, {"value": 1}]}}},
        names,
        names,
        plain,
    ),
    st.builds(lambda name, field: {"unmarshal": {name: field}}, names, names),
    st.sampled_from([{"count": None}, {"cat": None}]),
    st.builds(lambda keys: {"join": {"fields": keys, "width": 1}}, lists),
    st.builds(lambda a, b: {"fork": [[a], [b]]}, st.just({"count": None}), st.just({"limit": 2})),
    st.builds(
        lambda keys, one: {"merge": {"fields": keys, "pipeline": [one], "mappings": {f"{MARK}m": "visitorId"}}},
        lists,
        source,
    ),
)
simple = st.builds(lambda first, more: [first, *more], source, st.lists(stage, max_size=5))
pipeline = st.one_of(
    simple,
    st.builds(
        lambda several, keys, more: [{"spawn": several}, {"join": {"fields": keys}}, *more],
        st.lists(simple, min_size=1, max_size=2),
        lists,
        st.lists(stage, max_size=2),
    ),
)
ODD: list[Any] = [None, [], {}, "x", 5, True, [{}], {"source": None}, {"group": {}}, [["x"]], 1e300, -1, "\\"]


@pytest.fixture(scope="module")
def seen(store: Warehouse, django_db_blocker: Any, django_db_setup: None) -> Any:
    """The SQL of all statements, with the bound values left out, over the small fixed world."""
    from arrivals.collect.models import Source

    statements: list[str] = []
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        pendo_events.add(store)
        for name in ("query", "strings"):
            own = getattr(Warehouse, name)

            def noted(self: Warehouse, sql: str, *args: Any, _own: Any = own, **more: Any) -> Any:
                statements.append(sql)
                return _own(self, sql, *args, **more)

            patch.setattr(Warehouse, name, noted)
        yield statements
        Source.objects.all().delete()


def answered(body: Any, seen: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Run a body: it is answered or refused by us. The warehouse refuses nothing, and sees no text of it."""
    seen.clear()
    caplog.clear()
    try:
        answer = aggregation.run(body, now=pendo_events.NOW)
        assert sum(1 for _ in answer.rows) == answer.size
        answer.close()
    except InvalidPipeline:
        pass  # refused by us, before or after the warehouse was asked
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    for sql in seen:
        assert MARK not in sql
        assert str(NUMBER)[:-1] not in sql


few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@few
@given(pipeline)
def test_a_made_up_pipeline_is_answered_or_refused(
    seen: list[str], db: None, caplog: pytest.LogCaptureFixture, stages: Any
) -> None:
    answered({"request": {"pipeline": stages}}, seen, caplog)


@few
@given(st.data())
def test_a_mutated_body_is_answered_or_refused(
    seen: list[str], db: None, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    body: Any = {"response": {"mimeType": "text/csv"}, "request": {"pipeline": data.draw(pipeline)}}
    for _ in range(data.draw(st.integers(1, 3))):
        body = mutated(body, data)
    answered(body, seen, caplog)


def mutated(value: Any, data: st.DataObject) -> Any:
    """The same with something else somewhere in it."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 9)) == 0:
        return data.draw(st.sampled_from(ODD))
    if isinstance(value, list):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], mutated(value[place], data), *value[place + 1 :]]
    name = data.draw(st.sampled_from(list(value)))
    renamed = data.draw(st.sampled_from([name, name, name, f"{MARK}k", *pipelines.STAGES[:5]]))
    return {
        renamed if one == name else one: mutated(inner, data) if one == name else inner for one, inner in value.items()
    }


junk = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@few
@given(junk)
def test_junk_is_refused(seen: list[str], db: None, caplog: pytest.LogCaptureFixture, body: Any) -> None:
    answered(body, seen, caplog)
    answered({"request": {"pipeline": body}}, seen, caplog)


@few
@given(st.text(max_size=30))
def test_any_text_as_an_expression(seen: list[str], db: None, caplog: pytest.LogCaptureFixture, text: str) -> None:
    text = text.replace("\0", "")  # refused with the body
    answered({"request": {"pipeline": [{"source": {"const": [{"a": 1}]}}, {"filter": text}]}}, seen, caplog)
