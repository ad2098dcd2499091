"""Every number of every kind of chart equals plain Python over the same events, and so does the list of people behind
it: with linked ids, events that came out of order, and events at the same moment."""

import statistics
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import segments
from arrivals.audience.charts import results
from arrivals.audience.charts import retention as retentions
from arrivals.warehouse.client import Warehouse
from tests import events
from tests.charts_reference import Event, flow, following, funnel, named, path, period, resolved, retention

NOW = datetime(2026, 4, 3, 15, tzinfo=UTC)
ZONE = "Europe/Berlin"  # its clocks go forward on 2026-03-29
RANGE = {"between": ["2026-03-25T00:00:00Z", "2026-04-01T12:00:00Z"]}
FIRST, LAST = datetime(2026, 3, 25, tzinfo=UTC), datetime(2026, 4, 1, 12, tzinfo=UTC)
CHOSEN = st.randoms(use_true_random=False)  # of many numbers in one answer, whose people are asked for
SLOW = settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a failure is shown as it is: making it small takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WHO = ("ann", "bob", "cid", "eve", "fay", "gus", "hal", "anon-1", "anon-2", "anon-3")
MOMENTS = st.one_of(
    st.integers(0, 14 * 24).map(lambda hour: datetime(2026, 3, 20, tzinfo=UTC) + timedelta(hours=hour)),
    st.integers(0, 300).map(
        lambda tick: datetime(2026, 3, 28, 22, tzinfo=UTC) + timedelta(minutes=tick, milliseconds=tick % 3)
    ),
)
EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(WHO),
        st.sampled_from(("track", "page")),
        st.sampled_from("abcd"),
        MOMENTS,
        st.fixed_dictionaries(
            {}, optional={"plan": st.sampled_from(["x", "y", "z", ""]), "n": st.sampled_from([1, 2.5, -0.1, "no"])}
        ),
        st.sampled_from(("", "acme", "globex")),
    ),
    min_size=10,
    max_size=100,
)
LINKS = st.sampled_from(
    [{}, {"anon-1": "ann"}, {"anon-1": "ann", "anon-2": "ann", "anon-3": "cid"}, {"anon-1": "bob", "anon-2": "dora"}]
)


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retentions, "MOST_BITS", retentions.MOST_BITS)
    monkeypatch.setattr(workspace, "settings", lambda: workspace.Settings(ZONE))


def load(store: Warehouse, given_: list[Event], links: dict[str, str], **plans: str) -> None:
    for table in ("events", "visitors", "links", "visitor_fields", "account_visitors"):
        store.command(f"TRUNCATE TABLE {table}")
    # In the order they were drawn, which is not that of their times: as events come in.
    if given_:
        events.add(store, *((e.visitor, e.kind, e.name, e.at, e.properties, e.account) for e in given_))
    for alias, visitor in links.items():
        events.link(store, alias, visitor)
    for visitor in {*links.values(), *plans}:
        events.visitors(store, [visitor, datetime(2200, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)])
    for visitor, plan in plans.items():
        events.metadata(store, visitor, NOW, plan=plan)


