"""One step of one run: rendered, done, and what came of it."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import orjson

from arrivals import clock
from arrivals.engine import masks, retry
from arrivals.engine.store import Claimed, Settled
from arrivals.errors import AppError, ArrivalsError, AuthorisationExpired, Permanent, Retryable
from arrivals.workflows import conditions, links, templates
from arrivals.workflows.actions import catalogue

SECONDS = 30.0
LEASE = timedelta(seconds=15)
log = logging.getLogger(__name__)


class Actions(Protocol):
    """The apps' side (``arrivals.apps.catalogue.Catalogue``)."""

    async def run(
        self, app: str, action: str, *, connection_id: str, inputs: dict[str, Any], key: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        """Do it once; return its outputs (JSON). ``key`` is the Idempotency-Key. Raises AppError and its kinds."""
        ...

    async def mark_stale(self, connection_id: str, reason: str) -> None:
        """The connection's credentials are no longer accepted."""
        ...


async def step(
    run: Claimed, number: int, definition: Mapping[str, Any], outputs: dict[str, Any], tries: int, actions: Actions
) -> Settled:
    """Do step ``number`` of the definition. ``outputs`` of earlier steps are seen by its templates; ``tries`` counted
    before this one. Never raises: an error becomes part of what is returned."""
    steps = definition["steps"]
    data = steps[number]
    context = {**run.input, "links": links.of(run.id, run.input), "steps": outputs}
    began = clock.now()
    inputs: Any = {}
    try:
        if data["type"] == "filter":
            passed = conditions.passes(data["all"], context)
            inputs = {"all": data["all"]}
            ended = clock.now()
            over = not passed or number + 1 == len(steps)
            state = ("succeeded" if passed else "filtered") if over else "running"
            due = None if over else ended + LEASE
            status = "succeeded" if passed else "filtered"
            return Settled(
                run.id,
                number,
                data["id"],
                status,
                1,
                inputs,
                {"passed": passed},
                None,
                began,
                ended,
                state,
                number + 1,
                0,
                due,
            )
        schema = catalogue().schema(data["app"], data["action"]) or {}
        inputs = rendered(data["inputs"], schema, context)
        result = await _call(run, data, inputs, actions)
        inputs = masks.masked(inputs, schema)
    except ArrivalsError as error:
        inputs = masks.masked(inputs)
        return await _failed(run, number, data, inputs, error, began, tries, actions)
    outputs[data["id"]] = result
    ended = clock.now()
    over = number + 1 == len(steps)
    state, due = ("succeeded", None) if over else ("running", ended + LEASE)
    return Settled(
        run.id,
        number,
        data["id"],
        "succeeded",
        1,
        masks.capped(inputs),
        result,
        None,
        began,
        ended,
        state,
        number + 1,
        0,
        due,
    )


def rendered(inputs: Mapping[str, Any], schema: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with their templates filled in, and texts made what the schema wants where a template gave them.

    An optional input that comes out empty is left out.

    Raises:
        Permanent: a required input is empty, or a number or truth value is not one; the path names it.
    """
    done: dict[str, Any] = {}
    properties = schema.get("properties", {})
    for name, value in inputs.items():
        filled = templates.render_value(value, context)
        if isinstance(value, str) and templates.is_template(value):
            if filled.strip() == "" and name not in schema.get("required", ()):
                continue
            filled = _cast(filled, properties.get(name, {}).get("type"), name)
        done[name] = filled
    for name in schema.get("required", ()):
        if done.get(name) in (None, ""):
            raise Permanent("It is required, and empty for this visitor.", path=f"inputs.{name}")
    return done


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


async def _call(run: Claimed, data: Mapping[str, Any], inputs: dict[str, Any], actions: Actions) -> dict[str, Any]:
    try:
        async with asyncio.timeout(SECONDS):
            result = await actions.run(
                data["app"],
                data["action"],
                connection_id=data.get("connection") or "",
                inputs=inputs,
                key=f"{run.id}:{data['id']}",
                context=run.input,
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
        log.exception("Step %s of %s failed inside Arrivals.", data["id"], run.id)
        raise Retryable("Something went wrong inside Arrivals; the log says what.") from error


async def _failed(
    run: Claimed,
    number: int,
    data: Mapping[str, Any],
    inputs: Any,
    error: ArrivalsError,
    began: Any,
    tries: int,
    actions: Actions,
) -> Settled:
    known = (
        error
        if isinstance(error, AppError)
        else (Permanent if error.permanent else Retryable)(error.message, path=error.path)
    )
    connection = data.get("connection") or ""
    if isinstance(known, AuthorisationExpired):
        if connection:
            await actions.mark_stale(connection, known.message)
        else:  # nothing that could be reconnected, so nothing to be held for
            known = Permanent(known.message, path=known.path)
    now = clock.now()
    verdict = retry.after(known, tries=tries + 1, started_at=run.started_at, now=now)
    held = connection if verdict.state == "held" else ""
    shown = masks.capped(inputs)
    return Settled(
        run.id, number, data["id"], verdict.status, 1, shown, None, known.as_dict(), began, now,
        verdict.state, number, verdict.tries, verdict.due, held,
    )  # fmt: skip
