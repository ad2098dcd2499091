"""Liquid templates (python-liquid) over JSON data; nothing of the host language can be reached from them.

A missing value is empty. Loops and output are limited, and there is no way to load files.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from liquid import BoundTemplate, Environment, is_undefined
from liquid.exceptions import LiquidError, ResourceLimitError

from arrivals.errors import InvalidDefinition, Permanent

MOST_OUTPUT = 256 * 1024
NAMES = (
    "visitor", "account", "row", "response", "arrival", "workflow", "links", "steps", "now", "today", "loop", "error", "event",
    "webhook", "schedule", "run", "input",
)  # fmt: skip


class Limited(Environment):
    """Liquid's environment, with limits on what one template may use."""

    loop_iteration_limit = 10_000
    output_stream_limit = MOST_OUTPUT
    local_namespace_limit = 1_000_000
    context_depth_limit = 20


def _json(value: Any) -> str:
    return "null" if is_undefined(value) else orjson.dumps(value, default=str).decode()


def _slack(value: Any) -> Any:
    """A value in Slack's markup, in which & < > would else begin a mention such as <!channel>."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if isinstance(value, str) else value


_environment = Limited()
_environment.filters["json"] = _json
_environment.filters["slack"] = _slack


# Most templates are texts with names in them, such as "{{ visitor.id }} scored {{ row.nps_score }}".
NAMED = re.compile(r"\{\{ *([a-z_]\w*(?:\.[a-z_]\w*)+) *\}\}")
RESERVED = ("size", "first", "last")  # Liquid's own names for parts of a value


@lru_cache(maxsize=4096)
def _pieces(text: str) -> tuple[str | tuple[str, ...], ...] | None:
    """Texts and paths by turns, when that is all there is in a template; None: it takes Liquid to read it."""
    parts = NAMED.split(text)
    if any("{{" in part or "{%" in part or "}}" in part for part in parts[::2]):
        return None
    paths = [tuple(part.split(".")) for part in parts[1::2]]
    if any(path[-1] in RESERVED for path in paths):
        return None
    return tuple(paths[at // 2] if at % 2 else part for at, part in enumerate(parts))


def _filled(pieces: tuple[str | tuple[str, ...], ...], context: Mapping[str, Any]) -> str | None:
    """The pieces put together as Liquid does it; None when a value is not a plain text, whole number or missing."""
    done = []
    for piece in pieces:
        if isinstance(piece, str):
            done.append(piece)
            continue
        value: Any = context
        for name in piece:
            value = value.get(name) if isinstance(value, (dict, Mapping)) else None  # of a dict it is known at once
        if value is None:
            continue
        if isinstance(value, str):
            done.append(value)
        elif type(value) is int:
            done.append(str(value))
        else:
            return None
    return "".join(done)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> BoundTemplate:
    return _environment.from_string(text)


def is_template(text: str) -> bool:
    """Whether there is anything to render."""
    return "{{" in text or "{%" in text


def check(text: str) -> str | None:
    """The sentence that says what is wrong with a template, or None. A name or filter that no run knows is wrong."""
    try:
        used = _parsed(text).analyze(include_partials=False)
    except LiquidError as error:
        return f"The template is wrong: {error.message}."
    for name in used.filters:
        if name not in _environment.filters:
            return f"The template is wrong: there is no filter {name!r:.60}."
    for name in used.globals:
        if name not in NAMES:
            return f"The template is wrong: there is nothing called {name!r:.60}; there are {', '.join(NAMES)}."
    return None


def named(text: str) -> list[tuple[Any, ...]]:
    """What a template names outside of itself, each as its pieces: ("steps", "find", "items"). Empty when it cannot be read."""
    try:
        used = _parsed(text).analyze(include_partials=False)
    except LiquidError:
        return []
    return [tuple(one.segments) for many in used.globals.values() for one in many]


def check_value(value: Any, path: str) -> None:
    """Check every template in a JSON value. Raises InvalidDefinition with the path of a wrong one."""
    if isinstance(value, str):
        if is_template(value) and (problem := check(value)):
            raise InvalidDefinition(problem, path=path)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            check_value(one, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            check_value(one, f"{path}.{key}")


def render(text: str, context: Mapping[str, Any]) -> str:
    """Fill in a template.

    Raises:
        Permanent: it uses more than it may, or a filter cannot take its value.
    """
    if not is_template(text):
        return text
    pieces = _pieces(text)
    if pieces is not None and (filled := _filled(pieces, context)) is not None and len(filled) <= MOST_OUTPUT:
        return filled
    try:
        return _parsed(text).render(**context)
    except ResourceLimitError as error:
        raise Permanent("A template loops or prints more than it may.") from error
    except LiquidError as error:
        raise Permanent(f"A template cannot be filled in: {error.message}.") from error


def value_of(value: Any, context: Mapping[str, Any]) -> Any:
    """What a JSON value means: a text that is one name in braces, such as "{{ steps.find.items }}", is the value of that name
    with its own type (None when it is missing); any other as ``render_value`` fills it in."""
    if isinstance(value, str):
        pieces = _pieces(value.strip())
        if pieces is not None and len(pieces) == 3 and pieces[0] == pieces[2] == "" and isinstance(pieces[1], tuple):
            found: Any = context
            for name in pieces[1]:
                found = found.get(name) if isinstance(found, Mapping) else None
            return found
    return render_value(value, context)


def values_of(value: Any, context: Mapping[str, Any]) -> Any:
    """As ``value_of``, for each text of a list or an object too."""
    if isinstance(value, list):
        return [values_of(one, context) for one in value]
    if isinstance(value, dict):
        return {key: values_of(one, context) for key, one in value.items()}
    return value_of(value, context)


def render_value(value: Any, context: Mapping[str, Any]) -> Any:
    """Fill in every text of a JSON value; keys of objects stay as they are. Raises as ``render``."""
    if isinstance(value, str):
        return render(value, context)
    if isinstance(value, list):
        return [render_value(one, context) for one in value]
    if isinstance(value, dict):
        return {key: render_value(one, context) for key, one in value.items()}
    return value
