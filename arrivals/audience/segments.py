"""Segments: make, change, delete, preview. Blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import ProtectedError

from arrivals import clock
from arrivals.audience import compiler, rules
from arrivals.audience.models import Segment
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse import client

LONGEST_NAME = 200


@dataclass(frozen=True)
class Preview:
    """How many visitors the rules select now, and the ids of some."""

    count: int
    sample: list[str]


def create(name: str, data: Any) -> Segment:
    """Make a segment.

    Raises:
        InvalidRules, Invalid: the rules or the name, with the path of the wrong part.
    """
    rules.parse(data)
    return Segment.objects.create(name=checked_name(name), rules=data)


def get(segment_id: str) -> Segment:
    """Raises NotFound."""
    found = Segment.objects.filter(pk=segment_id).first()
    if found is None:
        raise NotFound(f"There is no segment {segment_id!r}.")
    return found


def all_segments() -> list[Segment]:
    """All segments, the newest first."""
    return list(Segment.objects.order_by("-id"))


def change(segment_id: str, *, name: str | None = None, rules: Any = None) -> Segment:
    """Change the name, the rules or both. Raises as ``create``; nothing is changed then."""
    segment = get(segment_id)
    if rules is not None:
        parse_for(segment_id, rules)
        segment.rules = rules
    if name is not None:
        segment.name = checked_name(name)
    segment.updated_at = clock.now()
    segment.save()
    return segment


def parse_for(segment_id: str, data: Any) -> None:
    """Check rules for a segment that exists, so that it cannot come to contain itself. Raises InvalidRules."""
    rules.parse(data, inside=(segment_id,))


def delete(segment_id: str) -> None:
    """Raises Conflict when a report, a survey or a segment uses it, naming which."""
    segment = get(segment_id)
    for other in Segment.objects.exclude(pk=segment_id):
        if mentions(other.rules, "segment", segment_id):
            raise Conflict(f"The segment {other.name!r} uses it; change that first.")
    try:
        segment.delete()
    except ProtectedError as error:
        user: Any = min(error.protected_objects, key=lambda one: (type(one).__name__, str(one.pk)))
        raise Conflict(f"The {type(user).__name__.lower()} {user.name!r} uses it; change that first.") from error


def mentions(data: Any, kind: str, id_: str) -> bool:
    """Whether rules as data have a rule of ``kind`` that names ``id_``."""
    groups = data.get("all", []) if isinstance(data, dict) else []
    return any(rule.get("kind") == kind and rule.get(kind) == id_ for group in groups for rule in group.get("any", []))


def preview(rules: Any, *, sample: int = 10, now: datetime | None = None) -> Preview:
    """Count the visitors of rules that need not be stored.

    Raises:
        InvalidRules: with the path of the wrong part. CheckTimeout: it takes longer than 30 s.
    """
    query = compiler.segment_ids(rules, now=now)
    store = client.warehouse()
    ids = f"SELECT visitor FROM ({query.sql}) ORDER BY visitor LIMIT {int(sample)}"
    names = f"SELECT any(visitor_id) FROM visitors WHERE visitor IN ({ids}) GROUP BY visitor ORDER BY visitor"
    [(count,)] = store.query(f"SELECT count() FROM ({query.sql})", query.parameters)
    return Preview(count, [name for (name,) in store.query(names, query.parameters)] if sample and count else [])


def members(segment: Segment) -> Iterator[list[str]]:
    """The ids of all visitors of a segment in order, in blocks. Raises InvalidRules, CheckTimeout."""
    query = compiler.segment_ids(segment.rules)
    sql = f"SELECT any(visitor_id) AS id FROM visitors WHERE visitor IN ({query.sql}) GROUP BY visitor ORDER BY id"
    for block in client.warehouse().blocks(sql, query.parameters):
        yield [str(one) for (one,) in block]


def as_dict(segment: Segment) -> dict[str, Any]:
    """id, name, rules, created_at, updated_at."""
    return {
        "id": segment.id,
        "name": segment.name,
        "rules": segment.rules,
        "created_at": clock.iso(segment.created_at),
        "updated_at": clock.iso(segment.updated_at),
    }


def checked_name(name: Any) -> str:
    """The name without space around it. Raises Invalid."""
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= LONGEST_NAME:
        raise Invalid(f"The name must be a text of 1 to {LONGEST_NAME} characters.", path="name")
    return text
