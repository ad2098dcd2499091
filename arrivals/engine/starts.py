"""Runs that no report makes: of an event, a schedule, an address, somebody's choice, another run. Blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from arrivals import ids
from arrivals.engine.models import Run, about
from arrivals.workflows.models import Workflow


@dataclass(frozen=True)
class Start:
    """What one run is for: with ``kind`` and ``entry``, ``member`` makes it one (see ``Run``). ``input`` is what its templates see.
    ``run``: the id that it gets when it is new. ``version``: of the definition, where it is not the one that runs."""

    kind: str
    member: str
    input: dict[str, Any]
    entry: int = 1
    run: str = field(default_factory=ids.run)
    version: int | None = None


def insert(workflow: Workflow, starts: Sequence[Start]) -> int:
    """Insert the runs of a workflow that is on, on the version that runs; return how many of them are new.

    To be called inside the transaction that notes that they were made. Repeated, it makes none.
    """
    if workflow.state != Workflow.State.ON or workflow.version_id is None or not starts:
        return 0
    made = create(workflow, starts)
    return Run.objects.filter(pk__in=made).count() if len(made) <= 500 else len(made)


def create(workflow: Workflow, starts: Sequence[Start], held: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
    """Insert runs, each once, ``held`` with these fields; return the ids that those get which are new."""
    runs = [
        Run(
            id=one.run,
            workflow=workflow,
            version_id=one.version or workflow.version_id or 0,
            member=one.member,
            about=about(one.input, one.member),
            kind=one.kind,
            entry=one.entry,
            input={**one.input, "workflow": {"id": workflow.id, "name": workflow.name}},
            **held,
        )
        for one in starts
    ]
    Run.objects.bulk_create(runs, ignore_conflicts=True, batch_size=500)
    return [run.pk for run in runs]
