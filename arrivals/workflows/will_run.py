"""The list of those for whom a workflow would run at once, by the choice of activation. Blocks."""

from typing import Any

from arrivals import clock
from arrivals.audience import cursors, members, responses
from arrivals.errors import Invalid
from arrivals.watch import ledger
from arrivals.watch.models import Arrival
from arrivals.workflows import activation

MOST = 1000


def page(
    workflow_id: str, existing: Any, *, which: str = "", limit: int = 50, cursor: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """``{"member", "visitor", "entry", "at"}`` of each, and the cursor of the next page or None.

    In the order of the ids; of a paused workflow in the order in which they entered (or left), at ``at`` for the ``entry``th
    time, both null else. ``visitor`` is null for an account. ``existing`` and ``which``: as in ``activation``.

    Raises:
        NotFound; Invalid: ``existing``, the cursor or the limit. CheckTimeout.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit must be from 1 to {MOST}.", path="limit")
    asked = activation.question(workflow_id, which)
    since = activation.moment_of(existing)
    if existing == "skip" or asked.report is None or (asked.missed is None and asked.direction == Arrival.Kind.OUT):
        return [], None
    if asked.missed is not None:
        found = asked.missed.filter(at__gte=since) if since else asked.missed
        after = cursors.read_number(cursor, 18) if cursor else 0
        came = list(found.filter(id__gt=after).order_by("id")[: limit + 1])
        items = [{"member": one.member, "entry": one.entry, "at": clock.iso(one.at)} for one in came[:limit]]
        following = str(came[limit - 1].id) if len(came) > limit else None
    else:
        past = activation.past(asked.report, since) if since else None
        names = ledger.listed(members.of(asked.report), past, after=cursor, limit=limit + 1)
        items = [{"member": name, "entry": None, "at": None} for name in names[:limit]]
        following = names[limit - 1] if len(names) > limit else None
    if asked.report.kind == "response":
        visitors: dict[str, str] = responses.visitors([str(one["member"]) for one in items])
        return [{**one, "visitor": visitors.get(str(one["member"]))} for one in items], following
    return [{**one, "visitor": one["member"] if asked.report.kind == "visitor" else None} for one in items], following
