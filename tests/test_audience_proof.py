"""Any segment equals what plain Python says of the same events: each kind of rule, and all of them nested.

The worlds have linked ids, events at the edges of spans and days, several at one moment and in any order, values that are
missing, empty, or look like numbers, and visitors of whom only metadata is known. The zone has a change of the clock.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import compiler, lists
from arrivals.audience.models import Segment
from arrivals.warehouse.client import Warehouse
from tests import evaluator, events
from tests.evaluator import Happened, Known, World

ZONE = "Europe/Vienna"  # summer time began on 2026-03-29 at 01:00 in UTC
NOW = datetime(2026, 3, 30, 10, 0, 30, tzinfo=UTC)
THEN = NOW - timedelta(days=2, hours=11)  # a moment in the past, before and after which things happened
TICK = timedelta(milliseconds=1)
VISITORS, ALIASES = ["v0", "v1", "v2"], {"a0": "v0", "a1": "v1"}
IDS = [*VISITORS, *ALIASES]
ACCOUNTS = ["", "", "acme", "beta"]
LISTED = ["v0", "a1", "unknown", "acme"]
LIST = "lst_proof"


def local(day: int, hour: int = 0, month: int = 3) -> datetime:
    """A moment at which it is that hour in Vienna in winter."""
    return datetime(2026, month, day, hour, tzinfo=UTC) - timedelta(hours=1)


MIDNIGHT = datetime(2026, 3, 29, 22, tzinfo=UTC)  # where today begins, in summer time
TIMES = sorted(
    {
        *(NOW - one for one in (0 * TICK, TICK, timedelta(seconds=31), timedelta(minutes=5), timedelta(hours=6))),
        NOW - timedelta(hours=6) + TICK, NOW - timedelta(days=3), NOW - timedelta(days=3) + TICK,
        MIDNIGHT, MIDNIGHT - TICK, THEN, THEN + TICK, THEN - timedelta(hours=6), THEN - timedelta(hours=6) + TICK,
        THEN - timedelta(days=3), local(29), local(28), local(28) - TICK, local(27, 12),
        local(28, month=2), local(27, month=2) - TICK, local(28, month=2) - TICK, datetime(2026, 1, 1, tzinfo=UTC),
    }
)  # fmt: skip
TEXTS = [
    "", "pro", "Pro plan", "free", "7", "7.0", "+7", " 7", "1e1", "-.5", "12", "true", "ÄRGER", "2026-03-29", "2026-02-31",
    "2026-03-29T00:30:00", "2026-03-28 12:00", "2026-03-30T12:00:30+02:00", "1774864830", "1774864830000", "20260329",
]  # fmt: skip
PROPERTIES = [
    {}, {}, {"n": 7}, {"n": 7.0}, {"n": "7"}, {"n": None}, {"n": ""}, {"n": True}, {"n": "pro"}, {"n": "2026-03-29"},
    {"n": {"tier": "Gold"}}, {"n": 12}, {"score": 9, "reason": "Fast"}, {"score": "3"}, {"reason": ""},
]  # fmt: skip
happened = st.builds(
    Happened,
    st.sampled_from(IDS),
    st.sampled_from(["track", "track", "page", "screen", "survey_answered", "identify"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(TIMES),
    st.sampled_from(PROPERTIES),
    st.sampled_from(ACCOUNTS),
)


def known(owners: list[str]) -> st.SearchStrategy[list[Known]]:
    """Values with times of their own, so that the newest is one."""
    one = st.tuples(st.sampled_from(owners), st.sampled_from(["plan", "n"]), st.sampled_from([None, *TEXTS]))
    return st.lists(one, max_size=6).map(
        lambda found: [Known(*row[:1], "agent", *row[1:], NOW - number * TICK) for number, row in enumerate(found)]
    )


# --- rules --------------------------------------------------------------------------------------------------------

DATES = ["2026-03-29", "2026-03-29T01:30", "2026-03-30T10:00:30Z", "now", "now-6h", "today", "today-1d", "today+2d"]
BOUNDS = [*DATES, 7, 6.5, "7", 12]
numbers = st.sampled_from([0, 1, 2, 3, 5])
spans = st.sampled_from(
    [{"within": "6h"}, {"within": "3d"}, {"since": "2026-03-29"}, {"since": "2026-03-28T12:00"}, {"ever": True}]
    + [{"last": "1d"}, {"last": "30d"}, {"period": "today"}, {"period": "yesterday"}, {"period": "this_week"}]
    + [{"period": "last_week"}, {"period": "this_month"}, {"period": "last_month"}, {"period": "last_quarter"}]
    + [{"between": one} for one in (["2026-03-28", "2026-03-29"], ["2026-02-27", "2026-02-27"])]
)
orders = st.sampled_from(["gt", "gte", "lt", "lte"])
EQUALS = ("is", "is_not", "in", "not_in")


def pair(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Two numbers or two dates."""
    kinds = [[one for one in values if isinstance(one, str) and not one.isdigit()]]
    kinds.append([one for one in values if one not in kinds[0]])
    return st.one_of(*[st.lists(st.sampled_from(kind), min_size=2, max_size=2) for kind in kinds if kind])


