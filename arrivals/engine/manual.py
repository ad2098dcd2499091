"""Runs for visitors that somebody chooses. Blocks."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from arrivals import clock
from arrivals.audience import contexts, reports, rows
from arrivals.engine import starts
from arrivals.engine.models import ManualStart, Run
from arrivals.engine.starts import Start
from arrivals.errors import Conflict, Invalid
from arrivals.workflows import triggers, workflows
from arrivals.workflows.models import Workflow

KIND = "man"
MOST = 1000
LONGEST = 512
LONGEST_KEY = 255
KEPT = timedelta(days=7)  # how long a repeated request is known again
NAMED = 5  # ids that a refusal tells of


def start(workflow_id: str, visitors: Any, *, key: str = "") -> list[dict[str, str]]:
    """Run a workflow for visitors, one run each: ``visitor`` and ``run`` (its id), in their order, each visitor once.

    For a manual workflow, and for one on a report of visitors, whether or not they are on it: its re-entry policy is not asked.
    With ``key``, a request that is repeated within seven days starts nothing and is told the same. All run or none.

    Raises:
        NotFound; Conflict: it is not on, runs for no chosen visitors, or the key was used for others. Invalid: ids, key.
    """
    chosen = _chosen(visitors)
    if len(key) > LONGEST_KEY:
        raise Invalid(f"It must have at most {LONGEST_KEY} characters.", path="Idempotency-Key")
    workflow = workflows.get(workflow_id)
    asked = hashlib.sha256("\0".join(chosen).encode()).hexdigest()
    if key and (before := ManualStart.objects.filter(workflow=workflow, key=key).first()):
        return _repeated(before, chosen, asked)
    refuse(workflow)
    inputs = _inputs(workflow, chosen)
    own = {one: inputs[one]["visitor"]["id"] for one in chosen}
    with transaction.atomic():
        locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
        if locked.version_id != workflow.version_id:
            raise Conflict("The workflow was changed at this moment; try again.")
        _refuse_off(locked)
        if key:
            made, new = ManualStart.objects.get_or_create(workflow=locked, key=key, defaults={"asked": asked})
            if not new:
                return _repeated(made, chosen, asked)
        entries = _entries(locked, list(own.values()))
        begun = {
            own[one]: Start(KIND, own[one], _numbered(inputs[one], entries[own[one]]), entries[own[one]])
            for one in chosen
        }
        starts.insert(locked, list(begun.values()))
        runs = [begun[own[one]].run for one in chosen]
        if key:
            made.runs = runs
            made.save(update_fields=["runs"])
    return [{"visitor": one, "run": run} for one, run in zip(chosen, runs, strict=True)]


def refuse(workflow: Workflow) -> None:
    """Raises Conflict, with the reason, when nobody may be chosen for a workflow now."""
    if problem := unfit(workflow):
        raise Conflict(problem)
    _refuse_off(workflow)


def unfit(workflow: Workflow) -> str:
    """Why a workflow cannot run for chosen visitors, whether or not it is on; empty when it can."""
    trigger = workflow.version.definition["trigger"] if workflow.version else {"kind": ""}
    kind = triggers.KINDS.get(trigger["kind"])
    if kind and (kind.id == "manual" or kind.report_kind == "visitor"):
        return ""
    words = kind.words[0].lower() + kind.words[1:] if kind else "never"
    return f"The workflow runs {words}; only one that is manual or on a report of visitors runs for chosen visitors."


def forget() -> None:
    """Forget the keys of requests that nobody repeats any more."""
    ManualStart.objects.filter(at__lt=clock.now() - KEPT).delete()


def _refuse_off(workflow: Workflow) -> None:
    if workflow.state == Workflow.State.PAUSED:
        raise Conflict("The workflow is paused; resume it first.")
    if workflow.state != Workflow.State.ON:
        raise Conflict("The workflow is off; activate it first.")


def _chosen(visitors: Any) -> list[str]:
    if not isinstance(visitors, list) or not 0 < len(visitors) <= MOST:
        raise Invalid(f"It must be a list of 1 to {MOST:,} ids.", path="visitors")
    for number, one in enumerate(visitors):
        if not isinstance(one, str) or not 0 < len(one) <= LONGEST:
            raise Invalid(f"An id must be a text of 1 to {LONGEST} characters.", path=f"visitors[{number}]")
    return list(dict.fromkeys(visitors))


def _inputs(workflow: Workflow, chosen: list[str]) -> dict[str, dict[str, Any]]:
    """What the templates of each run see; refuses those of whom nothing is known."""
    report = reports.get(workflow.report_id) if workflow.report_id else None
    if report is not None and report.origin:  # its visitors are another product's
        found = {id_: told for id_, told in rows.context(report, chosen).items() if told["row"]}
    else:
        found = contexts.of_visitors(chosen)
    if unknown := [one for one in chosen if one not in found]:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        named = ", ".join(repr(one[:80]) for one in unknown[:NAMED])
        raise Invalid(f"There is no visitor {named}{more}; nothing was started.", path="visitors")
    if report is None:
        return found
    own = {one: found[one]["visitor"]["id"] for one in chosen}
    told = found if report.origin else rows.context(report, sorted(set(own.values())))
    arrival = {"report": report.id, "kind": KIND, "at": clock.iso(clock.now()), "existing": False}
    return {one: {**told[id_], "arrival": {**arrival, "member": id_}} for one, id_ in own.items()}


def _numbered(given: dict[str, Any], entry: int) -> dict[str, Any]:
    return {**given, "arrival": {**given["arrival"], "entry": entry}} if "arrival" in given else given


def _entries(workflow: Workflow, chosen: Sequence[str]) -> dict[str, int]:
    """Which time it is that each was chosen. The workflow is locked."""
    earlier = Run.objects.filter(workflow=workflow, kind=KIND, member__in=chosen).values("member")
    last = dict(earlier.annotate(last=Max("entry")).values_list("member", "last"))
    return {one: last.get(one, 0) + 1 for one in chosen}


def _repeated(before: ManualStart, chosen: list[str], asked: str) -> list[dict[str, str]]:
    if before.asked != asked:
        raise Conflict("This Idempotency-Key was used for other visitors; take another one.")
    return [{"visitor": one, "run": run} for one, run in zip(chosen, before.runs, strict=False)]
