"""Liquid templates (python-liquid) over JSON data; nothing of the host language can be reached from them.

A missing value is empty. Loops and output are limited, and there is no way to load files.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError, ResourceLimitError

from arrivals.errors import Permanent

MOST_OUTPUT = 256 * 1024


class Limited(Environment):
    """Liquid's environment, with limits on what one template may use."""

    loop_iteration_limit = 10_000
    output_stream_limit = MOST_OUTPUT
    local_namespace_limit = 1_000_000
    context_depth_limit = 20


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


_environment = Limited()
_environment.filters["json"] = _json


@lru_cache(maxsize=4096)
def _parsed(text: str) -> BoundTemplate:
    return _environment.from_string(text)


def is_template(text: str) -> bool:
    """Whether there is anything to render."""
    return "{{" in text or "{%" in text


def check(text: str) -> str | None:
    """The sentence that says what is wrong with a template, or None."""
    try:
        _parsed(text)
    except LiquidError as error:
        return f"The template is wrong: {error.message}."
    return None


def render(text: str, context: Mapping[str, Any]) -> str:
    """Fill in a template.

    Raises:
        Permanent: it uses more than it may, or a filter cannot take its value.
    """
    if not is_template(text):
        return text
    try:
        return _parsed(text).render(**context)
    except ResourceLimitError as error:
        raise Permanent("A template loops or prints more than it may.") from error
    except LiquidError as error:
        raise Permanent(f"A template cannot be filled in: {error.message}.") from error


def render_value(value: Any, context: Mapping[str, Any]) -> Any:
    """Fill in every text of a JSON value; keys of objects stay as they are. Raises as ``render``."""
    if isinstance(value, str):
        return render(value, context)
    if isinstance(value, list):
        return [render_value(one, context) for one in value]
    if isinstance(value, dict):
        return {key: render_value(one, context) for key, one in value.items()}
    return value