def compared(values: list[Any], bounds: list[Any] = BOUNDS) -> st.SearchStrategy[dict[str, Any]]:
    """Any operator, with a value that it takes."""
    texts = [one for one in values if isinstance(one, str) and one]
    return st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["is", "is_not"]), "value": st.sampled_from(values)}),
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["in", "not_in"]),
                "value": st.lists(st.sampled_from(values), min_size=1, max_size=3),
            }
        ),
        st.fixed_dictionaries(
            {"op": st.sampled_from(["contains", "not_contains", "starts_with"]), "value": st.sampled_from(texts)}
        ),
        st.fixed_dictionaries({"op": orders, "value": st.sampled_from(bounds)}),
        st.fixed_dictionaries({"op": st.just("between"), "value": pair(bounds)}),
        st.fixed_dictionaries({"op": st.sampled_from(["is_set", "is_not_set"])}),
    )


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


def fixed(**values: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.just(values)


VALUES = ["pro", "free", "7", "Ä", 7, 12, True, "true", "", "gold", "2026-03-29"]
condition = merged(
    st.sampled_from(["n", "n.tier", "nothing"]).map(lambda name: {"property": name}), compared(VALUES)
) | merged(fixed(property="account.id"), compared(["acme", "beta"]))
doing = st.fixed_dictionaries(
    {"did": st.booleans()},
    optional={
        "times": st.sampled_from(
            [{"at_least": 2}, {"at_most": 1}, {"exactly": 2}, {"exactly": 0}, {"at_least": 1, "at_most": 3}]
        ),
        "when": spans,
        "where": st.lists(condition, min_size=1, max_size=2),
    },
)
named = st.sampled_from(["track", "page"]).flatmap(
    lambda kind: st.sampled_from(["x", "y"]).map(lambda name: {"kind": kind, "name": name})
)
tracks = merged(named, doing)
anything = merged(st.sampled_from([{"kind": "event"}, {"kind": "event", "name": "x"}]), doing)
surveys = merged(
    fixed(kind="survey", survey="x"),
    doing,
    merged(st.sampled_from([{"part": "score"}, {"part": "reason"}]), compared([9, "Fast", "3"])) | st.just({}),
)
numeric = st.one_of(
    st.fixed_dictionaries({"op": orders | st.sampled_from(["is", "is_not"]), "value": numbers}),
    st.fixed_dictionaries(
        {"op": st.sampled_from(["in", "not_in"]), "value": st.lists(numbers, min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries({"op": st.just("between"), "value": st.lists(numbers, min_size=2, max_size=2)}),
)
temporal = st.one_of(
    st.fixed_dictionaries({"op": orders, "value": st.sampled_from(DATES)}),
    st.fixed_dictionaries({"op": st.just("between"), "value": pair(DATES)}),
    st.fixed_dictionaries({"op": st.sampled_from(["is_set", "is_not_set"])}),
)
bands = st.sampled_from(["none", "low", "medium", "high"])
worded = st.fixed_dictionaries({"op": st.sampled_from(["is", "is_not"]), "value": bands}) | st.fixed_dictionaries(
    {"op": st.sampled_from(["in", "not_in"]), "value": st.lists(bands, min_size=1, max_size=2)}
)
when = st.just({}) | spans.map(lambda one: {"when": one})


def field(kind: str, name: str) -> st.SearchStrategy[dict[str, Any]]:
    return fixed(kind=kind, field=name)


def measured(kind: str, *counts: str) -> st.SearchStrategy[dict[str, Any]]:
    number = st.sampled_from(counts).map(lambda one: {"kind": kind, "field": f"metric.{one}"})
    time = st.sampled_from(["first_visit", "last_visit"]).map(lambda one: {"kind": kind, "field": f"metric.{one}"})
    return merged(number, numeric, when) | merged(time, temporal, when)


fields = merged(
    st.sampled_from(["agent.plan", "agent.n"]).map(lambda one: {"kind": "visitor", "field": one}), compared(VALUES)
)
ids = merged(field("visitor", "visitor.id"), compared(["v0", "v", "a0", "V2"]))
metrics = measured("visitor", "days_active", "events", "minutes")
frequency = merged(field("visitor", "metric.frequency"), worded)
accounts = st.one_of(
    merged(field("account", "account.id"), compared(["acme", "beta", "E"])),
    merged(field("account", "agent.plan"), compared(VALUES)),
    measured("account", "days_active", "events", "minutes", "visitors"),
)
members = st.fixed_dictionaries(
    {"kind": st.just("list"), "list": st.just(LIST), "did": st.booleans()},
    optional={"of": st.sampled_from(["visitor", "account"])},
)
leaves = st.one_of(tracks, anything, surveys, fields, ids, metrics, frequency, accounts, members)
KINDS = {
    "track and page": tracks, "event": anything, "survey": surveys, "metadata": fields, "visitor.id": ids,
    "metrics": metrics, "frequency": frequency, "account": accounts, "list": members,
}  # fmt: skip


def grouped(rule: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    group = st.lists(rule, min_size=1, max_size=2).map(lambda found: {"any": found})
    return st.lists(group, max_size=3).map(lambda found: {"all": found})


@st.composite
def nested(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """The segments that there are, and rules that may use them: each may use those before it."""
    segments: dict[str, Any] = {}
    for number in range(3):
        inner = [
            st.fixed_dictionaries(
                {"kind": st.just("segment"), "segment": st.sampled_from(sorted(segments)), "did": st.booleans()}
            )
        ]
        segments[f"seg_proof{number}"] = draw(grouped(st.one_of(leaves, *(inner if segments else []))))
    return segments, segments[f"seg_proof{2}"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    return World(
        events=draw(st.lists(happened, min_size=1, max_size=14)),
        of_visitors=draw(known([*IDS, "quiet"])),
        of_accounts=draw(known(["acme", "beta"])),
        links=draw(st.sampled_from([{}, ALIASES])),
        lists={LIST: LISTED},
        zone=ZONE,
    )


# --- the product's answer -----------------------------------------------------------------------------------------


def put(store: Warehouse, world: World) -> None:
    """Put a world into the warehouse, in the place of the one before."""
    for table in ("events", "visitors", "account_visitors", "visitor_fields", "account_fields", "links"):
        store.command(f"TRUNCATE TABLE {table}")
    events.add(store, *[(one.visitor, one.kind, one.name, one.at, one.properties, one.account) for one in world.events])
    for table, values in (("visitor", world.of_visitors), ("account", world.of_accounts)):
        rows = [[one.group, one.field, one.owner, one.value, "string", one.at] for one in values]
        store.insert(f"{table}_fields", rows, ["grp", "field", f"{table}_id", "value", "type", "at"])
    never = [datetime(2200, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    quiet = {one.owner for one in world.of_visitors} - {one.visitor for one in world.events}
    store.insert("visitors", [[one, *never] for one in sorted(quiet)], ["visitor_id", "first", "last"])
    store.insert(
        "links", [[alias, visitor, 1] for alias, visitor in world.links.items()], ["alias_id", "visitor_id", "rank"]
    )


def answered(store: Warehouse, asked: list[Any], now: datetime | None) -> list[set[str]]:
    """The visitors of each of these rules, in one question. At present when ``now`` is None."""
    names = dict(
        store.query(
            "SELECT cityHash64(id), id FROM (SELECT arrayJoin({i:Array(String)}) AS id)",
            {"i": [*IDS, *LISTED, "quiet"]},
        )
    )
    queries = [compiler.segment_ids(rules, now=now, prefix=f"q{number}_") for number, rules in enumerate(asked)]
    sql = " UNION ALL ".join(f"SELECT {number} AS n, visitor FROM ({one.sql})" for number, one in enumerate(queries))
    parameters = {name: value for one in queries for name, value in one.parameters.items()}
    found: list[set[str]] = [set() for _ in asked]
    for number, key in store.query(sql, parameters):
        assert names[key] not in found[number]
        found[number].add(names[key])
    return found


@pytest.fixture
def ground(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    workspace.change(time_zone=ZONE)
    lists.VisitorList.objects.create(id=LIST, name="Proof", size=len(LISTED))
    lists._store(LIST, 1, LISTED)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return fresh


def same(store: Warehouse, world: World, asked: list[Any]) -> None:
    put(store, world)
    for now in (None, THEN):
        for rules, found in zip(asked, answered(store, asked, now), strict=True):
            assert found == evaluator.who(world, rules, now or NOW), json.dumps(rules)


TIMES_AS_MANY = int(os.environ.get("PROOF_TIMES", "1"))
thorough = settings(max_examples=10 * TIMES_AS_MANY, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_rule_equals_plain_python(ground: Warehouse, kind: str) -> None:
    @settings(thorough, max_examples=5 * TIMES_AS_MANY)
    @given(world=worlds(), asked=st.lists(grouped(KINDS[kind]), min_size=4, max_size=4))
    def equals(world: World, asked: list[Any]) -> None:
        same(ground, world, asked)

    equals()


@thorough
@given(world=worlds(), rules=nested())
def test_nested_segments_of_all_kinds_equal_plain_python(ground: Warehouse, world: World, rules: Any) -> None:
    world.segments, outer = rules
    Segment.objects.all().delete()
    for id_, inner in world.segments.items():
        Segment.objects.create(id=id_, name=id_, rules=inner)
    same(ground, world, [outer, *world.segments.values()])
