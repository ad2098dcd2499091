"""The pages of charts and dashboards: made by plain forms, drawn without scripts, and every number opens its people."""

import html
import json
import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client

from arrivals import clock
from arrivals.accounts import people
from arrivals.audience import dashboards, rows
from arrivals.audience.charts import definitions, results, saved
from arrivals.audience.models import Chart, Dashboard, Report, Segment
from arrivals.errors import CheckTimeout
from arrivals.warehouse.client import Warehouse
from tests import events

SHOP = [("ann", "home", 3), ("ann", "cart", 2), ("bob", "home", 3), ("cid", "home", 1), ("cid", "buy", 1)]
STEPS = [{"kind": "track", "name": "home"}, {"kind": "track", "name": "cart"}]


@pytest.fixture
def client(fresh: Warehouse) -> Client:
    people.create("ada@example.com", password="a long password", role="admin")
    client = Client()
    client.post("/sign-in", {"email": "ada@example.com", "password": "a long password"})
    now = clock.now()
    events.add(
        fresh,
        *(
            (who, "track", what, now - timedelta(days=days, seconds=number))
            for number, (who, what, days) in enumerate(SHOP)
        ),
    )
    events.add(fresh, ("ann", "survey_answered", "nps", now - timedelta(days=1), {"score": 9, "reason": "good"}))
    return client


DEFINITIONS: dict[str, dict[str, Any]] = {
    "trend": {"kind": "trend", "series": [{"kind": "event", "measure": "visitors"}], "breakdown": {"event": "name"}},
    "funnel": {"kind": "funnel", "steps": STEPS},
    "retention": {"kind": "retention", "first": STEPS[0], "returning": {"kind": "event"}, "by": "day"},
    "paths": {"kind": "paths", "from": STEPS[0], "gap": "3d"},
    "nps": {"kind": "nps"},
}


def text(answer: Any) -> str:
    return html.unescape(answer.content.decode())


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_every_number_on_a_page_opens_as_many_people(client: Client, kind: str, compare: bool) -> None:
    chart = saved.create({"name": kind, "definition": {**DEFINITIONS[kind], "compare": compare}})
    assert "Counting" in text(client.get(f"/charts/{chart.id}"))
    whole, part = (
        client.get(f"/charts/{chart.id}/result"),
        client.get(f"/charts/{chart.id}/result", headers={"HX-Request": "true"}),
    )
    assert "<html" in text(whole)
    assert "<html" not in text(part)
    assert "style=" not in text(part)
    for drawing in re.findall(r'<svg class="drawing.*?</desc>', part.content.decode(), re.DOTALL):
        assert "aria-label" in drawing
    ElementTree.fromstring(f"<all>{part.content.decode().replace('&nbsp;', ' ')}</all>")
    links = re.findall(r'<td[^>]*><a href="([^"]+)">([\d,]+)</a>', part.content.decode())
    assert links
    for href, number in links[:12]:
        page = text(client.get(html.unescape(href)))
        assert f'id="people">{number}</b>' in page
        assert "Make a report of these" in page


def test_a_report_of_the_people_behind_a_number_stays_true(client: Client, fresh: Warehouse) -> None:
    chart = saved.create({"name": "Buying", "definition": {**DEFINITIONS["funnel"], "range": {"within": "7d"}}})
    form = {"cell": json.dumps({"step": 1, "dropped": True}), "name": "Stopped after home"}
    answer = client.post(f"/charts/{chart.id}/report", form)
    report = Report.objects.get()
    assert answer["Location"] == f"/reports/{report.id}"
    assert [row["visitor.id"] for row in rows.page(report).items] == ["bob", "cid"]
    events.add(fresh, ("bob", "track", "cart", clock.now()), ("dee", "track", "home", clock.now()))
    assert [row["visitor.id"] for row in rows.page(report).items] == ["cid", "dee"]
    assert "Start a workflow" in text(client.get(answer["Location"]))


