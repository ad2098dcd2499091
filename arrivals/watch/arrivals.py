"""Arrivals and departures, read. Blocks."""

from typing import Any

from django.db.models import Max

from arrivals import clock
from arrivals.audience import cursors
from arrivals.errors import Invalid
from arrivals.watch.models import Arrival

MOST = 1000


def page(
    report_id: str, *, limit: int = 50, cursor: str = "", kind: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Newest first: seq, member, kind, entry, at; and the cursor of the next page or None. ``kind``: only "in" or "out".

    Raises:
        Invalid: a cursor that is not ours, or a limit outside 1..1000.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    found = Arrival.objects.filter(report_id=report_id).order_by("-id")
    found = found.filter(kind=kind) if kind else found
    rows = list((found.filter(id__lt=cursors.read_number(cursor, 18)) if cursor else found)[: limit + 1])
    shown = rows[:limit]
    items = [
        {"seq": row.id, "member": row.member, "kind": row.kind, "entry": row.entry, "at": clock.iso(row.at)}
        for row in shown
    ]
    return items, str(shown[-1].id) if len(rows) > limit else None


def after(report_id: str, seq: int, *, limit: int = 1000) -> list[Arrival]:
    """The arrivals and departures of a report after ``seq``, oldest first."""
    return list(Arrival.objects.filter(report_id=report_id, id__gt=seq).order_by("id")[:limit])


def more(report_id: str, seq: int, kind: str) -> int:
    """How many arrivals (or departures) of a report there are after ``seq``."""
    return Arrival.objects.filter(report_id=report_id, id__gt=seq, kind=kind).count()


def last_seq(report_id: str) -> int:
    """The number of the report's last arrival or departure; 0 when there was none."""
    return int(Arrival.objects.filter(report_id=report_id).aggregate(last=Max("id"))["last"] or 0)


def left_before(report_id: str, entered: list[tuple[str, int]], seq: int) -> set[tuple[str, int]]:
    """Those of ``entered`` (member, entry) whose departure before that entry was stored at or before ``seq``."""
    members = {member for member, _ in entered}
    departures = Arrival.objects.filter(report_id=report_id, kind=Arrival.Kind.OUT, member__in=members, id__lte=seq)
    left = {(one.member, one.entry + 1) for one in departures}
    return left.intersection(entered)
