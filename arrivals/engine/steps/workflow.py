"""Another workflow: begun once, and waited for as a row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from arrivals import clock
from arrivals.engine import endings, masks, program, starts
from arrivals.engine.models import BADLY, ENDED, Run, StepRun
from arrivals.engine.starts import Start
from arrivals.engine.steps.contract import Call, Done, Later, Outcome
from arrivals.errors import Permanent, Retryable
from arrivals.workflows import templates
from arrivals.workflows.models import Workflow
from arrivals.workflows.steps.workflow import CALLED

KIND = "sub"
DEEPEST = 5
# A run that ends wakes the one that waits for it; this is for an end that could not.
AGAIN = timedelta(minutes=5)


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: ``run`` (its id), ``state``, ``outputs`` (those of its last step). It fails when that run does.

    1. Begin the run, unique by this run, step and turn: a step that is tried again after a crash finds it.
    2. Wait as a row. When the run ends it makes this one due (``endings.wake``); should it have ended before this one was noted
       as waiting, that is seen when it is noted.
    """
    step, waits = call.step, call.step["wait"]
    inputs = {name: templates.value_of(value, call.context) for name, value in step["inputs"].items()}
    shown |= {"workflow": step["workflow"], **({"inputs": inputs} if inputs else {})}
    if call.test:
        return Done({"run": None, "state": "not started", "outputs": {}}, masks.masked(shown))
    child = (call.waited or {}).get("run") or await call.db(_begin, call, inputs)
    shown["run"] = child
    if not waits:
        return Done({"run": child, "state": "started", "outputs": {}}, masks.masked(shown))
    state, outputs, problem = await call.db(_look, child)
    if state in BADLY:
        raise Permanent(problem)
    told = {"run": child, "state": state, "outputs": outputs}
    if state in ENDED:
        return Done(masks.capped(told), masks.masked(shown))
    return Later(clock.now() + AGAIN, told, masks.masked(shown), again=True, also=_noted(call, child))


def _begin(call: Call, inputs: dict[str, Any]) -> str:
    """The id of the run that the step began, or begins now.

    When the run before ended badly, and this step did so for that and is done again (a replay), another one is begun.

    Raises:
        Permanent: it is too deep, or the workflow is gone, off or has another trigger. Retryable: it is paused.
    """
    parent, turn = call.context.get("parent") or {}, program.written(call.place.turn)
    member = ":".join(filter(None, (call.run, str(call.step["id"]), turn)))
    workflow = Workflow.objects.select_related("version").filter(pk=call.step["workflow"]).first()
    if workflow is None or workflow.version is None:
        raise Permanent("The workflow that it calls was deleted.", path="workflow")
    before = Run.objects.filter(workflow=workflow, kind=KIND, member=member).order_by("-entry", "-replay").first()
    if before is not None and not _spent(call, before, turn):
        return before.pk
    depth = int(parent.get("depth", 0)) + 1
    if depth > DEEPEST:
        raise Permanent(f"Workflows call one another at most {DEEPEST} deep.", path="workflow")
    if workflow.version.definition["trigger"]["kind"] != CALLED:
        raise Permanent(f"The workflow {workflow.name!r:.80} has another trigger now.", path="workflow")
    if workflow.state == Workflow.State.PAUSED:
        raise Retryable(f"The workflow {workflow.name!r:.80} is paused.", path="workflow")
    told = {
        "visitor": call.context.get("visitor") or {},
        "account": call.context.get("account") or {},
        "input": inputs,
        "parent": {
            "run": call.run,
            "number": call.place.number,
            "turn": turn,
            "depth": depth,
            "waits": call.step["wait"],
            "after_failure": "run" in call.context or bool(parent.get("after_failure")),
        },
    }
    begun = Start(KIND, member, told, before.entry + 1 if before else 1)
    starts.insert(workflow, [begun])
    made = Run.objects.filter(workflow=workflow, kind=KIND, member=member, entry=begun.entry, replay=0).first()
    if made is None:
        raise Permanent(f"The workflow {workflow.name!r:.80} is off.", path="workflow")
    return made.pk


def _spent(call: Call, before: Run, turn: str) -> bool:
    """Whether this step failed for how ``before`` ended, as its history says."""
    if before.state not in BADLY or before.ended_at is None:
        return False
    failed = StepRun.objects.filter(
        run=call.run, number=call.place.number, turn=turn, status=StepRun.Status.FAILED, ended_at__gte=before.ended_at
    )
    return failed.exists()


def _look(child: str) -> tuple[str, Any, str]:
    """The state of a run, the outputs of its last step, and what went wrong in a sentence."""
    run = Run.objects.select_related("workflow").filter(pk=child).first()
    if run is None:
        return Run.State.CANCELLED, {}, "The run that it waited for was deleted."
    last = StepRun.objects.filter(run=run, status=StepRun.Status.SUCCEEDED).order_by("-id").first()
    if run.state == Run.State.CANCELLED:
        return run.state, {}, f"The run {run.pk} of {run.workflow.name!r:.80} was cancelled."
    said = (run.error or {}).get("message", "")
    return run.state, (last.outputs if last else None) or {}, f"{run.workflow.name:.80} failed: {said}"


def _noted(call: Call, child: str) -> Callable[[], None]:
    """Done when it is noted that the run waits: goes on at once where the other has ended already."""
    parent = {"run": call.run, "number": call.place.number, "turn": program.written(call.place.turn)}

    def also() -> None:
        if Run.objects.filter(pk=child, state__in=ENDED).exists():
            endings.wake(child, parent)

    return also
