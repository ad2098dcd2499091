"""What a replay would do, before it is done: how many runs, what is sent again, and how that looks. Blocks."""

from typing import Any

from django.db.models import Count
from django.db.models.fields.json import KT

from arrivals.engine import execute, replaying
from arrivals.engine.models import Run, StepRun
from arrivals.engine.program import Place, Program, read
from arrivals.engine.replay import Versions
from arrivals.engine.replaying import Choice
from arrivals.engine.steps import action
from arrivals.engine.store import Claimed
from arrivals.errors import ArrivalsError
from arrivals.workflows import workflows

SAMPLES = 3
MOST_ERRORS = 20
# Steps that only decide or wait send nothing.
SILENT = ("filter", "paths", "loop", "delay", "wait", "formatter", "digest")


def preview(workflow_id: str, which: Choice, *, start: str, version: str) -> dict[str, Any]:
    """runs, will_replay, refused (reason, runs), errors (code, message, runs), steps (id, type, app, action, runs: that may do it,
    again: of them, those in which it succeeded before), samples (run, member, step, inputs as they would be sent, secrets
    masked; or error).

    Raises:
        NotFound.
    """
    workflows.get(workflow_id)
    found, versions = replaying.chosen(workflow_id, which), Versions(workflow_id)
    groups = list(found.values_list("version_id", "step").annotate(number=Count("id")).order_by("version_id", "step"))
    refused: dict[str, int] = {}
    steps: dict[str, dict[str, Any]] = {}
    for version_id, number, runs in groups:
        reason = versions.refusal(version_id, number) if (start, version) == ("failed", "newest") else ""
        if reason:
            refused[reason] = refused.get(reason, 0) + runs
            continue
        program = versions.program(versions.newest if version == "newest" else version_id)
        for step in _sending(program, number if start == "failed" else 0):
            row = steps.setdefault(step["id"], {**step, "runs": 0, "again": 0})
            row["runs"] += runs
    if start == "start":
        _count_again(found, steps)
    total = sum(runs for _, _, runs in groups)
    return {
        "runs": total,
        "will_replay": total - sum(refused.values()),
        "refused": [{"reason": reason, "runs": runs} for reason, runs in refused.items()],
        "errors": _errors(found),
        "steps": list(steps.values()),
        "samples": _samples(found, versions, start, version),
    }


def _sending(program: Program, first: int) -> list[dict[str, Any]]:
    return [
        {
            "id": node.step["id"],
            "type": node.step["type"],
            "app": node.step.get("app"),
            "action": node.step.get("action"),
        }
        for node in program.nodes[first:]
        if node.step["type"] not in SILENT
    ]


def _count_again(found: Any, steps: dict[str, dict[str, Any]]) -> None:
    done = StepRun.objects.filter(run__in=found.values("pk"), status=StepRun.Status.SUCCEEDED, step__in=list(steps))
    for step, number in done.values_list("step").annotate(number=Count("run", distinct=True)):
        steps[step]["again"] = number


def _errors(found: Any) -> list[dict[str, Any]]:
    told = found.annotate(code_=KT("error__code"), message_=KT("error__message")).values_list("code_", "message_")
    counted = told.annotate(number=Count("id")).order_by("-number", "message_")
    return [{"code": code, "message": message, "runs": number} for code, message, number in counted[:MOST_ERRORS]]


def _samples(found: Any, versions: Versions, start: str, version: str) -> list[dict[str, Any]]:
    samples: list[dict[str, Any]] = []
    for run in found.order_by("-pk")[: SAMPLES * 10]:
        if (start, version) == ("failed", "newest") and versions.refusal(run.version_id, run.step):
            continue
        program = versions.program(versions.newest if version == "newest" else run.version_id)
        place = Place(run.step, read(run.turn))
        if start == "start":
            sending = _sending(program, 0)
            first = next(
                (at for at, node in enumerate(program.nodes) if sending and node.step["id"] == sending[0]["id"]), 0
            )
            place = program.first_turn(first)
        samples.append(_sample(run, program, place))
        if len(samples) == SAMPLES:
            break
    return samples


def _sample(run: Run, program: Program, place: Place) -> dict[str, Any]:
    """How the step at ``place`` would be filled in, with the outputs that the run's steps had."""
    step = program.nodes[place.number].step
    told: dict[str, Any] = {"run": run.pk, "member": run.member, "step": step["id"]}
    history = StepRun.objects.filter(run=run, status__in=("succeeded", "filtered", "handled")).order_by("id")
    claimed = Claimed(
        run.pk, run.workflow_id, run.version_id, place.number, run.turn, 0, run.input, run.created_at,
        [(one.number, one.turn, one.step, one.status, one.outputs) for one in history],
    )  # fmt: skip
    at = execute.begin(claimed, program)
    at.place = place
    try:
        told["inputs"] = action.previewed(step, execute.context(at))
    except (ArrivalsError, KeyError, IndexError, TypeError) as error:
        told["error"] = error.message if isinstance(error, ArrivalsError) else "It depends on steps that were not done."
    return told
