"""How many calls a connection takes: what may be set, and what holds."""

from typing import Any

from arrivals.apps import registry
from arrivals.apps.models import Connection
from arrivals.engine.bucket import Limits
from arrivals.errors import InvalidConnection

MOST = {"calls": 100_000, "seconds": 86_400, "at_once": 1_000}


def parse(data: Any) -> dict[str, int] | None:
    """Limits as they are stored: ``{"calls": 30, "seconds": 1, "at_once": 5}``, where 0 (or left out) is any number. None: the app's.

    Raises:
        InvalidConnection: with the path of the wrong part and what is allowed.
    """
    if data is None:
        return None
    if not isinstance(data, dict):
        raise InvalidConnection("It must be an object with calls, seconds and at_once, or null.", path="limits")
    for name, value in data.items():
        if name not in MOST:
            raise InvalidConnection(
                f"There is no {name!r:.60}; allowed are {', '.join(MOST)}.", path=f"limits.{name:.60}"
            )
        low = 1 if name == "seconds" else 0
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= MOST[name]:
            raise InvalidConnection(f"It must be a whole number from {low} to {MOST[name]}.", path=f"limits.{name}")
    return Limits(data.get("calls", 0), data.get("seconds", 1), data.get("at_once", 0)).as_dict()


def of(connection: Connection) -> Limits:
    """What holds for a connection."""
    return Limits(**connection.limits) if connection.limits else default(connection.app)


def default(app: str) -> Limits:
    """What holds where nothing is set."""
    return registry.APPS[app].limits if app in registry.APPS else Limits()
