"""An action of an app."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from arrivals.engine import masks
from arrivals.engine.steps.contract import Call, Done, Outcome
from arrivals.errors import ArrivalsError, Permanent, Retryable
from arrivals.workflows import templates
from arrivals.workflows.actions import catalogue

SECONDS = 30.0
log = logging.getLogger(__name__)


async def execute(call: Call, shown: dict[str, Any]) -> Outcome:
    """Outputs: those of the action."""
    step = call.step
    schema = catalogue().schema(step["app"], step["action"]) or {}
    inputs = rendered(step["inputs"], schema, call.context)
    shown |= inputs
    result = await done(call, step["app"], step["action"], inputs)
    return Done(result, masks.masked(inputs, schema))


def rendered(inputs: Mapping[str, Any], schema: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with their templates filled in, and texts made what the schema wants where a template gave them.

    An optional input that comes out empty is left out.

    Raises:
        Permanent: a required input is empty, or a number or truth value is not one; the path names it.
    """
    ready: dict[str, Any] = {}
    properties = schema.get("properties", {})
    for name, value in inputs.items():
        filled = templates.render_value(value, context)
        if isinstance(value, str) and templates.is_template(value):
            if filled.strip() == "" and name not in schema.get("required", ()):
                continue
            filled = _cast(filled, properties.get(name, {}).get("type"), name)
        ready[name] = filled
    for name in schema.get("required", ()):
        if ready.get(name) in (None, ""):
            raise Permanent("It is required, and empty for this visitor.", path=f"inputs.{name}")
    return ready


def previewed(step: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """The inputs of a step of any type, as it would be done with them, secrets masked. Raises Permanent as doing it would."""
    if step["type"] == "action":
        schema = catalogue().schema(step["app"], step["action"]) or {}
        return masks.capped(masks.masked(rendered(step["inputs"], schema, context), schema))
    own = {key: value for key, value in step.items() if key not in ("id", "type", "name", "on_error", "connection")}
    return masks.capped(masks.masked(templates.render_value(own, context)))


async def done(call: Call, app: str, action: str, inputs: dict[str, Any], *, key: str = "") -> dict[str, Any]:
    """Do an action with the step's connection, within 30 s; return its outputs, capped. Raises AppError."""
    try:
        async with asyncio.timeout(SECONDS):
            result = await call.actions.run(
                app,
                action,
                connection_id=call.step.get("connection") or "",
                inputs=inputs,
                key=key or call.key,
                context=dict(call.context),
            )
            return dict(masks.capped(result))
    except TimeoutError as error:
        raise Retryable(f"The step took longer than {SECONDS:.0f} s.") from error
    except ArrivalsError:
        raise
    except orjson.JSONEncodeError as error:
        # It was done, so trying again would do it twice.
        raise Permanent("What the action gave back cannot be kept as JSON.") from error
    except Exception as error:
        log.exception("Step %s of %s failed inside Arrivals.", call.step["id"], call.run)
        raise Retryable("Something went wrong inside Arrivals; the log says what.") from error


def _cast(text: str, type_: Any, name: str) -> Any:
    wanted = type_ if isinstance(type_, list) else [type_]
    if "string" in wanted or not set(wanted) & {"integer", "number", "boolean"}:
        return text
    try:
        if "boolean" in wanted:
            return {"true": True, "false": False}[text.strip().lower()]
        number = float(text)
        return int(number) if "integer" in wanted or number.is_integer() else number
    except (ValueError, KeyError, OverflowError) as error:
        raise Permanent(f"It must be a {wanted[0]}; it became {text!r:.40}.", path=f"inputs.{name}") from error
