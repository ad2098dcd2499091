"""One look at a report. Blocks. See ``look`` for the steps."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F

from arrivals import clock, ids
from arrivals.audience import candidates, members, origins, remote, reports
from arrivals.audience.candidates import Plan
from arrivals.audience.members import Members
from arrivals.audience.models import Report
from arrivals.errors import ArrivalsError, AuthorisationExpired, CheckTimeout, Conflict, Invalid, ReportReplaced
from arrivals.watch import ledger, marks, proofs
from arrivals.watch.ledger import Change
from arrivals.watch.marks import Mark
from arrivals.watch.models import Arrival, Check, Watch

LEASE = timedelta(seconds=12)  # renewed while a check goes on; a dead checker's report is free after it
RENEW_SECONDS = 3.0
log = logging.getLogger(__name__)
BLOCK = 5_000
KEPT_CHECKS = 200
SURPRISE = 20  # a remote report of more members than this ...
SHARE = 0.5  # ... is not believed when more than this share of them is gone at one check
# As bulk_create with ignore_conflicts, whose values are looked at one by one, which takes ten times as long.
INSERT = (
    f"INSERT INTO {Arrival._meta.db_table} (report_id, member, kind, entry, at) VALUES (%s, %s, %s, %s, %s) "
    "ON CONFLICT DO NOTHING"
)
ASK = "Look at the report in Pendo, then accept it here."
ACCEPT = ("", "snapshot", "arrivals")
GIVE_UP_TIMES, GIVE_UP_AFTER = (
    12,
    timedelta(hours=1),
)  # timeouts of a remote report in a row, and since the last success
_given_up: list[Callable[[str, str], object]] = []


@dataclass(frozen=True)
class CheckResult:
    """What a check found. ``ms`` is the time it took."""

    on_report: int
    entered: int
    left: int
    ms: int


@dataclass(frozen=True)
class Seen:
    """How far a check has seen, and whom it looked at: everybody, for the reason ``why``, or as many ``candidates``.

    ``missed``: how many changes should have been found before.
    """

    mark: Mark
    plan: Plan
    why: str = ""
    candidates: int | None = None
    missed: int = 0


def when_given_up(do: Callable[[str, str], object]) -> None:
    """Call ``do`` with a remote report's id and its sentence when its fetches have timed out for too long."""
    _given_up[:] = [do]


def check(report_id: str, *, wait_seconds: float = 30, accept: str = "", why: str = "asked") -> CheckResult:
    """Look at everybody on the report now, whoever watches it. Waits for a check that is under way to end.

    ``why`` it is not enough to look at those of whom something is new: see ``marks.REASONS``. The first check of a report takes its snapshot: nobody arrives by it. ``accept`` is a person's word on a remote
    report of which most was replaced at once: "snapshot" takes it as a new snapshot, with "arrivals" all arrive or
    depart who did.

    Raises:
        NotFound: no such report. Conflict: another check is still under way. Invalid: ``accept``.
        CheckTimeout: it takes too long; the old state is kept, and the report's error says so.
        ReportReplaced: most of a remote report was replaced at once; the old state is kept. AppError: it cannot be asked.
    """
    if accept not in ACCEPT:
        raise Invalid("It must be snapshot or arrivals.", path="accept")
    with claimed(report_id, wait_seconds=wait_seconds) as claim:
        return look(report_id, claim, accept=accept, why=why)


@contextmanager
def claimed(report_id: str, *, wait_seconds: float = 30) -> Iterator[str]:
    """Hold the report's claim, so that no other check runs meanwhile; yields its token.

    Raises:
        NotFound: no such report. Conflict: it stays taken for ``wait_seconds``.
    """
    reports.get(report_id)
    Watch.objects.get_or_create(report_id=report_id)
    token = ids.new("chk")
    end = time.monotonic() + wait_seconds
    while not take(report_id, token):
        if time.monotonic() > end:
            raise Conflict("A check of this report is under way; try again in a moment.", retry_after=5)
        time.sleep(0.05)
    with held(token):
        yield token


