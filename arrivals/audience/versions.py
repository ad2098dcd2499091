"""The versions of a segment: what it was, since when, and who made it so. Blocks.

Each save that changes something keeps one. They are numbered from 1; the highest is what the segment is now.
"""

from typing import Any

from django.db.models import Max

from arrivals import clock
from arrivals.audience import phrases
from arrivals.audience.models import Segment, SegmentVersion
from arrivals.errors import NotFound


def keep(segment: Segment, who: str, *, restored: int | None = None) -> SegmentVersion | None:
    """Keep what the segment is now; None when that is its newest version already. Call it in the save's transaction."""
    newest = segment.versions.order_by("-number").first()
    if newest and (newest.name, newest.rules) == (segment.name, segment.rules):
        return None
    number = (newest.number if newest else 0) + 1
    return segment.versions.create(
        number=number, at=segment.updated_at, who=who[:254], name=segment.name, rules=segment.rules, restored=restored
    )


def get(segment: Segment, number: int) -> SegmentVersion:
    """Raises NotFound."""
    found = segment.versions.filter(number=number).first()
    if found is None:
        raise NotFound(f"The segment {segment.id} has no version {number}.")
    return found


def newest_number(segment: Segment) -> int:
    """The number of what the segment is now."""
    return int(segment.versions.aggregate(most=Max("number"))["most"] or 0)


def history(segment: Segment, *, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The versions, the newest first, each as ``as_dict`` with what ``changed`` since the one before, in words."""
    found = segment.versions.order_by("-number")
    rows = list((found.filter(number__lt=before) if before is not None else found)[: limit + 1])
    words = phrases.Names()
    earlier: list[SegmentVersion | None] = [*rows[1:], None]
    return [
        {**as_dict(one), "changed": changes(one, former, words)}
        for one, former in zip(rows[:limit], earlier, strict=False)
    ]


def changes(version: SegmentVersion, former: SegmentVersion | None, names: "phrases.Names") -> list[dict[str, str]]:
    """What a version changed: ``{"what": "name"|"added"|"removed", "text"}`` in the order of the rules."""
    if former is None:
        return [{"what": "added", "text": one} for one in phrases.groups(version.rules, names)]
    found = []
    if version.name != former.name:
        found.append({"what": "name", "text": f"{former.name} → {version.name}"})
    before, after = phrases.groups(former.rules, names), phrases.groups(version.rules, names)
    found += [{"what": "removed", "text": one} for one in before if one not in after]
    found += [{"what": "added", "text": one} for one in after if one not in before]
    return found


def as_dict(version: SegmentVersion) -> dict[str, Any]:
    """number, at, who, name, rules, restored (the number that it was put back to, or null)."""
    return {
        "number": version.number,
        "at": clock.iso(version.at),
        "who": version.who,
        "name": version.name,
        "rules": version.rules,
        "restored": version.restored,
    }
