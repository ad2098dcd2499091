"""A look at chosen visitors at once, for whoever knows that something has just happened to them. Blocks."""

import logging
import time
from collections.abc import Sequence

from django.db import transaction

from arrivals import ids
from arrivals.audience import candidates, members, person
from arrivals.audience.models import Report
from arrivals.errors import ArrivalsError
from arrivals.warehouse import client
from arrivals.watch import checks, ledger
from arrivals.watch.ledger import Change
from arrivals.watch.models import Check, Watch

log = logging.getLogger(__name__)


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
    2. Ask for the difference of each report, of these visitors only, under all their ids.
    3. For each report with a difference, one transaction: insert arrivals and departures, with the same entry numbers as
       a check would.
    4. Append them to the ledger.
    """
    began = time.monotonic()
    reports = {}
    for one in Report.objects.select_related("segment").filter(pk__in=list(report_ids)):
        try:
            if candidates.plan(one).local:
                reports[one.id] = one
        except ArrivalsError:  # the check that is due says what is wrong
            continue
    token = ids.new("chk")
    checks.take_all(list(reports), token)
    with checks.held(token):
        watched = {one.report_id: one for one in Watch.objects.filter(claim=token, baseline_at__isnull=False)}
        if not watched or not keys:
            return {}
        checks.settle_all(list(watched.values()))
        theirs = person.all_keys(keys)
        changed = {}
        for id_, watch in watched.items():
            if changes := _changes(reports[id_], theirs):
                with transaction.atomic():
                    entered, left, gone = checks.insert(watch, token, [changes])
                    total, ms = watch.on_report + entered - gone, round((time.monotonic() - began) * 1000)
                    Watch.objects.filter(pk=id_).update(on_report=total)
                    Check.objects.create(
                        report_id=id_, on_report=total, entered=entered, left=left, ms=ms, candidates=len(theirs)
                    )
                changed[id_] = entered + left
        checks.settle_all([watched[id_] for id_ in changed])
        return changed


def _changes(report: Report, keys: Sequence[int]) -> list[Change]:
    try:
        found = members.among(report, keys)
        rows = [one for block in ledger.differences(report.id, found, only=keys) for one in block]
        return ledger.named(found, rows) if rows else []
    except Exception:
        log.exception("Report %s could not be asked for single visitors; its check finds them.", report.id)
        return []
