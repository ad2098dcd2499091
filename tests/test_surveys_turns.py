"""GET /v1/surveys: who may be shown which survey now, and what it costs to ask."""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals import clock
from arrivals.api import agent_surveys
from arrivals.audience import compiler, lists, person, segments, surveys, tags
from arrivals.audience.models import Survey
from arrivals.collect import sources
from arrivals.collect.segment import Collector
from arrivals.collect.writer import Writer
from arrivals.warehouse import client as warehouse
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from tests import events

_examples = itertools.count(1)
PRO = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}


def ago(**span: float) -> Any:
    return clock.now() - timedelta(**span)


def survey(key: str = "nps", **more: Any) -> Survey:
    kind = {"kind": "nps"} if "kind" not in more else {}
    return surveys.create({"key": key, "name": key, "state": "live", **kind, **more})


make = sync_to_async(survey)


class Host:
    """The collector and the surveys beside it, as one process has them."""

    def __init__(self, client: httpx.AsyncClient, collector: httpx.AsyncClient, key: str, source_id: str) -> None:
        self.client, self.collector, self.key, self.source_id = client, collector, key, source_id

    async def ask(self, visitor: str = "ada", **more: Any) -> httpx.Response:
        return await self.client.get("/v1/surveys", params={"key": self.key, "visitor": visitor, **more})

    async def keys(self, visitor: str = "ada", **more: Any) -> list[str]:
        answer = await self.ask(visitor, **more)
        assert answer.status_code == 200, answer.text
        return [one["key"] for one in answer.json()["surveys"]]

    async def send(self, *calls: dict[str, Any]) -> None:
        answer = await self.collector.post("/v1/batch", auth=(self.key, ""), json={"batch": list(calls)})
        answer.raise_for_status()


