"""Running again. Blocks."""

from django.db import transaction
from django.db.models import Max

from arrivals import clock
from arrivals.engine import digests
from arrivals.engine.models import Run
from arrivals.errors import Conflict, Invalid, NotFound

ENDED = (Run.State.SUCCEEDED, Run.State.FILTERED, Run.State.HALTED, Run.State.FAILED, Run.State.CANCELLED)


def replay(run_id: str, start_from: str) -> str:
    """Run again; return the id of the run that will be executed.

    "failed": the same run goes on at its failed step, with the same idempotency keys (a step that reached the other
    product before is recognised there); also brings a scheduled try forward. "start": a new run with the same input on
    the same version, with new keys: everything is sent again.

    Raises:
        NotFound. Invalid: another word. Conflict: "failed" for a run that did not fail, "start" for one under way.
    """
    if start_from not in ("failed", "start"):
        raise Invalid('It must be "failed" or "start".', path="from")
    with transaction.atomic():
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None:
            raise NotFound(f"There is no run {run_id!r:.60}.")
        if start_from == "failed":
            if run.state not in (Run.State.FAILED, Run.State.SCHEDULED):
                raise Conflict(
                    f"The run is {run.state}; only a failed or scheduled one can go on from its failed step."
                )
            run.state, run.due, run.tries, run.ended_at, run.error = Run.State.WAITING, clock.now(), 0, None, None
            run.save()
            return run.id
        if run.state not in ENDED:
            raise Conflict(f"The run is {run.state}; wait until it has ended.")
        same = Run.objects.filter(workflow_id=run.workflow_id, member=run.member, kind=run.kind, entry=run.entry)
        number = int(same.aggregate(last=Max("replay"))["last"] or 0) + 1
        again = Run.objects.create(
            workflow_id=run.workflow_id,
            version_id=run.version_id,
            member=run.member,
            kind=run.kind,
            entry=run.entry,
            replay=number,
            replay_of=run.id,
            input=run.input,
        )
        return again.id


def cancel(run_id: str) -> None:
    """End a run that is not being executed. Raises NotFound; Conflict: it is under way or has ended."""
    waiting = (Run.State.WAITING, Run.State.SCHEDULED, Run.State.HELD, Run.State.DELAYED)
    changed = Run.objects.filter(pk=run_id, state__in=waiting).update(
        state=Run.State.CANCELLED, due=None, ended_at=clock.now()
    )
    if not changed:
        run = Run.objects.filter(pk=run_id).first()
        if run is None:
            raise NotFound(f"There is no run {run_id!r:.60}.")
        raise Conflict(f"The run is {run.state}; it cannot be cancelled.")
    digests.hand_over(run_id)


def release(connection_id: str) -> int:
    """Let the runs that were held for this connection go on; return how many."""
    return Run.objects.filter(connection_id=connection_id, state=Run.State.HELD).update(
        state=Run.State.WAITING, due=clock.now(), connection_id="", tries=0
    )
