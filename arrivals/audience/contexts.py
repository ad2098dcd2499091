"""What templates see of chosen visitors, where there is no report. Blocks."""

from collections.abc import Sequence
from typing import Any

from arrivals.audience import members, remote, rows
from arrivals.audience.models import Report
from arrivals.warehouse import client

MOST = 1000


def of_visitors(ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``{"visitor": ..., "account": ...}`` as in ``rows.context``, by the ids that were given (at most 1,000).

    One that was linked to another is that visitor. Those of whom nothing is known are left out.
    """
    known = _known(list(dict.fromkeys(ids)))
    told = rows.context(
        Report(kind="visitor", columns=["visitor.id"], range={"ever": True}), sorted(set(known.values()))
    )
    return {id_: {part: told[own][part] for part in ("visitor", "account")} for id_, own in known.items()}


def everybody(report: Report, most: int) -> list[str]:
    """The ids of those on a report now, at most ``most``, in their order. Raises CheckTimeout."""
    if report.origin:
        fetch = remote.current(report.id)
        return [id_ for id_, _ in remote.page(fetch, after="", limit=most)] if fetch else []
    on_it = members.of(report)
    found = client.warehouse().query(
        f"SELECT id FROM ({on_it.names}) WHERE visitor IN ({on_it.ids.sql}) ORDER BY id LIMIT {{most:UInt32}}",
        {**on_it.ids.parameters, "most": most},
    )
    return [id_ for (id_,) in found]


def _known(ids: list[str]) -> dict[str, str]:
    """Given id -> the id that the visitor is called by now."""
    if not ids:
        return {}
    own = "SELECT arrayJoin({ids:Array(String)}) AS id, cityHash64(id) AS key"
    roots = (
        f"SELECT s.id AS id, ifNull(l.visitor, s.key) AS root, l.visitor IS NOT NULL AS other FROM ({own}) AS s LEFT JOIN "
        f"(SELECT alias, toNullable(visitor) AS visitor FROM links FINAL WHERE alias IN (SELECT key FROM ({own}))) AS l "
        "ON s.key = l.alias"
    )
    found = client.warehouse().query(
        f"SELECT r.id, r.other, v.name FROM ({roots}) AS r LEFT JOIN (SELECT visitor, any(visitor_id) AS name FROM visitors "
        f"WHERE visitor IN (SELECT root FROM ({roots})) GROUP BY visitor) AS v ON r.root = v.visitor",
        {"ids": ids},
    )
    return {id_: name or id_ for id_, other, name in found if name or other}
