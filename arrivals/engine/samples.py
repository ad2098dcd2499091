"""What the templates see when a workflow is tried out: as the run of a real visitor, account or response would. Blocks."""

from collections.abc import Mapping
from typing import Any

from arrivals import clock
from arrivals.audience import metadata, person, reports, rows
from arrivals.audience.models import Report
from arrivals.errors import Conflict, NotFound
from arrivals.workflows import triggers

MOST_LOOKED_AT = 200


def of(
    trigger: Mapping[str, Any] | None, *, visitor: str = "", given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The input of a run that is tried out.

    ``visitor`` chooses for whom: a visitor's id, or that of an account where the trigger is about accounts; empty: one that is on
    the report now. ``given`` is put over what is found: a sample of the event or of what came to the address.

    Raises:
        Conflict: nobody is on the report, and nobody was named. CheckTimeout.
    """
    kind = triggers.of(trigger) if trigger else None
    if trigger and kind and kind.report_kind:
        seen = _reported(reports.get(triggers.report(trigger) or ""), kind, visitor)
    else:
        seen = _visitor(visitor) if visitor else {}
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


def _visitor(visitor: str) -> dict[str, Any]:
    """What is known of a visitor, without a report."""
    try:
        found = person.find(visitor)
    except NotFound as error:
        raise Conflict(error.message) from error
    told = metadata.of([found.key], set())
    return {"visitor": {"id": found.id, **told.visitors.get(found.key, {})}, "account": {}}
