"""The ledger read by member: on which reports somebody is or was. Blocks."""

from collections.abc import Sequence
from typing import Any

from arrivals import clock
from arrivals.audience import sharing
from arrivals.audience.models import Report
from arrivals.warehouse import client


def of(kind: str, keys: Sequence[int]) -> list[dict[str, Any]]:
    """The reports of ``kind`` (visitor or account) that the viewer may see and a member is or was on since they are
    watched, those it is on first.

    Each: report (its id), name, on (whether it is on it now), entry (the how manieth time), since (when it entered, or
    left), member (the id that it entered with).
    """
    reports = {one.id: one for one in sharing.visible(Report.objects.filter(kind=kind))}
    if not reports:
        return []
    rows = client.warehouse().query(
        # The reports are named so that the primary key (report_id, member) is of use.
        "SELECT report_id, argMax(member_id, version), max(version), argMax(at, version) FROM "
        "(SELECT report_id, member, member_id, version, at FROM memberships FINAL WHERE report_id IN {reports:Array(String)} "
        "AND member IN {keys:Array(UInt64)}) GROUP BY report_id",
        {"reports": list(reports), "keys": list(keys)},
    )
    found = [
        {
            "report": id_,
            "name": reports[id_].name,
            "on": bool(version % 2),
            "entry": (version + 1) // 2,
            "since": clock.iso(at),
            "member": member,
        }
        for id_, member, version, at in rows
    ]
    return sorted(found, key=lambda one: (not one["on"], one["name"].lower(), one["report"]))
