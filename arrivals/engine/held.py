"""Runs that are held: why, and letting them go on or discarding them, one by one or all of a cause. Blocks."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.db.models import Count, Max

from arrivals import clock
from arrivals.engine.models import Run
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.workflows.actions import catalogue

CAUSES = tuple(Run.HeldFor.values)
FLOOD_SECONDS = 1  # between two runs that are let go of a flood
CODE = "discarded"
# Numbered by their ids, which is the order of their arrivals; due one after the other.
PACED = {
    "postgresql": """
UPDATE engine_run SET state = 'waiting', held_for = '', connection_id = '', tries = 0, error = NULL,
due = %s::timestamptz + numbered.number * interval '1 second'
FROM (SELECT id AS numbered_id, row_number() OVER (ORDER BY id) - 1 AS number FROM engine_run
      WHERE workflow_id = %s AND state = 'held' AND held_for = 'flood') AS numbered
WHERE engine_run.id = numbered.numbered_id AND engine_run.state = 'held'
""",
    "sqlite": """
UPDATE engine_run SET state = 'waiting', held_for = '', connection_id = '', tries = 0, error = NULL,
due = strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, '+' || numbered.number || ' seconds')
FROM (SELECT id AS numbered_id, row_number() OVER (ORDER BY id) - 1 AS number FROM engine_run
      WHERE workflow_id = %s AND state = 'held' AND held_for = 'flood') AS numbered
WHERE engine_run.id = numbered.numbered_id AND engine_run.state = 'held'
""",
}


def why(run: Mapping[str, Any]) -> str:
    """A sentence: why a run (as ``runs.get`` shows it) is held and what makes it go on; empty when it is not."""
    if run["state"] != Run.State.HELD:
        return ""
    return _why(run["held_for"], run["connection"] or "", 1)


def causes(workflow_id: str) -> list[dict[str, Any]]:
    """What the held runs of a workflow wait for: for, connection (or null), runs, why."""
    found = Run.objects.filter(workflow=workflow_id, state=Run.State.HELD)
    counted = found.values_list("held_for", "connection_id").annotate(number=Count("id")).order_by("held_for")
    return [
        {
            "for": cause or Run.HeldFor.CONNECTION.value,
            "connection": connection or None,
            "runs": number,
            "why": _why(cause, connection, number),
        }
        for cause, connection, number in counted
    ]


def release(run_id: str) -> None:
    """Let one held run go on now. Raises NotFound; Conflict: it is not held, or its connection is still not accepted."""
    run = _held(run_id)
    _check_connection(run.connection_id if run.held_for in ("", "connection") else "")
    if not Run.objects.filter(pk=run_id, state=Run.State.HELD).update(**_released()):
        raise Conflict("The run is no longer held.")


def discard(run_id: str, *, by: str) -> None:
    """End one held run as cancelled, with the reason. Raises NotFound; Conflict: it is not held."""
    run = _held(run_id)
    if not Run.objects.filter(pk=run_id, state=Run.State.HELD).update(**_discarded(run.held_for, by)):
        raise Conflict("The run is no longer held.")


def release_all(workflow_id: str, cause: str) -> int:
    """Let all runs of a workflow go on that are held for ``cause``; of a flood, one a second. Returns how many.

    Raises:
        Invalid: another cause. Conflict: a connection is still not accepted.
    """
    found = _of(workflow_id, cause)
    if cause == Run.HeldFor.CONNECTION:
        for connection_id in found.values_list("connection_id", flat=True).distinct():
            _check_connection(connection_id)
    if cause != Run.HeldFor.FLOOD:
        return found.update(**_released())
    with transaction.atomic(), database.cursor() as cursor:
        # Behind those that an earlier release has not come to yet.
        waiting = Run.objects.filter(workflow=workflow_id, state=Run.State.WAITING)
        last, now = waiting.aggregate(last=Max("due"))["last"], clock.now()
        first = now if last is None or last <= now else last + timedelta(seconds=FLOOD_SECONDS)
        value = first if database.vendor == "postgresql" else str(first.replace(tzinfo=None))
        cursor.execute(PACED[database.vendor], [value, workflow_id])
        return cursor.rowcount


def discard_all(workflow_id: str, cause: str, *, by: str) -> int:
    """End all runs of a workflow that are held for ``cause``, as cancelled. Returns how many. Raises Invalid."""
    return _of(workflow_id, cause).update(**_discarded(cause, by))


def _of(workflow_id: str, cause: str) -> Any:
    if cause not in CAUSES:
        raise Invalid(f"It must be one of {', '.join(CAUSES)}.", path="for")
    # Runs of before this column was there are held for their connections.
    names = ("", cause) if cause == Run.HeldFor.CONNECTION else (cause,)
    return Run.objects.filter(workflow=workflow_id, state=Run.State.HELD, held_for__in=names)


def _held(run_id: str) -> Run:
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id!r:.60}.")
    if run.state != Run.State.HELD:
        raise Conflict(f"The run is {run.state}, not held.")
    return run


def _check_connection(connection_id: str) -> None:
    found = catalogue().connection(connection_id) if connection_id else None
    if found and not found[1]:
        raise Conflict(
            f"The connection {found[0]} is still not accepted; reconnect it, and its runs go on by themselves."
        )


def _released() -> dict[str, Any]:
    cleared = {"held_for": "", "connection_id": "", "tries": 0, "error": None}
    return {"state": Run.State.WAITING, "due": clock.now(), **cleared}


def _discarded(cause: str, by: str) -> dict[str, Any]:
    waited = {"tasks": "the tasks of the month", "flood": "a person, since many came at once"}.get(
        cause, "a connection"
    )
    error = {"code": CODE, "message": f"Discarded by {by or 'the API'} while it was held for {waited}."}
    ended = {"due": None, "ended_at": clock.now(), "held_for": "", "connection_id": ""}
    return {"state": Run.State.CANCELLED, "error": error, **ended}


def _why(cause: str, connection_id: str, number: int) -> str:
    it, goes = ("It is", "it goes") if number == 1 else ("They are", "they go")
    if cause == Run.HeldFor.TASKS:
        return f"{it} held because the tasks of this month are used up; {goes} on when there are tasks again."
    if cause == Run.HeldFor.FLOOD:
        return f"{it} held because many arrived in one check; {goes} on, one a second, when somebody releases them."
    found = catalogue().connection(connection_id)
    if found is None:
        return f"{it} held because the connection was deleted; replay or discard."
    name, accepted = found
    if accepted:
        return f"{it} held because the connection {name} was not accepted; it is now, so release them."
    return f"{it} held because the connection {name} is no longer accepted; reconnect it and {goes} on."
