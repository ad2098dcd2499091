"""Digests: entries of many runs gathered until one of them, the keeper, goes on with all. Blocks.

A digest is opened by the first run that has an entry for it; that one waits, as a row, until it is released. Every function may be
repeated at any moment: an entry is one by the unique key of its run and step, the open digest of a key by a unique index, and one
that is released changes no more. Runs are locked before digests, or not together, so that two runners never wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction
from django.db.models import F

from arrivals import clock
from arrivals.engine import store
from arrivals.engine.models import BADLY, ENDED, Digest, DigestEntry, Run, StepRun
from arrivals.errors import NotFound

MOST_ENTRIES = 1_000
MOST_BYTES = 256 * 1024  # of all entries that are released together, as JSON


@dataclass(frozen=True)
class Joining:
    """One run's entry: for the digest of a step and key, which is opened with ``due`` and ``need`` when there is none."""

    run: str
    workflow: str
    number: int
    step: str
    key: str
    entry: Any
    due: datetime
    need: int | None


def join(one: Joining) -> Digest:
    """Put an entry into the open digest; return that. Repeated, it is there once.

    The run becomes the keeper when there is none that could still go on.
    """
    with transaction.atomic():
        Run.objects.select_for_update().filter(pk=one.run).first()  # an erasure locks it first as well
        mine = DigestEntry.objects.filter(run_id=one.run, number=one.number).first()
        digest = Digest.objects.select_for_update().get(pk=mine.digest_id) if mine else _joined(one)
        if digest.open and digest.keeper != one.run and not _goes_on(digest.keeper):
            digest.keeper = one.run
        if digest.open and digest.need is not None and digest.count >= digest.need:
            digest.open, digest.released_at = False, clock.now()  # the next run opens another one
        digest.save(update_fields=["keeper", "open", "released_at"])
    if ready(digest):
        wake([digest.keeper])
    return digest


def ready(digest: Digest, now: datetime | None = None) -> bool:
    """Whether it is to be released: it is full, somebody asked for it, or it is due."""
    return not digest.open or digest.asked or digest.due <= (now or clock.now())


def take(digest_id: str, run: str) -> Digest | None:
    """Release a digest that is ready to its keeper; None when this run is not the keeper. One that is not ready stays open."""
    with transaction.atomic():
        digest = Digest.objects.select_for_update().filter(pk=digest_id).first()
        if digest is None or digest.keeper != run:
            return None
        if digest.open and ready(digest):
            digest.open, digest.released_at = False, clock.now()
            digest.save(update_fields=["open", "released_at"])
        return digest


def outputs(digest: Digest) -> dict[str, Any]:
    """What the keeper goes on with: entries (the first 1,000, and 256 KB), count, left_out, first_at, last_at."""
    kept: list[Any] = []
    size = 0
    for entry in DigestEntry.objects.filter(digest=digest).order_by("id").values_list("entry", flat=True):
        if entry is None:  # too many to keep
            break
        size += len(orjson.dumps(entry))
        if size > MOST_BYTES:
            break
        kept.append(entry["value"])
    times = {name: clock.iso(at) if at else None for name, at in _times(digest)}
    return {"entries": kept, "count": digest.count, "left_out": digest.count - len(kept), **times}


def wake(runs: Sequence[str]) -> None:
    """Let these runs go on now, if they wait. One whose wait is recorded later looks itself (``woken_if_ready``).

    One at a time, so that two who wake several never wait for each other's locks.
    """
    for run in runs:
        with transaction.atomic():
            if store.waits(run):
                Run.objects.filter(pk=run).update(due=clock.now())


def woken_if_ready(digest_id: str, run: str) -> None:
    """To be called in the transaction that records that the keeper waits: what came before that could not wake it."""
    digest = Digest.objects.filter(pk=digest_id).first()
    if digest is not None and ready(digest):
        wake([run])


def waiting(workflow_id: str) -> list[dict[str, Any]]:
    """The open digests of a workflow: id, step, key, count, first_at, last_at, due, need, run (the keeper)."""
    found = Digest.objects.filter(workflow_id=workflow_id, open=True).order_by("id")
    return [
        {
            "id": one.id,
            "step": one.step,
            "key": one.key,
            "count": one.count,
            **{name: clock.iso(at) if at else None for name, at in _times(one)},
            "due": clock.iso(one.due),
            "need": one.need,
            "run": one.keeper,
        }
        for one in found
    ]


