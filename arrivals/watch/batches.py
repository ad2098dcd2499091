"""One look at many reports together, at those only of whom something is new. Blocks. See ``check`` for the steps."""

import logging
import random
import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from arrivals import clock, ids
from arrivals.audience import candidates, members
from arrivals.audience.models import Report
from arrivals.audience.together import Together
from arrivals.errors import ArrivalsError
from arrivals.warehouse import client, near
from arrivals.warehouse.near import Copy, Wanted
from arrivals.watch import checks, ledger, marks, news
from arrivals.watch.checks import Seen
from arrivals.watch.ledger import Change
from arrivals.watch.marks import Mark
from arrivals.watch.models import Check, Watch
from arrivals.watch.news import News, Watched

log = logging.getLogger(__name__)
MOST_PEOPLE = 200_000  # ids; with more, looking at everybody is not much dearer


def check(report_ids: Sequence[str]) -> dict[str, str]:
    """Look at these reports; returns those at which everybody must be looked at, each with the reason (``marks.REASONS``).

    The others are checked when it returns, as by ``checks.check``. Each step survives a kill -9 before the next:

    0. Take a mark: what comes in after it is looked at by the next check. Leave out the reports that are not fit.
    1. Claim the rest, by one conditional update; those that somebody else looks at are left out.
       Repair: arrivals that were stored but may not be in the ledger are appended to it (again).
    2. Ask what is new. Of the reports that it concerns, copy what is stored of the people it is about.
    3. The difference of each report against the ledger, both in the copy.
    4. For each report with a difference, one transaction: see ``checks.look``. Then one for all that have none: move on the
       time of the check and the mark.
    5. Append the differences to the ledger. Killed between 4 and 5, the repair of the next check does it.
    """
    began = time.monotonic()
    mark = marks.take()
    fit: dict[str, Watched] = {}
    reports = {one.id: one for one in Report.objects.select_related("segment").filter(pk__in=list(report_ids))}
    watches = list(Watch.objects.filter(report_id__in=list(reports)))
    left = dict.fromkeys(reports.keys() - {one.report_id for one in watches}, "first")
    for watch in watches:
        try:
            plan = candidates.plan(reports[watch.report_id])
            reason = marks.unfit(watch, plan, mark)
        except ArrivalsError:
            reason = "failed"  # a look at everybody says what is wrong
        if reason:
            left[watch.report_id] = reason
        else:
            fit[watch.report_id] = watch, plan
    token = ids.new("chk")
    checks.take_all(list(fit), token)
    with checks.held(token):
        # Read again: somebody may have checked it since.
        claimed = {one.report_id: one for one in Watch.objects.filter(claim=token)}
        same = {id_: (one, fit[id_][1]) for id_, one in claimed.items() if one.seen_at == fit[id_][0].seen_at}
        checks.settle_all([watch for watch, _ in same.values()])
        if same:
            left |= Batch(token, began, mark, reports, same).run()
    return left


def one(report_id: str) -> None:
    """Look at one report now: at those of whom something is new where that is enough, else at everybody.

    Raises as ``checks.check``; nothing when another check of it is under way.
    """
    for id_, why in check([report_id]).items():
        checks.check(id_, why=why)


