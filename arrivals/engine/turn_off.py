"""A workflow that fails nearly always is turned off: paused, with the reason. See ``Keeper._run`` for the steps."""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import close_old_connections, transaction
from django.db.models import Count, Max, Q

from arrivals import background, clock, config
from arrivals.engine import notices
from arrivals.engine.failures import TESTS
from arrivals.engine.models import Failing, Run
from arrivals.watch.models import Watch
from arrivals.workflows.models import Activation, Version, Workflow

log = logging.getLogger(__name__)
RATIO = 0.95
MORE_THAN = 20
WITHIN = timedelta(days=7)
LOOK_SECONDS = 1.0
REPORT_SECONDS = 30.0
NOTICES_KEPT = timedelta(days=90)
REPORT_ERRORS = 3  # checks in a row that fail before people are told
# A run is finished when it ended by itself. Cancelled by a person it says nothing, and one that is held, delayed or scheduled
# is still under way. Filtered, halted and handled (an error branch was there) is no failure.
FINISHED = (Run.State.SUCCEEDED, Run.State.FILTERED, Run.State.HALTED, Run.State.FAILED)


@dataclass(frozen=True)
class Tally:
    """Of the runs that finished since ``since``: how many, and how many of them failed."""

    finished: int
    failed: int
    since: datetime

    @property
    def too_many(self) -> bool:
        return self.finished > MORE_THAN and self.failed >= RATIO * self.finished

    def words(self) -> str:
        return f"{self.failed:,} of the {self.finished:,} runs that finished since {clock.minute(self.since)} failed"


def count(workflow: Workflow, now: datetime) -> Tally:
    """Look at the last 7 days, but at nothing before it was last turned on or the version that runs was published: whoever
    resumes it or mends it begins anew."""
    turned_on = Activation.objects.filter(workflow=workflow).aggregate(last=Max("at"))["last"]
    published = Version.objects.filter(pk=workflow.version_id or 0).values_list("created_at", flat=True).first()
    since = max(one for one in (now - WITHIN, turned_on, published) if one is not None)
    found = Run.objects.filter(workflow=workflow, ended_at__gte=since, state__in=FINISHED).exclude(kind__in=TESTS)
    told = found.aggregate(finished=Count("id"), failed=Count("id", filter=Q(state=Run.State.FAILED)))
    return Tally(told["finished"], told["failed"], since)


class Keeper(background.Loop):
    """Looks at the workflows of which a run failed, at graces that end, and at reports that cannot be looked at."""

    def __init__(self) -> None:
        self._not_before: dict[str, float] = {}
        self._reports_at = 0.0

    async def _run(self) -> None:
        """Each second:

        1. Read the marks of workflows of which a run failed for good (made in the transaction that says so).
        2. For each, one transaction: take the mark away, count, and pause the workflow, begin its grace, or do nothing;
           with the notice of it. A run that fails meanwhile makes the mark again.
        3. The same for those whose grace is over.
        4. Each half minute: tell of reports that could not be looked at three times in a row, once for each time that this
           begins; forget notices of more than 90 days ago.
        Killed anywhere, the mark or the time is still there. A workflow with so many runs that counting takes time is counted
        less often.
        """
        while True:
            try:
                await asyncio.to_thread(self.look)
            except Exception:
                log.exception("Workflows that fail could not be looked at.")
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Steps 1 to 4, once. Blocks."""
        close_old_connections()
        try:
            now = time.monotonic()
            over = Workflow.objects.filter(off_due__lte=clock.now()).values_list("pk", flat=True)
            for workflow_id in {*Failing.objects.values_list("workflow_id", flat=True), *over}:
                if self._not_before.get(workflow_id, 0.0) <= now:
                    began = time.monotonic()
                    judge(workflow_id)
                    self._not_before[workflow_id] = began + 10 * (time.monotonic() - began)
            if now - self._reports_at > REPORT_SECONDS:
                self._reports_at = now
                tell_of_reports()
                notices.forget(clock.now() - NOTICES_KEPT)
        finally:
            close_old_connections()


def judge(workflow_id: str) -> None:
    """Step 2."""
    now = clock.now()
    with transaction.atomic():
        Failing.objects.filter(workflow=workflow_id).delete()
        workflow = Workflow.objects.select_for_update().filter(pk=workflow_id).first()
        if workflow is None:
            return
        counted = count(workflow, now) if workflow.state == Workflow.State.ON and not workflow.override else None
        if counted is None or not counted.too_many:
            if workflow.off_due is not None and (counted is None or workflow.off_due <= now):
                Workflow.objects.filter(pk=workflow_id).update(off_due=None)
            return
        grace = timedelta(hours=config.current().turn_off_hours)
        if workflow.off_due is None and grace:
            _warn(workflow, counted, now + grace)
        elif workflow.off_due is None or workflow.off_due <= now:
            _turn_off(workflow, counted, now)


def override(workflow_id: str, wanted: bool) -> None:
    """Whether a workflow stays on however many of its runs fail. Off again, it is looked at at once."""
    with transaction.atomic():
        Workflow.objects.filter(pk=workflow_id).update(override=wanted, off_due=None)
        if not wanted:
            Failing.objects.bulk_create([Failing(workflow_id=workflow_id)], ignore_conflicts=True)


def tell_of_reports() -> None:
    """Step 4."""
    for watch in Watch.objects.filter(active=True, errors__gte=REPORT_ERRORS).select_related("report"):
        on = Workflow.objects.filter(report=watch.report, state=Workflow.State.ON).values_list("pk", flat=True)
        last = clock.minute(watch.checked_at) if watch.checked_at else "never"
        notices.tell(
            "report_unchecked",
            f"The report {watch.report.name} could not be looked at",
            [
                f"{watch.error} It was tried {watch.errors} times in a row; it was last looked at {last}.",
                "Nobody is lost: who enters meanwhile arrives when it can be looked at again.",
                ("The report:", f"/reports/{watch.report_id}"),
            ],
            once=f"report_unchecked:{watch.report_id}:{last}",
            workflows=list(on),
        )


def _warn(workflow: Workflow, counted: Tally, due: datetime) -> None:
    Workflow.objects.filter(pk=workflow.pk).update(off_due=due)
    notices.tell(
        "workflow_off",
        f"{workflow.name} will be turned off: nearly all of its runs fail",
        [
            f"{counted.words()}. It is turned off at {clock.minute(due)} if that stays so.",
            "Mend it, publish a new version, or tell it to stay on:",
            ("The workflow:", f"/workflows/{workflow.pk}"),
        ],
        once=f"grace:{workflow.pk}:{clock.iso(due)}",
        workflow=workflow.pk,
    )


def _turn_off(workflow: Workflow, counted: Tally, now: datetime) -> None:
    reason = (
        f"Turned off: {counted.words()}. Runs under way go on; nobody is lost: resuming asks for whom it shall run."
    )
    Workflow.objects.filter(pk=workflow.pk).update(
        state=Workflow.State.PAUSED, paused_at=now, reason=reason, off_due=None
    )
    notices.tell(
        "workflow_off",
        f"{workflow.name} was turned off: nearly all of its runs fail",
        [
            f"{counted.words()}.",
            "Who arrives meanwhile is not lost: resuming it asks for whom it shall run, and failed runs can be replayed.",
            ("The workflow:", f"/workflows/{workflow.pk}"),
            ("Its failed runs:", f"/workflows/{workflow.pk}/runs?state=failed"),
        ],
        once=f"turned_off:{workflow.pk}:{clock.iso(now)}",
        workflow=workflow.pk,
    )
