"""The loops: what the writer has put on disk becomes runs by itself, and is done."""

import time
from typing import Any

from asgiref.sync import sync_to_async

from arrivals.audience import reports, segments
from arrivals.collect.event import Event
from arrivals.collect.writer import Writer
from arrivals.engine.instants import Instants
from arrivals.engine.models import Run
from arrivals.warehouse.client import Warehouse
from arrivals.warehouse.events import EventStore
from arrivals.watch import checks, finders, watches
from arrivals.workflows import activation, workflows
from tests import makers
from tests.engine import Actions, ended

TRIGGER = {"kind": "event", "event": {"kind": "track", "name": "x"}}


def event(visitor: str) -> Event:
    now = time.time_ns() // 1_000_000
    return Event(
        source_id="src_t", message_id=visitor, kind="track", name="x", visitor_id=visitor, ts=now, received_at=now
    )


def on() -> None:
    """A workflow on the event, and one on a report of those who sent it; the report is not checked by itself here."""
    made = workflows.create({"name": "Event", "trigger": TRIGGER, "steps": [makers.post()]})
    activation.activate(made.id)
    did = segments.create("Did", {"all": [{"any": [{"kind": "track", "name": "x"}]}]})
    report = reports.create({"name": "Did", "segment": did.id, "range": {"ever": True}, "columns": ["visitor.id"]})
    checks.check(report.id)
    watches.start(report.id, minutes=60)
    activation.activate(makers.workflow(report).id)


def kinds() -> list[str]:
    return sorted(Run.objects.values_list("kind", flat=True))


async def test_an_event_starts_its_workflow_and_brings_its_visitor_onto_a_report(
    fresh: Warehouse, started: Any
) -> None:
    await sync_to_async(on)()
    writer = Writer(EventStore())
    await writer.start()
    actions = Actions()
    runner = await started(actions)
    loops = (Instants(runner.wake), finders.Finder(runner.wake))
    for one in loops:
        await one.start()
        writer.tell(one.wake)
    try:
        await sync_to_async(loops[1].look)()  # from here on
        assert await writer.write([event("ada")]) == [True]
        runs = await ended(2)
        assert await sync_to_async(kinds)() == ["evt", "in"]
        assert sorted(actions.keys) == sorted(f"{run.id}:tell" for run in runs)
    finally:
        for one in loops:
            await one.stop()
        await writer.stop()
