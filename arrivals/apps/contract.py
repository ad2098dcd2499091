"""What an app is: a folder with an ``app.py`` that holds one ``APP``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arrivals.apps.outbound import Outbound
from arrivals.engine.bucket import NO_LIMITS, Limits


@dataclass(frozen=True)
class AuthField:
    """One field of a connection. A secret is encrypted and never shown again. ``choices`` are suggestions."""

    name: str
    title: str
    help: str = ""
    secret: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """What an action's run function gets.

    ``inputs`` fit the schema. ``auth`` are the connection's fields (empty without one). ``key`` is the idempotency key,
    ``{run id}:{step id}``. ``context`` is the run's input: visitor, account, row, arrival. ``http`` is the guarded
    client. It returns the step's outputs as JSON data, or raises an ``AppError``.
    """

    inputs: dict[str, Any]
    auth: Mapping[str, str]
    key: str
    context: Mapping[str, Any]
    http: Outbound


@dataclass(frozen=True)
class Action:
    """Something an app can do. ``schema`` is the JSON Schema of its inputs; "x-widget" and "x-secret" steer the form
    and the masks. ``finds``: it looks for something, changes nothing, and gives ``found``, true or false, beside what it found;
    a step that finds or creates may use it."""

    id: str
    title: str
    help: str
    schema: dict[str, Any]
    run: Callable[[Call], Awaitable[dict[str, Any]]]
    finds: bool = False


@dataclass(frozen=True)
class App:
    """``connection`` is none, optional or required. ``check`` says what is wrong with a connection's fields together, or
    None; ``test`` tries a connection and raises an ``AppError`` when it does not work. ``tested_first``: fields that do
    not pass the test are not stored. ``limits``: how many calls one of its connections takes, where none are set. ``halts_without``: a connection that
    was deleted means that nobody wants its calls any more, so that what is under way is halted and has not failed."""

    id: str
    name: str
    help: str
    actions: tuple[Action, ...]
    auth: tuple[AuthField, ...] = ()
    connection: str = "none"
    check: Callable[[Mapping[str, str]], str | None] | None = None
    test: Callable[[Call], Awaitable[None]] | None = None
    tested_first: bool = False
    limits: Limits = NO_LIMITS
    halts_without: bool = False


def schema(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