class Batch:
    """The claimed reports of one check."""

    def __init__(
        self, token: str, began: float, mark: Mark, reports: dict[str, Report], watched: dict[str, Watched]
    ) -> None:
        self.token, self.began, self.mark, self.reports, self.watched = token, began, mark, reports, watched

    def run(self) -> dict[str, str]:
        """Steps 2 to 5; returns the reports that were not checked, with the reason."""
        what = news.since(list(self.watched.values()), self.mark.now)
        concerned = {id_: one for id_, one in self.watched.items() if what.concerns(one)}
        quiet = [id_ for id_ in self.watched if id_ not in concerned]
        left = {id_: plan.why for id_, (_, plan) in concerned.items() if not plan.local}
        near_ones = {id_: one for id_, one in concerned.items() if id_ not in left}
        self.move_on(quiet, 0)
        if near_ones:
            try:
                left |= self.look(near_ones, what)
            except Exception:
                log.exception("Looking only at those of whom something is new failed; everybody is looked at.")
                left |= dict.fromkeys(near_ones, "failed")
        return left

    def look(self, watched: dict[str, Watched], what: News) -> dict[str, str]:
        with near.copy() as copy:
            size = news.gather(copy, list(watched.values()), what)
            if size > MOST_PEOPLE:
                return dict.fromkeys(watched, "many")
            found, left, joined = self.differences(copy, watched)
        counted = {id_: self.before(id_, id_ in joined) for id_ in found}
        for id_, changes in found.items():
            if changes or id_ in joined:
                watch, plan = watched[id_]
                seen = Seen(self.mark, plan, candidates=size)
                checks.store(watch, self.token, counted[id_], [changes], self.began, seen)
        checks.settle_all([watched[id_][0] for id_, changes in found.items() if changes])
        self.move_on([id_ for id_, changes in found.items() if not changes and id_ not in joined], size)
        return left

    def differences(
        self, copy: Copy, watched: dict[str, Watched]
    ) -> tuple[dict[str, list[Change]], dict[str, str], set[str]]:
        """Step 3: for each report its changes; those that failed; those with somebody under two ids."""
        copy.fill(self.wanted(watched))
        left: dict[str, str] = {}
        with client.instead(copy.store):
            with clock.standing(self.mark.now), candidates.linked(copy.store, there=copy.links > 0):
                together = Together()
                for id_ in watched:
                    try:
                        together.add(self.reports[id_])
                    except ArrivalsError:
                        left[id_] = "failed"  # a look at everybody says what is wrong
            found = together.ask()
            left |= dict.fromkeys(watched.keys() - found.keys(), "failed")
            if not found:
                return {}, left, set()
            changes, joined = ledger.compared(found, linked=copy.links > 0)
            return changes, left, joined

    def wanted(self, watched: dict[str, Watched]) -> Wanted:
        parts = [plan.wanted(watch.seen_at or self.mark.now, self.mark.now) for watch, plan in watched.values()]
        return Wanted(
            events=frozenset().union(*(one.events for one in parts)),
            content=any(one.content for one in parts),
            fields=frozenset().union(*(one.fields for one in parts)),
            accounts=any(one.accounts for one in parts),
            lists=frozenset().union(*(one.lists for one in parts)),
        )

    def before(self, report_id: str, joined: bool) -> int:
        """How many were on the report: as counted before, or anew where two that were counted are one now."""
        if joined:
            return ledger.present(report_id, members.of(self.reports[report_id]))
        return self.watched[report_id][0].on_report

    def move_on(self, report_ids: Sequence[str], size: int) -> None:
        """Step 4 of those for whom nothing changed."""
        if not report_ids:
            return
        now, ms = clock.now(), round((time.monotonic() - self.began) * 1000)
        with transaction.atomic():
            ours = Watch.objects.filter(claim=self.token, report_id__in=list(report_ids))
            still = set(ours.select_for_update().values_list("report_id", flat=True))
            kept = {"epoch": self.mark.epoch, "seq": self.mark.seq, "seen_at": self.mark.now}
            for minutes in {self.watched[id_][0].minutes for id_ in still}:
                ours.filter(minutes=minutes).update(
                    checked_at=now, next_due=now + timedelta(minutes=minutes), errors=0, error="", **kept
                )
            Check.objects.bulk_create(
                Check(report_id=id_, on_report=self.watched[id_][0].on_report, ms=ms, candidates=size)
                for id_ in report_ids
                if id_ in still
            )
        checks.drop_old(random.choice(list(report_ids)))  # noqa: S311 - each gets its turn
