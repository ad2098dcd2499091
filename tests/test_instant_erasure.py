"""What events started, and what waits for them, goes with the person."""

from datetime import timedelta

from arrivals import clock
from arrivals.engine.incoming import Incoming
from arrivals.engine.models import Run, Started, StepRun, Wait
from arrivals.erasure import records
from arrivals.warehouse.client import Warehouse
from arrivals.workflows import activation, workflows
from tests import events, makers


def test_runs_of_events_rows_that_wait_and_when_it_last_ran_are_erased(fresh: Warehouse) -> None:
    trigger = {"kind": "event", "event": {"kind": "track", "name": "bought"}}
    made = workflows.create({"name": "Tell", "trigger": trigger, "steps": [makers.post()]})
    activation.activate(made.id)
    one = Incoming()
    one.look()
    for visitor in ("ada", "bob"):
        events.add(fresh, (visitor, "track", "bought", clock.now(), {"secret": visitor}))
    one.look()
    now = clock.now()
    for run in Run.objects.all():
        visitor = run.input["visitor"]["id"]
        Wait.objects.create(run=run, number=0, rule="r", data={}, visitor=visitor, since=now, until=now)
        StepRun.objects.create(run=run, number=0, step="w", status="delayed", outputs={}, started_at=now, ended_at=now)
    records.erase("visitor", ["ada"])
    gone = Run.objects.get(member__startswith=records.ERASED)
    assert (gone.state, gone.input) == ("cancelled", {})
    assert list(Wait.objects.values_list("visitor", flat=True)) == ["bob"]
    assert list(Started.objects.values_list("visitor", flat=True)) == ["bob"]
    assert [run.input["visitor"]["id"] for run in Run.objects.exclude(pk=gone.pk)] == ["bob"]


def test_the_sweep_leaves_what_came_in_after_the_erasure(fresh: Warehouse) -> None:
    trigger = {"kind": "event", "event": {"kind": "track", "name": "bought"}}
    made = workflows.create({"name": "Tell", "trigger": trigger, "reentry": "each_return", "steps": [makers.post()]})
    activation.activate(made.id)
    one = Incoming()
    one.look()
    events.add(fresh, ("ada", "track", "bought", clock.now()))
    one.look()
    records.erase("visitor", ["ada"], until=clock.now() - timedelta(minutes=1))
    assert Run.objects.filter(input__visitor__id="ada").count() == 1
    records.erase("visitor", ["ada"], until=clock.now())
    assert Run.objects.filter(input__visitor__id="ada").count() == 0
