"""Workflows that run for events: which came in while one was paused. Blocks.

``Workflow.start_seq`` is, for these, the moment from which on events count, in milliseconds since 1970.
"""

from datetime import datetime, timedelta

from django.db.models import Q

from arrivals import clock
from arrivals.audience import happenings
from arrivals.audience.models import Segment
from arrivals.audience.usage import User
from arrivals.workflows import triggers
from arrivals.workflows.models import Activation, Workflow

# How long before it was counted an event may have been received: it waits to be written, and clocks differ.
OVERLAP = timedelta(minutes=10)


def is_event(workflow: Workflow) -> bool:
    """Whether the version that runs does so for events."""
    return workflow.version is not None and workflow.version.definition["trigger"]["kind"] == "event"


def users(segment: Segment) -> list[User]:
    """The workflows that run for events of those in a segment, as they run or in a draft."""
    named = Q(version__definition__trigger__kind="event", version__definition__trigger__segment=segment.pk)
    named |= Q(draft__trigger__kind="event", draft__trigger__segment=segment.pk)
    found = Workflow.objects.filter(named).order_by("name", "pk")
    return [User("workflow", one.pk, one.name) for one in found]


def milliseconds(moment: datetime) -> int:
    """A moment as whole milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def missed(workflow: Workflow, since: datetime | None = None) -> int:
    """How many events came in since a workflow was paused, or since ``since`` where that is later; 0 for one that is not
    paused or runs for something else. Not all of them may run: the re-entry policy is asked for each.

    Raises:
        InvalidDefinition, InvalidRules: what its trigger names is no longer there. CheckTimeout.
    """
    if not is_event(workflow) or workflow.version is None or workflow.paused_at is None:
        return 0
    trigger = workflow.version.definition["trigger"]
    segment = Segment.objects.filter(pk=trigger["segment"]).first() if "segment" in trigger else None
    begin = max(workflow.start_seq, milliseconds(max(workflow.paused_at, since or workflow.paused_at)))
    return happenings.count(triggers.event(trigger["event"], "trigger.event"), segment, begin)


def missed_from(workflow: Workflow, since: datetime | None) -> int:
    """From when on events are to be looked at that came in while a workflow was paused, in milliseconds since 1970: some time
    before, since the last of them may not have been looked at then. Who ran already is known by the runs."""
    if since is not None:
        return max(workflow.start_seq, milliseconds(since))
    begin = milliseconds((workflow.paused_at or clock.now()) - OVERLAP)
    # What an earlier choice has still to run is part of it.
    for activation in Activation.objects.filter(workflow=workflow, done=False).exclude(position=""):
        return int(activation.position)
    return max(workflow.start_seq, begin)
