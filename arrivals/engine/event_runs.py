"""Events become runs, once each. Blocks."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arrivals.audience import happenings
from arrivals.audience.happenings import Happened
from arrivals.audience.models import Segment
from arrivals.audience.person import Person
from arrivals.engine import starts
from arrivals.engine.models import Run, Started
from arrivals.engine.starts import Start
from arrivals.workflows import reentry
from arrivals.workflows.models import Version, Workflow

KIND = "evt"
LONGEST = 200


@dataclass(frozen=True)
class Ready:
    """An event for which a run may be made: whose it is, and what the templates will see."""

    event: Happened
    person: Person
    seen: dict[str, Any]

    @property
    def member(self) -> str:
        return member(self.event)


def member(event: Happened) -> str:
    """What makes an event the same as another: its source and its message id, or their hash where they are long."""
    text = f"{event.source}:{event.message}"
    return text if len(text) <= LONGEST and "\0" not in text else hashlib.sha256(text.encode()).hexdigest()


def prepare(
    workflow_id: str, trigger: Mapping[str, Any], events: Sequence[Happened], people: Mapping[str, Person]
) -> list[Ready]:
    """Those of these events that have no run yet and are of somebody in the trigger's segment. Asks the warehouse, so it is
    called outside of any transaction."""
    known = _known(workflow_id, map(member, events))
    left = [one for one in events if member(one) not in known]
    if left and "segment" in trigger:
        segment = Segment.objects.filter(pk=trigger["segment"]).first()
        inside = happenings.inside(segment, {people[one.visitor] for one in left}) if segment else set()
        left = [one for one in left if people[one.visitor].key in inside]
    contexts = happenings.contexts(left, people)
    return [Ready(one, people[one.visitor], cleaned(seen)) for one, seen in zip(left, contexts, strict=True)]


def insert(workflow: Workflow, ready: Sequence[Ready]) -> int:
    """Make the runs that the re-entry policy lets through, in the order of the events; return how many.

    To be called with the workflow's row locked, in the transaction that notes that these events were looked at.
    """
    known = _known(workflow.pk, (one.member for one in ready))
    version = Version.objects.get(pk=workflow.version_id or 0)
    policy = version.definition.get("reentry", "never")
    ids = {id_ for one in ready for id_ in one.person.ids}
    last: dict[str, datetime] = dict(
        Started.objects.filter(workflow=workflow, visitor__in=ids).values_list("visitor", "at")
    )
    chosen: list[Ready] = []
    started: dict[str, datetime] = {}
    for one in ready:
        if one.member in known:
            continue
        at = datetime.fromtimestamp(one.event.received / 1000, tz=UTC)
        before = max((last[id_] for id_ in one.person.ids if id_ in last), default=None)
        decision = reentry.decide(
            policy, entry=1, left_before_start=False, ran_before=before is not None, last_run_at=before, now=at
        )
        if decision.run:
            chosen.append(one)
            known.add(one.member)
            last[one.person.id] = started[one.person.id] = max(at, before or at)
    made = starts.insert(workflow, [Start(KIND, one.member, one.seen) for one in chosen])
    Started.objects.bulk_create(
        [Started(workflow=workflow, visitor=visitor, at=at) for visitor, at in started.items()],
        update_conflicts=True,
        unique_fields=["workflow", "visitor"],
        update_fields=["at"],
    )
    return made


def cleaned(value: Any) -> Any:
    """A JSON value without the character NUL, which Postgres cannot hold."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(one) for key, one in value.items()}
    return value


def _known(workflow_id: str, members: Iterable[str]) -> set[str]:
    found = Run.objects.filter(workflow_id=workflow_id, member__in=set(members), kind=KIND)
    return set(found.values_list("member", flat=True))
