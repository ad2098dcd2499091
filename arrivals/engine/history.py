"""The history of runs: found by who, when, what came of them and what they said; kept for so many days. Blocks.

Lists are in the order of ids, which is that of making, so a span of time is a span of ids. State, workflow and visitor have indexes of
the runs that have ended (``Run``); texts are looked for from the newest on, in a span of runs at a time.
"""

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from arrivals import clock, config, ids
from arrivals.accounts import workspace
from arrivals.audience import cursors
from arrivals.audience.rows import guarded
from arrivals.engine import runs, store
from arrivals.engine.models import ENDED, Run, StepRun
from arrivals.errors import Invalid
from arrivals.workflows.models import Workflow

CHUNK = 500
UNDER = "due <= %s AND workflow_id IN (SELECT id FROM workflows_workflow)"
SEARCHED = 20_000  # runs that one question for a text looks at
SECONDS = 2.0
COUNTED = 10_000  # beyond it a count says only that there are more
UNDER_WAY = (Run.State.WAITING, Run.State.RUNNING)
SOON = timedelta(minutes=1)
TRIMMED = 500
# The condition of the indexes by state, in their words: SQLite does not conclude it from parameters.
SETTLED = RawSQL("NOT (engine_run.state IN ('waiting', 'running'))", [], output_field=BooleanField())
CSV = (
    "id", "workflow", "workflow_name", "version", "kind", "member", "visitor", "state", "created_at", "started_at", "ended_at",
    "seconds", "steps", "error_code", "error", "error_step",
)  # fmt: skip


@dataclass(frozen=True)
class Filter:
    """What to look for; empty means everything. ``visitor`` is whom a run is about, or its member where it is about no visitor. ``error``: a part of its error's
    code or message. ``text``: a part of what its steps were given or gave."""

    workflow: str = ""
    state: str = ""
    since: datetime | None = None
    until: datetime | None = None
    visitor: str = ""
    error: str = ""
    text: str = ""

    @property
    def searches(self) -> bool:
        return bool(self.error or self.text)


@dataclass(frozen=True)
class Found:
    """``next``: the cursor of the next page. ``until``: when not all could be looked at, how far back it was."""

    items: list[dict[str, Any]]
    next: str | None
    until: datetime | None = None


def read(given: Any) -> Filter:
    """A filter from the parameters of an address: workflow, state, since, until, visitor, error, text.

    Raises:
        Invalid: a state that there is not, or a time that is none.
    """
    state = given.get("state") or ""
    if state and state not in Run.State.values:
        raise Invalid(f"It must be one of {', '.join(Run.State.values)}.", path="state")
    texts = {name: (given.get(name) or "").strip()[:500] for name in ("workflow", "visitor", "error", "text")}
    return Filter(state=state, since=_time(given, "since"), until=_time(given, "until"), **texts)


def page(wanted: Filter, *, limit: int = 50, cursor: str = "") -> Found:
    """Runs, newest first, each as ``runs.summary`` gives it.

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000.
    """
    if not 1 <= limit <= runs.MOST:
        raise Invalid(f"The limit must be from 1 to {runs.MOST}.", path="limit")
    if cursor and not cursor.startswith("run_"):
        raise Invalid(cursors.WRONG, path="cursor")
    if wanted.searches:
        return _searched(wanted, limit, cursor)
    found = list(_from(_matching(wanted), cursor)[: limit + 1])
    following = str(found[limit - 1].id) if len(found) > limit else None
    return Found([runs.summary(run) for run in found[:limit]], following)


def counts(workflow_id: str = "", *, most: int = COUNTED) -> dict[str, int]:
    """How many runs there are in each state that has any; a number above ``most`` means that there are more. One statement, of
    which the work is bounded whatever the number of runs."""
    of = "workflow_id = %s AND " if workflow_id else ""
    soon = store.moment(clock.now() + SOON)
    parts, values = [], []
    for state in Run.State.values:
        # As in ``_matching``; the state is a word of ours.
        which = UNDER if state in UNDER_WAY else "NOT (state IN ('waiting', 'running'))"
        parts.append(
            f"(SELECT COUNT(*) FROM (SELECT 1 AS one FROM engine_run WHERE {of}state = '{state}' AND NOT trimmed AND {which} LIMIT {most + 1}) AS s)"
        )
        values += ([workflow_id] if workflow_id else []) + ([soon] if state in UNDER_WAY else [])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", values)
        found = cursor.fetchone()
    return {state: int(number) for state, number in zip(Run.State.values, found, strict=True) if number}


def rows(wanted: Filter) -> Iterator[str]:
    """Lines of CSV, streamed: a header (``CSV``), then the runs, newest first. All of them, however far back."""
    yield _line(CSV)
    cursor = ""
    while True:
        found = page(wanted, limit=runs.MOST, cursor=cursor)
        if found.items:
            names = dict(
                Run.objects.filter(pk__in=[one["id"] for one in found.items]).values_list("pk", "workflow__name")
            )
            yield "".join(_line(_cells(one, names)) for one in found.items)
        if found.next is None:
            return
        cursor = found.next


