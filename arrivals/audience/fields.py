"""Metadata fields of visitors and accounts: which there are, and their values written and read. Blocks.

A field is made by the first value that is written to it. The group ``auto`` is computed and cannot be written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arrivals.audience import metadata as metadata_of
from arrivals.collect import event
from arrivals.errors import Invalid, NotFound
from arrivals.warehouse import client, fields
from arrivals.warehouse.fields import Value

KINDS = ("visitor", "account", "parentAccount")
WRITABLE = ("agent", "custom", "pendo")
MOST = 10_000
LONGEST = 512
COMPUTED = {
    "visitor": {
        "id": "string",
        "idhash": "integer",
        "accountid": "string",
        "accountids": "",
        "firstvisit": "time",
        "lastvisit": "time",
        "lastupdated": "time",
        "lastbrowsername": "string",
        "lastbrowserversion": "string",
        "lastoperatingsystem": "string",
        "lastservername": "string",
        "lastuseragent": "string",
    },
    "account": {
        "id": "string",
        "idhash": "integer",
        "firstvisit": "time",
        "lastvisit": "time",
        "lastupdated": "time",
    },
    "parentAccount": {"id": "string"},
}
OF_PENDO = {"donotprocess": "boolean", "blacklistguides": "", "designerenabled": "boolean"}


@dataclass
class Written:
    """What came of a batch: ``missing`` are ids that are not known, ``refused`` the others that failed, with the reason."""

    updated: int = 0
    missing: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def schema(kind: str) -> dict[str, dict[str, str]]:
    """Group -> field -> its type: string, time, boolean, integer, float, or empty for lists, objects and mixtures.

    A field whose name has dots is part of an object, which is told under the name before the first dot.

    Raises:
        NotFound: not one of ``KINDS``.
    """
    if kind not in KINDS:
        raise NotFound(f"There is no kind {kind!r:.40}; there are {', '.join(KINDS)}.")
    groups: dict[str, dict[str, str]] = {"auto": dict(COMPUTED[kind]), "agent": {}, "custom": {}, "pendo": {}}
    if kind in fields.TABLES:
        groups["pendo"] = {name: type_ for name, type_ in OF_PENDO.items() if kind == "visitor" or name in _SHARED}
        for group, names in fields.types(kind).items():
            place = groups.setdefault(group, {})
            for name, (types, whole) in names.items():
                first, dotted, _ = name.partition(".")
                place[first] = "" if dotted else _type(types, whole)
    return groups


_SHARED = ("donotprocess", "blacklistguides")


def write(kind: str, group: str, values: Mapping[str, Mapping[str, Any]], *, create: bool) -> Written:
    """Set fields of many visitors or accounts: by id, field -> value; null unsets. On disk on return, and seen at once.

    ``create`` makes ids that are not known: visitors without a visit.

    Raises:
        NotFound: no such kind. Invalid: a group that cannot be written.
    """
    _writable(kind, group)
    done = Written()
    ready: list[Value] = []
    known = _known(kind, [one for one in values if _is_id(one)])
    made: list[str] = []
    for owner, given in values.items():
        try:
            read = _read(group, owner, given)
        except Invalid as error:
            done.refused.append((owner, error.message))
            continue
        if owner not in known:
            if not create:
                done.missing.append(owner)
                continue
            made.append(owner)
        ready += read
        done.updated += 1
    if kind == "visitor":
        fields.create_visitors(made)
    fields.write(kind, ready)
    return done


def put(kind: str, group: str, owner: str, name: str, value: Any) -> None:
    """Set one field. Raises NotFound: the id is not known. Invalid: the group, the name or the value."""
    _writable(kind, group)
    read = _read(group, owner, {name: value})
    if owner not in _known(kind, [owner]):
        raise NotFound(f"There is no {kind} {owner!r:.80}.")
    fields.write(kind, read)


def get(kind: str, group: str, owner: str, name: str) -> Any:
    """The value of one field. Raises NotFound: the id is not known, or has no such value."""
    if kind not in fields.TABLES:
        raise NotFound(f"There are no values of the kind {kind!r:.40}.")
    found: Any = metadata(kind, owner).get(group, {})
    if isinstance(found, dict) and name in found:
        return found[name]
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if found is None:
        raise NotFound(f"The {kind} {owner!r:.80} has no value of {group:.40}.{name:.128}.")
    return found


def metadata(kind: str, owner: str) -> dict[str, Any]:
    """Group -> field -> value of one visitor (all linked ids together) or account."""
    if kind == "account":
        return metadata_of.of([], {owner}).accounts.get(owner, {})
    [(key,)] = client.warehouse().query("SELECT cityHash64({id:String})", {"id": owner})
    return metadata_of.of([key], set()).visitors.get(key, {})


def _writable(kind: str, group: str) -> None:
    if kind not in fields.TABLES:
        raise NotFound(f"There are no values of the kind {kind!r:.40}; there are those of visitor and account.")
    if group not in WRITABLE:
        raise Invalid(f"The group {group!r:.40} cannot be written; allowed are {', '.join(WRITABLE)}.", path="group")


def _known(kind: str, owners: list[str]) -> set[str]:
    return fields.known_visitors(owners) if kind == "visitor" else fields.known_accounts(owners)


def _read(group: str, owner: str, given: Any) -> list[Value]:
    if not _is_id(owner):
        raise Invalid(f"An id must be a text of 1 to {LONGEST} characters.", path="id")
    if not isinstance(given, Mapping) or not given:
        raise Invalid("The values must be an object with at least one field.", path="values")
    return [Value(owner, one) for one in event.metadata(group, given, "values")]


def _is_id(owner: str) -> bool:
    return 0 < len(owner) <= LONGEST


def _type(types: set[str], whole: bool) -> str:
    if len(types) != 1:
        return ""
    [only] = types
    if only == "number":
        return "integer" if whole else "float"
    return {"string": "string", "boolean": "boolean", "date": "time"}.get(only, "")