def release(workflow_id: str, step: str, key: str | None = None) -> int:
    """Release what a step has gathered, of one key or of all, now; return how many digests.

    Raises:
        NotFound: nothing is waiting there.
    """
    found = Digest.objects.filter(workflow_id=workflow_id, step=step, open=True)
    chosen = list((found if key is None else found.filter(key=key)).values_list("id", "keeper"))
    if not chosen:
        raise NotFound(f"No digest is waiting at the step {step!r:.60}.")
    Digest.objects.filter(pk__in=[id_ for id_, _ in chosen]).update(asked=True)
    for _, keeper in chosen:
        if not _goes_on(keeper):
            hand_over(keeper)
    wake([keeper for _, keeper in chosen])
    return len(chosen)


@transaction.atomic
def hand_over(run: str) -> None:
    """A run will not go on: what it keeps and did not go on with goes to another run with an entry, which is taken up there again.

    To be called in the transaction that ends ``run``. The other one's row is locked: either its end is recorded, and it is taken up;
    or it will be, and sees then that it is the keeper (``kept``).
    """
    for digest in Digest.objects.filter(keeper=run):
        if not _passed(digest) and (heir := _heir(digest)):
            Digest.objects.filter(pk=digest.pk, keeper=run).update(keeper=heir.run_id)
            _take_up(heir.run_id, heir.number)


def kept(digest_id: str, run: str, number: int) -> None:
    """To be called in the transaction that ends a run which left its entry to the keeper: that may be this very run by now."""
    if Digest.objects.filter(pk=digest_id, keeper=run).exists():
        _take_up(run, number)


def forget(run: str) -> list[str]:
    """Delete what a run gave to digests, and hand over what it keeps; return the keepers that were given what it gave."""
    given = []
    for entry in DigestEntry.objects.filter(run_id=run).select_related("digest"):
        entry.delete()
        Digest.objects.filter(pk=entry.digest_id).update(count=F("count") - 1)
        if not entry.digest.open and entry.digest.keeper != run and (_passed(entry.digest) or _active(entry.digest)):
            given.append(entry.digest.keeper)
    hand_over(run)
    # Nobody is left to keep it, so nothing is in it.
    Digest.objects.filter(keeper=run, open=True, count=0).delete()
    return given


def _joined(one: Joining) -> Digest:
    where = {"workflow_id": one.workflow, "step": one.step, "key": one.key, "open": True}
    digest = None
    while digest is None:  # again when it was released between the two statements
        Digest.objects.bulk_create([Digest(**where, keeper=one.run, due=one.due, need=one.need)], ignore_conflicts=True)
        digest = Digest.objects.select_for_update().filter(**where).first()
    now = clock.now()
    entry = {"value": one.entry} if digest.count < MOST_ENTRIES else None
    DigestEntry.objects.create(digest=digest, run_id=one.run, number=one.number, entry=entry, at=now)
    digest.count += 1
    digest.first_at, digest.last_at = digest.first_at or now, now
    digest.save(update_fields=["count", "first_at", "last_at"])
    return digest


def _heir(digest: Digest) -> DigestEntry | None:
    for entry in DigestEntry.objects.filter(digest=digest).exclude(run_id=digest.keeper).order_by("id").iterator():
        run = Run.objects.select_for_update().filter(pk=entry.run_id).exclude(state__in=BADLY).first()
        if run and DigestEntry.objects.filter(pk=entry.pk).exists():  # an erasure that was waited for deletes it
            return entry
    return None


def _take_up(run: str, number: int) -> None:
    Run.objects.filter(pk=run, state=Run.State.SUCCEEDED).update(
        state=Run.State.WAITING, due=clock.now(), ended_at=None, step=number, turn="", tries=0
    )


def _passed(digest: Digest) -> bool:
    """Whether its keeper went on with the entries, as far as that is recorded."""
    steps = StepRun.objects.filter(run_id=digest.keeper, step=digest.step, status=StepRun.Status.SUCCEEDED)
    return not digest.open and steps.exists()


def _active(digest: Digest) -> bool:
    return Run.objects.filter(pk=digest.keeper, state=Run.State.RUNNING).exists()


def _goes_on(run: str) -> bool:
    return Run.objects.filter(pk=run).exclude(state__in=ENDED).exists()


def _times(digest: Digest) -> list[tuple[str, datetime | None]]:
    return [("first_at", digest.first_at), ("last_at", digest.last_at)]
