"""Running many runs of a workflow again, in the background. Blocks. See ``work`` for the steps."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, close_old_connections, transaction
from django.db.models import F, Max, Q, QuerySet

from arrivals import clock
from arrivals.engine import replay
from arrivals.engine.models import ENDED, BulkReplay, Run
from arrivals.engine.replay import Versions
from arrivals.errors import ArrivalsError, Conflict, Invalid, NotFound
from arrivals.workflows import workflows

log = logging.getLogger(__name__)
BATCH = 200
MOST_NAMED = 1000  # runs that one by one are named
MOST_REFUSALS = 100  # that are listed


@dataclass(frozen=True)
class Choice:
    """Which runs of a workflow. ``since`` and ``until`` are about when they ended; ``error`` is the code of an error, or a part
    of its message. ``runs``: only these."""

    state: str = "failed"
    since: str | None = None
    until: str | None = None
    error: str = ""
    runs: tuple[str, ...] = ()


def choice(start: str, version: str, **given: Any) -> Choice:
    """A checked choice.

    Raises:
        Invalid: a state that cannot be replayed so, a time that is none, too many runs.
    """
    replay.checked(start, version)
    known = {name: value for name, value in given.items() if value is not None}
    made = Choice(**{**known, "runs": tuple(dict.fromkeys(known.get("runs") or ()))})
    allowed = (Run.State.FAILED, Run.State.SCHEDULED) if start == "failed" else ENDED
    if made.state not in allowed:
        from_ = "the failed step" if start == "failed" else "the start"
        raise Invalid(f"From {from_} it must be one of {', '.join(allowed)}.", path="state")
    if len(made.runs) > MOST_NAMED:
        raise Invalid(f"Name at most {MOST_NAMED:,} runs, or choose them by state, time and error.", path="runs")
    _moment(made.since, "since")
    _moment(made.until, "until")
    return made


def chosen(workflow_id: str, which: Choice) -> QuerySet[Run]:
    """The runs of a choice."""
    found = Run.objects.filter(workflow=workflow_id, state=which.state)
    if which.runs:
        found = found.filter(pk__in=which.runs)
    if since := _moment(which.since, "since"):
        found = found.filter(ended_at__gte=since)
    if until := _moment(which.until, "until"):
        found = found.filter(ended_at__lt=until)
    if which.error:
        found = found.filter(Q(error__code=which.error) | Q(error__message__icontains=which.error))
    return found


def begin(workflow_id: str, which: Choice, *, start: str, version: str, by: str = "") -> BulkReplay:
    """Replay them in the background, as ``replay.replay`` does each.

    Raises:
        NotFound. Conflict: there are none, or another replay of the workflow is under way.
    """
    workflow = workflows.get(workflow_id)
    found = chosen(workflow_id, which)
    told = found.aggregate(last=Max("id"))
    if told["last"] is None:
        raise Conflict("There is no such run to replay.")
    try:
        with transaction.atomic():
            return BulkReplay.objects.create(
                workflow=workflow,
                chosen=asdict(which),
                start=start,
                version=version,
                total=found.count(),
                last=told["last"],
                by=by,
            )
    except IntegrityError as error:
        raise Conflict("Another replay of this workflow is under way; wait for its end or stop it.") from error


def stop(workflow_id: str, replay_id: str) -> BulkReplay:
    """Replay no more of them; what was replayed goes on. Raises NotFound; Conflict: it is over."""
    changed = BulkReplay.objects.filter(pk=replay_id, workflow=workflow_id, state=BulkReplay.State.RUNNING).update(
        state=BulkReplay.State.STOPPED, ended_at=clock.now()
    )
    found = get(workflow_id, replay_id)
    if not changed:
        raise Conflict(f"The replay is {found.state}.")
    return found


def get(workflow_id: str, replay_id: str) -> BulkReplay:
    """Raises NotFound."""
    found = BulkReplay.objects.filter(pk=replay_id, workflow=workflow_id).first()
    if found is None:
        raise NotFound(f"There is no replay {replay_id!r:.60} of this workflow.")
    return found


def newest(workflow_id: str) -> BulkReplay | None:
    """The last replay that was asked for."""
    return BulkReplay.objects.filter(workflow=workflow_id).order_by("-id").first()


def work() -> bool:
    """Replay one batch; return whether there was one. Any number of processes may call it.

    1. Take the oldest replay that is under way, locked: another process takes another one.
    2. Read the next 200 of its runs after its position, in the order of their ids, up to the last one there was when it was
       asked for; those that are no longer in the state that was chosen are passed by.
    3. In the same transaction replay each (from the failed step: only a run that is failed now; from the start: a new run, by
       the unique key once), count, list refusals, and move the position to the last of the batch.
    Killed anywhere, the batch was done in full or not at all: nothing is replayed twice, and the next call goes on there.
    """
    close_old_connections()
    try:
        with transaction.atomic():
            under_way = BulkReplay.objects.filter(state=BulkReplay.State.RUNNING).order_by("id")
            bulk = under_way.select_for_update(skip_locked=True).first()
            if bulk is None:
                return False
            _batch(bulk)
            return True
    finally:
        close_old_connections()


def _batch(bulk: BulkReplay) -> None:
    given = {**bulk.chosen, "runs": tuple(bulk.chosen["runs"])}
    found = chosen(bulk.workflow_id, Choice(**given)).filter(pk__gt=bulk.position, pk__lte=bulk.last)
    runs = list(found.order_by("pk").select_for_update(of=("self",))[:BATCH])
    versions, refusals, replayed = Versions(bulk.workflow_id), list(bulk.refusals), 0
    for run in runs:
        try:
            with transaction.atomic():
                replay.again(run, bulk.start, bulk.version, versions)
            replayed += 1
        except ArrivalsError as error:
            refusals.append({"run": run.pk, "reason": error.message})
    values: dict[str, Any] = {
        "replayed": F("replayed") + replayed,
        "refused": F("refused") + len(runs) - replayed,
        "refusals": refusals[:MOST_REFUSALS],
    }
    if runs:
        values["position"] = runs[-1].pk
    if len(runs) < BATCH:
        values |= {"state": BulkReplay.State.DONE, "ended_at": clock.now()}
    BulkReplay.objects.filter(pk=bulk.pk).update(**values)


def as_dict(bulk: BulkReplay) -> dict[str, Any]:
    """id, workflow, chosen, from, version, state, total, replayed, refused, refusals, by, created_at, ended_at."""
    return {
        "id": bulk.id,
        "workflow": bulk.workflow_id,
        "chosen": bulk.chosen,
        "from": bulk.start,
        "version": bulk.version,
        "state": bulk.state,
        "total": bulk.total,
        "replayed": bulk.replayed,
        "refused": bulk.refused,
        "refusals": bulk.refusals,
        "by": bulk.by,
        "created_at": clock.iso(bulk.created_at),
        "ended_at": clock.iso(bulk.ended_at) if bulk.ended_at else None,
    }


def _moment(text: str | None, path: str) -> datetime | None:
    if not text:
        return None
    try:
        return clock.parse(text)
    except ValueError as error:
        raise Invalid("It must be a time such as 2026-01-31T12:00:00Z.", path=path) from error
