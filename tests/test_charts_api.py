"""Charts and dashboards over the API, charts as rules of segments, and what is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import keys
from arrivals.accounts.models import AuditEntry
from arrivals.audience import dashboards, segments
from arrivals.audience.charts import definitions, results, saved
from arrivals.audience.models import Chart, Report, Segment
from arrivals.errors import Conflict, InvalidChart, InvalidRules
from arrivals.warehouse import client
from arrivals.warehouse.client import Warehouse
from tests import events

HOME, BUY = {"kind": "track", "name": "home"}, {"kind": "track", "name": "buy"}
TREND: dict[str, Any] = {"kind": "trend", "series": [HOME]}
FUNNEL: dict[str, Any] = {"kind": "funnel", "steps": [HOME, BUY], "window": "1d", "range": {"within": "7d"}}


class Api:
    """A client of /api/v2 with a key."""

    def __init__(self, *, write: bool = True) -> None:
        self.headers = {"Authorization": f"Bearer {keys.create('k', write=write, by='ada@example.com')[1]}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        answer = Client().generic(method, f"/api/v2{path}", headers=self.headers, **data)
        return answer.status_code, json.loads(answer.content) if "json" in answer.headers[
            "Content-Type"
        ] and answer.content else answer


@pytest.fixture
def api(fresh: Warehouse) -> Api:
    now = clock.now() - timedelta(hours=1)
    for number, who in enumerate("abcde"):
        events.add(fresh, (who, "track", "home", now - timedelta(minutes=number)))
        if who in "ab":
            events.add(fresh, (who, "track", "buy", now))
    return Api()


def test_a_chart_from_the_making_to_a_report_of_those_behind_a_number(api: Api) -> None:
    status, chart = api("POST", "/charts", {"name": "Buying", "definition": FUNNEL})
    assert (status, chart["definition"]) == (201, FUNNEL)
    assert api("GET", "/charts")[1]["items"] == [chart]
    at = f"/charts/{chart['id']}"
    result = api("GET", f"{at}/result")[1]
    assert [step["visitors"] for step in result["steps"]] == [5, 1]  # a did both in the same moment
    assert result == {**api("POST", "/charts/query", FUNNEL)[1], "from": result["from"], "to": result["to"]}
    cell = json.dumps({"step": 1, "dropped": True})
    first = api("GET", f"{at}/people?limit=3&cell={cell}")[1]
    assert ([one["visitor_id"] for one in first["items"]], first["people"]) == (["a", "c", "d"], 4)
    rest = api("GET", f"{at}/people?limit=3&cell={cell}&cursor={first['next']}")[1]
    assert ([one["visitor_id"] for one in rest["items"]], rest["next"], rest["people"]) == (["e"], None, 4)
    asked = {"definition": FUNNEL, "cell": {"step": 2}}
    assert api("POST", "/charts/people", asked)[1]["items"] == [{"visitor_id": "b", "amount": 2}]
    made = {"name": "Stopped", "chart": chart["id"], "cell": {"step": 1, "dropped": True}}
    status, report = api("POST", "/charts/people/report", made)
    assert (status, report["range"]) == (201, {"ever": True})
    assert len(api("GET", f"/reports/{report['id']}/rows")[1]["items"]) == 4
    assert (
        api("GET", f"{at}/result?range={json.dumps({'between': ['2020-01-01', '2020-01-02']})}")[1]["steps"][0][
            "visitors"
        ]
        == 0
    )
    assert api("GET", f"{at}/result.csv")[1].content.startswith(b"step,visitors")
    assert api("PUT", at, {**chart, "name": "Other", "definition": TREND})[1]["name"] == "Other"
    assert (api("DELETE", at)[0], api("GET", at)[0]) == (204, 404)
    noted = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"chart.create", "chart.change", "chart.delete", "chart.report"} <= noted


def test_a_dashboard_over_the_api(api: Api) -> None:
    chart = api("POST", "/charts", {"name": "x", "definition": TREND})[1]
    body = {"name": "Board", "tiles": [{"chart": chart["id"], "size": "large"}], "range": {"within": "7d"}}
    status, board = api("POST", "/dashboards", body)
    assert (status, board["tiles"], board["segment"]) == (201, body["tiles"], None)
    at = f"/dashboards/{board['id']}"
    assert api("PUT", at, {**board, "name": "Other", "tiles": []})[1]["tiles"] == []
    assert api("GET", "/dashboards")[1]["items"][0]["name"] == "Other"
    for wrong, path in (
        ({"name": ""}, "name"),
        ({**body, "tiles": [{"chart": "cha_no"}]}, "tiles[0].chart"),
        ({**body, "tiles": [{"chart": chart["id"], "size": "huge"}]}, "tiles[0].size"),
        ({**body, "tiles": {}}, "tiles"),
        ({**body, "range": {"within": "x"}}, "range.within"),
        ({**body, "segment": "seg_no"}, "segment"),
        ({**body, "colour": 1}, "colour"),
    ):
        status, problem = api("POST", "/dashboards", wrong)
        assert (status, problem["code"], problem["path"]) == (422, "invalid_chart", path)
    assert (api("DELETE", at)[0], api("GET", at)[0]) == (204, 404)


def test_a_key_that_may_only_read_may_ask(api: Api) -> None:
    reader = Api(write=False)
    assert reader("POST", "/charts/query", TREND)[0] == 200
    assert reader("POST", "/charts/people", {"definition": TREND, "cell": {}})[0] == 200
    assert reader("POST", "/charts", {"name": "x", "definition": TREND})[0] == 403


REFUSED: list[tuple[Any, str]] = [
    (None, "kind"),
    ({"kind": "pie"}, "kind"),
    ({**TREND, "colour": 1}, "colour"),
    ({**TREND, "steps": []}, "steps"),
    ({"kind": "trend", "series": []}, "series"),
    ({"kind": "trend", "series": [{"kind": "visitor", "name": "x"}]}, "series[0].kind"),
    ({"kind": "trend", "series": [{**HOME, "measure": "money"}]}, "series[0].measure"),
    ({"kind": "trend", "series": [{**HOME, "measure": {"sum": ""}}]}, "series[0].measure.sum"),
    ({"kind": "trend", "series": [{**HOME, "did": False}]}, "series[0].did"),
    ({"kind": "trend", "series": [{**HOME, "where": [{"property": "x", "op": "like"}]}]}, "series[0].where[0].op"),
    ({**TREND, "by": "minute"}, "by"),
    ({**TREND, "by": "hour", "range": {"within": "100d"}}, "by"),
    ({**TREND, "breakdown": {"field": "plan"}}, "breakdown.field"),
    ({**TREND, "breakdown": "plan"}, "breakdown"),
    ({"kind": "trend", "series": [HOME] * 4, "breakdown": {"property": "x"}}, "series"),
    ({**TREND, "segment": "seg_no"}, "segment"),
    ({**TREND, "range": {"within": "soon"}}, "range.within"),
    ({**TREND, "compare": 1}, "compare"),
    ({**FUNNEL, "steps": [HOME]}, "steps"),
    ({**FUNNEL, "steps": [HOME] * 11}, "steps"),
    ({**FUNNEL, "window": "1y"}, "window"),
    ({"kind": "retention", "first": HOME}, "returning"),
    ({"kind": "retention", "first": HOME, "returning": HOME, "by": "hour"}, "by"),
    ({"kind": "retention", "first": HOME, "returning": HOME, "periods": 61}, "periods"),
    ({"kind": "paths", "from": HOME, "to": HOME}, "from"),
    ({"kind": "paths", "from": HOME, "depth": 11}, "depth"),
    ({"kind": "paths", "from": HOME, "kinds": ["event"]}, "kinds"),
    ({"kind": "nps", "survey": ""}, "survey"),
]


@pytest.mark.parametrize(("definition", "path"), REFUSED)
def test_a_wrong_chart_is_refused_with_the_path_of_the_wrong_part(fresh: Warehouse, definition: Any, path: str) -> None:
    with pytest.raises(InvalidChart) as refused:
        results.of(definition)
    assert refused.value.path == path
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    ("definition", "cell", "path"),
    [
        (TREND, {"series": 1}, "cell.series"),
        (TREND, {"bucket": "yesterday"}, "cell.bucket"),
        (TREND, {"value": "x"}, "cell.value"),
        (TREND, {"step": 1}, "cell.step"),
        (TREND, [], "cell"),
        ({**TREND, "range": {"ever": True}}, {"previous": True}, "cell.previous"),
        (FUNNEL, {"step": 3}, "cell.step"),
        (FUNNEL, {"step": 2, "dropped": True}, "cell.dropped"),
        ({"kind": "retention", "first": HOME, "returning": HOME}, {"period": 1}, "cell.cohort"),
        ({"kind": "paths", "from": HOME}, {"step": 1}, "cell.step"),
        ({"kind": "paths", "from": HOME}, {"step": 1, "name": "x", "end": True}, "cell"),
        ({"kind": "paths", "from": HOME}, {"step": 1, "name": "x", "from": {"name": "y"}}, "cell.from"),
        ({"kind": "nps"}, {"class": "fan"}, "cell.class"),
    ],
)
def test_a_wrong_cell_is_refused(fresh: Warehouse, definition: Any, cell: Any, path: str) -> None:
    with pytest.raises(InvalidChart) as refused:
        results.people(definition, cell)
    assert refused.value.path == path


def test_a_number_of_a_chart_is_a_rule_like_any_other(api: Api) -> None:
    stopped = {"kind": "chart", "chart": FUNNEL, "cell": {"step": 1, "dropped": True}}
    home = {"kind": "track", "name": "home"}
    for rules, expected in (
        ({"all": [{"any": [stopped]}]}, "acde"),
        ({"all": [{"any": [{**stopped, "did": False}]}, {"any": [home]}]}, "b"),
        (
            {
                "all": [
                    {"any": [stopped]},
                    {"any": [{"kind": "visitor", "field": "visitor.id", "op": "is", "value": "c"}]},
                ]
            },
            "c",
        ),
    ):
        assert sorted(segments.preview(rules).sample) == list(expected)
        outer = {"all": [{"any": [{"kind": "segment", "segment": segments.create("s", rules).id}]}]}
        assert segments.preview(outer).count == len(expected)
    with pytest.raises(InvalidRules) as refused:
        segments.create("x", {"all": [{"any": [{**stopped, "cell": {"step": 9}}]}]})
    assert refused.value.path == "rules.all[0].any[0].cell.step"


def test_a_segment_that_a_chart_uses_stays_and_none_contains_itself(api: Api) -> None:
    segment = segments.create("All", {"all": []})
    with_it = {**TREND, "segment": segment.id}
    chart = api("POST", "/charts", {"name": "x", "definition": with_it})[1]
    with pytest.raises(Conflict):
        segments.delete(segment.id)
    with pytest.raises(InvalidRules, match="contains itself"):
        segments.change(segment.id, rules={"all": [{"any": [{"kind": "chart", "chart": with_it, "cell": {}}]}]})
    user = segments.create("User", {"all": [{"any": [{"kind": "chart", "chart": with_it, "cell": {}}]}]})
    api("DELETE", f"/charts/{chart['id']}")
    with pytest.raises(Conflict, match="User"):
        segments.delete(segment.id)
    segments.delete(user.id)
    segments.delete(segment.id)
    assert not Segment.objects.exists()


def test_a_report_whose_name_is_wrong_leaves_nothing_behind(api: Api) -> None:
    body = {"name": " ", "definition": FUNNEL, "cell": {"step": 1}}
    assert api("POST", "/charts/people/report", body)[0] == 422
    assert api("POST", "/charts/people/report", {**body, "name": "x", "cell": {"step": 0}})[1]["path"] == "cell.step"
    assert api("POST", "/charts/people/report", {**body, "name": "x", "chart": "cha_x"})[1]["path"] == "definition"
    assert (Segment.objects.count(), Report.objects.count()) == (0, 0)


def test_a_chart_for_everyone_tells_nothing_of_a_private_segment(api: Api) -> None:
    hidden = Segment.objects.create(name="Mine", rules={"all": []}, shared=False)
    with_it = {**TREND, "segment": hidden.id}
    for path, body in (
        ("/charts", {"name": "x", "definition": with_it}),
        ("/dashboards", {"name": "x", "segment": hidden.id}),
        ("/charts/query", with_it),
    ):
        status, problem = api("POST", path, body)
        assert (status, problem["path"]) == (422, "definition.segment" if path == "/charts" else "segment"), path
    with pytest.raises(InvalidChart, match="is private, and a chart is for everyone"):
        saved.create({"name": "x", "definition": with_it})  # somebody who may see it
    hidden.shared = True
    hidden.save()
    api("POST", "/charts", {"name": "Drawn", "definition": with_it})
    with pytest.raises(Conflict, match="'Drawn' uses it and is for everyone"):
        segments.change(hidden.id, shared=False)


def test_a_trend_of_too_many_numbers_is_refused(api: Api) -> None:
    now = clock.now()
    wide = {**TREND, "series": [{"kind": "event"}] * 10, "by": "day"}
    with pytest.raises(InvalidChart, match="more than 1,000; choose"):
        results.of({**wide, "range": {"within": "1100d"}})
    assert len(results.of({**wide, "range": {"within": "998d"}}, now=now)["series"]) == 10
    hours = {**TREND, "series": [{"kind": "event"}] * 3, "by": "hour", "range": {"within": "40d"}}
    for number in range(12):
        events.add(client.warehouse(), ("a", "track", f"name {number}", now - timedelta(hours=1)))
    with pytest.raises(InvalidChart, match="more than 10,000 numbers"):
        results.of({**hours, "breakdown": {"event": "name"}}, now=now)


def test_the_overview_holds_a_chart_of_the_main_kinds(fresh: Warehouse) -> None:
    tiles = dashboards.overview().tiles
    kinds = [Chart.objects.get(pk=tile["chart"]).definition["kind"] for tile in tiles]
    assert set(kinds) <= set(definitions.KINDS)
    assert len(tiles) == 4
