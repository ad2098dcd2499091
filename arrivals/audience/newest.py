"""The newest event of a kind, to show what such events hold. Blocks."""

from typing import Any

from arrivals.audience import rules
from arrivals.audience.happenings import SELECT, Happened
from arrivals.warehouse import client

DAYS = 90


def event(rule: dict[str, Any], *, visitor: str = "", seconds: float = 5) -> dict[str, Any] | None:
    """The newest event of the kind and name of a checked rule in 90 days, whatever else the rule asks for; of one visitor where it
    is named. As templates see an event (``Happened.as_dict``)."""
    kinds = rules.EVENT_KINDS[rule["kind"]]
    name = str(rule.get("name") or rule.get("survey") or "")
    where = ["ts > now() - toIntervalDay({days:UInt16})"]
    if kinds:
        where.append("kind IN {kinds:Array(String)}")
    if name and rule["kind"] in ("track", "survey"):
        where.append("name = {name:String}")
    if visitor:
        where.append("visitor = cityHash64({visitor:String})")
    found = client.warehouse().query(
        f"{SELECT.format(hits='[]', where=' AND '.join(where))} ORDER BY ts DESC LIMIT 1",
        {"days": DAYS, "kinds": list(kinds), "name": name, "visitor": visitor},
        seconds=seconds,
    )
    return Happened(*found[0][:-1]).as_dict() if found else None
