"""Watching the responses to a survey: each answer starts the workflow once, a second one by the same visitor again."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from arrivals import clock
from arrivals.audience import reports, rows, segments
from arrivals.audience.models import Report
from arrivals.engine import enqueue
from arrivals.engine.models import Run
from arrivals.errors import Conflict, InvalidReport
from arrivals.warehouse.client import Warehouse
from arrivals.watch import checks, ledger
from arrivals.watch.models import Arrival
from arrivals.workflows import activation, workflows
from arrivals.workflows.models import Workflow
from tests import events, makers

TEXT = "{{ visitor.id }} of {{ account.id }}: {{ response.score }} {{ response.class }} {{ response.reason }}"


def on(survey: str = "nps", **more: Any) -> Workflow:
    trigger = {"kind": "survey_response", "survey": survey, **more}
    made = workflows.create({"name": "Tell", "trigger": trigger, "steps": [makers.post(TEXT)]})
    activation.activate(made.id)
    return made


def answer(store: Warehouse, visitor: str, survey: str = "nps", minutes: float = 1, **said: Any) -> str:
    at = clock.now() - timedelta(minutes=minutes)
    [id_] = events.add(store, (visitor, "survey_answered", survey, at, said, "acme"))
    return id_


def look(workflow: Workflow) -> list[str]:
    checks.check(workflow.report_id or "")
    enqueue.enqueue_all()
    return sorted(Run.objects.filter(workflow=workflow).values_list("member", flat=True))


def test_the_report_is_made_once_for_all_workflows_on_the_survey(fresh: Warehouse) -> None:
    first, second, other = on(), on(), on("csat")
    assert first.report_id == second.report_id != other.report_id
    report = reports.get(first.report_id or "")
    assert (report.name, report.kind, report.survey) == ("Responses to nps", "response", "nps")
    assert Report.objects.count() == 2


def test_a_report_that_workflows_start_from_keeps_its_survey(fresh: Warehouse) -> None:
    report = reports.get(on().report_id or "")
    for wrong in ({"survey": "csat"}, {"kind": "visitor", "survey": None}, {"segment": makers.report().segment_id}):
        with pytest.raises(InvalidReport):
            reports.change(report.id, {"name": "x", "survey": "nps", **wrong})
    columns = ["response.id", "visitor.agent.plan"]
    changed = reports.change(report.id, {"name": "All answers", "survey": "nps", "columns": columns})
    assert (changed.name, changed.columns, on().report_id) == ("All answers", columns, report.id)
    with pytest.raises(Conflict):
        reports.delete(report.id)


def test_two_who_ask_for_it_at_once_get_the_same(fresh: Warehouse) -> None:
    from django.db import connections

    found: list[str] = []

    def ask() -> None:
        try:
            found.append(reports.responses_to("nps").id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), Report.objects.count()) == (4, 1, 1)


def test_a_second_answer_of_one_visitor_runs_again_exactly_once(fresh: Warehouse) -> None:
    answer(fresh, "ann", score=10)
    workflow = on()
    assert look(workflow) == []
    first = answer(fresh, "ann", score=3, reason="Slow")
    assert look(workflow) == [first]
    assert look(workflow) == [first]
    second = answer(fresh, "ann", minutes=0, score=9)
    assert look(workflow) == look(workflow) == sorted([first, second])
    inputs = {run.member: run.input for run in Run.objects.all()}
    assert inputs[first]["visitor"] == {"id": "ann"}
    assert inputs[first]["account"] == {"id": "acme"}
    told = inputs[first]["response"]
    assert (told["score"], told["reason"], told["class"]) == (3, "Slow", "detractor")
    assert inputs[second]["response"]["reason"] is None


def test_a_score_and_the_reason_that_follows_are_one_response(fresh: Warehouse) -> None:
    workflow = on()
    id_ = answer(fresh, "ann", minutes=2, score=3)
    answer(fresh, "ann", minutes=1, reason="Slow")
    assert look(workflow) == [id_]
    assert Run.objects.get().input["response"]["reason"] == "Slow"
    answer(fresh, "ann", minutes=0, reason="Slower")
    assert look(workflow) == [id_]


def test_answers_to_another_survey_and_of_others_start_nothing(fresh: Warehouse) -> None:
    rules = {"all": [{"any": [{"kind": "visitor", "field": "agent.plan", "op": "is", "value": "pro"}]}]}
    makers.come(fresh, "pro")
    workflow = on(segment=segments.create("Pro", rules).id)
    assert reports.get(workflow.report_id or "").name == "Responses to nps by Pro"
    answer(fresh, "pro", "csat", score=1)
    answer(fresh, "free", score=1)
    mine = answer(fresh, "pro", score=1)
    assert look(workflow) == [mine]


def test_an_anonymous_answer_does_not_run_again_when_its_visitor_is_known(fresh: Warehouse) -> None:
    workflow = on()
    id_ = answer(fresh, "anon", score=3)
    look(workflow)
    events.add(fresh, ("ann", "identify", "", clock.now()))
    events.link(fresh, "anon", "ann")
    assert look(workflow) == [id_]
    assert rows.page(reports.get(workflow.report_id or "")).items[0]["visitor.id"] == "ann"


class Died(BaseException):
    """Stands for kill -9."""


def die(*_: Any, **__: Any) -> Any:
    raise Died


PLACES: list[tuple[Any, str]] = [
    (checks, "_own"),
    (checks, "_move_on"),
    (ledger, "append"),
    (rows, "context"),
    (enqueue, "_insert"),
    (Workflow, "save"),
]


@pytest.mark.parametrize("place", PLACES, ids=[name for _, name in PLACES])
def test_dying_anywhere_neither_loses_nor_repeats_a_second_answer(
    fresh: Warehouse, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    workflow = on()
    first = answer(fresh, "ann", minutes=2, score=3)
    look(workflow)
    second = answer(fresh, "ann", score=4)
    with monkeypatch.context() as patch:
        patch.setattr(*place, die)
        with pytest.raises(Died):
            look(workflow)
    assert look(workflow) == look(workflow) == sorted([first, second])
    assert Run.objects.count() == Arrival.objects.filter(kind="in").count() == 2


def test_activation_asks_about_the_answers_that_are_there(fresh: Warehouse) -> None:
    ids = [answer(fresh, "ann", minutes=300, score=1), answer(fresh, "ann", minutes=20, score=2)]
    trigger = {"kind": "survey_response", "survey": "nps"}
    workflow = workflows.create({"name": "Tell", "trigger": trigger, "steps": [makers.post(TEXT)]})
    then = clock.iso(clock.now() - timedelta(hours=1))
    assert activation.numbers(workflow.id, since=then) == {
        "on_report": 2,
        "will_run": {"skip": 0, "run": 2, "since": 1},
    }
    assert activation.activate(workflow.id, {"since": then}).will_run == 1
    assert look(workflow) == [ids[1]]