def test_a_chart_is_made_and_changed_by_its_form(client: Client) -> None:
    form = {
        "kind": "funnel", "name": "Buying", "range": "within:7d", "window": "2d", "compare": "1",
        "e-0-kind": "track", "e-0-name": "home", "e-0-as": "Came",
        "e-0-w-0-property": "n", "e-0-w-0-op": "in", "e-0-w-0-value": "1, x",
        "e-1-kind": "event", "e-2-kind": "survey", "e-2-name": "nps",
    }  # fmt: skip
    place = client.post("/charts/new?kind=funnel", form)["Location"]
    chart = Chart.objects.get()
    assert place == f"/charts/{chart.id}"
    assert chart.definition == {
        "kind": "funnel", "range": {"within": "7d"}, "segment": None, "compare": True, "window": "2d",
        "steps": [
            {"kind": "track", "name": "home", "as": "Came", "where": [{"property": "n", "op": "in", "value": [1, "x"]}]},
            {"kind": "event"},
            {"kind": "survey", "survey": "nps"},
        ],
    }  # fmt: skip
    shown = client.get(f"{place}/edit").content.decode()
    again = dict(re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', shown))
    for name in ("name", "e-0-name", "e-0-as", "e-0-w-0-property", "e-0-w-0-value", "e-2-name"):
        assert html.unescape(again.get(name, "")) == form[name], name
    client.post(f"{place}/edit", {**form, "name": "Buying more", "range": "dates", "start": "2026-01-01", "end": ""})
    chart.refresh_from_db()
    assert (chart.name, chart.definition["range"]) == ("Buying more", {"since": "2026-01-01"})
    client.post(f"{place}/delete")
    assert not Chart.objects.exists()


@pytest.mark.parametrize(("kind", "more", "expected"), [
    ("trend", {"e-0-kind": "track", "e-0-measure": "sum", "e-0-prop": "n", "by": "week", "breakdown": "field", "breakdown_name": "visitor.agent.plan"},
     {"series": [{"kind": "track", "measure": {"sum": "n"}}], "by": "week", "breakdown": {"field": "visitor.agent.plan"}}),
    ("retention", {"e-0-kind": "track", "e-1-kind": "event", "by": "day", "periods": "5", "cohorts": "each"},
     {"first": {"kind": "track"}, "returning": {"kind": "event"}, "by": "day", "periods": 5, "cohorts": "each"}),
    ("paths", {"e-0-kind": "track", "e-0-name": "a", "direction": "to", "depth": "3", "top": "2", "gap": "1h", "kinds-track": "1"},
     {"to": {"kind": "track", "name": "a"}, "depth": 3, "top": 2, "gap": "1h", "kinds": ["track"]}),
    ("nps", {"survey": "csat", "by": "month"}, {"survey": "csat", "by": "month"}),
])  # fmt: skip
def test_each_kind_of_chart_has_a_form(
    client: Client, kind: str, more: dict[str, str], expected: dict[str, Any]
) -> None:
    assert client.get(f"/charts/new?kind={kind}").status_code == 200
    place = client.post(f"/charts/new?kind={kind}", {"kind": kind, "name": "x", "range": "ever:", **more})["Location"]
    definition = Chart.objects.get().definition
    assert definition == {"kind": kind, "range": {"ever": True}, "segment": None, "compare": False, **expected}
    assert client.get(f"{place}/edit").status_code == 200


@pytest.mark.parametrize(("path", "form"), [("/charts/fields", {}), ("/charts/new?kind=funnel", {"name": "x"})])
def test_steps_are_added_moved_and_removed_with_and_without_scripts(
    client: Client, path: str, form: dict[str, str]
) -> None:
    steps = {"kind": "funnel", "e-0-kind": "track", "e-0-name": "one", "e-1-kind": "page", "e-1-name": "two"}
    added = client.post(path, {**form, **steps, "do": "add-"}).content.decode()
    assert 'name="e-2-kind"' in added
    moved = client.post(path, {**form, **steps, "do": "up-1"}).content.decode()
    assert 'name="e-0-name" value="two"' in moved
    assert 'name="e-1-name" value="one"' in moved
    removed = client.post(path, {**form, **steps, "do": "remove-0"}).content.decode()
    assert 'name="e-0-name" value="two"' in removed
    assert 'name="e-1-kind"' not in removed
    assert "e-0-w-0-property" in client.post(path, {**form, **steps, "do": "where-0"}).content.decode()
    assert not Chart.objects.exists()


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_editing_what_was_made_over_the_api_changes_nothing_by_itself(client: Client, kind: str) -> None:
    chart = saved.create({"name": kind, "definition": DEFINITIONS[kind]})
    page = client.get(f"/charts/{chart.id}/edit").content.decode()
    form = dict(re.findall(r'<input(?![^>]*type="(?:checkbox|date)")[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page))
    form |= dict.fromkeys(re.findall(r'<input type="checkbox" name="([^"]+)" value="1" checked', page), "1")
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        first = re.search(r'<option(?: value="([^"]*)")?>([^<]*)', options)
        found = chosen or first
        assert found
        form[name] = found[2] if found[1] is None else found[1]
    client.post(f"/charts/{chart.id}/edit", {name: html.unescape(value) for name, value in form.items()})
    chart.refresh_from_db()
    before, after = definitions.parse(DEFINITIONS[kind]), definitions.parse(chart.definition)
    assert after == before


def test_a_refusal_says_which_part_and_keeps_what_was_typed(client: Client) -> None:
    form = {"kind": "funnel", "name": "Kept", "window": "soon", "e-0-kind": "track", "e-0-name": "kept too"}
    answer = client.post("/charts/new?kind=funnel", {**form, "e-1-kind": "event"})
    assert answer.status_code == 422
    assert all(part in text(answer) for part in ("definition.window", "Kept", "kept too"))
    assert not Chart.objects.exists()
    assert "2 to 10 steps" in text(client.post("/charts/preview", form))
    assert "any event" in text(client.post("/charts/preview", {**form, "window": "1d", "e-1-kind": "event"}))


def test_a_slow_chart_says_what_to_do(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = saved.create({"name": "Slow", "definition": DEFINITIONS["trend"]})

    def slow(*_arguments: Any, **_named: Any) -> Any:
        raise CheckTimeout()

    monkeypatch.setattr(Warehouse, "query", slow)
    part = client.get(f"/charts/{chart.id}/result", headers={"HX-Request": "true"})
    assert (part.status_code, "choose a shorter range" in text(part)) == (200, True)
    with pytest.raises(CheckTimeout, match="longer than 30 seconds"):
        results.of(DEFINITIONS["trend"])


def test_a_dashboard_is_made_of_charts_and_asks_for_each_by_itself(client: Client) -> None:
    first = saved.create({"name": "First", "definition": DEFINITIONS["trend"]})
    second = saved.create({"name": "Second", "definition": DEFINITIONS["nps"]})
    segment = Segment.objects.create(name="All", rules={"all": []})
    form = {"name": "Board", "t-0-chart": first.id, "t-0-size": "large", "t-1-chart": second.id, "t-1-size": "small"}
    assert text(client.post("/dashboards/new", {**form, "do": "add"})).count("<select class") == 3
    place = client.post("/dashboards/new", {**form, "range": "last:7d", "segment": segment.id})["Location"]
    shown = text(client.get(place))
    asked = re.findall(r'hx-get="([^"]+)"', shown)
    over = f"range=last%3A7d&segment={segment.id}"
    assert asked == [f"/charts/{one.id}/result?tile=1&{over}" for one in (first, second)]
    for path in asked:
        assert "Numbers" in text(client.get(path, headers={"HX-Request": "true"}))
    assert "range=ever%3A" in text(client.get(f"{place}?range=ever%3A&segment="))
    client.post(f"{place}/edit", {**form, "t-0-chart": second.id, "t-1-chart": first.id})
    assert [tile["chart"] for tile in Dashboard.objects.get().tiles] == [second.id, first.id]
    client.post(f"/charts/{first.id}/delete")
    assert [tile["chart"] for tile in Dashboard.objects.get().tiles] == [second.id]
    client.post(f"{place}/delete")
    assert (Dashboard.objects.count(), Chart.objects.count()) == (0, 1)


def test_the_overview_is_made_with_one_button(client: Client) -> None:
    assert "Make the overview" in text(client.get("/dashboards"))
    place = client.post("/dashboards/overview")["Location"]
    for path in re.findall(r'hx-get="([^"]+)"', text(client.get(place))):
        assert 'role="alert"' not in text(client.get(path, headers={"HX-Request": "true"})), path
    assert len(dashboards.all_dashboards()) == 1


def test_the_csv_has_the_numbers_of_the_table(client: Client) -> None:
    chart = saved.create({"name": "=Buying!", "definition": DEFINITIONS["funnel"]})
    answer = client.get(f"/charts/{chart.id}/result.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="Buying.csv"'
    lines = text(answer).splitlines()
    assert lines[0].startswith("step,visitors,of the first")
    assert [line.split(",")[:2] for line in lines[1:]] == [["1. home", "3"], ["2. cart", "1"]]


def test_text_from_visitors_is_never_markup(client: Client, fresh: Warehouse) -> None:
    bad = '<script>"&'
    events.add(fresh, (bad, "track", bad, clock.now()))
    for definition in (DEFINITIONS["trend"], {**DEFINITIONS["paths"], "from": {"kind": "track", "name": bad}}):
        chart = saved.create({"name": bad, "definition": definition})
        for path in ("", "/result", f"/people?cell={json.dumps({'step': 0} if 'from' in definition else {})}"):
            assert "<script>" not in client.get(f"/charts/{chart.id}{path}").content.decode().split("<body", 1)[1], path
