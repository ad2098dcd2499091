"""Deliveries to the addresses of workflows become runs, once. Blocks. See ``make_runs`` for the steps."""

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from arrivals.audience import contexts
from arrivals.engine import starts
from arrivals.engine.models import Run
from arrivals.engine.starts import Start
from arrivals.errors import ArrivalsError
from arrivals.workflows import deliveries, templates
from arrivals.workflows.models import Delivery, Workflow

KIND = "web"
BATCH = 500
LONGEST = 512
log = logging.getLogger(__name__)


def accept(workflow: Workflow, content: dict[str, Any], key: str) -> tuple[Delivery, bool]:
    """Keep a delivery on disk; return it, and whether it came before: then its ``run`` is that of the first.

    Raises:
        TooMany.
    """
    made, new = deliveries.keep(workflow, content, key)
    if made.state == Delivery.State.SAMPLE or not new:
        return made, not new
    # One that has a run is no longer there to be found. This is asked after the delivery was stored, since the run is made
    # and the delivery deleted in one transaction.
    ran = (
        Run.objects.filter(workflow=workflow, kind=KIND, member=made.key, entry=1, replay=0)
        if key
        else Run.objects.none()
    )
    before = ran.values_list("id", flat=True).first()
    if before is not None:
        Delivery.objects.filter(pk=made.pk).delete()
        made.run = before
    return made, before is not None


def make_runs() -> int:
    """Make the runs of deliveries that came in; return how many.

    1. Read up to 500 that are new, by workflow.
    2. Where the trigger says whose run it is, read what is known of these visitors, outside of any transaction.
    3. One transaction: lock the workflow, insert the runs (unique by the key of the delivery: a repetition makes none) with the
       ids that were answered, delete the deliveries. Where it was paused meanwhile they are kept and asked about at resume;
       where it was turned off they become samples.
    Killed anywhere, the next pass goes on there. One workflow's trouble does not keep the others from running.
    """
    found: dict[str, list[Delivery]] = {}
    for one in Delivery.objects.filter(state=Delivery.State.NEW).select_related("version").order_by("id")[:BATCH]:
        found.setdefault(one.workflow_id, []).append(one)
    made = 0
    for workflow_id, its in found.items():
        try:
            made += _make(workflow_id, its)
        except ArrivalsError as error:
            log.warning("%s: its deliveries wait: %s", workflow_id, error)
        except Exception:
            log.exception("%s: its deliveries could not be made into runs.", workflow_id)
    return made


def _make(workflow_id: str, its: Sequence[Delivery]) -> int:
    begun = [_start(one, told) for one, told in zip(its, _told(its), strict=True)]
    waiting = Delivery.objects.filter(pk__in=[one.pk for one in its], state=Delivery.State.NEW)
    with transaction.atomic():
        locked = Workflow.objects.select_for_update().filter(pk=workflow_id).first()
        if locked is None:
            return 0
        if locked.state == Workflow.State.PAUSED:
            waiting.update(state=Delivery.State.KEPT)
            return 0
        if locked.state == Workflow.State.OFF:
            waiting.update(state=Delivery.State.SAMPLE, key=None)
            return 0
        there = set(waiting.values_list("run", flat=True))
        made = starts.insert(locked, [one for one in begun if one.run in there])
        waiting.delete()
    return made


def _start(one: Delivery, told: dict[str, Any]) -> Start:
    input_ = {**told, "webhook": one.content}
    return Start(KIND, one.key or one.id, input_, run=one.run, version=one.version_id)


def _told(its: Sequence[Delivery]) -> list[dict[str, Any]]:
    """``visitor`` and ``account`` of each, empty where nothing says whose run it is or it comes out empty."""
    named = [_visitor(one) for one in its]
    known = contexts.of_visitors([one for one in named if one])
    return [
        known.get(one, {"visitor": {"id": one}, "account": {}}) if one else {"visitor": {}, "account": {}}
        for one in named
    ]


def _visitor(one: Delivery) -> str:
    template = one.version.definition["trigger"].get("visitor", "") if one.version else ""
    try:
        return templates.render(template, {"webhook": one.content}).strip()[:LONGEST]
    except ArrivalsError:
        return ""
