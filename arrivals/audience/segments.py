"""Segments: make, change, delete, preview. Blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from arrivals import clock
from arrivals.accounts import viewer
from arrivals.audience import compiler, rules, sharing, usage, versions
from arrivals.audience.models import Segment
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse import client

LONGEST_NAME = 200
COPY = " (copy)"


@dataclass(frozen=True)
class Preview:
    """How many visitors the rules select now, and the ids of some."""

    count: int
    sample: list[str]


def create(name: str, data: Any, *, who: str = "", shared: bool | None = None) -> Segment:
    """Make a segment. ``who`` makes it: an e-mail address, "key:...", or empty for the product.

    Raises:
        InvalidRules, Invalid: the rules or the name, with the path of the wrong part.
    """
    rules.parse(data)
    checked, owned = checked_name(name), sharing.fields(shared, None)
    sharing.check_rules(data, shared=owned["shared"])
    with transaction.atomic():
        made = Segment.objects.create(name=checked, rules=data, **owned)
        versions.keep(made, who)
    return made


def get(segment_id: str) -> Segment:
    """Raises NotFound."""
    found = sharing.visible(Segment.objects.select_related("owner")).filter(pk=segment_id).first()
    if found is None:
        raise NotFound(f"There is no segment {segment_id!r}.")
    return found


def all_segments() -> list[Segment]:
    """All segments that the viewer may see, the newest first."""
    return list(sharing.visible(Segment.objects.select_related("owner")).order_by("-id"))


def change(
    segment_id: str,
    *,
    name: str | None = None,
    rules: Any = None,
    shared: bool | None = None,
    who: str = "",
    restored: int | None = None,
) -> Segment:
    """Change the name, the rules, whether it is shared, or all, and keep a version of it.

    Raises as ``create``; nothing is changed then.
    """
    segment = get(segment_id)
    if rules is not None:
        parse_for(segment_id, rules)
    checked = None if name is None else checked_name(name)
    owned = sharing.fields(shared, segment)
    if owned.get("shared") is False:
        sharing.check_private(segment, owned.get("owner_id", segment.owner_id))
    if rules is not None or "shared" in owned:
        sharing.check_rules(segment.rules if rules is None else rules, shared=owned.get("shared", segment.shared))
    with transaction.atomic():
        found = Segment.objects.select_for_update().filter(pk=segment_id).first()
        if found is None:
            raise NotFound(f"There is no segment {segment_id!r}.")
        segment = found
        segment.rules = segment.rules if rules is None else rules
        segment.name = segment.name if checked is None else checked
        for key, value in owned.items():
            setattr(segment, key, value)
        segment.updated_at = clock.now()
        segment.save()
        versions.keep(segment, who, restored=restored)
    return segment


def restore(segment_id: str, number: int, *, who: str = "") -> Segment:
    """Make the segment what it was in an earlier version, as a new version.

    Raises:
        NotFound. InvalidRules: a list or segment that its rules name is gone, or it would contain itself.
    """
    earlier = versions.get(get(segment_id), number)
    return change(segment_id, name=earlier.name, rules=earlier.rules, who=who, restored=number)


def duplicate(segment_id: str, *, name: str = "", who: str = "") -> Segment:
    """Make another segment with the same rules; one that somebody who is signed in makes is their own until they share
    it. Raises as ``create``, and NotFound."""
    found, viewing = get(segment_id), viewer.current()
    named = name or f"{found.name[: LONGEST_NAME - len(COPY)]}{COPY}"
    return create(named, found.rules, who=who, shared=not (viewing and viewing.person))


def parse_for(segment_id: str, data: Any) -> None:
    """Check rules for a segment that exists, so that it cannot come to contain itself. Raises InvalidRules."""
    rules.parse(data, inside=(segment_id,))


def delete(segment_id: str) -> None:
    """Raises Conflict when something uses it, naming what."""
    segment = get(segment_id)
    refusal = usage.sentence(usage.of_segment(segment))
    if refusal:
        raise Conflict(refusal)
    try:
        segment.delete()
    except ProtectedError as error:
        raise Conflict("Something began to use it just now; look again.") from error


def preview(rules: Any, *, sample: int = 10, now: datetime | None = None) -> Preview:
    """Count the visitors of rules that need not be stored.

    Raises:
        InvalidRules: with the path of the wrong part. CheckTimeout: it takes longer than 30 s.
    """
    query = compiler.segment_ids(rules, now=now)
    sharing.check_rules(rules, shared=False)
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


def holds(segment: Segment, keys: Sequence[int], *, seconds: float) -> bool:
    """Whether the visitor with these keys, its own first, is in the segment. Only its rows are read.

    Raises:
        InvalidRules: the rules are no longer allowed. CheckTimeout: it takes longer than ``seconds``.
    """
    query = compiler.segment_ids(segment.rules, only=keys)
    sql = f"SELECT 1 FROM ({query.sql}) WHERE visitor = {{root:UInt64}} LIMIT 1"
    return bool(client.warehouse().query(sql, {**query.parameters, "root": keys[0]}, seconds=seconds))


def as_dict(segment: Segment) -> dict[str, Any]:
    """id, name, rules, shared, owner, created_at, updated_at."""
    return {
        "id": segment.id,
        "name": segment.name,
        "rules": segment.rules,
        **sharing.as_dict(segment),
        "created_at": clock.iso(segment.created_at),
        "updated_at": clock.iso(segment.updated_at),
    }


def checked_name(name: Any, error: type[Invalid] = Invalid) -> str:
    """The name without space around it. Raises ``error``, with path "name"."""
    text = name.strip() if isinstance(name, str) else ""
    if not 0 < len(text) <= LONGEST_NAME:
        raise error(f"The name must be a text of 1 to {LONGEST_NAME} characters.", path="name")
    return text