@pytest.fixture
async def host(fresh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    monkeypatch.setattr(agent_surveys, "REMEMBERED_SECONDS", 0)
    source, _ = await sync_to_async(sources.create)("Shop")
    writer = Writer(EventStore())
    await writer.start()
    collector = Collector(writer)
    asked = httpx.ASGITransport(app=agent_surveys.Surveys(collector.source))
    sent = httpx.ASGITransport(app=collector)
    async with httpx.AsyncClient(transport=asked, base_url="http://h") as one:
        async with httpx.AsyncClient(transport=sent, base_url="http://h") as other:
            yield Host(one, other, source.write_key, source.id)
    await writer.stop()


async def test_what_the_agent_is_told(host: Host) -> None:
    made = await make(texts={"question": "Well?"}, pages=[{"url": {"wildcard": "/orders/*"}}], delay_seconds=7)
    answer = await host.ask(language="de-AT")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    [told] = answer.json()["surveys"]
    assert answer.json()["again"] == 300
    assert (told["id"], told["key"], told["kind"], told["min"], told["max"]) == (made.id, "nps", "nps", 0, 10)
    assert (told["texts"]["question"], told["texts"]["send"], told["language"]) == ("Well?", "Senden", "de")
    assert (told["pages"], told["delay"]) == ([{"url": {"wildcard": "/orders/*"}}], 7)
    assert told["look"] == {"accent": "#2a6b5a", "theme": "auto", "position": "bottom_right", "ink": "#ffffff"}


async def test_a_page_that_is_named_is_told_by_its_addresses_in_its_source(host: Host) -> None:
    async def page(name: str, **more: Any) -> str:
        rules = [{"url": {"wildcard": f"/{name}/*"}}, {"url": {"exact": f"//shop.example/{name}"}}]
        return str((await sync_to_async(tags.create)("page", {"name": name, "rules": rules, **more})).id)

    other, _ = await sync_to_async(sources.create)("Other")
    orders, elsewhere = await page("orders"), await page("cart", source=other.id)
    await make("mixed", pages=[{"url": {"contains": "x"}}, {"page": orders}, {"page": elsewhere}])
    await make("elsewhere", pages=[{"page": elsewhere}])
    [told] = (await host.ask()).json()["surveys"]
    orders_rules = [{"url": {"wildcard": "/orders/*"}}, {"url": {"exact": "//shop.example/orders"}}]
    assert (told["key"], told["pages"]) == ("mixed", [{"url": {"contains": "x"}}, *orders_rules])
    changed = {"name": "orders", "rules": [{"url": {"exact": "/o"}}]}
    await sync_to_async(tags.change)("page", orders, changed)
    [told] = (await host.ask()).json()["surveys"]
    assert told["pages"] == [{"url": {"contains": "x"}}, {"url": {"exact": "/o"}}]


async def test_a_wrong_key_another_method_and_a_long_id_are_refused(host: Host) -> None:
    await make()
    assert (await host.client.get("/v1/surveys", params={"key": "wk_x", "visitor": "a"})).status_code == 401
    assert (await host.client.post("/v1/surveys")).status_code == 405
    refused = await host.ask("x" * 513)
    assert (refused.status_code, refused.json()["path"]) == (422, "visitor")
    assert (await host.client.options("/v1/surveys")).status_code == 204


async def test_only_live_ones_of_the_source_are_shown(host: Host) -> None:
    other, _ = await sync_to_async(sources.create)("Other")
    await make("draft", state="draft")
    await make("paused", state="paused")
    await make("elsewhere", sources=[other.id])
    here = await make("here", sources=[other.id, host.source_id])
    await make("everywhere")
    assert await host.keys() == ["here", "everywhere"]
    await sync_to_async(surveys.change)(here.id, {"state": "paused"})
    assert await host.keys() == ["everywhere"]


async def test_without_a_live_survey_the_warehouse_is_not_asked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    other, _ = await sync_to_async(sources.create)("Other")
    await make("draft", state="draft")
    await make("elsewhere", sources=[other.id])
    asked: list[str] = []
    whole = Warehouse.query

    def query(self: Warehouse, sql: str, *given: Any, **named: Any) -> Any:
        asked.append(sql)
        return whole(self, sql, *given, **named)

    monkeypatch.setattr(Warehouse, "query", query)
    assert await host.keys() == []
    assert asked == []
    await make("here")
    assert await host.keys() == ["here"]
    assert asked != []


async def test_definitions_are_read_at_most_every_few_seconds(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_surveys, "REMEMBERED_SECONDS", 60)
    await make("first")
    assert await host.keys() == ["first"]
    await make("second")
    assert await host.keys() == ["first"]


async def test_somebody_anonymous_sees_only_those_that_are_for_everybody(host: Host) -> None:
    await make("identified")
    await make("all", anonymous=True)
    assert await host.keys("", anonymous="an1") == ["all"]
    assert await host.keys("ada", anonymous="an1") == ["identified", "all"]
    assert await host.keys("") == []


async def test_only_those_in_the_segment_see_it(host: Host, fresh: Warehouse) -> None:
    segment = await sync_to_async(segments.create)("Pro", PRO)
    await make(segment=segment.id)
    assert await host.keys("ada") == []
    await host.send({"type": "identify", "userId": "ada", "traits": {"plan": "pro"}})
    await host.send({"type": "identify", "userId": "bob", "traits": {"plan": "free"}})
    assert (await host.keys("ada"), await host.keys("bob")) == (["nps"], [])


async def test_an_answer_counts_at_once(host: Host) -> None:
    await make(recontact_days=0)
    assert await host.keys() == ["nps"]
    answer = {"type": "track", "event": "Survey Answered", "userId": "ada", "properties": {"survey": "nps", "score": 9}}
    await host.send(answer)
    assert (await host.keys("ada"), await host.keys("bob")) == ([], ["nps"])


async def test_what_was_shown_to_the_anonymous_visitor_counts_for_who_it_turned_out_to_be(host: Host) -> None:
    await make(anonymous=True)
    await host.send({"type": "track", "event": "Survey Shown", "anonymousId": "an1", "properties": {"survey": "nps"}})
    assert await host.keys("", anonymous="an1") == []
    assert await host.keys("ada") == ["nps"]
    assert await host.keys("ada", anonymous="an1") == []  # the caller says that they are one person
    await host.send({"type": "identify", "userId": "ada", "anonymousId": "an1"})
    assert await host.keys("ada") == []  # now everybody knows
    assert await host.keys("ada", anonymous="an2") == []


TIMES: list[tuple[str, dict[str, Any], dict[str, float], bool]] = [
    ("never seen", {}, {}, True),
    ("shown yesterday", {}, {"shown": 1}, False),
    ("shown long ago", {}, {"shown": 31}, True),
    ("shown 6 days ago of 7", {"recontact_days": 7}, {"shown": 6}, False),
    ("shown 8 days ago of 7", {"recontact_days": 7}, {"shown": 8}, True),
    ("answered long ago, and never again", {}, {"answered": 400}, False),
    ("answered 80 days ago of 90", {"again_days": 90}, {"answered": 80}, False),
    ("answered 91 days ago of 90", {"again_days": 90}, {"answered": 91}, True),
    ("answered 2 days ago of 1, shown within 30", {"again_days": 1}, {"answered": 2, "shown": 2}, False),
    ("answered 2 days ago of 1, never told that it was shown", {"again_days": 1}, {"answered": 2}, False),
    ("another one yesterday", {}, {"other": 1}, True),
    ("another one yesterday, quiet for 7 days", {"quiet_days": 7}, {"other": 1}, False),
    ("another one 8 days ago, quiet for 7 days", {"quiet_days": 7}, {"other": 8}, True),
]


@pytest.mark.parametrize(("_name", "definition", "past", "due"), TIMES, ids=[one[0] for one in TIMES])
async def test_it_is_shown_again_only_after_its_time(
    host: Host, fresh: Warehouse, _name: str, definition: dict[str, Any], past: dict[str, float], due: bool
) -> None:
    await make(**definition)
    kinds = {"shown": ("survey_shown", "nps"), "answered": ("survey_answered", "nps"), "other": ("survey_shown", "x")}
    events.add(fresh, ("ada", "page", "Home", ago(days=500)))
    events.add(fresh, *(("ada", *kinds[what], ago(days=days)) for what, days in past.items()))
    assert (await host.keys("ada") == ["nps"]) == due
    assert await host.keys("bob") == ["nps"]


async def test_a_segment_that_takes_too_long_keeps_its_survey_back_and_no_other(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await sync_to_async(segments.create)("Pro", PRO)
    await make("slow", segment=segment.id)
    await make("quick")
    monkeypatch.setattr(segments, "holds", lambda *_, **__: (_ for _ in ()).throw(one_visitor_timeout()))
    assert await host.keys() == ["quick"]


def one_visitor_timeout() -> Exception:
    from arrivals.errors import CheckTimeout

    return CheckTimeout()


KINDS = ("track", "page")
NAMES = ("x", "y")
PEOPLE = ("a", "b", "c", "d")
spans = st.sampled_from([{"ever": True}, {"within": "10d"}, {"since": "2020-01-01"}])
counts = st.sampled_from([{"at_least": 1}, {"at_least": 2}, {"at_most": 1}, {"exactly": 0}])
did = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS), "name": st.sampled_from(NAMES), "did": st.booleans(), "when": spans}
)
often = st.fixed_dictionaries({"kind": st.just("track"), "name": st.sampled_from(NAMES), "times": counts})
fields = st.sampled_from(
    [
        {"kind": "visitor", "field": "agent.plan", "op": op, "value": value}
        for op in ("is", "is_not")
        for value in ("pro", "free")
    ]
    + [
        {"kind": "visitor", "field": "visitor.id", "op": "in", "value": ["a1", "c3"]},
        {"kind": "visitor", "field": "metric.events", "op": "gte", "value": 2},
        {"kind": "list", "list": "LIST"},
        {"kind": "list", "list": "LIST", "did": False},
        {"kind": "segment", "segment": "SEGMENT"},
        {"kind": "segment", "segment": "SEGMENT", "did": False},
    ]
)
rules = st.lists(st.lists(did | often | fields, min_size=1, max_size=3), min_size=0, max_size=3)
happened = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from(KINDS), st.sampled_from(NAMES), st.integers(0, 20)), max_size=14
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=rules, past=happened, links=st.lists(st.sampled_from(["ab", "cd", "bc"]), max_size=1))
def test_one_visitor_is_in_a_segment_exactly_when_the_whole_segment_has_them(
    fresh: Warehouse, groups: Any, past: Any, links: list[str]
) -> None:
    here = {one: f"{one}{next(_examples)}" for one in PEOPLE}  # other people in each example: nothing need be emptied
    events.add(fresh, *((here[who], kind, name, ago(days=days)) for who, kind, name, days in past))
    events.metadata(fresh, here["a"], ago(days=2), plan="pro")
    events.metadata(fresh, here["b"], ago(days=2), plan="pro")
    events.metadata(fresh, here["b"], ago(days=1), plan="free")
    for alias, visitor in links:
        events.link(fresh, here[alias], here[visitor])
    listed = lists.create("L", [here["b"], here["c"]])
    inner = segments.create("S", {"all": [{"any": [{"kind": "track", "name": "x"}]}]})
    own = {"list": listed.id, "segment": inner.id}
    data = {"all": [{"any": [{**one, **{k: v for k, v in own.items() if k in one}} for one in g]} for g in groups]}
    segment = segments.create("T", data)
    query = compiler.segment_ids(data)
    whole = {key for (key,) in fresh.query(query.sql, query.parameters)}
    for who in PEOPLE:
        keys = person.keys_of(here[who])
        assert segments.holds(segment, keys, seconds=30) == (keys[0] in whole), (who, data)


def test_only_the_visitors_own_rows_are_read(fresh: Warehouse) -> None:
    fresh.command(
        "INSERT INTO events (source_id, message_hash, message_id, kind, name, visitor_id, account_id, ts, received_at, "
        "url, properties) SELECT 's', number, toString(number), 'track', 'x', toString(number % 5000), '', now64(3), "
        "now64(3), '', '{}' FROM numbers(200000)"
    )
    segment = segments.create("X", {"all": [{"any": [{"kind": "track", "name": "x", "times": {"at_least": 3}}]}]})
    keys = person.keys_of("77")
    query = compiler.segment_ids(segment.rules, only=keys)
    told = warehouse.warehouse().query(f"EXPLAIN indexes = 1 SELECT 1 FROM ({query.sql})", query.parameters)
    plan = "\n".join(row[0] for row in told)
    read = [line.split(":")[1].split("/") for line in plan.splitlines() if "Granules" in line and "/" in line]
    assert min(int(some) for some, _ in read) <= 2 < 100 < max(int(of) for _, of in read)
    assert segments.holds(segment, keys, seconds=30)
