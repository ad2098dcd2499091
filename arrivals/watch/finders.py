"""Arrivals as soon as the event comes in, where a report's rules allow to look at single visitors."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import close_old_connections

from arrivals import background, clock
from arrivals.audience import candidates
from arrivals.audience.binder import Keys
from arrivals.audience.candidates import Plan
from arrivals.audience.models import Report
from arrivals.errors import ArrivalsError
from arrivals.warehouse import client, recent
from arrivals.warehouse.near import matching
from arrivals.watch import told
from arrivals.watch.models import Watch

log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.3  # between two looks at least ...
SHARE = 1  # ... and so many times as long as the last look took: at most half of the time
SETTLES_SECONDS = 0.03  # an insert that is under way when a mark is taken has mostly ended after it ...
SETTLES_TIMES = 3  # ... or after some of them; what has not is looked at by the next look
LOOK_SECONDS = 1.0  # when nobody wakes it
PLANS_SECONDS = 5.0  # how long it is known what the reports look at
PLANS_SHARE = 50  # the same for many reports: reading them takes at most a fiftieth of the time
IMPORTED = timedelta(minutes=10)  # so long after an import of somebody's history they are left to the checks
MOST = 2_000  # visitors of one look; those beyond are found by the check that is due


@dataclass(frozen=True)
class Concern:
    """Kind and name of events and fields, as they come in, that can change who is on a report."""

    report: str
    plan: Plan


class Finder(background.Woken):
    """``on_found`` is called (from the event loop) when somebody entered or left a report."""

    def __init__(self, on_found: Callable[[], None]) -> None:
        super().__init__()
        self._on_found = on_found
        self._seq = 0  # everything with a lower number was looked at
        self._concerns: list[Concern] = []
        self._ids: set[str] = set()
        self._read_until = 0.0

    async def _run(self) -> None:
        """Again and again, when something came in: see ``look``. It only comes before the checks that are due, and nothing
        relies on it: what it does not see, or fails at, they find."""
        while True:
            began = time.monotonic()
            try:
                if await self._look_in_a_thread(self.look):
                    self._on_found()
            except Exception:
                log.exception("What came in could not be looked at for reports; their checks find it.")
            await asyncio.sleep(max(PAUSE_SECONDS, SHARE * (time.monotonic() - began)))
            await self._woken(LOOK_SECONDS)

    def look(self) -> int:
        """Look at the visitors of whom something came in that can matter, on the reports for which it can; return how many
        entered or left.

        1. Take a mark: what has a higher number may not be readable yet, and is looked at by the next look.
        2. Ask for kinds and names of what came in since the mark before; leave out the reports that look at none of them.
        3. Look at the visitors of whom it is (``told.check_keys``), on these reports.
        """
        close_old_connections()
        try:
            concerns = self._current()
            mark = self._mark() if concerns else recent.settled()
            before, self._seq = self._seq, max(self._seq, mark)
            if not concerns or not before or mark <= before:
                return 0
            return self._between(concerns, max(before, recent.oldest()), mark)
        finally:
            close_old_connections()

    def _mark(self) -> int:
        """A mark that is as new as can be had without waiting for long."""
        began = mark = recent.settled()
        for _ in range(SETTLES_TIMES):
            if mark > max(began, self._seq):
                break
            time.sleep(SETTLES_SECONDS)
            mark = recent.settled()
        return mark

    def _between(self, concerns: list[Concern], first: int, last: int) -> int:
        span = {"first": first, "last": last}
        rows = client.warehouse().query(
            "SELECT DISTINCT sort, kind, name FROM recent WHERE seq >= {first:UInt64} AND seq < {last:UInt64}", span
        )
        came = {(str(sort), str(kind), str(name)) for sort, kind, name in rows}
        chosen = [one for one in concerns if _matters(one.plan, came)]
        if not chosen:
            return 0
        events, given = matching({pair for one in chosen for pair in one.plan.events}, "e_")
        fields, own = matching({pair for one in chosen for pair in one.plan.fields}, "f_")
        keys = client.warehouse().query(
            "SELECT DISTINCT visitor FROM recent WHERE seq >= {first:UInt64} AND seq < {last:UInt64} "
            f"AND (sort = 'link' OR (sort = 'event' AND {events}) OR (sort = 'field' AND {fields})) LIMIT {{most:UInt32}}",
            {**span, **given, **own, "most": MOST},
        )
        looked = _settled([int(key) for (key,) in keys])
        found = told.check_keys(looked, [one.report for one in chosen]) if looked else {}
        return sum(found.values())

    def _current(self) -> list[Concern]:
        """The reports that are watched, have had their first look, and can be looked at visitor by visitor."""
        began = time.monotonic()
        watched = Watch.objects.filter(active=True, baseline_at__isnull=False, report__kind="visitor")
        ids = set(watched.filter(report__origin={}).values_list("report_id", flat=True))
        if began > self._read_until or ids != self._ids:
            concerns = []
            for report in Report.objects.select_related("segment").filter(pk__in=ids):
                try:
                    plan = candidates.plan(report)
                except ArrivalsError:  # the check that is due says what is wrong
                    continue
                if plan.local:
                    concerns.append(Concern(report.id, plan))
            took = time.monotonic() - began
            self._ids = ids
            self._concerns, self._read_until = concerns, began + max(PLANS_SECONDS, PLANS_SHARE * took)
        return self._concerns


def _settled(keys: list[int]) -> list[int]:
    """Those of whom no history was imported lately: in the middle of an import somebody may seem to be what they are not."""
    if not keys:
        return []
    rows = client.warehouse().query(
        "SELECT DISTINCT visitor FROM events WHERE visitor IN {keys:Array(UInt64)} AND history AND received_at > {since:DateTime64(3, 'UTC')}",
        {"keys": Keys(keys), "since": clock.now() - IMPORTED},
    )
    imported = {int(key) for (key,) in rows}
    return [key for key in keys if key not in imported]


def _matters(plan: Plan, came: set[tuple[str, str, str]]) -> bool:
    """Whether anything that came in can change who is on a report with this plan."""
    wanted = {"event": plan.events, "field": plan.fields}
    return any(
        sort == "link"
        or any(
            (not its_kind or its_kind == kind) and (not its_name or its_name == name)
            for its_kind, its_name in wanted.get(sort, ())
        )
        for sort, kind, name in came
    )
