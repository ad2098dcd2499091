"""What templates see of chosen visitors, where there is no report. Blocks."""

from collections.abc import Sequence
from typing import Any

from arrivals.audience import rows
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
