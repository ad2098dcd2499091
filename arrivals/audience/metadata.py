"""Metadata of chosen visitors and accounts, and values read from text. Blocks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from arrivals.audience import compiler
from arrivals.audience.binder import Binder
from arrivals.audience.columns import Plain
from arrivals.warehouse import client

OWNERS = ("visitor", "account")


@dataclass(frozen=True)
class Metadata:
    """Group -> field -> value, by visitor key and by account id."""

    visitors: dict[int, dict[str, Any]]
    accounts: dict[str, dict[str, Any]]


def of(visitors: Iterable[int], accounts: set[str], wanted: Sequence[Plain] | None = None) -> Metadata:
    """All metadata of these visitors (that of linked ids included, the newest value wins) and accounts; or at least what
    the columns ``wanted`` show of it."""
    shown = {owner: None if wanted is None else [one for one in wanted if one.owner == owner] for owner in OWNERS}
    return Metadata(_people(visitors, shown["visitor"]), _companies(accounts, shown["account"]))


def _people(visitors: Iterable[int], shown: Sequence[Plain] | None) -> dict[int, dict[str, Any]]:
    people: dict[int, dict[str, Any]] = defaultdict(dict)
    if shown is not None and not shown:
        return people
    bind = Binder("v_")
    keys = bind.keys(visitors)
    theirs = f"visitor IN {keys}"
    owner, joined = "f.visitor", ""
    if compiler.linked():
        aliases = f"(SELECT alias, visitor FROM links FINAL WHERE visitor IN {keys})"
        theirs = f"({theirs} OR visitor IN (SELECT alias FROM {aliases}))"
        owner, joined = "coalesce(l.visitor, f.visitor)", f"LEFT JOIN {aliases} AS l ON f.visitor = l.alias"
    values = f"SELECT visitor, grp, field, value, type, at FROM visitor_fields WHERE {theirs}{_only(shown, bind)}"
    for key, group, name, value, type_ in client.warehouse().query(
        f"SELECT {owner} AS owner, f.grp, f.field, argMax(tuple(f.value), f.at).1, argMax(f.type, f.at) "
        f"FROM ({values}) AS f {joined} GROUP BY owner, f.grp, f.field",
        bind.parameters,
    ):
        _put(people[key], group, name, value, type_)
    return people


def _companies(accounts: set[str], shown: Sequence[Plain] | None) -> dict[str, dict[str, Any]]:
    companies: dict[str, dict[str, Any]] = defaultdict(dict)
    if accounts and (shown is None or shown):
        bind = Binder("a_")
        where = f"account_id IN {bind.add(sorted(accounts), 'Array(String)')}{_only(shown, bind)}"
        for key, group, name, value, type_ in client.warehouse().query(
            f"SELECT account_id, grp, field, value, type FROM account_fields FINAL WHERE {where}", bind.parameters
        ):
            _put(companies[key], group, name, value, type_)
    return companies


def _only(shown: Sequence[Plain] | None, bind: Binder) -> str:
    """The condition that a field may be part of what columns show: with the same begin, up to the first dot."""
    if shown is None:
        return ""
    groups = bind.add(sorted({one.group for one in shown}), "Array(String)")
    begins = bind.add(sorted({one.field.partition(".")[0] for one in shown}), "Array(String)")
    return f" AND grp IN {groups} AND splitByChar('.', field)[1] IN {begins}"


def _put(target: dict[str, Any], group: str, name: str, value: str | None, type_: str) -> None:
    """Put a value at ``group`` and its dotted ``name``, unless it was unset."""
    if value is None:
        return
    place = target.setdefault(group, {})
    *parents, last = name.split(".")
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):  # both "a" and "a.b" were sent: keep the flat one by its whole name
            place[name] = typed(value, type_)
            return
        place = inner
    place[last] = typed(value, type_)


def at(target: Mapping[str, Any], column: Plain) -> Any:
    value: Any = target.get(column.group, {})
    if isinstance(value, dict) and column.field in value:
        return value[column.field]
    for part in column.field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def typed(value: str, type_: str) -> Any:
    """A stored value as what it was sent as."""
    if type_ == "number":
        return number(value)
    if type_ == "boolean":
        return value == "true"
    if type_ == "json":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def number(value: str | None) -> Any:
    """The number that a text holds, whole where it is whole; else the text."""
    if value is None:
        return None
    try:
        return int(value) if value.lstrip("-").isascii() and value.lstrip("-").isdigit() else short(float(value))
    except ValueError:
        return value


def short(value: Any) -> int | float:
    """A whole number as int, any other as float: a decimal of six places is exact enough in a float's 15 digits."""
    given = float(value)
    return int(given) if given.is_integer() and abs(given) < 2**53 else given