def people(chart: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    page = results.people(chart, cell, limit=1000, now=NOW)
    assert page["people"] == len(page["items"])
    return {one["visitor_id"]: one["amount"] for one in page["items"]}


def some(chance: Random, cells: list[Any]) -> list[Any]:
    """Three of many: each question takes its time, and there are many examples."""
    return chance.sample(cells, min(3, len(cells)))


def do(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "track", "name": name, **more}


@SLOW
@given(given_=EVENTS, links=LINKS, by=st.sampled_from(("hour", "day", "week", "month")), chance=CHOSEN)
def test_a_trend_and_those_behind_it(
    store: Warehouse, given_: list[Event], links: dict[str, str], by: str, chance: Random
) -> None:
    load(store, given_, links)
    series = [
        do("a"),
        do("b", measure="visitors"),
        {"kind": "event", "measure": "visitors"},
        {"kind": "event", "measure": "accounts"},
        do("a", measure={"sum": "n"}),
    ]
    chart = {"kind": "trend", "series": series, "by": by, "range": RANGE}
    answer = results.of(chart, now=NOW)
    own = [(visitor, e) for visitor, es in resolved(given_, links).items() for e in es if FIRST <= e.at <= LAST]
    tests = [named("a"), named("b"), lambda _: True, lambda _: True, named("a")]
    behind = []
    for number, (test, line) in enumerate(zip(tests, answer["series"], strict=True)):
        for bucket, value in [*zip(answer["buckets"], line["values"], strict=True), (None, line["total"])]:
            these = [(v, e) for v, e in own if test(e) and bucket in (None, period(e.at, by, ZONE))]
            expected = [
                len(these),
                len({v for v, _ in these}),
                len({v for v, _ in these}),
                len({e.account for _, e in these if e.account}),
                sum(e.properties["n"] for _, e in these if isinstance(e.properties.get("n"), int | float)),
            ][number]
            assert value == pytest.approx(expected), (number, bucket)
            counted = Counter(v for v, e in these if number != 3 or e.account)
            behind.append((number, {**line["cell"], **({"bucket": bucket} if bucket else {})}, counted))
    for number, cell, counted in some(chance, [one for one in behind if one[2]]):
        found = people(chart, cell)
        assert set(found) == set(counted)
        assert number == 4 or found == counted
    assert {period(e.at, by, ZONE) for _, e in own} <= set(answer["buckets"])


@SLOW
@given(given_=EVENTS, links=LINKS, field=st.booleans(), chance=CHOSEN)
def test_a_trend_broken_down_with_the_rest_as_other(
    store: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    given_: list[Event],
    links: dict[str, str],
    field: bool,
    chance: Random,
) -> None:
    from arrivals.audience.charts import trends

    monkeypatch.setattr(trends, "TOP", 2)
    plans = {"ann": "pro", "cid": "free", "anon-2": "team"}
    load(store, given_, links, **plans)
    breakdown = {"field": "visitor.agent.plan"} if field else {"property": "plan"}
    chart = {
        "kind": "trend",
        "series": [{"kind": "event", "measure": "visitors"}],
        "range": RANGE,
        "breakdown": breakdown,
    }
    answer = results.of(chart, now=NOW)

    def value(visitor: str, e: Event) -> str | None:
        # All metadata is of the same time here: a visitor with two is left to the engine's choice, so there is none.
        return known.get(visitor) if field else e.properties.get("plan")

    known = dict(plans)
    if field and links.get("anon-2") == "ann":
        return  # two values at the same moment
    for alias, visitor in links.items():
        if alias in known:
            known[visitor] = known.pop(alias)
    own = [(v, e, value(v, e)) for v, es in resolved(given_, links).items() for e in es if FIRST <= e.at <= LAST]
    totals: dict[str | None, set[str]] = defaultdict(set)
    for v, _, text in own:
        totals[text].add(v)
    order = sorted(totals, key=lambda text: (-len(totals[text]), text is None, text or ""))
    assert [line["value"] for line in answer["series"] if not line["other"]] == order[:2]
    assert [line["other"] for line in answer["series"]] == [False] * len(order[:2]) + [True] * (len(order) > 2)
    for line in answer["series"]:
        inside = [(v, e) for v, e, text in own if (text not in order[:2] if line["other"] else text == line["value"])]
        assert line["total"] == len({v for v, _ in inside})
        assert set(people(chart, line["cell"])) == {v for v, _ in inside}
        cells = []
        for bucket, number in zip(answer["buckets"], line["values"], strict=True):
            assert number == len({v for v, e in inside if period(e.at, "day", ZONE) == bucket})
            cells += [({**line["cell"], "bucket": bucket}, number)] if number else []
        for cell, number in some(chance, cells)[:1]:
            assert len(people(chart, cell)) == number


@SLOW
@given(
    given_=EVENTS,
    links=LINKS,
    window=st.sampled_from(("1m", "90m", "2d", "30d")),
    repeated=st.booleans(),
    chance=CHOSEN,
)
def test_a_funnel_and_those_who_drop_off(
    store: Warehouse, given_: list[Event], links: dict[str, str], window: str, repeated: bool, chance: Random
) -> None:
    load(store, given_, links)
    names = "aab" if repeated else "abc"
    chart = {"kind": "funnel", "steps": [do(name) for name in names], "window": window, "range": RANGE}
    answer = results.of(chart, now=NOW)
    reached = {
        visitor: funnel(own, [named(name) for name in names], FIRST, LAST, clock.duration(window))
        for visitor, own in resolved(given_, links).items()
    }
    behind = []
    for number, step in enumerate(answer["steps"]):
        there = {visitor: took for visitor, took in reached.items() if len(took) > number}
        assert step["visitors"] == len(there)
        assert step["seconds"] == (
            pytest.approx(statistics.median(took[number] for took in there.values())) if there else None
        )
        behind.append((step["cell"], {visitor: len(took) for visitor, took in there.items()}))
        if number < 2:
            dropped = {visitor: number + 1 for visitor, took in there.items() if len(took) == number + 1}
            assert step["dropped"] == len(dropped)
            behind.append(({"step": number + 1, "dropped": True}, dropped))
    for cell, expected in some(chance, behind):
        assert people(chart, cell) == expected


@SLOW
@given(
    given_=EVENTS,
    links=LINKS,
    by=st.sampled_from(("day", "week", "month")),
    cohorts=st.sampled_from(("first", "ever", "each")),
    same=st.booleans(),
    bits=st.sampled_from((64, 0)),
    chance=CHOSEN,
)
def test_retention_and_those_who_return(
    store: Warehouse,
    given_: list[Event],
    links: dict[str, str],
    by: str,
    cohorts: str,
    same: bool,
    chance: Random,
    bits: int,
) -> None:
    load(store, given_, links)
    retentions.MOST_BITS = bits  # long spans are counted in another way
    second = "a" if same else "b"
    chart = {
        "kind": "retention", "first": do("a"), "returning": do(second), "by": by, "periods": 3, "cohorts": cohorts,
        "range": RANGE,
    }  # fmt: skip
    answer = results.of(chart, now=NOW)
    sizes, came = retention(resolved(given_, links), named("a"), named(second), FIRST, LAST, by, ZONE, cohorts)
    assert {row["cohort"]: row["visitors"] for row in answer["cohorts"] if row["visitors"]} == {
        key: len(who) for key, who in sizes.items()
    }
    present = period(NOW, by, ZONE)
    sums: list[list[int]] = [[0, 0] for _ in range(3)]
    behind: list[tuple[dict[str, Any], set[str]]] = []
    for row in answer["cohorts"]:
        who = sizes.get(row["cohort"], set())
        if who:
            behind.append((row["cell"], who))
        for later in (1, 2, 3):
            key = following(row["cohort"], by, later)
            these = came.get((row["cohort"], key), set())
            assert row["returned"][later - 1] == (len(these) if key <= present else None)
            if key < present:
                sums[later - 1][0] += len(who)
                sums[later - 1][1] += len(these)
            if who and key <= present:
                behind.append(({**row["cell"], "period": later}, these))
                behind.append(({**row["cell"], "period": later, "returned": False}, who - these))
    for cell, expected in some(chance, behind):
        assert set(people(chart, cell)) == expected
    assert answer["average"] == [pytest.approx(came / size) if size else None for size, came in sums]


@SLOW
@given(
    given_=EVENTS,
    links=LINKS,
    backwards=st.booleans(),
    kinds=st.sampled_from((["track"], ["page", "track"])),
    gap=st.sampled_from(("30m", "2d")),
    chance=CHOSEN,
)
def test_paths_and_those_who_go_them(
    store: Warehouse,
    given_: list[Event],
    links: dict[str, str],
    backwards: bool,
    kinds: list[str],
    gap: str,
    chance: Random,
) -> None:
    # Which of two things at the same moment comes first is nobody's to say.
    distinct: dict[datetime, Event] = {one.at: one for one in given_}
    given_ = list(distinct.values())
    load(store, given_, links)
    chart = {
        "kind": "paths", ("to" if backwards else "from"): do("a"), "depth": 3, "top": 2, "kinds": kinds, "gap": gap,
        "range": RANGE,
    }  # fmt: skip
    answer = results.of(chart, now=NOW)
    found = {}
    for visitor, own in resolved(given_, links).items():
        inside = [e for e in own if FIRST <= e.at <= LAST]
        walked = path(inside, named("a"), set(kinds), backwards=backwards, depth=3, gap=clock.duration(gap))
        if walked is not None:
            found[visitor] = walked
    levels = flow(list(found.values()), 3, 2)
    assert answer["visitors"] == len(found)
    assert set(people(chart, answer["cell"])) == set(found)
    told = [Counter({(one["kind"], one["name"] or ""): one["visitors"] for one in level}) for level in answer["levels"]]
    assert told == levels
    for one in some(chance, [*answer["links"], *(node for level in answer["levels"] for node in level)]):
        assert len(people(chart, one["cell"])) == one["visitors"]
    assert sum(link["visitors"] for link in answer["links"]) == sum(sum(level.values()) for level in levels)


def test_the_score_of_each_week_and_those_of_each_class(store: Warehouse) -> None:
    given_ = [
        Event(who, "survey_answered", survey, datetime(2026, 3, day, 12, tzinfo=UTC), {"score": score})
        for who, survey, day, score in [
            ("ann", "nps", 24, 10), ("bob", "nps", 25, 9), ("bob", "nps", 26, 2), ("anon-1", "nps", 27, "8"),
            ("cid", "nps", 31, 0), ("cid", "nps", 31, "many"), ("cid", "other", 31, 10),
        ]
    ]  # fmt: skip
    load(store, given_, {"anon-1": "ann"})
    chart = {"kind": "nps", "survey": "nps", "range": {"since": "2026-03-24"}}
    answer = results.of(chart, now=NOW)
    assert [(one["bucket"], one["score"], one["responses"]) for one in answer["buckets"]] == [
        ("2026-03-23", 25.0, 4),
        ("2026-03-30", -100.0, 1),
    ]
    assert {name: answer["total"][name] for name in ("score", "promoter", "passive", "detractor")} == {
        "score": 0.0, "promoter": 2, "passive": 1, "detractor": 2,
    }  # fmt: skip
    assert people(chart, {"bucket": "2026-03-23"}) == {"ann": 2, "bob": 2}
    assert people(chart, {"class": "detractor"}) == {"bob": 1, "cid": 1}
    assert people(chart, {"class": "passive", "bucket": "2026-03-23"}) == {"ann": 1}


@pytest.mark.parametrize("linked", [False, True])
def test_a_chart_of_a_segment_counts_only_those_in_it(fresh: Warehouse, linked: bool) -> None:
    day = datetime(2026, 3, 30, 12, tzinfo=UTC)
    given_ = [Event(who, "track", "a", day) for who in ("ann", "bob", "anon-1")]
    load(fresh, given_, {"anon-1": "ann"} if linked else {}, ann="pro", bob="free")
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    chart = {
        "kind": "trend", "series": [do("a"), do("a", measure="visitors")], "range": RANGE,
        "segment": segments.create("Pros", rules).id,
    }  # fmt: skip
    answer = results.of(chart, now=NOW)
    assert [line["total"] for line in answer["series"]] == [2 if linked else 1, 1]
    assert people(chart, {"series": 0}) == {"ann": 2 if linked else 1}


def test_the_span_before_is_as_many_periods_earlier(store: Warehouse) -> None:
    days = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in (26, 27, 27, 29, 30)]
    load(store, [Event("ann", "track", "a", at) for at in days], {})
    chart = {"kind": "trend", "series": [do("a")], "range": {"within": "3d"}, "compare": True}
    answer = results.of(chart, now=datetime(2026, 3, 31, 15, tzinfo=UTC))
    assert answer["buckets"] == ["2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31"]
    assert answer["series"][0]["values"] == [0, 1, 1, 0]
    assert answer["previous"]["buckets"] == ["2026-03-24", "2026-03-25", "2026-03-26", "2026-03-27"]
    assert answer["series"][0]["previous"]["values"] == [0, 0, 1, 2]
    steps = {"kind": "funnel", "steps": [do("a"), do("a")], "window": "1d", "range": {"within": "2d"}, "compare": True}
    told = results.of(steps, now=datetime(2026, 3, 30, 13, tzinfo=UTC))["steps"]
    assert [(step["visitors"], step["previous"]["visitors"]) for step in told] == [(1, 1), (1, 0)]
