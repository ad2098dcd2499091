"""Runs that no report makes: of an event, a schedule, an address, somebody's choice, another run. Blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arrivals.engine.models import Run, about
from arrivals.workflows.models import Workflow


@dataclass(frozen=True)
class Start:
    """What one run is for: with ``kind`` and ``entry``, ``member`` makes it one (see ``Run``). ``input`` is what its templates see."""

    kind: str
    member: str
    input: dict[str, Any]
    entry: int = 1


def insert(workflow: Workflow, starts: Sequence[Start]) -> int:
    """Insert the runs of a workflow that is on, on the version that runs; return how many of them are new.

    To be called inside the transaction that notes that they were made. Repeated, it makes none.
    """
    if workflow.state != Workflow.State.ON or workflow.version_id is None or not starts:
        return 0
    runs = [
        Run(
            workflow=workflow,
            version_id=workflow.version_id,
            member=one.member,
            about=about(one.input, one.member),
            kind=one.kind,
            entry=one.entry,
            input={**one.input, "workflow": {"id": workflow.id, "name": workflow.name}},
        )
        for one in starts
    ]
    ids = [run.pk for run in runs]
    Run.objects.bulk_create(runs, ignore_conflicts=True, batch_size=500)
    return Run.objects.filter(pk__in=ids).count() if len(ids) <= 500 else len(ids)
