"""Metadata of chosen visitors and accounts, and values read from text. Blocks."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from arrivals.audience import compiler
from arrivals.audience.columns import Plain
from arrivals.warehouse import client


@dataclass(frozen=True)
class Metadata:
    """Group -> field -> value, by visitor key and by account id."""

    visitors: dict[int, dict[str, Any]]
    accounts: dict[str, dict[str, Any]]


def of(visitors: Iterable[int], accounts: set[str]) -> Metadata:
    """All metadata of these visitors (that of linked ids included, the newest value wins) and accounts."""
    store = client.warehouse()
    people: dict[int, dict[str, Any]] = defaultdict(dict)
    keys = {"keys": list(visitors)}
    values = "SELECT visitor, grp, field, value, type, at FROM visitor_fields WHERE visitor IN {keys:Array(UInt64)}"
    owner, joined = "f.visitor", ""
    if compiler.linked():
        aliases = "(SELECT alias, visitor FROM links FINAL WHERE visitor IN {keys:Array(UInt64)})"
        values += f" OR visitor IN (SELECT alias FROM {aliases})"
        owner, joined = "coalesce(l.visitor, f.visitor)", f"LEFT JOIN {aliases} AS l ON f.visitor = l.alias"
    for key, group, name, value, type_ in store.query(
        f"SELECT {owner} AS owner, f.grp, f.field, argMax(tuple(f.value), f.at).1, argMax(f.type, f.at) "
        f"FROM ({values}) AS f {joined} GROUP BY owner, f.grp, f.field",
        keys,
    ):
        _put(people[key], group, name, value, type_)
    companies: dict[str, dict[str, Any]] = defaultdict(dict)
    if accounts:
        for key, group, name, value, type_ in store.query(
            "SELECT account_id, grp, field, value, type FROM account_fields FINAL WHERE account_id IN {ids:Array(String)}",
            {"ids": sorted(accounts)},
        ):
            _put(companies[key], group, name, value, type_)
    return Metadata(people, companies)


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


def at(target: dict[str, Any], column: Plain) -> Any:
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
