"""What a step is given, and what may come of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from arrivals.engine.bucket import Limits
from arrivals.engine.program import Place


class Actions(Protocol):
    """The apps' side (``arrivals.apps.catalogue.Catalogue``)."""

    async def run(
        self, app: str, action: str, *, connection_id: str, inputs: dict[str, Any], key: str, context: dict[str, Any]
    ) -> dict[str, Any]:
        """Do it once; return its outputs (JSON). ``key`` is the Idempotency-Key. Raises AppError and its kinds."""
        ...

    async def limits(self, connection_id: str) -> Limits:
        """How many calls the connection takes."""
        ...

    async def mark_stale(self, connection_id: str, reason: str) -> None:
        """The connection's credentials are no longer accepted."""
        ...


@dataclass(frozen=True)
class Call:
    """One try of one step of one run.

    ``context``: what templates see. ``key``: the Idempotency-Key, the same for each try. ``waited``: for a step that asked to be
    done again when its wait is over (``Later.again``), the outputs that it gave then; None the first time. ``db`` does SQL in the
    runner's thread. ``test``: somebody tries the step out: nothing waits, and nothing is kept but the result.
    """

    run: str
    workflow: str
    version: int
    place: Place
    step: Mapping[str, Any]
    context: Mapping[str, Any]
    key: str
    actions: Actions
    db: Callable[..., Awaitable[Any]]
    waited: Mapping[str, Any] | None = None
    test: bool = False


# Done inside the transaction that records the step, and so exactly as often as that.
Also = Callable[[], None]


@dataclass(frozen=True)
class Done:
    """It was done; the run goes on. ``inputs`` as they are kept in the history, secrets masked."""

    outputs: dict[str, Any]
    inputs: Any = field(default_factory=dict)
    also: Also | None = None


@dataclass(frozen=True)
class Refused:
    """A filter did not let it through: the block that it stands in ends here."""

    outputs: dict[str, Any]
    inputs: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Later:
    """The run waits as a row until ``due``, and then goes on; with ``again`` this step is done once more then, and sees its
    ``outputs`` as ``Call.waited``."""

    due: datetime
    outputs: dict[str, Any]
    inputs: Any = field(default_factory=dict)
    again: bool = False
    also: Also | None = None


@dataclass(frozen=True)
class Ended:
    """The run is at its end here, and succeeded: what comes after this step is done by another run, or by none."""

    outputs: dict[str, Any]
    inputs: Any = field(default_factory=dict)
    also: Also | None = None


Outcome = Done | Refused | Later | Ended
# Raises ArrivalsError. What was rendered before that goes into ``shown``, for the history.
Execute = Callable[[Call, dict[str, Any]], Awaitable[Outcome]]
