"""How far a report has been seen, and whether it is enough to look only at those of whom something is new. Blocks.

A good check remembers of what it saw: the epoch and the mark of ``recent`` from before it asked, the moment that it asked
about, and what the definition meant. The next one may then leave out all whom nothing since concerns, if nothing else
has changed. Whatever is in doubt is a reason to look at everybody.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from arrivals import clock
from arrivals.audience.candidates import Plan
from arrivals.warehouse import recent
from arrivals.watch.models import Watch

PROVED_EVERY = timedelta(hours=1)
PROVED_AT_LEAST = timedelta(days=1)
SHARE = 200  # a look at everybody takes at most one part in so many of the time
REASONS = {
    "first": "the first check",
    "asked": "somebody asked for it",
    "proof": "now and then everybody is looked at, to prove that nobody was missed",
    "restarted": "the event store was started again, or rows were deleted",
    "changed": "the report, its segment or a list was changed",
    "waited": "the last check is too long ago",
    "clock": "the clock went back",
    "date": "a date in a rule has moved on",
    "rules": "a rule depends on more than its visitor",
    "kind": "accounts and responses are looked at together when something is new",
    "remote": "it is fetched as a whole",
    "many": "too many visitors have something new",
    "failed": "looking only at those who have something new did not succeed",
}


@dataclass(frozen=True)
class Mark:
    """How far it is seen by a check that begins now. ``now`` is the moment to ask about, in whole milliseconds."""

    epoch: str
    seq: int
    now: datetime
    oldest: int  # mark that a check now can go on from

    def kept(self, plan: Plan) -> dict[str, Any]:
        """The fields of the watch that remember it."""
        return {"epoch": self.epoch, "seq": self.seq, "seen_at": self.now, "meaning": plan.meaning}


def take() -> Mark:
    """To be called before anything that the check sees is read."""
    epoch = recent.epoch()
    now = clock.now()
    return Mark(epoch, recent.settled(), now.replace(microsecond=now.microsecond // 1000 * 1000), recent.oldest())


def unfit(watch: Watch, plan: Plan, mark: Mark) -> str:
    """Why everybody has to be looked at, by its name in ``REASONS``; empty when those with something new are enough.

    A plan that is not local is fit as well: while nothing is new nobody has to be looked at.
    """
    if plan.why == "remote":
        return "remote"
    if watch.baseline_at is None or watch.seen_at is None:
        return "first"
    if plan.why == "rules":
        return "rules"
    if watch.epoch != mark.epoch:
        return "restarted"
    if watch.meaning != plan.meaning:
        return "changed"
    if mark.now < watch.seen_at:
        return "clock"
    if not plan.steady(watch.seen_at, mark.now):
        return "date"
    if not mark.oldest <= watch.seq <= mark.seq:
        return "waited"
    return "proof" if due_for_proof(watch, mark.now) else ""


def due_for_proof(watch: Watch, now: datetime) -> bool:
    """Whether it is time to look at everybody again: each hour, or less often where that takes long, but each day."""
    if watch.full_at is None:
        return True
    every = max(PROVED_EVERY, min(PROVED_AT_LEAST, timedelta(milliseconds=watch.full_ms * SHARE)))
    return not timedelta(0) <= now - watch.full_at < every
