"""Who the ledger has on a report now, the latest entry first: what a poll of Zapier asks. Blocks."""

from datetime import timedelta
from typing import Any

from arrivals import clock
from arrivals.audience import members, naming, reports, rows
from arrivals.errors import Conflict
from arrivals.warehouse import client
from arrivals.watch import checks
from arrivals.watch.models import Watch

FRESH = timedelta(seconds=60)  # a poll sees the report as of at most so long ago
MOST_ROWS = 1000
MOST_IDS = 200_000

LATEST = (
    "SELECT v.id, s.entered, intDiv(s.version + 1, 2) FROM (SELECT coalesce(l.visitor, m.member) AS visitor, "
    "max(m.version) AS version, maxIf(m.at, m.version % 2 = 1) AS entered, countIf(m.version % 2 = 1) AS open FROM "
    "(SELECT member, version, at FROM memberships FINAL WHERE report_id = {{report:String}}) AS m "
    "LEFT JOIN ({links}) AS l ON m.member = l.alias GROUP BY visitor) AS s "
    "INNER JOIN ({names}) AS v ON s.visitor = v.visitor WHERE s.open > 0 "
    "ORDER BY s.entered DESC, v.id LIMIT {{most:UInt32}}"
)


def listed(report_id: str, *, limit: int, only_ids: bool) -> list[dict[str, Any]]:
    """The members with ``id``, ``entered_at`` and ``entry``; unless ``only_ids`` also ``visitor``, ``account`` and ``row``.

    The report is looked at first when the last look is older than a minute; a look of somebody else that is under way
    is enough.

    Raises:
        NotFound. CheckTimeout: the report takes too long.
    """
    report = reports.get(report_id)
    watch = Watch.objects.filter(report_id=report_id).first()
    if watch is None or watch.checked_at is None or watch.checked_at < clock.now() - FRESH:
        try:
            checks.check(report_id, wait_seconds=20)
        except Conflict:
            if watch is None or watch.baseline_at is None:
                raise
    found = members.of(report)
    latest = LATEST.format(links=found.links, names=found.names)
    parameters = {**found.ids.parameters, "report": report_id, "most": min(limit, MOST_IDS if only_ids else MOST_ROWS)}
    known = client.warehouse().query(latest, parameters)
    items = [{"id": id_, "entered_at": clock.iso(at), "entry": int(entry)} for id_, at, entry in known]
    if only_ids or not items:
        return items
    contexts = rows.context(report, [one["id"] for one in items])
    return [
        {**one, **(told := contexts.get(one["id"], {})), "row": naming.nested(told.get("row", {}))} for one in items
    ]
