"""What follows when runs have failed for good: their people hear of it, and their workflows are looked at. Blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

from arrivals import clock
from arrivals.engine import notices, words
from arrivals.engine.models import Failing, Run

TESTS = ("tst",)  # kinds of runs by which somebody tries a workflow out


def noted(failed: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Runs (id, id of the step, error) have failed, after the last automatic try. Inside the transaction that says so.

    One notice for each cause: a step of a workflow that fails with one kind of error, in one hour. A thousand runs that fail
    at the same other product are one thing to know.
    """
    found = Run.objects.filter(pk__in=[run for run, _, _ in failed]).exclude(kind__in=TESTS)
    runs = {run.pk: run for run in found.select_related("workflow").only("id", "workflow__name", "member")}
    Failing.objects.bulk_create(
        [Failing(workflow_id=one) for one in sorted({run.workflow_id for run in runs.values()})], ignore_conflicts=True
    )
    now = clock.now()
    causes: set[str] = set()
    for run_id, step, error in failed:
        run = runs.get(run_id)
        if run is None:
            continue
        once = f"run_failed:{run.workflow_id}:{step}:{error.get('code', '')}:{now:%Y-%m-%dT%H}"
        if once in causes:
            continue
        causes.add(once)
        notices.tell(
            "run_failed",
            f"{run.workflow.name}: a run failed at {step}",
            [
                f"The step {step} of the workflow {run.workflow.name} failed for {run.member}: {words.sentence(error)}",
                *([words.meaning(error)] if words.meaning(error) else []),
                ("The run, where it can be replayed:", f"/runs/{run.pk}"),
                ("All failed runs of the workflow:", f"/workflows/{run.workflow_id}/runs?state=failed"),
                "More runs that fail at this step in the same way within this hour are not told one by one.",
            ],
            once=once,
            workflow=run.workflow_id,
            run=run.pk,
        )
