"""What the templates see when a workflow is tried out: as the run of a real visitor, account or response would. Blocks."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from arrivals import clock
from arrivals.accounts import workspace
from arrivals.audience import contexts, newest, reports, rows
from arrivals.audience.models import Report
from arrivals.engine import endings, timetables
from arrivals.engine.models import Run
from arrivals.errors import Conflict
from arrivals.workflows import deliveries, schedules, templates, triggers
from arrivals.workflows.models import Workflow

MOST_LOOKED_AT = 200


def of(
    trigger: Mapping[str, Any] | None,
    *,
    visitor: str = "",
    given: Mapping[str, Any] | None = None,
    workflow: Workflow | None = None,
) -> dict[str, Any]:
    """The input of a run that is tried out.

    ``visitor`` chooses for whom: a visitor's id, or that of an account where the trigger is about accounts; empty: one that is on
    the report now. Where there is no report, what came newest is the sample: the event, the delivery to the address, the failed
    run. ``given`` is put over what is found.

    Raises:
        Conflict: nobody is on the report, and nobody was named. CheckTimeout.
    """
    kind = triggers.of(trigger) if trigger else None
    if trigger and kind and kind.report_kind:
        seen = _reported(reports.get(triggers.report(trigger) or ""), kind, visitor)
    else:
        seen = _came(trigger or {}, visitor, workflow)
    return {**seen, **(given or {})}


def named(trigger: Mapping[str, Any] | None, seen: Mapping[str, Any]) -> str:
    """The id of whom an input is of: the visitor, or the account where the trigger is about accounts."""
    part = "account" if trigger and triggers.of(trigger).report_kind == "account" else "visitor"
    return str((seen.get(part) or {}).get("id") or "")


def _reported(report: Report, kind: triggers.Kind, visitor: str) -> dict[str, Any]:
    if report.kind == "response":
        member, seen = _response(report, visitor)
    else:
        member = visitor or next(iter(rows.some(report)), "")
        if not member:
            raise Conflict(f"Nobody is on the report {report.name!r} now; name somebody to try it with.")
        seen = rows.context(report, [member])[member]
    told = {"report": report.id, "member": member, "kind": kind.direction, "entry": 1, "at": clock.iso(clock.now())}
    return {**seen, "arrival": {**told, "existing": False}}


def _response(report: Report, visitor: str) -> tuple[str, dict[str, Any]]:
    """The newest response, or that of a visitor."""
    ids = rows.some(report, limit=MOST_LOOKED_AT if visitor else 1)
    found = rows.context(report, ids)
    for id_ in ids:
        if not visitor or visitor in (id_, (found[id_].get("visitor") or {}).get("id")):
            return id_, found[id_]
    whose = f" of {visitor!r:.80} among the newest {MOST_LOOKED_AT}" if visitor else " yet"
    raise Conflict(f"There is no response{whose}; name somebody who answered.")


def _came(trigger: Mapping[str, Any], visitor: str, workflow: Workflow | None) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    match trigger.get("kind"):
        case "event":
            seen["event"] = newest.event(trigger["event"], visitor=visitor)
            visitor = visitor or (seen["event"] or {}).get("visitor", "")
        case "webhook":
            came = deliveries.samples(workflow) if workflow and workflow.pk else []
            seen["webhook"] = came[0]["webhook"] if came else None
            if not visitor and came:
                visitor = templates.render(trigger.get("visitor", ""), seen).strip()[:512]
        case "schedule":
            zone = ZoneInfo(workspace.time_zone())
            now = clock.now()
            seen["schedule"] = timetables.seen(now, now, zone, schedules.after(trigger, now, zone))
        case "run_failed":
            seen["run"] = _failed(trigger)
    return {**_visitor(visitor, strict=trigger.get("kind") in ("manual", "called")), **seen}


def _failed(trigger: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest failed run, as templates see it."""
    runs = Run.objects.filter(state=Run.State.FAILED).select_related("workflow")
    if "workflows" in trigger:
        runs = runs.filter(workflow__in=trigger["workflows"])
    run = runs.order_by("-id").first()
    if run is None:
        return None
    failed = run.steps.filter(status="failed").order_by("-id").first()
    step = failed.step if failed else ""
    return endings.seen(run, step=step, error=run.error, at=run.ended_at or run.created_at)


def _visitor(visitor: str, *, strict: bool) -> dict[str, Any]:
    """What is known of a visitor, without a report. ``strict``: raises Conflict for one of whom nothing is known."""
    if not visitor:
        return {"visitor": {}, "account": {}}
    found = contexts.of_visitors([visitor])
    if visitor not in found and strict:
        raise Conflict(f"There is no visitor {visitor!r:.80}.")
    return found.get(visitor, {"visitor": {"id": visitor}, "account": {}})
