"""Work that is done in steps, each of which may be repeated, for rows that keep how far it came. Blocks."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db.models import Q

from arrivals import clock, ids
from arrivals.erasure.models import Erasure, Night

LEASE = timedelta(minutes=70)  # longer than the longest step may take: nothing renews it meanwhile
log = logging.getLogger(__name__)
Row = TypeVar("Row", Erasure, Night)


def take(
    model: type[Row], steps: Sequence[Callable[[Row], None]], *, kept: Sequence[str], order: str, again: timedelta
) -> bool:
    """Take one step of the row that is due first by ``order``; return whether there was one.

    1. Claim it by a conditional update.
    2. Take the step. It may be repeated, and may change ``due`` and the fields ``kept`` of the row.
    3. Note these in one update, with that the step is done, and give the claim back.
    Killed between, the claim ends (or the next start of a single process ends it), and the same step is taken again.
    A step that fails is tried again after ``again``.
    """
    row = _claimed(model, order)
    if row is None:
        return False
    try:
        steps[row.step](row)
    except Exception as error:
        log.exception("%s %s: its step %s failed; it is tried again.", model.__name__, row.pk, row.step + 1)
        _give_back(model, row, due=clock.now() + again, error=f"{type(error).__name__} in step {row.step + 1}.")
        return False
    changed = {name: getattr(row, name) for name in ("due", *kept)}
    _give_back(model, row, **changed, error="", step=row.step + 1)
    return True


def forget_claims(model: type[Row]) -> None:
    """Free every row: right at the start of the only process there is, whose forerunner may have died in a step."""
    model._default_manager.exclude(claim="").update(claim="", claimed_until=None)


def _claimed(model: type[Row], order: str) -> Row | None:
    now = clock.now()
    free = Q(claim="") | Q(claimed_until__lt=now)
    for found in model._default_manager.filter(free, due__lte=now).order_by(order)[:5]:
        token = ids.new("clm")
        mine = model._default_manager.filter(free, pk=found.pk, step=found.step, due__lte=now)
        if mine.update(claim=token, claimed_until=now + LEASE):
            return model._default_manager.get(pk=found.pk)
    return None


def _give_back(model: type[Row], row: Row, **values: object) -> None:
    model._default_manager.filter(pk=row.pk, claim=row.claim).update(claim="", claimed_until=None, **values)