@contextmanager
def held(token: str) -> Iterator[None]:
    """Put off the end of what is claimed with ``token`` during the block, and give it back after it."""
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(token, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        Watch.objects.filter(claim=token).update(claim="", claimed_until=None)


def forget_claims() -> None:
    """Free every report: right at the start of the only process there is, whose forerunner may have died in a check."""
    Watch.objects.exclude(claim="").update(claim="", claimed_until=None)


def take(report_id: str, token: str) -> bool:
    """Claim the report by a conditional update. A claim that is out of date belonged to somebody who died."""
    now = clock.now()
    free = Watch.objects.filter(report_id=report_id, claim="") | Watch.objects.filter(
        report_id=report_id, claimed_until__lt=now
    )
    return free.update(claim=token, claimed_until=now + LEASE) == 1


def take_all(report_ids: Sequence[str], token: str) -> None:
    """Claim those of these reports that are free, as ``take`` does."""
    now = clock.now()
    free = Watch.objects.filter(claim="") | Watch.objects.filter(claimed_until__lt=now)
    free.filter(report_id__in=list(report_ids)).update(claim=token, claimed_until=now + LEASE)


def look(report_id: str, claim: str, *, accept: str = "", why: str = "asked") -> CheckResult:
    """Steps of a check, after the report was claimed (step 1). Each survives a kill -9 before the next:

    0. Repair: arrivals that were stored but may not be in the ledger are appended to it (again). Take a mark: what
       comes in after it is looked at by the next check.
    2. Ask the warehouse for the ids on the report now: ids only, 30 s. On a timeout the old state stays.
       A remote report is fetched for that: its rows count when all have come and most of the old ones are among them.
    3. The difference against the ledger, in SQL, in blocks.
    4. One transaction: make sure that the claim is still ours, insert arrivals and departures (unique on report,
       member, kind and entry number: repeated ones are ignored), move on the time of the check.
    5. Append them to the ledger. Killed between 4 and 5, step 0 of the next check does it.
    """
    began = time.monotonic()
    report = reports.get(report_id)
    watch = Watch.objects.get(report_id=report_id)
    settle(watch)
    try:
        mark = marks.take()
        plan = candidates.plan(report)
        if report.origin:
            found = _fetched(report, watch, claim, accept)
        else:
            with clock.standing(mark.now):
                found = members.of(report)
        seen = Seen(mark, plan, "first" if watch.baseline_at is None else why)
        if watch.baseline_at is None:
            result = _baseline(watch, found, claim, began, seen)
        else:
            result = _difference(watch, found, claim, began, seen)
    except ArrivalsError as error:
        sentence = (
            "The report took longer than 30 s; make its date range shorter."
            if isinstance(error, CheckTimeout) and not report.origin
            else str(error)
        )
        _note_error(watch, sentence, began, error)
        if isinstance(error, CheckTimeout):
            _perhaps_give_up(report, watch, sentence)
            raise CheckTimeout(sentence, retry_after=60) from error
        raise
    except Exception:
        # Noted as well: without a later time of being due, the watcher would ask again each second.
        _note_error(watch, "The check failed inside Arrivals; the log says why.", began)
        raise
    settle(watch)
    return result


def settle(watch: Watch) -> None:
    """Append to the ledger what was stored as arrivals but may not be there yet (step 5, and its repair)."""
    settle_all([watch])


def settle_all(watches: Sequence[Watch]) -> None:
    """``settle`` for many, with few inserts."""
    while True:
        rows: list[tuple[int, str, str, str, int, datetime]] = []
        last: dict[str, int] = {}
        for watch in watches:
            if len(rows) < BLOCK:
                found = Arrival.objects.filter(report_id=watch.report_id, id__gt=watch.ledger_seq).order_by("id")
                rows += found.values_list("id", "report_id", "member", "kind", "entry", "at")[:BLOCK]
                last |= {rows[-1][1]: rows[-1][0]} if rows else {}
        if not rows:
            return
        ledger.append([(id_, Change(member, kind, entry), at) for _, id_, member, kind, entry, at in rows])
        with transaction.atomic():
            for watch in watches:
                if watch.report_id in last:
                    watch.ledger_seq = last[watch.report_id]
                    ours = Watch.objects.filter(pk=watch.pk, ledger_seq__lt=watch.ledger_seq)
                    ours.update(ledger_seq=watch.ledger_seq)


def _renew(token: str, ended: threading.Event) -> None:
    """Put off the end of claims while their check goes on."""
    while not ended.wait(RENEW_SECONDS):
        try:
            Watch.objects.filter(claim=token).update(claimed_until=clock.now() + LEASE)
        except DatabaseError:
            log.warning("The claim %s could not be renewed; it is tried again.", token)
        finally:
            connections.close_all()


def _fetched(report: Report, watch: Watch, claim: str, accept: str) -> Members:
    """Fetch a remote report and make the fetch count.

    With "snapshot" the watch first forgets that it has one: killed after that, the next check takes it.
    """
    fetch = origins.fetch(report)
    assert fetch is not None
    found = members.fetched(fetch)
    try:
        if watch.baseline_at is not None and not accept:
            _believable(watch, found)
        _own(report.id, claim)
    except Exception:
        remote.drop(report.id, fetch.number)
        raise
    if accept == "snapshot":
        watch.baseline_at = None
        Watch.objects.filter(pk=watch.pk).update(baseline_at=None)
    remote.accept(fetch)
    return found


def _believable(watch: Watch, found: Members) -> None:
    """Raises ReportReplaced: thousands of runs are not started for an id format that changed, or an empty answer."""
    before, gone, new = ledger.replaced(watch.report_id, found)
    if before > SURPRISE and gone > before * SHARE:
        raise ReportReplaced(
            f"{gone:,} of the {before:,} on the report are gone at once and {new:,} are new, as when the format of the "
            f"ids changed or the answer is not complete; nothing was changed. {ASK}"
        )


def _perhaps_give_up(report: Report, watch: Watch, sentence: str) -> None:
    """After many timeouts in a row those who rely on a remote report are told to stop; killed before, at the next."""
    late = watch.checked_at is None or clock.now() - watch.checked_at >= GIVE_UP_AFTER
    if report.origin and late and watch.errors + 1 >= GIVE_UP_TIMES:
        for do in _given_up:
            do(report.id, sentence)


def _baseline(watch: Watch, on_it: Members, claim: str, began: float, seen: Seen) -> CheckResult:
    now = clock.now()
    (ledger.baseline if watch.checked_at is None else ledger.rebase)(watch.report_id, on_it, now)
    result = CheckResult(ledger.present(watch.report_id, on_it), 0, 0, _ms(began))
    with transaction.atomic():
        _move_on(watch, claim, result, seen, baseline_at=now)
    return result


def _difference(watch: Watch, on_it: Members, claim: str, began: float, seen: Seen) -> CheckResult:
    before = ledger.present(watch.report_id, on_it)
    blocks = ledger.changes(watch.report_id, on_it)
    # The first block comes when the warehouse has done its work: no transaction is open while it does.
    first = next(blocks, [])
    missed = proofs.missed(watch, seen.plan, seen.mark, first) if first else []
    return store(watch, claim, before, chain([first], blocks), began, replace(seen, missed=len(missed)))


def store(
    watch: Watch, claim: str, before: int, blocks: Iterable[list[Change]], began: float, seen: Seen
) -> CheckResult:
    """Step 4. ``before``: how many were on the report."""
    with transaction.atomic():
        entered, left, gone = insert(watch, claim, blocks)
        result = CheckResult(before + entered - gone, entered, left, _ms(began))
        _move_on(watch, claim, result, seen)
    return result


def insert(watch: Watch, claim: str, blocks: Iterable[list[Change]]) -> tuple[int, int, int]:
    """Insert arrivals and departures within a transaction; returns how many entered, how many memberships ended, and of
    how many members. Raises Conflict when the claim is no longer ours."""
    at, entered, left, gone = connection.ops.adapt_datetimefield_value(clock.now()), 0, 0, 0
    # The row is locked first: two checkers of one report would otherwise number their arrivals across each other.
    _own(watch.report_id, claim)
    for block in blocks:
        rows = [(watch.report_id, change.member, change.kind, change.entry, at) for change in block]
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, rows)
        entered += sum(change.kind == "in" for change in block)
        left += sum(change.kind == "out" for change in block)
        gone += sum(change.kind == "out" and not change.again for change in block)
    return entered, left, gone


