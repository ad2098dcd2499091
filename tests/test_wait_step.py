"""The step "wait": a row that an event of the visitor, its departure, or its end makes go on."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from arrivals import clock
from arrivals.engine import incoming, waits
from arrivals.engine.incoming import Incoming
from arrivals.engine.models import Run, StepRun, Wait
from arrivals.errors import InvalidDefinition
from arrivals.warehouse import client
from arrivals.warehouse.client import Warehouse
from arrivals.watch.models import Arrival
from arrivals.workflows import definitions
from tests import events, makers
from tests.engine import Actions, drop, ended, found, in_state, make, update

BOUGHT = {"kind": "track", "name": "bought"}


def wait(for_: dict[str, Any] | None = None, timeout: str = "7d") -> dict[str, Any]:
    return {"id": "w", "type": "wait", "for": for_ or {"event": BOUGHT}, "timeout": timeout}


@sync_to_async
def happens(store: Warehouse, visitor: str = "v0", name: str = "bought") -> None:
    events.add(store, (visitor, "track", name, clock.now(), {"price": 5}))


@sync_to_async
def look(one: Incoming) -> int:
    return one.look() + waits.left()


@sync_to_async
def rows() -> list[Wait]:
    return list(Wait.objects.all())


@sync_to_async
def outputs() -> dict[str, Any]:
    return dict(StepRun.objects.get(step="w").outputs)


@sync_to_async
def over() -> None:
    """The time has come: the row and the step say so."""
    past = clock.now() - timedelta(seconds=1)
    for one in StepRun.objects.filter(step="w"):
        one.outputs = {**one.outputs, "until": clock.iso(past)}
        one.save()
    Run.objects.filter(state="delayed").update(due=past)


async def test_an_event_of_the_visitor_makes_it_go_on_at_once(fresh: Warehouse, started: Any) -> None:
    await make(wait(), makers.post("{{ steps.w.event.properties.price }}", "tell"))
    actions = Actions()
    runner = await started(actions)
    run = await in_state("delayed")
    assert round((run.due - run.started_at).total_seconds() / 3600) == 7 * 24
    one = Incoming()
    await look(one)
    await happens(fresh, "somebody")
    await happens(fresh, name="other")
    assert await look(one) == 0
    await happens(fresh)
    assert await look(one) == 1
    runner.wake()
    [run] = await ended()
    told = await outputs()
    assert (told["happened"], told["event"]["name"], actions.keys) == (True, "bought", [f"{run.id}:tell"])
    assert await rows() == []


async def test_an_event_before_the_row_but_after_the_steps_begin_counts(fresh: Warehouse, started: Any) -> None:
    """It was passed over before the row was there."""
    await make(wait())
    await started(Actions())
    await in_state("delayed")
    one = Incoming()
    await look(one)
    [row] = await rows()
    await happens(fresh)
    assert await look(one) == 1
    # As if that look had been before the row: nothing is noted, and the row is new.
    await sync_to_async(Wait.objects.filter(pk=row.pk).update)(event=None, fresh=True)
    assert await look(one) == 1


async def test_an_event_before_the_step_does_not_count_and_its_end_says_so(fresh: Warehouse, started: Any) -> None:
    await happens(fresh)
    await make(wait(), makers.post("{{ steps.w.happened }}", "tell"))
    runner = await started(Actions())
    await in_state("delayed")
    assert await look(Incoming()) == 0
    await over()
    runner.wake()
    await ended()
    told = await outputs()
    assert (told["happened"], told["event"]) == (False, None)
    assert await rows() == []


async def test_at_its_end_it_is_asked_once_more(fresh: Warehouse, started: Any) -> None:
    """Nobody looked at what came in, and it happened all the same."""
    await make(wait())
    runner = await started(Actions())
    await in_state("delayed")
    await sync_to_async(events.link)(fresh, "anon", "v0")
    await happens(fresh, "anon")
    step = await sync_to_async(StepRun.objects.get)(step="w")
    await sync_to_async(StepRun.objects.filter(pk=step.pk).update)(
        outputs={**step.outputs, "until": clock.iso(clock.now() + timedelta(milliseconds=2))}
    )
    await update(due=clock.now() + timedelta(milliseconds=5))
    runner.wake()
    await ended()
    assert (await outputs())["happened"] is True


async def test_a_runner_without_the_events_leaves_its_end_to_one_that_has_them(fresh: Warehouse, started: Any) -> None:
    await make(wait(), makers.post("on", "tell"))
    actions = Actions()
    runner = await started(actions)
    await in_state("delayed")
    await happens(fresh)
    await over()
    client.use(client.Elsewhere(fresh.url))
    try:
        runner.wake()
        run = await in_state("scheduled")
        assert (run.error["code"], run.tries, actions.keys) == ("busy", 0, [])
    finally:
        client.use(fresh)
    [run] = await ended()
    assert (run.state, actions.keys) == ("succeeded", [f"{run.id}:tell"])


async def test_a_runner_that_dies_leaves_a_row_that_the_next_one_goes_on_with(fresh: Warehouse, started: Any) -> None:
    await make(wait(), makers.post("on", "tell"))
    first = await started(Actions())
    await in_state("delayed")
    await drop(first)
    await look(Incoming())
    await happens(fresh)
    await sync_to_async(incoming.forget_leases)()
    assert await look(Incoming()) == 1
    actions = Actions()
    await started(actions)
    [run] = await ended()
    assert (run.state, actions.keys) == ("succeeded", [f"{run.id}:tell"])


async def test_a_step_that_is_done_again_after_a_crash_has_one_row(fresh: Warehouse, started: Any) -> None:
    await make(wait())
    first = await started(Actions())
    run = await in_state("delayed")
    await drop(first)
    await sync_to_async(StepRun.objects.all().delete)()
    await update(due=clock.now(), state="waiting")
    await started(Actions())
    await in_state("delayed")
    assert [(one.run_id, one.number) for one in await rows()] == [(run.id, 0)]


async def test_leaving_the_report_makes_it_go_on(fresh: Warehouse, started: Any) -> None:
    report = await sync_to_async(makers.report)("Left")
    arrival = {"report": report.id, "member": "v0", "entry": 1, "kind": "in"}
    await make(wait({"left_report": True}), arrival=arrival)
    runner = await started(Actions())
    await in_state("delayed")
    create = sync_to_async(Arrival.objects.create)
    await create(report=report, member="v0", kind="in", entry=1, at=clock.now())
    assert await look(Incoming()) == 0
    await create(report=report, member="other", kind="out", entry=1, at=clock.now())
    await create(report=report, member="v0", kind="out", entry=1, at=clock.now())
    assert await look(Incoming()) == 1
    runner.wake()
    [run] = await ended()
    assert (run.state, (await outputs())["event"]["entry"]) == ("succeeded", 1)


async def test_somebody_who_has_left_already_is_seen_at_once(fresh: Warehouse, started: Any) -> None:
    report = await sync_to_async(makers.report)("Left")
    await sync_to_async(Arrival.objects.create)(report=report, member="v0", kind="out", entry=2, at=clock.now())
    await make(wait({"left_report": True}), arrival={"report": report.id, "member": "v0", "entry": 2})
    await started(Actions())
    await in_state("delayed")
    assert await look(Incoming()) == 1


async def test_without_a_report_there_is_none_to_leave(fresh: Warehouse, started: Any) -> None:
    await make(wait({"left_report": True}))
    await started(Actions())
    [run] = await ended()
    assert (run.state, run.error["path"]) == ("failed", "for.left_report")
    assert await found(state="delayed") == []


@pytest.mark.parametrize(
    ("step", "path"),
    [
        (wait({"event": {"kind": "visitor"}}), "steps[0].for.event.kind"),
        (wait({"left_report": False}), "steps[0].for.left_report"),
        (wait({"nothing": 1}), "steps[0].for"),
        (wait(timeout="32d"), "steps[0].timeout"),
        (wait(timeout="10s"), "steps[0].timeout"),
    ],
)
def test_a_wrong_wait_is_refused_with_its_path(fresh: Warehouse, step: dict[str, Any], path: str) -> None:
    definition = {"name": "W", "trigger": {"kind": "manual"}, "steps": [step]}
    with pytest.raises(InvalidDefinition) as refused:
        definitions.validate(definition)
    assert refused.value.path == path
