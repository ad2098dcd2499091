"""Held runs: explained, let go one by one or all of a cause, or discarded with the reason."""

from datetime import timedelta

import pytest

from arrivals import clock
from arrivals.apps import connections
from arrivals.engine import held, runs
from arrivals.engine.models import Notice, Run
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse.client import Warehouse
from arrivals.workflows.models import Workflow
from tests import makers


@pytest.fixture
def workflow(fresh: Warehouse) -> Workflow:
    return makers.workflow(makers.report())


def hold(workflow: Workflow, cause: str, number: int = 1, connection: str = "") -> list[Run]:
    begin = Run.objects.count()
    return [
        Run.objects.create(
            workflow=workflow, version_id=workflow.version_id, member=f"v{one}", entry=1, state="held", due=None,
            held_for=cause, connection_id=connection, tries=3, error={"code": "x", "message": "x"},
        )
        for one in range(begin, begin + number)
    ]  # fmt: skip


def stale(name: str = "Mine") -> str:
    made = connections.create("webhook", name, {"secret": "first-secret"})
    connections.mark_stale(made.id, "Signed out.")
    return made.id


def test_why_a_run_is_held_is_said_in_words(workflow: Workflow) -> None:
    connection = stale()
    [run] = hold(workflow, "connection", connection=connection)
    told = runs.get(run.pk)
    assert told["held_for"] == "connection"
    assert (
        told["held_why"] == "It is held because the connection Mine is no longer accepted; reconnect it and it goes on."
    )
    hold(workflow, "tasks", 2)
    hold(workflow, "flood", 3)
    found = {one["for"]: one for one in held.causes(workflow.id)}
    assert {cause: one["runs"] for cause, one in found.items()} == {"connection": 1, "tasks": 2, "flood": 3}
    assert "tasks of this month" in found["tasks"]["why"]
    assert "one a second" in found["flood"]["why"]


def test_an_expired_connection_is_told_once_with_what_uses_it(workflow: Workflow) -> None:
    connection = stale()
    assert not connections.mark_stale(connection, "Signed out.")
    [told] = Notice.objects.all()
    assert (told.kind, told.subject) == ("connection_expired", "The connection Mine is no longer accepted")
    assert ["Reconnect it:", f"/connections/{connection}"] in told.lines
    connections.change(connection, fields={"secret": "second-secret"})
    connections.mark_stale(connection, "Again.")
    assert Notice.objects.count() == 2


def test_one_run_is_let_go_or_discarded(workflow: Workflow) -> None:
    first, second = hold(workflow, "tasks", 2)
    held.release(first.pk)
    held.discard(second.pk, by="ada@example.com")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.held_for, first.tries, first.error) == ("waiting", "", 0, None)
    assert (second.state, second.due, second.held_for) == ("cancelled", None, "")
    assert second.error["message"] == "Discarded by ada@example.com while it was held for the tasks of the month."
    assert second.ended_at is not None
    for one in (held.release, lambda run: held.discard(run, by="")):
        with pytest.raises(Conflict, match="not held"):
            one(first.pk)
        with pytest.raises(NotFound):
            one("run_none")


def test_who_waits_for_a_connection_goes_on_only_when_it_is_accepted(workflow: Workflow) -> None:
    connection = stale()
    [run] = hold(workflow, "connection", connection=connection)
    hold(workflow, "")  # of before the causes had names
    with pytest.raises(Conflict, match="Mine is still not accepted"):
        held.release(run.pk)
    with pytest.raises(Conflict, match="Mine is still not accepted"):
        held.release_all(workflow.id, "connection")
    connections.Connection.objects.update(state="ok")
    assert held.release_all(workflow.id, "connection") == 2


def test_reconnecting_lets_them_go_and_forgets_the_cause(workflow: Workflow) -> None:
    connection = stale()
    hold(workflow, "connection", 2, connection)
    connections.change(connection, fields={"secret": "second-secret"})
    assert set(Run.objects.values_list("state", "held_for")) == {("waiting", "")}


def test_all_of_one_cause_are_let_go_or_discarded_and_no_others(workflow: Workflow) -> None:
    hold(workflow, "tasks", 2)
    hold(workflow, "flood", 3)
    other = makers.workflow(makers.report("Other"))
    hold(other, "tasks", 1)
    assert held.release_all(workflow.id, "tasks") == 2
    assert held.discard_all(workflow.id, "flood", by="ada@example.com") == 3
    assert Run.objects.filter(workflow=workflow, state="cancelled").count() == 3
    assert Run.objects.get(workflow=other).state == "held"
    with pytest.raises(Invalid, match="connection, tasks, flood"):
        held.release_all(workflow.id, "rain")


def test_a_flood_is_let_go_one_a_second_in_its_order(workflow: Workflow) -> None:
    made = hold(workflow, "flood", 5)
    began = clock.now()
    assert held.release_all(workflow.id, "flood") == 5
    dues = [Run.objects.get(pk=run.pk).due for run in sorted(made, key=lambda one: one.pk)]
    first = dues[0]
    assert first is not None
    assert abs(first - began) < timedelta(seconds=5)
    waits = [round((due - first).total_seconds(), 2) for due in dues if due]
    assert waits == [0, 1, 2, 3, 4]
    hold(workflow, "flood", 2)
    held.release_all(workflow.id, "flood")
    later = sorted(due for due in Run.objects.values_list("due", flat=True) if due)
    assert [round((due - first).total_seconds(), 2) for due in later] == [0, 1, 2, 3, 4, 5, 6]
