"""Lists of visitor ids, for the rule kind "list". Blocks."""

from collections.abc import Iterable
from typing import Any

from arrivals import clock, ids
from arrivals.audience import segments
from arrivals.audience.models import Segment, VisitorList
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse import client

MOST = 1_000_000
LONGEST = 512


def create(name: str, visitor_ids: Iterable[str]) -> VisitorList:
    """Make a list. The ids are stored first, so that a list that exists is whole.

    Raises:
        Invalid: no or a too long name, more than a million ids, or an id that is empty or too long.
    """
    made = VisitorList(id=ids.visitor_list(), name=segments.checked_name(name))
    made.size = _store(made.id, 1, visitor_ids)
    made.save(force_insert=True)
    return made


def replace(list_id: str, visitor_ids: Iterable[str]) -> VisitorList:
    """Put other ids in the place of the present ones, all at once: rules see the old ones until it is done."""
    found = get(list_id)
    found.size = _store(list_id, found.version + 1, visitor_ids)
    found.version += 1
    found.save()
    return found


def get(list_id: str) -> VisitorList:
    """Raises NotFound."""
    found = VisitorList.objects.filter(pk=list_id).first()
    if found is None:
        raise NotFound(f"There is no list {list_id!r}.")
    return found


def all_lists() -> list[VisitorList]:
    """All lists, the newest first."""
    return list(VisitorList.objects.order_by("-id"))


def delete(list_id: str) -> None:
    """Raises Conflict when a segment uses it, naming which."""
    found = get(list_id)
    for segment in Segment.objects.all():
        if segments.mentions(segment.rules, "list", list_id):
            raise Conflict(f"The segment {segment.name!r} uses it; change that first.")
    found.delete()


def as_dict(visitor_list: VisitorList) -> dict[str, Any]:
    """id, name, size, created_at."""
    return {
        "id": visitor_list.id,
        "name": visitor_list.name,
        "size": visitor_list.size,
        "created_at": clock.iso(visitor_list.created_at),
    }


def _store(list_id: str, version: int, visitor_ids: Iterable[str]) -> int:
    unique: dict[str, None] = {}
    for row, one in enumerate(visitor_ids):
        text = one.strip() if isinstance(one, str) else ""
        if not 0 < len(text) <= LONGEST:
            raise Invalid(f"An id must be a text of 1 to {LONGEST} characters.", path=f"ids[{row}]")
        unique[text] = None
        if len(unique) > MOST:
            raise Invalid(f"A list holds at most {MOST:,} ids.", path="ids")
    rows = [[list_id, version, one] for one in unique]
    for start in range(0, len(rows), 100_000):
        client.warehouse().insert("list_members", rows[start : start + 100_000], ["list_id", "version", "visitor_id"])
    return len(rows)