def trim(now: datetime | None = None) -> int:
    """Forget what runs said that ended more than ``ARRIVALS_HISTORY_DAYS`` ago; return how many those were.

    Their steps, input and error go, and they are in no list any more. That there was a run stays: by it the workflow knows whom it ran for.
    In pieces, each a transaction: killed, the next call goes on.
    """
    days = config.current().history_days
    if not days:
        return 0
    before = (now or clock.now()) - timedelta(days=days)
    trimmed = 0
    for state in ENDED:
        after = ""
        while True:
            old = Run.objects.filter(state=state, trimmed=False, id__lt=ids.at("run", before), id__gt=after).order_by(
                "id"
            )
            piece = list(old.filter(SETTLED).order_by("id").values_list("pk", "ended_at")[:TRIMMED])
            if not piece:
                break
            after = piece[-1][0]
            over = [pk for pk, ended in piece if ended is None or ended < before]
            with transaction.atomic():
                StepRun.objects.filter(run__in=over).delete()
                trimmed += Run.objects.filter(pk__in=over, state=state).update(trimmed=True, input={}, error=None)
    return trimmed


def _time(given: Any, name: str) -> datetime | None:
    text = (given.get(name) or "").strip()
    try:
        return workspace.parse(text) if text else None
    except ValueError as error:
        raise Invalid(f"It must be a time in ISO 8601; got {text!r:.40}.", path=name) from error


def _matching(wanted: Filter) -> QuerySet[Run]:
    """The runs, without what is only to be found by reading them. Written so that an index is of use for each kind of question."""
    found = Run.objects.select_related("version").defer("input").filter(trimmed=False).order_by("-id")
    if wanted.workflow:
        found = found.filter(workflow_id=wanted.workflow)
    if wanted.state in UNDER_WAY:  # they are due by now: what is due has an index, by workflow
        due = Run.objects.filter(due__lte=clock.now() + SOON, workflow__in=Workflow.objects.values("pk"))
        found = found.filter(state=wanted.state, pk__in=due.values("pk"))
    elif wanted.state:
        found = found.filter(state=wanted.state).filter(SETTLED)
    if wanted.since:
        found = found.filter(id__gte=ids.at("run", wanted.since))
    if wanted.until:
        found = found.filter(id__lt=ids.at("run", wanted.until))
    if wanted.visitor:
        found = found.filter(about=wanted.visitor)
    if wanted.error:
        found = found.filter(error__isnull=False)
    return found


def _from(found: QuerySet[Run], cursor: str) -> QuerySet[Run]:
    return found.filter(id__lt=cursor) if cursor else found


def _searched(wanted: Filter, limit: int, cursor: str) -> Found:
    began, looked = time.monotonic(), 0
    found: list[dict[str, Any]] = []
    while looked < SEARCHED and time.monotonic() - began < SECONDS:
        piece = list(_from(_matching(wanted), cursor)[:CHUNK])
        said = _said([run.id for run in piece], wanted.text)
        for run in piece:
            cursor = run.id
            if _contains(run.error, wanted.error) and (not wanted.text or run.id in said):
                found.append(runs.summary(run))
                if len(found) == limit:
                    return Found(found, cursor)
        looked += len(piece)
        if len(piece) < CHUNK:
            return Found(found, None)
    return Found(found, cursor, until=ids.moment(cursor))


def _said(run_ids: list[str], text: str) -> set[str]:
    """Those of the runs whose steps say the text."""
    if not text or not run_ids:
        return set()
    places = ", ".join(["%s"] * len(run_ids))
    as_text = "CAST({} AS TEXT)"
    parts = " || ' ' || ".join(f"COALESCE({as_text.format(name)}, '')" for name in ("inputs", "outputs", "error"))
    sought = f"%{_escaped(_as_json(text)).lower()}%"
    sql = f"SELECT DISTINCT run_id FROM engine_steprun WHERE run_id IN ({places}) AND LOWER({parts}) LIKE %s ESCAPE '!'"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*run_ids, sought])
        return {row[0] for row in cursor.fetchall()}


def _as_json(text: str) -> str:
    """The text as it stands inside of stored JSON."""
    return orjson.dumps(text).decode()[1:-1]


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _contains(error: Any, sought: str) -> bool:
    if not sought:
        return True
    said = f"{error.get('code', '')} {error.get('message', '')}" if isinstance(error, dict) else ""
    return sought.lower() in said.lower()


def _cells(one: dict[str, Any], names: dict[str, str]) -> list[Any]:
    error = one["error"] or {}
    told = {
        **one,
        "workflow_name": names.get(one["id"], ""),
        "steps": one["step"],
        "error_code": error.get("code"),
        "error": error.get("message"),
        "error_step": error.get("step"),
    }
    return [told[name] for name in CSV]


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([guarded(one) for one in cells])
    return text.getvalue()
