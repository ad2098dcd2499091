"""A path in a row -> the value there, and the row (or a part of it) as one JSON object."""

from collections.abc import Iterable, Mapping

import orjson

from arrivals.audience.aggregation import values
from arrivals.audience.aggregation.building import Builder, Path
from arrivals.audience.aggregation.expressions import Part
from arrivals.audience.aggregation.values import Column, Value


def at(builder: Builder, fields: Mapping[Path, Column], path: Path) -> Value:
    """The value at ``path``: a field, an object of several, a part of a field's JSON; null where there is nothing."""
    if path in fields:
        return values.of(fields[path])
    for size in range(len(path) - 1, 0, -1):
        column = fields.get(path[:size])
        if column is not None:
            return inside(builder, values.of(column), path[size:])
    inner = {own[len(path) :]: column for own, column in fields.items() if own[: len(path)] == path}
    return whole(builder, inner) if inner else values.NULL


def inside(builder: Builder, value: Value, rest: tuple[Part, ...]) -> Value:
    """The part of a JSON value at ``rest``. A metadata field may also have a dotted name."""
    if value.kind != "json":
        return values.NULL
    found = _extracted(builder, value, rest)
    if len(rest) > 1 and all(isinstance(part, str) for part in rest):
        flat = _extracted(builder, value, (".".join(map(str, rest)),))
        found = f"coalesce({found}, {flat})"
    return values.made(found, "json", value)


def whole(builder: Builder, fields: Mapping[Path, Column]) -> Value:
    """An object of these fields, as JSON."""
    pieces, used = _pieces(builder, fields)
    return Value(f"CAST(concat({', '.join(pieces)}) AS Nullable(String))", "json", frozenset(used))


def root(builder: Builder, fields: Mapping[Path, Column]) -> str:
    """A whole row as the text of a JSON object."""
    pieces, _ = _pieces(builder, fields)
    return f"concat({', '.join(pieces)})"


def _pieces(builder: Builder, fields: Mapping[Path, Column]) -> tuple[list[str], set[Column]]:
    """What to concatenate, the names bound: runs of braces, names and commas between the values."""
    pieces: list[str] = []
    used: set[Column] = set()
    literal = "{"

    def walk(entries: Iterable[tuple[Path, Column]]) -> None:
        nonlocal literal
        groups: dict[Part, list[tuple[Path, Column]]] = {}
        for path, column in entries:
            groups.setdefault(path[0], []).append((path[1:], column))
        for number, (name, inner) in enumerate(groups.items()):
            literal += ("," if number else "") + orjson.dumps(str(name)).decode() + ":"
            if len(inner) == 1 and not inner[0][0]:
                column = inner[0][1]
                used.add(column)
                pieces.extend([builder.text(literal), values.shown(values.of(column))])
                literal = ""
            else:
                literal += "{"
                walk(inner)
                literal += "}"

    walk(fields.items())
    pieces.append(builder.text(literal + "}"))
    return (pieces if len(pieces) > 1 else [*pieces, "''"]), used


def _extracted(builder: Builder, value: Value, rest: tuple[Part, ...]) -> str:
    path = ", ".join(
        builder.bind.add(part + 1, "Int64") if isinstance(part, int) else builder.text(part) for part in rest
    )
    return f"nullIf(nullIf(JSONExtractRaw(ifNull({value.sql}, ''), {path}), ''), 'null')"