def _own(report_id: str, claim: str) -> None:
    if not Watch.objects.filter(report_id=report_id, claim=claim).update(claimed_until=clock.now() + LEASE):
        raise Conflict("Another check took this report over; nothing was stored.")


def _move_on(watch: Watch, claim: str, result: CheckResult, seen: Seen, **more: object) -> None:
    now = clock.now()
    more |= seen.mark.kept(seen.plan)
    if seen.why:
        more |= {"full_at": seen.mark.now, "full_ms": result.ms}
    if seen.missed:
        more["missed"] = F("missed") + seen.missed
    moved = Watch.objects.filter(report_id=watch.report_id, claim=claim).update(
        checked_at=now,
        next_due=now + timedelta(minutes=watch.minutes),
        on_report=result.on_report,
        errors=0,
        error="",
        **more,
    )
    if not moved:
        raise Conflict("Another check took this report over; nothing was stored.")
    Check.objects.create(
        report_id=watch.report_id,
        on_report=result.on_report,
        entered=result.entered,
        left=result.left,
        ms=result.ms,
        candidates=seen.candidates,
        why=seen.why,
        missed=seen.missed,
    )
    drop_old(watch.report_id)


def drop_old(report_id: str) -> None:
    """Keep only the newest checks of a report."""
    old = Check.objects.filter(report_id=report_id).order_by("-id").values_list("id", flat=True)
    for one in list(old[KEPT_CHECKS : KEPT_CHECKS + 1]):
        Check.objects.filter(report_id=report_id, id__lte=one).delete()


def _note_error(watch: Watch, sentence: str, began: float, error: ArrivalsError | None = None) -> None:
    """The report is due again at its interval, or later where the other side asked to wait for longer."""
    wait = timedelta(minutes=watch.minutes)
    if watch.error and isinstance(error, AuthorisationExpired) and sentence.startswith(watch.error.rstrip(".")):
        # Nothing was asked, and nothing is new: one error stands, not one every five minutes.
        Watch.objects.filter(report_id=watch.report_id).update(error=sentence, next_due=clock.now() + wait)
        return
    if error is not None and error.retry_after and not isinstance(error, CheckTimeout):
        wait = max(wait, timedelta(seconds=error.retry_after))
    Watch.objects.filter(report_id=watch.report_id).update(
        errors=watch.errors + 1, error=sentence, next_due=clock.now() + wait
    )
    Check.objects.create(report_id=watch.report_id, on_report=watch.on_report, ms=_ms(began), error=sentence)


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
