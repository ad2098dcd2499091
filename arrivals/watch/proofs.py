"""The proof that looking only at those with something new misses nobody: what a look at everybody finds must be of them."""

import logging
import time
from collections.abc import Sequence

from arrivals.audience.candidates import Plan
from arrivals.warehouse import near, recent
from arrivals.watch import marks, news
from arrivals.watch.ledger import Change
from arrivals.watch.marks import Mark
from arrivals.watch.models import Watch

log = logging.getLogger(__name__)
MOST = 50_000  # changes at a time that are looked into
WAIT_SECONDS = 2.0


def missed(watch: Watch, plan: Plan, mark: Mark, changes: Sequence[Change]) -> list[Change]:
    """Those of ``changes``, found by a look at everybody, that a check before should have found: of whom nothing is new.

    Empty also where it cannot be told: the definition changed, or an insert goes on for too long. What is missed is
    logged; it is healed by being found now.
    """
    if watch.seen_at == watch.full_at:  # the check before looked at everybody
        return []
    if marks.unfit(watch, plan, mark) not in {"", "proof"} or not 0 < len(changes) <= MOST or not _settled():
        return []
    what = news.since([(watch, plan)], mark.now)
    if not what.concerns((watch, plan)):
        found = list(changes)
    elif plan.local:
        with near.copy() as copy:
            news.gather(copy, [(watch, plan)], what)
            outside = set(copy.outside([change.member for change in changes]))
        found = [change for change in changes if change.member in outside]
    else:
        found = []
    if found:
        told = ", ".join(f"{change.member} ({change.kind})" for change in found[:5])
        log.error(
            "Report %s: %s changes were found late, by a look at everybody: %s.", watch.report_id, len(found), told
        )
    return found


def _settled() -> bool:
    """Wait until what was inserted up to now can be read wherever it was inserted."""
    end = time.monotonic() + WAIT_SECONDS
    begin = time.time_ns() // 1_000_000 << recent.MILLISECONDS_SHIFT
    while (mark := recent.settled()) == 0 or mark < begin:
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
