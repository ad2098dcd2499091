"""Functions of the groups list, json and lookup."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from arrivals.engine.formatting import reading
from arrivals.engine.formatting.texts import separator
from arrivals.errors import Permanent

Options = Mapping[str, Any]


def value_of(item: Any, options: Options) -> Any:
    """The value that ``by`` names in an item, or the item."""
    return reading.part(item, reading.steps(options["by"], "by"))[1] if options.get("by") else item


def ends(items: list[Any], count: int | None, *, last: bool) -> Any:
    if count is not None:
        return items[-count:] if last else items[:count]
    return items[-1 if last else 0] if items else None


def find(items: list[Any], options: Options) -> Any:
    wanted = reading.same(options["value"])
    return next((one for one in items if reading.same(value_of(one, options)) == wanted), None)


def sort(items: list[Any], options: Options) -> list[Any]:
    there = [one for one in items if value_of(one, options) not in (None, "")]
    missing = [one for one in items if value_of(one, options) in (None, "")]
    ordered = sorted(there, key=lambda one: _rank(value_of(one, options)), reverse=options["descending"])
    return ordered + missing


def unique(items: list[Any], options: Options) -> list[Any]:
    found: dict[str, Any] = {}
    for one in items:
        found.setdefault(reading.same(value_of(one, options)), one)
    return list(found.values())


def numbers(items: list[Any], options: Options) -> list[Any]:
    """The values as numbers, without those that are missing. Raises Permanent with the item's path."""
    values = [(index, value_of(one, options)) for index, one in enumerate(items)]
    return [reading.number(one, f"input[{index}]") for index, one in values if one not in (None, "")]


def average(items: list[Any], options: Options) -> Any:
    found = numbers(items, options)
    return reading.plain(sum(found) / len(found)) if found else None


def extreme(items: list[Any], options: Options, pick: Callable[..., Any]) -> Any:
    found = [value for one in items if (value := value_of(one, options)) not in (None, "")]
    return pick(found, key=_rank) if found else None


def join(items: list[Any], options: Options) -> str:
    by = separator(options["separator"])
    if len(by) * len(items) > reading.MOST_TEXT:
        raise Permanent(f"What it becomes has more than {reading.MOST_TEXT:,} characters.", path="separator")
    return reading.text(by.join(reading.text(value_of(one, options)) for one in items))


def parsed(value: Any, _: Options) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(reading.text(value))
    except orjson.JSONDecodeError as error:
        raise Permanent(f"It is not JSON: {error}.", path="input") from error


def get(value: Any, options: Options) -> Any:
    inside = parsed(value, options) if isinstance(value, str) else value
    there, found = reading.part(inside, reading.steps(options["path"]))
    return found if there else options["default"]


def stringified(value: Any, options: Options) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if options["pretty"] else 0).decode()


def looked_up(value: Any, options: Options) -> Any:
    pairs = options["pairs"]
    rows = pairs.items() if isinstance(pairs, Mapping) else [(one["from"], one["to"]) for one in pairs]
    wanted = _key(value, options)
    for key, found in rows:
        if _key(key, options) == wanted:
            return found
    if "default" in options["given"]:
        return options["default"]
    raise Permanent(f"{reading.text(value)!r:.60} is not in the table, and there is no default.", path="input")


def _key(value: Any, options: Options) -> str:
    return reading.same(value).casefold() if options["ignore_case"] else reading.same(value)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers, and texts that are numbers, before texts."""
    try:
        return (0, reading.number(value))
    except Permanent:
        return (1, reading.text(value).casefold())


FUNCTIONS: dict[str, Callable[[Any, Options], Any]] = {
    "lookup.table": looked_up,
    "json.parse": parsed,
    "json.get": get,
    "json.stringify": stringified,
    "list.first": lambda items, options: ends(items, options["count"], last=False),
    "list.last": lambda items, options: ends(items, options["count"], last=True),
    "list.at": lambda items, options: reading.part(items, [options["index"]])[1],
    "list.find": find,
    "list.pick": lambda items, options: [value_of(one, options) for one in items],
    "list.count": lambda items, _: len(items),
    "list.join": join,
    "list.sort": sort,
    "list.reverse": lambda items, _: items[::-1],
    "list.unique": unique,
    "list.compact": lambda items, _: [one for one in items if one not in (None, "", [], {})],
    "list.sum": lambda items, options: reading.plain(sum(numbers(items, options), start=reading.number(0))),
    "list.average": average,
    "list.least": lambda items, options: extreme(items, options, min),
    "list.largest": lambda items, options: extreme(items, options, max),
}
