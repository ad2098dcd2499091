"""The steps of an erasure. Each may be repeated: killed at any moment, the erasure goes on with the step it was at.

1. Find all ids that belong to those asked for (identities that were linked) and the answers they gave to surveys, and
   keep them: step 3 deletes where they stand.
2. Fence them: from now on no check sees them enter or leave a report. Then let the checks under way end, by
   claiming each watched report once: they may still have seen them.
3. Delete in the warehouse what they did and what is known of them. They are on no report from here on.
4. Let the checks under way end again, and delete them from the ledgers, where step 3 would else be seen as their
   departure.
5. Delete their arrivals and messages, and what was fetched of them for reports of another product, and empty their
   runs. Step 4 asked what was fetched who is still there, so this comes after it.
6. Take the fence down. The erasure is complete.
7. Ten minutes later: do step 5 once more, for what was being made of arrivals from before when it ran, and forget the
   ids.
"""

from collections.abc import Callable
from datetime import timedelta

from arrivals import clock
from arrivals.erasure import records
from arrivals.erasure.models import Erasure
from arrivals.warehouse import erasing, links
from arrivals.watch import checks
from arrivals.watch.models import Watch

LATER = timedelta(minutes=10)
CHECK_SECONDS = 300  # how long a check that is under way is waited for


def find(erasure: Erasure) -> None:
    """Step 1."""
    erasure.started_at, erasure.state = erasure.started_at or clock.now(), Erasure.State.RUNNING
    if erasure.kind == "visitor":
        erasure.members = erasing.person(erasure.members)
        erasure.responses = erasing.responses(erasure.members)


def fence(erasure: Erasure) -> None:
    """Step 2."""
    erasing.fence(erasure.id, [*erasure.members, *erasure.responses])
    _let_checks_end()


def delete_facts(erasure: Erasure) -> None:
    """Step 3."""
    if erasure.kind == "account":
        erasing.accounts(erasure.members)
        return
    erasing.visitors(erasure.members)
    links.forget()
    records.recount()


def delete_memberships(erasure: Erasure) -> None:
    """Step 4."""
    _let_checks_end()
    for kind, members in _by_kind(erasure):
        own, remote = records.reports_of(kind)
        erasing.memberships(members, reports=own, remote=remote, activations=records.activations_of(kind))


def delete_records(erasure: Erasure) -> None:
    """Step 5."""
    for kind, members in _by_kind(erasure):
        erasing.fetched(members, records.reports_of(kind)[1])
        records.erase(kind, members)


def unfence(erasure: Erasure) -> None:
    """Step 6."""
    erasing.unfence(erasure.id)
    erasure.state, erasure.completed_at = Erasure.State.COMPLETE, clock.now()
    erasure.due = clock.now() + LATER


def sweep(erasure: Erasure) -> None:
    """Step 7."""
    for kind, members in _by_kind(erasure):
        records.erase(kind, members, until=erasure.completed_at)
    erasure.members, erasure.responses, erasure.due = [], [], None


STEPS: tuple[Callable[[Erasure], None], ...] = (
    find,
    fence,
    delete_facts,
    delete_memberships,
    delete_records,
    unfence,
    sweep,
)


def _by_kind(erasure: Erasure) -> list[tuple[str, list[str]]]:
    """The members of reports that are erased, by the kind of the reports."""
    return [(erasure.kind, erasure.members), ("response", erasure.responses)]


def _let_checks_end() -> None:
    for report_id in Watch.objects.values_list("report_id", flat=True):
        with checks.claimed(report_id, wait_seconds=CHECK_SECONDS):
            pass
