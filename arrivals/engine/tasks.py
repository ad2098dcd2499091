"""Tasks: what is counted, and what a month's limit does. A task is an action that succeeded. Blocks.

Counted in the transaction that records the step, so exactly as often as the step is; in the day (of the workspace's zone) in which
it ended, by workflow and app. Each runner adds to rows of its own ``shard``, so that runners do not wait for one another.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zlib import crc32

from django.db import transaction
from django.db.models import Sum

from arrivals import clock, config
from arrivals.accounts import workspace
from arrivals.engine import notices
from arrivals.engine.models import Run, TaskCount
from arrivals.errors import Invalid
from arrivals.workflows.models import Workflow

SHARDS = 16
# Types of steps that are tasks, and where the step names its app.
APPS: dict[str, str | None] = {"action": None, "find_or_create": None, "http": "http"}
ADD = """
INSERT INTO engine_taskcount (day, workflow_id, app, shard, count) VALUES {rows}
ON CONFLICT (day, workflow_id, app, shard) DO UPDATE SET count = engine_taskcount.count + excluded.count
"""
MARKS = (80, 100)
AT_A_TIME = 5000


def app_of(step: Mapping[str, Any]) -> str:
    """The app of which the step is a task when it succeeds; empty: it is none."""
    if step["type"] not in APPS:
        return ""
    return APPS[step["type"]] or str(step["app"])


def record(cursor: Any, done: Sequence[tuple[str, str, datetime]], owner: str) -> None:
    """Add tasks (workflow, app, when it ended), in one statement, within the caller's transaction."""
    if not done:
        return
    zone, shard = workspace.zone(), crc32(owner.encode()) % SHARDS
    counted = Counter((ended.astimezone(zone).date(), workflow, app) for workflow, app, ended in done)
    # In order: two groups that add to the same rows must not wait for each other.
    rows = [[str(day), workflow, app, shard, number] for (day, workflow, app), number in sorted(counted.items())]
    cursor.execute(
        ADD.format(rows=", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))), [value for row in rows for value in row]
    )


def month(day: date | None = None) -> tuple[date, date]:
    """The first day of the month that ``day`` (in the workspace's zone; today) is in, and of the next one."""
    first = (day or clock.now().astimezone(workspace.zone()).date()).replace(day=1)
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def parse(text: str) -> date | None:
    """The first day of a month that is written as 2026-11; None: it is empty. Raises Invalid."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 a month has no zone
    except ValueError as error:
        raise Invalid(f"It must be a month such as 2026-11; got {text!r:.40}.", path="month") from error


def used(day: date | None = None) -> int:
    """The tasks of a month."""
    first, end = month(day)
    found = TaskCount.objects.filter(day__gte=first, day__lt=end).aggregate(sum=Sum("count"))
    return int(found["sum"] or 0)


def usage(day: date | None = None) -> dict[str, Any]:
    """A month in figures: month ("2026-11"), tasks, limit (null: none), left, held (runs that wait for the next month), days,
    workflows and apps (each with its tasks, the most first)."""
    first, end = month(day)
    found = TaskCount.objects.filter(day__gte=first, day__lt=end)
    total, limit = used(day), config.current().tasks_a_month
    days = found.values("day").annotate(tasks=Sum("count")).order_by("day")
    by = found.values("workflow_id", "app").annotate(tasks=Sum("count"))
    workflows: Counter[str] = Counter()
    apps: Counter[str] = Counter()
    for row in by:
        workflows[row["workflow_id"]] += row["tasks"]
        apps[row["app"]] += row["tasks"]
    names = dict(Workflow.objects.filter(pk__in=list(workflows)).values_list("pk", "name"))
    return {
        "month": f"{first:%Y-%m}",
        "tasks": total,
        "limit": limit or None,
        "left": max(limit - total, 0) if limit else None,
        "held": Run.objects.filter(held_for=Run.HeldFor.TASKS, state=Run.State.HELD).count(),
        "days": [{"day": row["day"].isoformat(), "tasks": row["tasks"]} for row in days],
        "workflows": [
            {"workflow": id_, "name": names.get(id_), "tasks": number} for id_, number in workflows.most_common()
        ],
        "apps": [{"app": app, "tasks": number} for app, number in apps.most_common()],
    }


class Budget:
    """What is left of a month's limit, for one runner: what is counted in the database, and what it has under way.

    Other runners' tasks are seen at the next ``refresh``, so that several may go over the limit by what they do in a second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used = self._under_way = 0
        self._told: tuple[date, int, bool] | None = None  # so that the database is not asked each second

    def begin(self, step: Mapping[str, Any]) -> bool:
        """Whether the step may be done; one that is a task is under way until ``end``."""
        limit = config.current().tasks_a_month
        if not app_of(step):
            return True
        with self._lock:
            if limit and self._used + self._under_way >= limit:
                return False
            self._under_way += 1
        return True

    def end(self, step: Mapping[str, Any]) -> None:
        """The step is recorded, or was not."""
        if app_of(step):
            with self._lock:
                self._under_way -= 1

    def recorded(self, number: int) -> None:
        """So many tasks were written."""
        with self._lock:
            self._used += number

    def refresh(self) -> None:
        """Read what is used, tell people at 80 % and at 100 %, and let runs go on that are held while there is room."""
        limit = config.current().tasks_a_month
        # Nothing is written between: all SQL of a runner is done by one thread.
        read = used() if limit else 0
        with self._lock:
            self._used = read
        if limit and read * 100 >= limit * MARKS[0] and (told := (month()[0], limit, read >= limit)) != self._told:
            _tell(read, limit)
            self._told = told
        release(max(limit - read, 0) if limit else AT_A_TIME)


def release(most: int) -> int:
    """Let up to ``most`` runs go on that are held for tasks, the oldest first; return how many."""
    held = Run.objects.filter(held_for=Run.HeldFor.TASKS, state=Run.State.HELD).order_by("id")
    ids = list(held.values_list("pk", flat=True)[: min(most, AT_A_TIME)]) if most > 0 else []
    if not ids:
        return 0
    waiting = Run.objects.filter(pk__in=ids, state=Run.State.HELD, held_for=Run.HeldFor.TASKS)
    return waiting.update(state=Run.State.WAITING, due=clock.now(), held_for="")


def _tell(number: int, limit: int) -> None:
    """Once a month and mark, however many runners look."""
    first, end = month()
    for percent in MARKS:
        if number * 100 < limit * percent:
            continue
        subject = f"{number:,} of the {limit:,} tasks of this month are used"
        effect = (
            "Runs that would do more are held, and none is lost. They go on by themselves "
            f"on {end.isoformat()}, or when ARRIVALS_TASKS_A_MONTH is raised."
            if percent == 100
            else "When all are used, runs are held until the next month; none is lost."
        )
        lines: list[notices.Line] = [effect, ("What they were used for", "/settings/usage")]
        with transaction.atomic():
            notices.tell(f"tasks_{percent}", subject, lines, once=f"tasks:{first:%Y-%m}:{percent}:{limit}")
