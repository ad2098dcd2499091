"""Running again. Blocks."""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Max

from arrivals import clock
from arrivals.engine import digests
from arrivals.engine.models import ENDED, Run
from arrivals.engine.program import END, Program
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.workflows.models import Version, Workflow

STARTS = ("failed", "start")
VERSIONS = ("same", "newest")


@dataclass
class Versions:
    """The programs of a workflow's versions, and of the one that runs; each is read once."""

    workflow: str
    newest: int = field(init=False)
    _programs: dict[int, Program] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.newest = Workflow.objects.values_list("version_id", flat=True).get(pk=self.workflow) or 0

    def program(self, version: int) -> Program:
        if version not in self._programs:
            self._programs[version] = Program(Version.objects.values_list("definition", flat=True).get(pk=version))
        return self._programs[version]

    def refusal(self, version: int, number: int) -> str:
        """Why a run of ``version`` that failed at the step ``number`` cannot go on there in the newest; empty if it can."""
        return changed(self.program(version), self.program(self.newest), number) if version != self.newest else ""


def replay(run_id: str, start_from: str, version: str = "same") -> str:
    """Run again; return the id of the run that will be executed.

    "failed": the same run goes on at its failed step, with the same idempotency keys (a step that reached the other
    product before is recognised there); also brings a scheduled try forward. "start": a new run with the same input and with
    new keys: everything is sent again. ``version``: "same", or "newest" for the one that runs now.

    Raises:
        NotFound. Invalid: another word. Conflict: "failed" for a run that did not fail, "start" for one under way, or the
        newest version is too different to go on in the middle of it.
    """
    checked(start_from, version)
    with transaction.atomic():
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None:
            raise NotFound(f"There is no run {run_id!r:.60}.")
        return again(run, start_from, version, Versions(run.workflow_id))


def checked(start_from: str, version: str) -> None:
    """Raises Invalid: another word."""
    if start_from not in STARTS:
        raise Invalid('It must be "failed" or "start".', path="from")
    if version not in VERSIONS:
        raise Invalid('It must be "same" or "newest".', path="version")


def again(run: Run, start_from: str, version: str, versions: Versions) -> str:
    """As ``replay``, for a row that is locked. Raises Conflict."""
    if run.trimmed:
        raise Conflict("What the run was given is no longer kept; it cannot be done again.")
    if start_from == "failed":
        if run.state not in (Run.State.FAILED, Run.State.SCHEDULED):
            raise Conflict(f"The run is {run.state}; only a failed or scheduled one can go on from its failed step.")
        if version == "newest":
            if refusal := versions.refusal(run.version_id, run.step):
                raise Conflict(refusal)
            run.version_id = versions.newest
        run.state, run.due, run.tries, run.ended_at, run.error = Run.State.WAITING, clock.now(), 0, None, None
        run.save()
        return run.id
    if run.state not in ENDED:
        raise Conflict(f"The run is {run.state}; wait until it has ended.")
    same = Run.objects.filter(workflow_id=run.workflow_id, member=run.member, kind=run.kind, entry=run.entry)
    number = int(same.aggregate(last=Max("replay"))["last"] or 0) + 1
    made = Run.objects.create(
        workflow_id=run.workflow_id,
        version_id=versions.newest if version == "newest" else run.version_id,
        member=run.member,
        about=run.about,
        kind=run.kind,
        entry=run.entry,
        replay=number,
        replay_of=run.id,
        input=run.input,
    )
    return made.id


def changed(old: Program, new: Program, number: int) -> str:
    """Whether a run that stands at the step ``number`` of ``old`` cannot go on there in ``new``: a sentence, or empty.

    Its step must be there in the same place, and the steps before it must be the same ones, of the same apps, in the same
    order: their outputs are what it goes on with. What is filled into them, and everything after, may differ.
    """
    if number >= len(old):
        return "It failed at no step."
    step = old.nodes[number].step
    place = next((at for at, node in enumerate(new.nodes) if node.step["id"] == step["id"]), END)
    if place == END:
        return f"The newest version has no step {step['id']}."
    if new.nodes[place].step["type"] != step["type"]:
        return f"In the newest version the step {step['id']} is of another type."
    before = [_shape(old, at) for at in range(number)]
    if before != [_shape(new, at) for at in range(place)] or _around(old, number) != _around(new, place):
        return f"The newest version has other steps before {step['id']}; replay from the start instead."
    return ""


def _shape(program: Program, number: int) -> tuple[Any, ...]:
    step = program.nodes[number].step
    return (step["id"], step["type"], step.get("app"), step.get("action"), _around(program, number))


def _around(program: Program, number: int) -> tuple[int, int]:
    node = program.nodes[number]
    return node.parent, node.block


def cancel(run_id: str) -> None:
    """End a run that is not being executed. Raises NotFound; Conflict: it is under way or has ended."""
    waiting = (Run.State.WAITING, Run.State.SCHEDULED, Run.State.HELD, Run.State.DELAYED)
    with transaction.atomic():
        done = Run.objects.filter(pk=run_id, state__in=waiting).update(
            state=Run.State.CANCELLED, due=None, ended_at=clock.now()
        )
        if done:
            digests.hand_over(run_id)
            return
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id!r:.60}.")
    raise Conflict(f"The run is {run.state}; it cannot be cancelled.")


def release(connection_id: str) -> int:
    """Let the runs that were held for this connection go on; return how many."""
    return Run.objects.filter(connection_id=connection_id, state=Run.State.HELD).update(
        state=Run.State.WAITING, due=clock.now(), connection_id="", held_for="", tries=0
    )
