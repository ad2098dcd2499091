"""A look at chosen visitors at once, for whoever knows that something has just happened to them. Blocks."""

import time
from collections.abc import Sequence

from django.db import transaction

from arrivals import ids
from arrivals.audience import candidates
from arrivals.audience.models import Report
from arrivals.errors import ArrivalsError
from arrivals.warehouse import client, near
from arrivals.watch import batches, checks, marks
from arrivals.watch.models import Check, Watch

ADD = "SELECT arrayJoin({keys:Array(UInt64)})"


def check(visitor_ids: Sequence[str], report_ids: Sequence[str]) -> dict[str, int]:
    """As ``check_keys``, for visitors by their ids."""
    rows = client.warehouse().query("SELECT cityHash64(arrayJoin({ids:Array(String)}))", {"ids": list(visitor_ids)})
    return check_keys([int(key) for (key,) in rows], report_ids)


def check_keys(keys: Sequence[int], report_ids: Sequence[str]) -> dict[str, int]:
    """Look at these visitors on these reports now; returns how many entered or left, by report, where any did.

    To be called when what happened to them is written. It only comes before the check that is due: nothing relies on it,
    the marks of the reports stay, and reports that it cannot look at in this way (never looked at yet, claimed by a check,
    with rules that depend on others, of accounts or responses, remote) are left out. Each step survives a kill -9:

    1. Claim the reports by one conditional update; repair their ledgers.
    2. Copy what is stored of these visitors, under all their ids, and take the difference of each report in the copy.
    3. For each report with a difference, one transaction: insert arrivals and departures, with the same entry numbers as
       a check would.
    4. Append them to the ledger.
    """
    began = time.monotonic()
    plans = {}
    reports = {one.id: one for one in Report.objects.select_related("segment").filter(pk__in=list(report_ids))}
    for id_, report in reports.items():
        try:
            plan = candidates.plan(report)
        except ArrivalsError:  # the check that is due says what is wrong
            continue
        if plan.local:
            plans[id_] = plan
    token = ids.new("chk")
    checks.take_all(list(plans), token)
    with checks.held(token):
        watched = {
            one.report_id: (one, plans[one.report_id])
            for one in Watch.objects.filter(claim=token, baseline_at__isnull=False)
        }
        if not watched:
            return {}
        checks.settle_all([watch for watch, _ in watched.values()])
        mark = marks.take()
        with near.copy() as copy:
            copy.add(ADD, {"keys": list(keys)})
            size = copy.close_over_links()
            found, _failed, _joined = batches.Batch(token, began, mark, reports, watched).differences(copy, watched)
        changed = {}
        for id_, changes in found.items():
            if changes:
                watch, _ = watched[id_]
                with transaction.atomic():
                    entered, left, gone = checks.insert(watch, token, [changes])
                    total, ms = watch.on_report + entered - gone, round((time.monotonic() - began) * 1000)
                    Watch.objects.filter(pk=id_).update(on_report=total)
                    Check.objects.create(
                        report_id=id_, on_report=total, entered=entered, left=left, ms=ms, candidates=size
                    )
                changed[id_] = entered + left
        checks.settle_all([watched[id_][0] for id_ in changed])
        return changed
