"""Whose reports and segments are: private to who made them, or shared with everyone. Blocks.

Those that were made with an integration key, or by the product, have no owner and are shared.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from arrivals.accounts import viewer
from arrivals.audience.models import Chart, Dashboard, Report, Segment, Survey
from arrivals.errors import Conflict, Invalid, InvalidRules, NotAllowed

Thing = TypeVar("Thing", bound=Model)


def visible(things: QuerySet[Thing]) -> QuerySet[Thing]:
    """Those that the viewer of this request may see: the shared and the own ones; all for admins."""
    who = viewer.current()
    if who is None or who.admin:
        return things
    return things.filter(Q(shared=True) | Q(owner_id=who.person) if who.person else Q(shared=True))


def fields(shared: Any, thing: Report | Segment | None) -> dict[str, Any]:
    """What ``shared`` of a definition (None: left out) makes of a new thing or of one that is there.

    Raises:
        Invalid: with path "shared", when it is neither true nor false. NotAllowed: it is not theirs to make private.
    """
    who = viewer.current()
    if shared is not None and not isinstance(shared, bool):
        raise Invalid("It must be true or false.", path="shared")
    if thing is None:
        if shared is False and not (who and who.person):
            raise NotAllowed("What an integration key makes belongs to nobody, so it is shared with everyone.")
        return {"shared": shared is not False, "owner_id": who.person if who and who.person else None}
    if shared is None or shared == thing.shared:
        return {}
    if not shared and who is not None:
        if not who.person or not (who.admin or thing.owner_id == who.person):
            raise NotAllowed("Only who made it and admins can make it private.")
        return {"shared": False, "owner_id": thing.owner_id or who.person}
    return {"shared": shared}


def check_segment(report: dict[str, Any], shared: bool) -> None:
    """A report that everyone sees must not tell of a segment that is private. Raises Invalid."""
    segment = Segment.objects.filter(pk=report.get("segment_id"), shared=False).first() if shared else None
    if segment is not None:
        raise Invalid(
            f"The segment {segment.name!r} is private; share it first, or keep the report private.", path="segment"
        )


def check_rules(rules: Any, path: str = "rules", *, shared: bool) -> None:
    """Rules (known to be right) name only segments that the viewer may see, and those of a segment that everyone sees
    only such as everyone sees. Raises InvalidRules."""
    for where, id_ in named(rules, path):
        found = visible(Segment.objects.filter(pk=id_)).first()
        if found is None:
            raise InvalidRules(f"There is no segment {id_!r}.", path=where)
        if shared and not found.shared:
            raise InvalidRules(
                f"The segment {found.name!r} is private; share it first, or keep this segment private.", path=where
            )


def named(rules: Any, path: str = "rules") -> Iterator[tuple[str, str]]:
    """The segments that rules as data name themselves: where, and the id."""
    for number, group in enumerate(rules.get("all", [])):
        for index, rule in enumerate(group.get("any", [])):
            where = f"{path}.all[{number}].any[{index}]"
            if rule.get("kind") == "segment":
                yield f"{where}.segment", rule["segment"]
            elif rule.get("kind") == "chart" and rule["chart"].get("segment"):
                yield f"{where}.chart.segment", rule["chart"]["segment"]


def check_private(segment: Segment, owner: str | None) -> None:
    """Raises Conflict when something that others see uses a segment that shall become ``owner``'s alone."""
    used = Report.objects.filter(segment=segment, shared=True).first()
    if used is not None:
        raise Conflict(f"The report {used.name!r} uses it and is shared with everyone; make that private first.")
    for other in Segment.objects.exclude(pk=segment.pk).order_by("name", "pk"):
        if (other.shared or other.owner_id != owner) and any(id_ == segment.pk for _, id_ in named(other.rules)):
            name = f"The segment {other.name!r}" if other.shared else "A private segment of somebody else"
            raise Conflict(f"{name} uses it; change that first.")
    for model in (Chart, Dashboard, Survey):  # which are for everyone
        drawn = model.objects.filter(segment=segment).first()
        if drawn is not None:
            kind = model.__name__.lower()
            raise Conflict(f"The {kind} {drawn.name!r} uses it and is for everyone; change that first.")


def as_dict(thing: Report | Segment) -> dict[str, Any]:
    """``shared``, and ``owner``: the e-mail address of who made it, or null."""
    return {"shared": thing.shared, "owner": thing.owner.email if thing.owner else None}
