"""Lists of visitor ids, for the rule kind "list". Blocks.

A list's ids stand in the warehouse under its id and a version. A change writes all ids under a version of its own, a
random number that nobody else uses, and then makes that the list's version by a conditional update: rules see the old
ids until it is done, and of two changes at once one is told to try again. Rows of versions that are no longer used are
deleted by a later change, after an hour: a question that is under way may still read them.
"""

import secrets
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from arrivals import clock, ids
from arrivals.audience import list_files, segments, usage
from arrivals.audience.models import VisitorList
from arrivals.errors import Conflict, Invalid, NotFound
from arrivals.warehouse import client

MOST = 1_000_000
LONGEST = list_files.LONGEST
KEPT_SECONDS = 3600


@dataclass(frozen=True)
class Upload:
    """What came of a file: its lines, how many ids stood there more than once, the first lines that are no ids, and how
    many of these there are."""

    made: VisitorList
    lines: int
    duplicates: int
    bad: list[list_files.BadLine]
    refused: int


_retired: deque[tuple[float, str, int]] = deque()


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
    """Put other ids in the place of the present ones, all at once.

    Raises:
        NotFound. Invalid: as ``create``. Conflict: somebody else changed the list meanwhile.
    """
    found = get(list_id)
    version = _version(found.version)
    return _switch(found, version, _store(list_id, version, visitor_ids))


def change(list_id: str, changes: Mapping[str, bool]) -> VisitorList:
    """Add the ids that are true and remove those that are false; the others stay. All or nothing.

    Raises:
        NotFound. Invalid: an id that is empty or too long, or more than a million in all.
        Conflict: somebody else changed the list meanwhile; nothing of this was done.
    """
    found = get(list_id)
    store = client.warehouse()
    version, without = _version(found.version), _version(found.version)
    removed = [one for one, added in changes.items() if not added]
    # The removed ids are written down too: a question cannot carry a million of them.
    _store(list_id, without, removed)
    store.command(
        "INSERT INTO list_members (list_id, version, visitor_id) SELECT list_id, {new:UInt32}, visitor_id "
        "FROM list_members FINAL WHERE list_id = {list:String} AND version = {old:UInt32} AND visitor NOT IN "
        "(SELECT visitor FROM list_members WHERE list_id = {list:String} AND version = {without:UInt32})",
        {"list": list_id, "old": found.version, "new": version, "without": without},
    )
    if removed:
        _drop(list_id, without)
    _store(list_id, version, [one for one, added in changes.items() if added])
    size = count(list_id, version)
    if size > MOST:
        _drop(list_id, version)
        raise Invalid(f"A list holds at most {MOST:,} ids.", path="ids")
    return _switch(found, version, size)


def upload(lines: BinaryIO, *, name: str = "", list_id: str = "") -> Upload:
    """Make a list called ``name`` of a file, or put it in the place of what ``list_id`` holds, all at once: one id per
    line, no header, UTF-8. The file is read in pieces and never stands in memory as a whole.

    Blank lines do not count. A line that is no id is left out and told with its number.

    Raises:
        NotFound. Invalid: the name, no id at all, or more than a million different ones; nothing is changed then.
        Conflict: somebody else changed the list meanwhile.
    """
    found = get(list_id) if list_id else VisitorList(id=ids.visitor_list(), name=segments.checked_name(name))
    version = _version(found.version) if list_id else found.version
    reader = list_files.Reader(lines)
    try:
        for block in reader.blocks():
            _insert(found.id, version, block)
            if reader.ids > MOST and count(found.id, version) > MOST:
                raise Invalid(f"A list holds at most {MOST:,} ids.", path="file")
        size = count(found.id, version)
        if not size:
            raise Invalid(f"The file has no id.{' ' + reader.bad[0].reason if reader.bad else ''}", path="file")
    except BaseException:
        _drop(found.id, version)
        raise
    if list_id:
        found = _switch(found, version, size)
    else:
        found.size = size
        found.save(force_insert=True)
    return Upload(found, reader.lines, reader.ids - size, reader.bad, reader.refused)


def count(list_id: str, version: int) -> int:
    """How many ids a version has."""
    [(size,)] = client.warehouse().query(
        "SELECT count() FROM list_members FINAL WHERE list_id = {list:String} AND version = {version:UInt32}",
        {"list": list_id, "version": version},
    )
    return int(size)


def members(list_id: str) -> Iterator[list[str]]:
    """The ids of a list in order, in blocks. Raises NotFound."""
    found = get(list_id)
    blocks = client.warehouse().blocks(
        "SELECT visitor_id FROM list_members FINAL WHERE list_id = {list:String} AND version = {version:UInt32} "
        "ORDER BY visitor_id",
        {"list": list_id, "version": found.version},
    )
    for block in blocks:
        yield [str(one) for (one,) in block]


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
    refusal = usage.sentence(usage.of_list(list_id))
    if refusal:
        raise Conflict(refusal)
    found.delete()
    client.warehouse().command("DELETE FROM list_members WHERE list_id = {id:String}", {"id": list_id})


def as_dict(visitor_list: VisitorList) -> dict[str, Any]:
    """id, name, size, created_at."""
    return {
        "id": visitor_list.id,
        "name": visitor_list.name,
        "size": visitor_list.size,
        "created_at": clock.iso(visitor_list.created_at),
    }


def upload_as_dict(done: Upload) -> dict[str, Any]:
    """The list as ``as_dict``, with lines, duplicates, refused, and bad: line and reason of the first hundred."""
    return {
        **as_dict(done.made),
        "lines": done.lines,
        "duplicates": done.duplicates,
        "refused": done.refused,
        "bad": [{"line": one.line, "reason": one.reason} for one in done.bad],
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
    listed = list(unique)
    for start in range(0, len(listed), list_files.BLOCK):
        _insert(list_id, version, listed[start : start + list_files.BLOCK])
    return len(listed)


def _insert(list_id: str, version: int, visitor_ids: list[str]) -> None:
    columns: dict[str, list[Any]] = {
        "list_id": [list_id] * len(visitor_ids),
        "version": [version] * len(visitor_ids),
        "visitor_id": visitor_ids,
    }
    client.warehouse().insert_columns("list_members", columns)


def _version(present: int) -> int:
    """A version that no other change uses: of 2**31 numbers by chance."""
    while (version := secrets.randbits(31)) in (0, present):
        pass
    return version


def _switch(found: VisitorList, version: int, size: int) -> VisitorList:
    changed = VisitorList.objects.filter(pk=found.id, version=found.version).update(version=version, size=size)
    if not changed:
        _drop(found.id, version)
        raise Conflict("The list was changed by somebody else at the same time; try again.", retry_after=1)
    _retired.append((time.monotonic(), found.id, found.version))
    while _retired and _retired[0][0] < time.monotonic() - KEPT_SECONDS:
        _, list_id, old = _retired.popleft()
        _drop(list_id, old)
    found.version, found.size = version, size
    return found


def _drop(list_id: str, version: int) -> None:
    client.warehouse().command(
        "DELETE FROM list_members WHERE list_id = {list:String} AND version = {version:UInt32}",
        {"list": list_id, "version": version},
    )
