"""What an app is: a folder with an ``app.py`` that holds one ``APP``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AuthField:
    """One field of a connection. A secret is encrypted and never shown again."""

    name: str
    title: str
    help: str = ""
    secret: bool = False
    required: bool = False


@dataclass(frozen=True)
class Call:
    """What an action's run function gets: checked inputs, the connection's fields, the idempotency key
    (``{run id}:{step id}``), the run's context (visitor, account, row, arrival), and ``http``, the guarded client
    (``apps.outbound.Outbound``). It returns the step's outputs as JSON data, or raises an ``AppError``."""

    inputs: dict[str, Any]
    auth: dict[str, str]
    key: str
    context: dict[str, Any]
    http: Any


@dataclass(frozen=True)
class Action:
    id: str
    title: str
    help: str
    schema: dict[str, Any]  # JSON Schema of the inputs; "x-widget" and "x-secret" steer the form and the masks
    run: Callable[[Call], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class App:
    id: str
    name: str
    help: str
    actions: tuple[Action, ...]
    auth: tuple[AuthField, ...] = ()
    connection: str = "none"  # none, optional or required
    test: Callable[[Call], Awaitable[None]] | None = field(default=None)
